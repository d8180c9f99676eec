//! The report: everything that was counted, as JSON.

use std::ffi::c_int;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Once};

use serde::Serialize;

use crate::copy::Copies;
use crate::device;
use crate::driver::{self, Driver};
use crate::launch::Kernel;
use crate::memory::Usage;
use crate::module::Counts;
use crate::ptxas::Resources;
use crate::stream::Synchronisations;

const ABOUT: &str = "Counts of a stand-in for libcuda that executes nothing. No number here is a speed, and \
    what an autotuner chose under it is arbitrary. Seconds are those of the host.";

/// Where the report goes.
static FILE: LazyLock<Option<PathBuf>> =
    LazyLock::new(|| std::env::var_os("CUDA_STANDIN_REPORT").map(PathBuf::from));

#[derive(Serialize)]
struct Report<'a> {
    about: &'static str,
    device: &'static str,
    totals: Totals,
    kernels: Vec<Row<'a>>,
    copies: &'a Copies,
    allocations: Usage,
    pinned: Usage,
    synchronisations: &'a Synchronisations,
    events_recorded: u64,
    tensor_maps: u64,
    tensor_maps_refused: u64,
    streams: u64,
    modules: &'a Counts,
    launches_refused: u64,
    refusals: &'a [String],
    seconds: Seconds,
}

#[derive(Default, Serialize)]
struct Totals {
    launches: u64,
    blocks: u64,
    threads: u64,
    kernels: usize,
}

/// Since the driver was initialised.
#[derive(Serialize)]
struct Seconds {
    first_launch: Option<f64>,
    elapsed: f64,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    launches: u64,
    blocks: u64,
    threads: u64,
    block_threads: u64,
    #[serde(flatten)]
    resources: Resources,
    dynamic_shared_bytes: u64,
    shared_bytes: u64,
    uses_tensor_cores: bool,
    modules: u64,
}

impl<'a> Row<'a> {
    fn new((name, kernel): (&'a String, &'a Kernel)) -> Self {
        Self {
            name,
            launches: kernel.launches,
            blocks: kernel.blocks,
            threads: kernel.threads,
            block_threads: kernel.block_threads,
            resources: kernel.resources,
            dynamic_shared_bytes: kernel.dynamic_shared_bytes,
            shared_bytes: kernel.resources.static_shared_bytes + kernel.dynamic_shared_bytes,
            uses_tensor_cores: kernel.uses_tensor_cores,
            modules: kernel.modules,
        }
    }
}

impl<'a> Report<'a> {
    fn new(driver: &'a Driver) -> Self {
        let mut kernels: Vec<Row> = driver.kernels.by_name.iter().map(Row::new).collect();
        kernels.sort_by_key(|row| std::cmp::Reverse(row.launches));
        Self {
            about: ABOUT,
            device: device::NAME,
            totals: Totals {
                launches: kernels.iter().map(|row| row.launches).sum(),
                blocks: kernels.iter().map(|row| row.blocks).sum(),
                threads: kernels.iter().map(|row| row.threads).sum(),
                kernels: kernels.iter().filter(|row| row.launches > 0).count(),
            },
            kernels,
            copies: &driver.copies,
            allocations: driver.memory.usage(),
            pinned: driver.pinned.usage(),
            synchronisations: &driver.synchronisations,
            events_recorded: driver.events.recorded,
            tensor_maps: driver.tensor_maps,
            tensor_maps_refused: driver.tensor_maps_refused,
            streams: driver.streams,
            modules: &driver.modules.counts,
            launches_refused: driver.kernels.refused,
            refusals: &driver.kernels.refusals,
            seconds: Seconds {
                first_launch: driver.first_launch_seconds,
                elapsed: driver.began.elapsed().as_secs_f64(),
            },
        }
    }
}

/// Writes the report to its file, if there is one; a file that cannot be written is said on the screen.
pub fn write(driver: &Driver) {
    if let Some(file) = FILE.as_ref()
        && let Err(error) = write_to(file, driver)
    {
        eprintln!("cuda_standin: {}: {error}", file.display());
    }
}

fn write_to(file: &Path, driver: &Driver) -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(&Report::new(driver))?;
    // Renamed: whoever reads the file while the process runs finds a whole report.
    let partial = file.with_extension("partial");
    fs::write(&partial, text)?;
    fs::rename(&partial, file)
}

/// Writes the report once more when the process ends.
pub fn write_at_exit() {
    static ONCE: Once = Once::new();
    unsafe extern "C" {
        fn atexit(act: extern "C" fn()) -> c_int;
    }
    extern "C" fn at_exit() {
        driver::with(|driver| write(driver));
    }
    ONCE.call_once(|| {
        // SAFETY: the function is the C library's, and what it is given needs nothing that ends before it.
        unsafe { atexit(at_exit) };
    });
}

/// Keeps PTX that `ptxas` rejects, and what it said, in the folder `rejected` beside the report.
pub fn keep_rejected(digest: &str, text: &str, words: &str) {
    if let Some(folder) = FILE.as_ref().and_then(|file| file.parent()) {
        let folder = folder.join("rejected");
        keep(&folder, &format!("{digest}.ptx"), text);
        keep(&folder, &format!("{digest}.txt"), words);
    }
}

/// Keeps all PTX in the folder that is asked for, by the name of its first kernel.
pub fn keep_accepted(name: &str, text: &str) {
    static FOLDER: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os("CUDA_STANDIN_PTX").map(PathBuf::from));
    if let Some(folder) = FOLDER.as_ref() {
        keep(folder, &format!("{name}.ptx"), text);
    }
}

fn keep(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&file, text));
    if let Err(error) = written {
        eprintln!("cuda_standin: {}: {error}", file.display());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_report_is_whole_and_sorted_by_launches() {
        let kernel = |launches| Kernel {
            launches,
            threads: 32 * launches,
            ..Kernel::default()
        };
        let file = std::env::temp_dir().join(format!("standin-{}.json", std::process::id()));
        driver::with(|driver| {
            let names = [("test_report_few", 1 << 40), ("test_report_many", 1 << 41)];
            for (name, launches) in names {
                let kernels = &mut driver.kernels.by_name;
                kernels.insert(name.to_owned(), kernel(launches));
            }
            write_to(&file, driver).expect("written");
        });
        let text = fs::read_to_string(&file).expect("read");
        fs::remove_file(&file).expect("removed");
        let report: Value = serde_json::from_str(&text).expect("JSON");
        assert!(
            report["about"]
                .as_str()
                .is_some_and(|about| about.contains("executes nothing"))
        );
        assert_eq!(report["kernels"][0]["name"], "test_report_many");
        assert_eq!(report["kernels"][1]["threads"], 1u64 << 45);
        assert_eq!(report["kernels"][0]["registers"], 0);
        assert!(report["modules"]["ptxas_seconds"].is_number());
        assert!(report["seconds"]["elapsed"].is_number());
    }
}
