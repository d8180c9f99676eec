//! NCCL under the name that packages give it.
//!
//! Burn's CUDA backend loads `libnccl.so`. pip's wheel and the runtime packages of Linux distributions have
//! `libnccl.so.2` and nothing else, so that gradients of several GPUs would silently go through copies. A
//! link of the other name helps, in a folder that the dynamic linker looks through; it reads the list of
//! folders once, when a process starts. So the process makes the link and starts itself anew.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names by which the backend finds NCCL.
const SOUGHT: &str = "libnccl.so";
/// The name in packages.
const PACKAGED: &str = "libnccl.so.2";
/// Holds the folder of the link in the process that was started anew.
const LINKED: &str = "PROPE_NCCL_LINK";
const SEARCHED: &str = "LD_LIBRARY_PATH";

/// Makes `libnccl.so.2` findable if that is the only name NCCL has here. Does not return where the process is
/// started anew for it; returns where NCCL is found, is not installed, or cannot be linked.
pub fn make_findable() {
    if env::var_os(LINKED).is_some() || loads(SOUGHT) {
        return;
    }
    let restarted = loaded_path(PACKAGED).map(|path| restart_with_link(&path));
    if let Some(Err(error)) = restarted {
        tracing::warn!(%error, "NCCL is there as {PACKAGED} and cannot be linked as {SOUGHT}");
    }
}

/// Removes the link, which nobody needs once NCCL is loaded.
pub fn forget_link() {
    if let Some(folder) = env::var_os(LINKED) {
        let _ = fs::remove_dir_all(folder);
    }
}

fn loads(name: &str) -> bool {
    // SAFETY: NCCL's initialisers, which run here, are those that the backend runs when it loads the library.
    unsafe { libloading::Library::new(name) }.is_ok()
}

/// The file behind a library's name.
fn loaded_path(name: &str) -> Option<PathBuf> {
    // SAFETY: as in `loads`; the library stays loaded while its path is read.
    let library = unsafe { libloading::Library::new(name) }.ok()?;
    let maps = fs::read_to_string("/proc/self/maps").ok();
    drop(library);
    maps.and_then(|maps| mapped_file(&maps, name))
}

/// The file called `name`, or `name` and more of a version, among the mappings of a process.
fn mapped_file(maps: &str, name: &str) -> Option<PathBuf> {
    let paths = maps
        .lines()
        .filter_map(|line| Some(&line[line.find('/')?..]));
    paths
        .map(Path::new)
        .find(|path| is_called(path, name))
        .map(Path::to_owned)
}

fn is_called(path: &Path, name: &str) -> bool {
    let file = path.file_name().and_then(|file| file.to_str());
    let rest = file.and_then(|file| file.strip_prefix(name));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The error that kept the process from starting anew.
fn restart_with_link(library: &Path) -> io::Result<std::convert::Infallible> {
    let folder = tempfile::Builder::new().prefix("prope-nccl-").tempdir()?;
    symlink(library, folder.path().join(SOUGHT))?;
    let mut searched = OsString::from(folder.path());
    if let Some(others) = env::var_os(SEARCHED).filter(|others| !others.is_empty()) {
        searched.push(":");
        searched.push(others);
    }
    let folder = folder.keep();
    let error = Command::new(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(SEARCHED, searched)
        .env(LINKED, &folder)
        .exec();
    let _ = fs::remove_dir_all(folder);
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_library_is_found_by_its_name() {
        let maps = "7f00-7f10 r-xp 00000000 08:01 42   /usr/lib/libc.so.6\n\
                    7f10-7f20 r-xp 00000000 00:00 0 \n\
                    7f20-7f30 r--p 00000000 08:01 43   /opt/my env/nccl/lib/libnccl.so.2.27.3\n";
        let found = mapped_file(maps, PACKAGED);
        assert_eq!(
            found.as_deref(),
            Some(Path::new("/opt/my env/nccl/lib/libnccl.so.2.27.3"))
        );
        assert_eq!(mapped_file(maps, "libnccl.so.20"), None);
        assert_eq!(mapped_file(maps, "libcuda.so.1"), None);
    }

    #[test]
    fn what_is_not_installed_is_not_found() {
        assert!(!loads("libprope-is-not-a-library.so"));
        assert_eq!(loaded_path("libprope-is-not-a-library.so"), None);
    }

    /// libc is loaded already, and it is where the linker says.
    #[test]
    fn an_installed_library_has_a_path() {
        let path = loaded_path("libc.so.6").expect("glibc");
        assert!(path.is_file(), "{}", path.display());
    }
}
