//! Files that are there whole or not at all.

use std::fs::Permissions;
use std::io::{Error, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a new file asks for; the umask takes its share.
const MODE: u32 = 0o666;

/// Writes `bytes` under a temporary name beside `path` and renames it: a reader sees the old file or the new one, two
/// writers do not share a name, and a full disk leaves the old file and nothing else.
///
/// # Errors
/// If the file system refuses.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(&format!(".{name}.writing-"))
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_leaves_no_part_of_it() {
        let folder = tempfile::tempdir().expect("folder");
        // A folder is in the way of the rename.
        let path = folder.path().join("taken");
        fs::create_dir_all(path.join("by a folder")).expect("folder");
        write(&path, b"text").expect_err("a folder is there");
        let left = fs::read_dir(folder.path()).expect("folder").count();
        assert_eq!(left, 1);
        let path = folder.path().join("free");
        write(&path, b"old").expect("free");
        write(&path, b"new").expect("replaced");
        assert_eq!(fs::read(&path).expect("file"), b"new");
    }

    #[test]
    fn writers_of_one_file_do_not_disturb_each_other() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("shared");
        std::thread::scope(|scope| {
            for writer in 0..4_u8 {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..200 {
                        write(path, &[writer; 1000]).expect("write");
                        let found = fs::read(path).expect("read");
                        assert_eq!(found.len(), 1000);
                        assert!(found.iter().all(|byte| *byte == found[0]));
                    }
                });
            }
        });
    }
}
