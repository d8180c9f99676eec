//! The run directory: everything a run needs and everything it produced, in one folder.
//!
//! ```text
//! runs/prope_0.75/
//!     config.toml       resolved: every value explicit
//!     run.json          state, device, versions, commit, times
//!     tokenizer.json    the tokenizer itself; for the byte tokenizer, an equivalent one
//!     metrics.jsonl     a line a step, a line a validation
//!     events.out.tfevents.trainer   the same for `TensorBoard`
//!     checkpoints/      the last ones and the best
//!     eval.json         perplexity by context length, of a run trained on text
//!     tasks.json        the tasks that were measured, if any
//!     trainer.log       tracing
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use evaluation::{Evaluation, TaskEvaluation};
use experiment::Experiment;
use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoints;
use crate::error::TrainerError;
use crate::provenance;
use crate::throughput::Throughput;

/// How long a locked directory is waited for. Its lock is held for a moment by a sweep that looks whether a run is at
/// work, and by a program that a run was about to start when it was killed.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);

/// How far a run got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Training or evaluating, or killed while it did.
    Running,
    /// Stopped by a signal, with a checkpoint.
    Interrupted,
    /// Stopped by a loss that is not finite.
    Diverged,
    /// Trained and evaluated.
    Finished,
}

/// The content of `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// How far the run got.
    pub status: Status,
    /// SHA-256 of everything in the config that decides the result.
    pub config_digest: String,
    /// SHA-256 of the corpus: tokenizer, documents and their split.
    pub corpus_digest: String,
    /// Device of the latest session.
    pub device: String,
    /// Commit of the source the binary was built from, with `+changes` if it was not clean.
    pub git_commit: String,
    /// Versions of the libraries that compute.
    pub versions: BTreeMap<String, String>,
    /// Seconds since 1970 at which the run began.
    pub started: u64,
    /// Wall time spent training, over all sessions, in seconds.
    pub training_seconds: f64,
    /// Speed of the latest session's steps.
    pub throughput: Option<Throughput>,
    /// SHA-256 of the final weights.
    pub weights_sha256: Option<String>,
    /// Largest resident memory of the latest session in bytes, where the system tells.
    pub peak_memory_bytes: Option<u64>,
}

/// `run.json` of the folder `path`, whoever holds it.
pub fn read_record(path: &Path) -> Option<RunRecord> {
    let text = fs::read_to_string(path.join("run.json")).ok()?;
    serde_json::from_str(&text).ok()
}

/// `eval.json` of the folder `path`, whoever holds it.
pub fn read_evaluation(path: &Path) -> Option<Evaluation> {
    let text = fs::read_to_string(path.join("eval.json")).ok()?;
    serde_json::from_str(&text).ok()
}

/// `tasks.json` of the folder `path`, whoever holds it.
pub fn read_tasks(path: &Path) -> Option<TaskEvaluation> {
    let text = fs::read_to_string(path.join("tasks.json")).ok()?;
    serde_json::from_str(&text).ok()
}

/// A run's folder, held by one process at a time.
pub struct RunDirectory {
    path: PathBuf,
    /// Released when dropped, or by the system when the process dies.
    _lock: File,
}

impl RunDirectory {
    /// Where a run of `experiment` lives unless told otherwise.
    pub fn path_for(experiment: &Experiment) -> PathBuf {
        experiment.run.directory.join(&experiment.name)
    }

    /// Whether `path` is a folder with more in it than a process killed at the very beginning leaves:
    /// hidden files, and a tokenizer without a config.
    pub fn is_begun(path: &Path) -> bool {
        fs::read_dir(path).is_ok_and(|entries| {
            entries.flatten().any(|entry| {
                let name = entry.file_name();
                !name.to_string_lossy().starts_with('.') && name != "tokenizer.json"
            })
        })
    }

    /// The first of `path`, `path-2`, `path-3`... that does not exist.
    pub fn unused(path: &Path) -> PathBuf {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut candidate = path.to_owned();
        let mut n = 2;
        while candidate.exists() {
            candidate = path.with_file_name(format!("{name}-{n}"));
            n += 1;
        }
        candidate
    }

