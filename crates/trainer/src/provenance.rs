//! What produced a run: commit, library versions, memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The lock file the binary was built with.
const LOCK: &str = include_str!("../../../Cargo.lock");
/// Libraries whose version can change a number.
const LIBRARIES: [&str; 8] = [
    "burn",
    "burn-flex",
    "burn-optim",
    "cubecl",
    "gemm",
    "safetensors",
    "tokenizers",
    "wgpu",
];

/// Commit of the source tree the binary was built from, `unknown` where there is none.
pub fn git_commit() -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let git = |arguments: &[&str]| -> Option<String> {
        let output = Command::new("git")
            .arg("-C")
            .arg(source)
            .args(arguments)
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "HEAD"]) else {
        return "unknown".to_owned();
    };
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => commit + "+changes",
    }
}

/// Versions of this framework and of the libraries that compute, from the lock file.
pub fn versions() -> BTreeMap<String, String> {
    let mut versions: BTreeMap<String, String> = LIBRARIES
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), locked_version(name)?)))
        .collect();
    versions.insert("trainer".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    versions
}

fn locked_version(name: &str) -> Option<String> {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let (_, rest) = LOCK.split_once(&entry)?;
    rest.split('"').next().map(str::to_owned)
}

/// Largest resident memory of this process so far in bytes; Linux only.
pub fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Memory that processes can still take without swapping, in bytes, within this process's control group; Linux only.
pub fn available_memory_bytes() -> Option<u64> {
    let memory = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = memory
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    let free = kilobytes * 1024;
    Some(control_group_bytes().map_or(free, |limit| limit.min(free)))
}

/// What a container's limit still allows (cgroup v2); `None` without a limit.
fn control_group_bytes() -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok();
    let limit: u64 = read("memory.max")?.trim().parse().ok()?;
    let used: u64 = read("memory.current")?.trim().parse().ok()?;
    Some(limit.saturating_sub(used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_burn_is_found() {
        assert_eq!(versions()["burn"], "0.23.0-pre.1");
        assert_eq!(versions().len(), LIBRARIES.len() + 1);
    }
}
