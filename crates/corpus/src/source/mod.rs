//! Reading documents from files, one module a format.

mod folder;
mod jsonl;
mod manifest;
#[cfg_attr(not(feature = "parquet"), path = "no_parquet.rs")]
mod parquet_file;
mod published;
mod text;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::config::{DataConfig, Format, Splits};
use crate::document::{Document, Split};
use crate::error::CorpusError;
use crate::manifest::MANIFEST_FILE;
use folder::{Found, Repetition, Walk};
use published::{Published, said_by};

/// Documents, and what their user should know about how they were found.
#[derive(Debug, Default)]
pub struct Documents {
    /// The documents, in the order of the paths; files of a folder sorted by path.
    pub documents: Vec<Document>,
    /// Sentences: what was left out, and where the splits come from if not from where one expects.
    pub notes: Vec<String>,
}

/// The documents of all paths of a config.
///
/// A file is read once, however many links or paths lead to it; in folders, names that begin with a dot
/// are left out. A manifest says which split a document belongs to. For the other formats it is what the
/// file's name says ([`Splits::Names`]), else [`Split::by_name`] with the config's fractions. Names do not
/// depend on where the files lie.
///
/// # Errors
/// See [`CorpusError`]: paths that do not exist or hold nothing, files that are damaged, not UTF-8,
/// or lack the field.
pub fn read_documents(config: &DataConfig) -> Result<Documents, CorpusError> {
    config.validate()?;
    let (sources, mut notes) = Sources::find(config)?;
    let published = Published::of(&sources.said());
    notes.extend(published.note());
    let (valid, test) = (config.valid_fraction, config.test_fraction);
    let documents = sources.read(config, &|said, document| {
        published.split(said, document, valid, test)
    })?;
    Ok(Documents { documents, notes })
}

/// The documents of `split` where a manifest or names of files say which those are, all documents elsewhere.
///
/// # Errors
/// As [`read_documents`].
pub(crate) fn read_held_out(config: &DataConfig, split: Split) -> Result<Documents, CorpusError> {
    let (sources, mut notes) = Sources::find(config)?;
    let is_published = sources.said().contains(&Some(split));
    if is_published {
        notes.push(format!(
            "the {split} split is the files whose names say so; `data.splits = \"fractions\"` takes every document"
        ));
    }
    let mut documents = sources.read(config, &|said, _| match said {
        _ if !is_published => split,
        Some(said) => said,
        None => Split::Train,
    })?;
    documents.retain(|document| document.split == split);
    Ok(Documents { documents, notes })
}

/// Where the documents of a config are.
struct Sources<'a>(Vec<Source<'a>>);

/// Tells the split of a document from what its file says and its name.
type SplitOf<'a> = &'a dyn Fn(Option<Split>, &str) -> Split;

/// Where the documents of one path are.
struct Source<'a> {
    path: &'a Path,
    format: Format,
    files: Vec<File>,
}

struct File {
    path: PathBuf,
    /// The same on every machine.
    name: String,
    /// What its name says, or another name that leads to it.
    said: Option<Split>,
}

impl<'a> Sources<'a> {
    fn find(config: &'a DataConfig) -> Result<(Self, Vec<String>), CorpusError> {
        let mut walk = Walk::default();
        let mut sources = Vec::new();
        for path in &config.paths {
            sources.extend(Source::find(path, config.format, &mut walk)?);
        }
        if config.splits == Splits::Names {
            let files = sources.iter_mut().flat_map(|source| &mut source.files);
            hear_names(&mut files.collect::<Vec<_>>(), walk.repetitions());
        }
        Ok((Self(sources), walk.into_notes()))
    }

    /// What each file says.
    fn said(&self) -> Vec<Option<Split>> {
        let files = self.0.iter().flat_map(|source| &source.files);
        files.map(|file| file.said).collect()
    }

    fn read(&self, config: &DataConfig, split: SplitOf) -> Result<Vec<Document>, CorpusError> {
        let mut documents = Vec::new();
        for source in &self.0 {
            documents.extend(source.read(config, split)?);
        }
        Ok(documents)
    }
}

impl<'a> Source<'a> {
    /// Nothing if all that `path` leads to has been found before.
    fn find(path: &'a Path, format: Format, walk: &mut Walk) -> Result<Option<Self>, CorpusError> {
        let is_manifest = format == Format::Auto && path.join(MANIFEST_FILE).is_file();
        if is_manifest || format == Format::Manifest {
            return Ok(Some(Self {
                path,
                format: Format::Manifest,
                files: Vec::new(),
            }));
        }
        let wanted = |file: &Path| match format {
            Format::Auto => format_of(file).is_some(),
            format => format_of(file) == Some(format),
        };
        let Found { files, repeated } = walk.files(path, &wanted)?;
        if files.is_empty() {
            return if repeated {
                Ok(None)
            } else {
                Err(no_documents(path, format))
            };
        }
        let format = match format {
            Format::Auto => common_format(path, &files)?,
            format => format,
        };
        let file = |file: PathBuf| File {
            name: portable_name(path, &file),
            path: file,
            said: None,
        };
        Ok(Some(Self {
            path,
            format,
            files: files.into_iter().map(file).collect(),
        }))
    }

