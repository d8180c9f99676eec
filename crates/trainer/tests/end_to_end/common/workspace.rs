//! A temporary folder to run the binary in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::SystemTime;

use tempfile::TempDir;

use super::corpus::{self, Split};
use super::{Background, Finished, Run, sha256};

/// The config that the tests change: gradients accumulate, validations and checkpoints fall on
/// different steps.
pub const CONFIG: &str = r#"seed = 7

[model]
preset = "micro"

[model.layers.global]
encoding = { kind = "prope", theta = 10_000, fraction = 0.75 }

[data]
path = "corpus"
tokenizer = "bytes"
cache = "cache"

[train]
context_length = 32
batch_size = 4
micro_batch_size = 2
steps = 40
learning_rate = 1e-2
warmup_steps = 5
evaluate_every = 8
evaluation_windows = 4
checkpoint_every = 5

[evaluation]
context_factors = [0.5, 1, 2]
scored_tokens = 8
windows_per_document = 2
bootstrap_samples = 100

[run]
directory = "runs"
device = "cpu"
"#;

/// The same on a task instead of text.
pub const TASK: [(&str, &str); 2] = [
    ("path = \"corpus\"", "task = { kind = \"mqar\", pairs = 4 }"),
    ("bootstrap_samples = 100", "task_samples = 12"),
];

/// Changes of [`CONFIG`] for tests of anything but training.
pub const SHORT: [(&str, &str); 1] = [("steps = 40", "steps = 10")];

/// Documents long enough for every window of [`CONFIG`].
const DOCUMENTS: [(Split, usize); 8] = [
    (Split::Train, 3000),
    (Split::Train, 2500),
    (Split::Train, 2000),
    (Split::Train, 1999),
    (Split::Valid, 1500),
    (Split::Valid, 700),
    (Split::Test, 1500),
    (Split::Test, 1300),
];

/// A folder with `corpus/`, `run.toml`, and later `runs/`.
pub struct Workspace {
    folder: Arc<TempDir>,
}

impl Workspace {
    /// With [`CONFIG`].
    pub fn new() -> Self {
        Self::with(CONFIG)
    }

    /// With another config.
    pub fn with(config: &str) -> Self {
        Self::with_documents(config, &DOCUMENTS)
    }

    /// With another corpus too.
    pub fn with_documents(config: &str, documents: &[(Split, usize)]) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("temporary folder"));
        corpus::write(&folder.path().join("corpus"), documents);
        let workspace = Self { folder };
        workspace.write("run.toml", config);
        workspace
    }

    /// With lines of [`CONFIG`] replaced.
    #[track_caller]
    pub fn changed(changes: &[(&str, &str)]) -> Self {
        Self::with(&changed(changes))
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    pub fn write(&self, relative: &str, text: &str) {
        fs::write(self.path(relative), text).expect("write");
    }

    pub fn read(&self, relative: &str) -> Vec<u8> {
        fs::read(self.path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
    }

    /// The binary in this folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG");
        command
    }

    /// Runs the binary to its end.
    pub fn trainer(&self, arguments: &[&str]) -> Finished {
        self.command(arguments)
            .output()
            .expect("run the trainer")
            .into()
    }

    /// Starts the binary.
    pub fn background(&self, arguments: &[&str]) -> Background {
        Background::start(self.command(arguments))
    }

    /// Trains `run.toml` to the end.
    #[track_caller]
    pub fn train(&self) -> Run {
        self.trainer(&["run.toml"]).exits(0);
        self.run("run")
    }

    /// The run directory called `name`.
    pub fn run(&self, name: &str) -> Run {
        Run::new(self.folder.clone(), &Path::new("runs").join(name))
    }

    /// SHA-256 and time of change of every file, by its relative path.
    pub fn snapshot(&self, relative: &str) -> BTreeMap<PathBuf, (String, SystemTime)> {
        let mut files = BTreeMap::new();
        visit(&self.path(relative), &mut files);
        files
    }
}

/// [`CONFIG`] with texts replaced, each of which must be there.
#[track_caller]
pub fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(CONFIG.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "no `{old}` in the config");
        text.replace(old, new)
    })
}

fn visit(path: &Path, files: &mut BTreeMap<PathBuf, (String, SystemTime)>) {
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            visit(&path, files);
        } else if path.file_name().is_some_and(|name| name != ".lock") {
            // Taking the lock touches the lock file; nobody reads it.
            let changed = fs::metadata(&path).and_then(|data| data.modified());
            let bytes = fs::read(&path).expect("read");
            files.insert(path, (sha256(&bytes), changed.expect("time")));
        }
    }
}
