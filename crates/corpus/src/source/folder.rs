//! The files under the paths of a config, each of them once.

use std::collections::HashMap;
use std::fs::{self, DirEntry, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::CorpusError;

/// How many repetitions are named one by one; the rest is a number.
const NAMED: usize = 3;

/// What tells two files apart, whatever they are called: device and inode.
type Identity = (u64, u64);

/// Walks over paths and remembers where it has been.
///
/// A file that is reached a second time, by a symbolic or a hard link or by two paths of a config, is left
/// out there, and a folder that is reached a second time is not entered: a link to a folder above would
/// otherwise give every file forty times, with copies in all splits.
#[derive(Default)]
pub(super) struct Walk {
    seen: HashMap<Identity, PathBuf>,
    repeated: Vec<Repetition>,
    special: Vec<PathBuf>,
    hidden: Vec<PathBuf>,
    /// The path of the config that is walked over.
    root: PathBuf,
    /// What was found below it.
    files: Vec<PathBuf>,
    /// Links below it that are not followed yet.
    links: Vec<PathBuf>,
}

/// A file or folder that was reached a second time.
pub(super) struct Repetition {
    /// The path of the config below which that was.
    pub root: PathBuf,
    /// Its path there.
    pub again: PathBuf,
    /// Its path at first.
    pub first: PathBuf,
}

/// What a walk over one path has found.
pub(super) struct Found {
    /// The files, sorted by path.
    pub files: Vec<PathBuf>,
    /// Whether something was left out because it had been found before.
    pub repeated: bool,
}

impl Walk {
    /// `path` itself if it is a file, else all files below it that are `wanted`; the latter without those
    /// whose name begins with a dot, which are a system's or an editor's.
    ///
    /// Links are followed after everything else, so that a file keeps its own name where it has one.
    ///
    /// # Errors
    /// [`CorpusError::Io`] for a folder that cannot be listed and for a wanted link that leads nowhere.
    pub fn files(
        &mut self,
        path: &Path,
        wanted: &dyn Fn(&Path) -> bool,
    ) -> Result<Found, CorpusError> {
        let before = self.repeated.len();
        let metadata = fs::metadata(path).map_err(CorpusError::io("read", path))?;
        path.clone_into(&mut self.root);
        if self.is_new(path, &metadata) {
            if metadata.is_dir() {
                self.enter(path, wanted)?;
                while let Some(link) = self.links.pop() {
                    self.follow(&link, wanted)?;
                }
            } else {
                self.files.push(path.to_path_buf());
            }
        }
        let mut files = std::mem::take(&mut self.files);
        files.sort();
        Ok(Found {
            files,
            repeated: self.repeated.len() > before,
        })
    }

    /// What was reached a second time, in order.
    pub fn repetitions(&self) -> &[Repetition] {
        &self.repeated
    }

    /// What was left out, in sentences for the user.
    pub fn into_notes(self) -> Vec<String> {
        let mut notes: Vec<String> = self
            .repeated
            .iter()
            .take(NAMED)
            .map(|Repetition { again, first, .. }| {
                format!(
                    "`{}` is `{}` again and is read once",
                    again.display(),
                    first.display()
                )
            })
            .collect();
        if self.repeated.len() > NAMED {
            notes.push(format!(
                "{} more files or folders are reached twice and read once",
                self.repeated.len() - NAMED
            ));
        }
        notes.extend(left_out(&self.hidden, "names that begin with a dot"));
        notes.extend(left_out(&self.special, "names of no regular file"));
        notes
    }

    fn enter(&mut self, folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<(), CorpusError> {
        let list = CorpusError::io("list", folder);
        let entries: std::io::Result<Vec<DirEntry>> =
            fs::read_dir(folder).and_then(Iterator::collect);
        let mut paths: Vec<PathBuf> = entries.map_err(list)?.iter().map(DirEntry::path).collect();
        paths.sort();
        for path in paths {
            let metadata = fs::symlink_metadata(&path).map_err(CorpusError::io("read", &path))?;
            if is_hidden(&path) {
                if metadata.is_dir() || wanted(&path) {
                    self.hidden.push(path);
                }
            } else if metadata.is_symlink() {
                self.links.push(path);
            } else {
                self.take(&path, &metadata, wanted)?;
            }
        }
        Ok(())
    }

    fn follow(&mut self, link: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<(), CorpusError> {
        match fs::metadata(link) {
            Ok(metadata) => self.take(link, &metadata, wanted),
            // A link that leads nowhere is an error only where its file would have been read.
            Err(error) if wanted(link) => Err(CorpusError::io("read", link)(error)),
            Err(_) => Ok(()),
        }
    }

    fn take(
        &mut self,
        path: &Path,
        metadata: &Metadata,
        wanted: &dyn Fn(&Path) -> bool,
    ) -> Result<(), CorpusError> {
        if metadata.is_dir() {
            if self.is_new(path, metadata) {
                self.enter(path, wanted)?;
            }
        } else if !wanted(path) {
            // Neither read nor remembered.
        } else if !metadata.is_file() {
            self.special.push(path.to_path_buf());
        } else if self.is_new(path, metadata) {
            self.files.push(path.to_path_buf());
        }
        Ok(())
    }

    /// Whether `path` is met for the first time.
    fn is_new(&mut self, path: &Path, metadata: &Metadata) -> bool {
        let identity = (metadata.dev(), metadata.ino());
        if let Some(first) = self.seen.get(&identity) {
            self.repeated.push(Repetition {
                root: self.root.clone(),
                again: path.to_path_buf(),
                first: first.clone(),
            });
            return false;
        }
        self.seen.insert(identity, path.to_path_buf());
        true
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn left_out(paths: &[PathBuf], why: &str) -> Option<String> {
    let first = paths.first()?.display();
    Some(match paths.len() {
        1 => format!("`{first}` is left out, as {why} are"),
        n => format!("`{first}` and {} more are left out, as {why} are", n - 1),
    })
}
