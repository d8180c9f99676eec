//! Files that are there whole or not at all.

use std::fs::{File, Permissions};
use std::io::{BufWriter, Result, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a new file asks for; the umask takes its share. A temporary file without this is for its owner alone, and
/// stays so under its final name.
const MODE: u32 = 0o666;

/// Has `fill` write a file under a temporary name beside `path`, then renames it: readers see all of it or nothing,
/// and a full disk leaves nothing behind.
///
/// # Errors
/// If the file system refuses.
pub(crate) fn write(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<()>,
) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let file = tempfile::Builder::new()
        .prefix(".writing-")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)?;
    let mut writer = BufWriter::new(file.as_file());
    fill(&mut writer)?;
    writer.flush()?;
    drop(writer);
    file.persist(path)?;
    Ok(())
}