    fn read(&self, config: &DataConfig, split: SplitOf) -> Result<Vec<Document>, CorpusError> {
        if self.format == Format::Manifest {
            return manifest::read(self.path);
        }
        let mut documents = Vec::new();
        for File {
            path,
            name: file,
            said,
        } in &self.files
        {
            let texts = match self.format {
                Format::Jsonl => jsonl::read(path, file, &config.field)?,
                Format::Parquet => parquet_file::read(path, file, &config.field)?,
                _ => vec![(file.clone(), text::read(path)?)],
            };
            documents.extend(texts.into_iter().map(|(name, text)| Document {
                split: split(*said, &name),
                name,
                text,
            }));
        }
        if documents.is_empty() {
            return Err(CorpusError::NoDocuments {
                path: self.path.to_path_buf(),
                wanted: "records",
            });
        }
        Ok(documents)
    }
}

/// Lets files say what any of their names says: a folder `test` may hold links to files that lie elsewhere.
fn hear_names(files: &mut [&mut File], repetitions: &[Repetition]) {
    let others: Vec<String> = repetitions
        .iter()
        .map(|Repetition { root, again, .. }| portable_name(root, again))
        .collect();
    let names = files.iter().map(|file| &file.name).chain(&others);
    let common = common_folders(names.map(String::as_str));
    for file in &mut *files {
        file.said = said_by(below(&file.name, &common));
    }
    let by_path: HashMap<PathBuf, usize> = (0..files.len())
        .map(|index| (files[index].path.clone(), index))
        .collect();
    for (Repetition { first, .. }, name) in repetitions.iter().zip(&others) {
        let said = said_by(below(name, &common));
        if let Some(index) = by_path.get(first) {
            files[*index].said = files[*index].said.max(said);
        } else {
            // A folder that was entered.
            let inside = files.iter_mut().filter(|file| file.path.starts_with(first));
            inside.for_each(|file| file.said = file.said.max(said));
        }
    }
}

/// The folders that lead to all of these files, with a slash after each. They tell no file from another, so what their
/// names say about splits does not count: `training-data/test.jsonl` is a test set.
fn common_folders<'a>(mut names: impl Iterator<Item = &'a str>) -> String {
    let folders = |name: &'a str| name.rsplit_once('/').map_or("", |(folders, _)| folders);
    let first = names.next().map_or("", folders);
    let mut common: Vec<&str> = first.split('/').collect();
    for name in names {
        let same = folders(name).split('/').zip(&common);
        let same = same.take_while(|(a, b)| a == *b).count();
        common.truncate(same);
    }
    let common = common.into_iter().filter(|folder| !folder.is_empty());
    common.map(|folder| format!("{folder}/")).collect()
}

/// `name` without the folders `common`, where it begins with them.
fn below<'a>(name: &'a str, common: &str) -> &'a str {
    name.strip_prefix(common).unwrap_or(name)
}

/// The format that all files have.
fn common_format(path: &Path, files: &[PathBuf]) -> Result<Format, CorpusError> {
    let mut formats: Vec<Format> = files.iter().filter_map(|file| format_of(file)).collect();
    formats.dedup();
    match formats[..] {
        [format] => Ok(format),
        [] => Err(no_documents(path, Format::Auto)),
        _ => Err(CorpusError::UnknownFormat {
            path: path.to_path_buf(),
            message: "holds files of several formats".to_owned(),
        }),
    }
}

fn no_documents(path: &Path, format: Format) -> CorpusError {
    CorpusError::NoDocuments {
        path: path.to_path_buf(),
        wanted: match format {
            Format::Text => ".txt files",
            Format::Jsonl => ".jsonl files",
            Format::Parquet => ".parquet files",
            Format::Auto | Format::Manifest => "manifest.json, .txt, .jsonl or .parquet files",
        },
    }
}

fn format_of(file: &Path) -> Option<Format> {
    match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "txt" => Some(Format::Text),
        "jsonl" => Some(Format::Jsonl),
        "parquet" => Some(Format::Parquet),
        _ => None,
    }
}

/// `folder/inner/file.txt` for a file in the folder of a config, `file.txt` for a file of it:
/// the same on every machine, so that splits and hashes are too.
fn portable_name(path: &Path, file: &Path) -> String {
    let base = path.parent().unwrap_or(Path::new(""));
    let relative = file.strip_prefix(base).unwrap_or(file);
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}
