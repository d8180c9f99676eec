//! Reading documents from files, one module a format.

mod jsonl;
mod manifest;
mod parquet_file;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{DataConfig, Format};
use crate::document::{Document, Split};
use crate::error::CorpusError;
use crate::manifest::MANIFEST_FILE;

/// The documents of all paths of a config, in order; files of a folder sorted by path.
///
/// A manifest says which split a document belongs to; for the other formats it is
/// [`Split::by_name`] with the config's fractions. Names do not depend on where the files lie.
///
/// # Errors
/// See [`CorpusError`]: paths that do not exist or hold nothing, files that are damaged, not UTF-8,
/// or lack the field.
pub fn read_documents(config: &DataConfig) -> Result<Vec<Document>, CorpusError> {
    config.validate()?;
    let mut documents = Vec::new();
    for path in &config.paths {
        // A plain message for the commonest mistake, whatever the format.
        fs::metadata(path).map_err(CorpusError::io("read", path))?;
        match resolve(path, config.format)? {
            Format::Manifest => documents.extend(manifest::read(path)?),
            format => documents.extend(read_files(path, format, config)?),
        }
    }
    Ok(documents)
}

/// The documents of `split` where a manifest says which those are, all documents elsewhere.
///
/// # Errors
/// As [`read_documents`].
pub(crate) fn read_held_out(
    config: &DataConfig,
    split: Split,
) -> Result<Vec<Document>, CorpusError> {
    let mut documents = Vec::new();
    for path in &config.paths {
        fs::metadata(path).map_err(CorpusError::io("read", path))?;
        match resolve(path, config.format)? {
            Format::Manifest => {
                let all = manifest::read(path)?;
                documents.extend(all.into_iter().filter(|document| document.split == split));
            }
            format => {
                let all = read_files(path, format, config)?;
                documents.extend(
                    all.into_iter()
                        .map(|document| Document { split, ..document }),
                );
            }
        }
    }
    Ok(documents)
}

fn read_files(
    path: &Path,
    format: Format,
    config: &DataConfig,
) -> Result<Vec<Document>, CorpusError> {
    let mut texts: Vec<(String, String)> = Vec::new();
    for file in files_of(path, format)? {
        let name = portable_name(path, &file);
        match format {
            Format::Jsonl => texts.extend(jsonl::read(&file, &name, &config.field)?),
            Format::Parquet => texts.extend(parquet_file::read(&file, &name, &config.field)?),
            _ => texts.push((name, text::read(&file)?)),
        }
    }
    if texts.is_empty() {
        return Err(CorpusError::NoDocuments {
            path: path.to_path_buf(),
            wanted: "records",
        });
    }
    let documents = texts.into_iter().map(|(name, text)| Document {
        split: Split::by_name(&name, config.valid_fraction, config.test_fraction),
        name,
        text,
    });
    Ok(documents.collect())
}

/// What `Auto` means for this path; other formats are themselves.
fn resolve(path: &Path, format: Format) -> Result<Format, CorpusError> {
    if format != Format::Auto {
        return Ok(format);
    }
    if path.join(MANIFEST_FILE).is_file() {
        return Ok(Format::Manifest);
    }
    let mut formats: Vec<Format> = list_files(path)?
        .iter()
        .filter_map(|file| format_of(file))
        .collect();
    formats.dedup();
    match formats[..] {
        [format] => Ok(format),
        [] => Err(CorpusError::NoDocuments {
            path: path.to_path_buf(),
            wanted: "manifest.json, .txt, .jsonl or .parquet files",
        }),
        _ => Err(CorpusError::UnknownFormat {
            path: path.to_path_buf(),
            message: "holds files of several formats".to_owned(),
        }),
    }
}

fn format_of(file: &Path) -> Option<Format> {
    match file.extension()?.to_str()? {
        "txt" => Some(Format::Text),
        "jsonl" => Some(Format::Jsonl),
        "parquet" => Some(Format::Parquet),
        _ => None,
    }
}

/// The files to read: `path` itself, or those inside it with the format's extension.
fn files_of(path: &Path, format: Format) -> Result<Vec<PathBuf>, CorpusError> {
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = list_files(path)?;
    files.retain(|file| format_of(file) == Some(format));
    if files.is_empty() {
        return Err(CorpusError::NoDocuments {
            path: path.to_path_buf(),
            wanted: match format {
                Format::Jsonl => ".jsonl files",
                Format::Parquet => ".parquet files",
                _ => ".txt files",
            },
        });
    }
    Ok(files)
}

/// All files below `path`, or `path` itself, sorted.
fn list_files(path: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(CorpusError::io("list", path))? {
        let entry = entry.map_err(CorpusError::io("list", path))?;
        files.extend(list_files(&entry.path())?);
    }
    files.sort();
    Ok(files)
}

/// `folder/inner/file.txt` for a file in the folder of a config, `file.txt` for a file of it:
/// the same on every machine, so that splits and hashes are too.
fn portable_name(path: &Path, file: &Path) -> String {
    let base = path.parent().unwrap_or(Path::new(""));
    let relative = file.strip_prefix(base).unwrap_or(file);
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}
