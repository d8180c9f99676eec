//! Files that are there whole or not at all.

use std::fs::{File, Permissions};
use std::io::{BufWriter, Result, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a new file asks for; the umask takes its share. A temporary file without this is for its owner alone, and
/// stays so under its final name.
const MODE: u32 = 0o666;

/// Has `fill` write a file under a temporary name beside `path` and renames it: a reader sees the old file or the new
/// one, two writers do not share a name, and a full disk leaves the old file and nothing else.
///
/// # Errors
/// If `fill` fails or the file system refuses.
pub fn write(path: &Path, fill: impl FnOnce(&mut BufWriter<&File>) -> Result<()>) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let file = tempfile::Builder::new()
        .prefix(&format!(".{name}.writing-"))
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)?;
    let mut writer = BufWriter::new(file.as_file());
    fill(&mut writer)?;
    writer.flush()?;
    drop(writer);
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn bytes(bytes: &[u8]) -> impl FnOnce(&mut BufWriter<&File>) -> Result<()> {
        move |file| file.write_all(bytes)
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_no_part_of_it() {
        let folder = tempfile::tempdir().expect("folder");
        // A folder is in the way of the rename.
        let path = folder.path().join("taken");
        fs::create_dir_all(path.join("by a folder")).expect("folder");
        write(&path, bytes(b"text")).expect_err("a folder is there");
        let left = fs::read_dir(folder.path()).expect("folder").count();
        assert_eq!(left, 1);
        let path = folder.path().join("free");
        write(&path, bytes(b"old")).expect("free");
        write(&path, bytes(b"new")).expect("replaced");
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
                        write(path, bytes(&[writer; 1000])).expect("write");
                        let found = fs::read(path).expect("read");
                        assert_eq!(found.len(), 1000);
                        assert!(found.iter().all(|byte| *byte == found[0]));
                    }
                });
            }
        });
    }
}