    /// Makes the folder for `experiment` with its resolved config and tokenizer; those of a run that is
    /// continued stay as they are.
    ///
    /// # Errors
    /// If the file system refuses, or another process holds the folder.
    pub fn create(
        path: PathBuf,
        experiment: &Experiment,
        tokenizer_json: &str,
    ) -> Result<Self, TrainerError> {
        fs::create_dir_all(&path).map_err(TrainerError::io(&path))?;
        let directory = Self::lock(path)?;
        if !directory.path.join("config.toml").is_file() {
            // The config comes last: with it the folder is a run.
            directory.write("tokenizer.json", tokenizer_json.as_bytes())?;
            directory.write("config.toml", experiment.to_toml().as_bytes())?;
        }
        Ok(directory)
    }

    /// Opens an existing folder.
    ///
    /// # Errors
    /// If it is no run directory, or another process holds it.
    pub fn open(path: &Path) -> Result<Self, TrainerError> {
        if !path.join("config.toml").is_file() {
            return Err(TrainerError::NotARun(path.to_owned()));
        }
        Self::lock(path.to_owned())
    }

    /// Whether a process holds the folder.
    pub fn is_in_use(path: &Path) -> bool {
        // Opened for reading: asking must not make the file.
        File::open(path.join(".lock")).is_ok_and(|lock| lock.try_lock_shared().is_err())
    }

    fn lock(path: PathBuf) -> Result<Self, TrainerError> {
        let lock_path = path.join(".lock");
        let lock = File::create(&lock_path).map_err(TrainerError::io(&lock_path))?;
        let began = Instant::now();
        while lock.try_lock().is_err() {
            if began.elapsed() > LOCK_PATIENCE {
                return Err(TrainerError::InUse(path));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { path, _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The resolved config of the run.
    ///
    /// # Errors
    /// If it is missing or was changed by hand into something impossible.
    pub fn experiment(&self) -> Result<Experiment, TrainerError> {
        let path = self.path.join("config.toml");
        let text = fs::read_to_string(&path).map_err(TrainerError::io(&path))?;
        Ok(Experiment::from_resolved(&text)?)
    }

    /// `run.json`, if the run got as far as writing it.
    pub fn record(&self) -> Option<RunRecord> {
        read_record(&self.path)
    }

    /// Replaces `run.json`.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn write_record(&self, record: &RunRecord) -> Result<(), TrainerError> {
        self.write_json("run.json", record)
    }

    /// A record of a run that begins now.
    pub fn new_record(experiment: &Experiment, corpus_digest: &str, device: String) -> RunRecord {
        RunRecord {
            status: Status::Running,
            config_digest: experiment.digest(),
            corpus_digest: corpus_digest.to_owned(),
            device,
            git_commit: provenance::git_commit(),
            versions: provenance::versions(),
            started: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |elapsed| elapsed.as_secs()),
            training_seconds: 0.0,
            throughput: None,
            weights_sha256: None,
            peak_memory_bytes: None,
        }
    }

    /// The evaluation, if there is one.
    pub fn evaluation(&self) -> Option<Evaluation> {
        read_evaluation(&self.path)
    }

    /// Replaces `eval.json`.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn write_evaluation(&self, evaluation: &Evaluation) -> Result<(), TrainerError> {
        self.write_json("eval.json", evaluation)
    }

    /// The tasks' results, if there are any.
    pub fn tasks(&self) -> Option<TaskEvaluation> {
        read_tasks(&self.path)
    }

    /// Replaces `tasks.json`. On one line: it has a record for each sample.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn write_tasks(&self, tasks: &TaskEvaluation) -> Result<(), TrainerError> {
        let text = serde_json::to_string(tasks)
            .map_err(|error| TrainerError::io(&self.path.join("tasks.json"))(error.into()))?;
        self.write("tasks.json", (text + "\n").as_bytes())
    }

    /// The checkpoints.
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(self.path.join("checkpoints"))
    }

    /// Path of `metrics.jsonl`.
    pub fn metrics_path(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), TrainerError> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| TrainerError::io(&self.path.join(name))(error.into()))?;
        self.write(name, (text + "\n").as_bytes())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TrainerError> {
        let path = self.path.join(name);
        whole_file::write(&path, |file| file.write_all(bytes)).map_err(TrainerError::io(&path))
    }
}
