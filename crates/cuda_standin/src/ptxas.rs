//! `ptxas`, where there is one: is the PTX valid, and what does a kernel need?

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde::Serialize;

/// What a kernel needs, by `ptxas -v`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Resources {
    pub registers: u64,
    pub stack_bytes: u64,
    pub spill_store_bytes: u64,
    pub spill_load_bytes: u64,
    /// Without what a launch adds.
    pub static_shared_bytes: u64,
    pub constant_bytes: u64,
}

/// What `ptxas` said about a module.
#[derive(Clone, Debug, Default)]
pub struct Assembly {
    pub kernels: BTreeMap<String, Resources>,
    /// Lines that warn, for example of instructions that had to be serialised.
    pub warnings: Vec<String>,
}

/// An assembly, and what it took.
pub struct Outcome {
    /// The words of `ptxas` where it rejects the PTX.
    pub assembly: Result<Assembly, String>,
    /// Of `ptxas` itself: none where the cache had the answer.
    pub seconds: f64,
    pub was_cached: bool,
}

struct Settings {
    program: PathBuf,
    cache: Option<PathBuf>,
}

static SETTINGS: LazyLock<Option<Settings>> = LazyLock::new(|| {
    Some(Settings {
        program: std::env::var_os("CUDA_STANDIN_PTXAS")?.into(),
        cache: std::env::var_os("CUDA_STANDIN_CACHE").map(PathBuf::from),
    })
});

/// Assembles a text whose SHA-256 is `digest`; an empty assembly without `ptxas`.
pub fn assemble(ptx: &str, digest: &str) -> Outcome {
    let Some(settings) = SETTINGS.as_ref() else {
        return Outcome {
            assembly: Ok(Assembly::default()),
            seconds: 0.0,
            was_cached: false,
        };
    };
    let file = settings.cache.as_ref().map(|cache| cache.join(digest));
    if let Some(said) = file.as_ref().and_then(|file| fs::read_to_string(file).ok()) {
        return Outcome {
            assembly: remembered(&said),
            seconds: 0.0,
            was_cached: true,
        };
    }
    let began = Instant::now();
    let said = run(&settings.program, ptx);
    let seconds = began.elapsed().as_secs_f64();
    if let Some(file) = file {
        remember(&file, &said);
    }
    Outcome {
        assembly: said.map(|said| parse(&said)),
        seconds,
        was_cached: false,
    }
}

/// The first word of a file in the cache.
const ACCEPTED: &str = "accepted\n";
const REJECTED: &str = "rejected\n";

fn remembered(said: &str) -> Result<Assembly, String> {
    match said.strip_prefix(REJECTED) {
        Some(words) => Err(words.to_owned()),
        None => Ok(parse(said)),
    }
}

/// A cache that cannot be written costs time and nothing else.
fn remember(file: &Path, said: &Result<String, String>) {
    let (verdict, words) = match said {
        Ok(words) => (ACCEPTED, words),
        Err(words) => (REJECTED, words),
    };
    let partial = unique(file, "partial");
    let written = fs::write(&partial, format!("{verdict}{words}"));
    if written.is_ok() {
        let _ = fs::rename(&partial, file);
    }
}

/// Beside `file`, a name that no other thread or process uses.
fn unique(file: &Path, extension: &str) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    file.with_extension(format!("{}-{number}.{extension}", std::process::id()))
}

/// What `ptxas` says about a text, or how it rejects it.
fn run(program: &Path, ptx: &str) -> Result<String, String> {
    let source = unique(&std::env::temp_dir().join("cuda-standin"), "ptx");
    let target = source.with_extension("cubin");
    fs::write(&source, ptx).map_err(|error| format!("{}: {error}", source.display()))?;
    let ran = Command::new(program)
        .args(["-arch=sm_90a", "-v", "-o"])
        .args([&target, &source])
        .output();
    let _ = fs::remove_file(&source);
    let _ = fs::remove_file(&target);
    let output = ran.map_err(|error| format!("{}: {error}", program.display()))?;
    let words = [output.stderr, output.stdout].concat();
    let words = String::from_utf8_lossy(&words).into_owned();
    if output.status.success() {
        Ok(words)
    } else {
        Err(words)
    }
}

/// Reads what `ptxas -v` says about a module.
fn parse(said: &str) -> Assembly {
    let mut assembly = Assembly::default();
    let mut name = String::new();
    for line in said.lines() {
        if line.contains("warning") || line.contains("Performance Loss") {
            assembly.warnings.push(line.trim().to_owned());
        } else if let Some(compiling) = quoted_after(line, "Compiling entry function") {
            compiling.clone_into(&mut name);
            assembly.kernels.entry(name.clone()).or_default();
        } else if let Some(kernel) = assembly.kernels.get_mut(&name) {
            read_line(line, kernel);
        }
    }
    assembly
}

fn quoted_after<'a>(line: &'a str, words: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(words)?;
    rest.split('\'').nth(1)
}

/// Reads the numbers of a line such as `Used 40 registers, used 1 barriers, 16 bytes smem`.
fn read_line(line: &str, kernel: &mut Resources) {
    let line = line.rsplit(" : ").next().unwrap_or(line);
    for part in line.split(',') {
        let Some(number) = part.split_whitespace().find_map(|word| word.parse().ok()) else {
            continue;
        };
        match part {
            _ if part.contains("registers") => kernel.registers = number,
            _ if part.contains("stack frame") => kernel.stack_bytes = number,
            _ if part.contains("spill stores") => kernel.spill_store_bytes = number,
            _ if part.contains("spill loads") => kernel.spill_load_bytes = number,
            _ if part.contains("smem") => kernel.static_shared_bytes = number,
            _ if part.contains("cmem") => kernel.constant_bytes += number,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
ptxas info    : 0 bytes gmem
ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized in 'second'
ptxas info    : Compiling entry function 'first' for 'sm_90a'
ptxas info    : Function properties for first
    16 bytes stack frame, 24 bytes spill stores, 28 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 16 bytes cumulative stack size, 1024 bytes smem, 380 bytes cmem[0], 8 bytes cmem[2]
ptxas info    : Compile time = 3.215 ms
ptxas info    : Compiling entry function 'second' for 'sm_90a'
ptxas info    : Function properties for second
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 10 registers, used 0 barriers
";

    #[test]
    fn what_ptxas_says_is_read() {
        let assembly = parse(SAID);
        let first = Resources {
            registers: 255,
            stack_bytes: 16,
            spill_store_bytes: 24,
            spill_load_bytes: 28,
            static_shared_bytes: 1024,
            constant_bytes: 388,
        };
        assert_eq!(assembly.kernels["first"], first);
        assert_eq!(assembly.kernels["second"].registers, 10);
        assert_eq!(assembly.warnings.len(), 1);
        assert!(assembly.warnings[0].contains("serialized"));
    }

    #[test]
    fn the_cache_remembers_both_verdicts() {
        let folder = std::env::temp_dir();
        for said in [Ok(SAID.to_owned()), Err("line 3: unknown".to_owned())] {
            let file = unique(&folder.join("standin-cache"), "txt");
            remember(&file, &said);
            let text = fs::read_to_string(&file).expect("written");
            fs::remove_file(&file).expect("removed");
            match (remembered(&text), said) {
                (Ok(found), Ok(_)) => assert_eq!(found.kernels.len(), 2),
                (Err(found), Err(words)) => assert_eq!(found, words),
                _ => panic!("another verdict"),
            }
        }
    }
}
