//! A run directory, read the way a user's script would.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

use super::sha256;

/// A run directory.
#[derive(Clone, Debug)]
pub struct Run {
    path: PathBuf,
    /// The folder it is in is removed when nobody needs it any more.
    _folder: Arc<TempDir>,
}

/// Everything that must not depend on interruptions.
#[derive(Debug)]
pub struct Results {
    pub weights_sha256: String,
    pub model_file_sha256: String,
    pub optimizer_file_sha256: String,
    pub metrics: Vec<String>,
    pub evaluation: Option<String>,
    pub tasks: Option<String>,
    pub config: String,
}

impl Results {
    /// Asserts equality, and shows the first lines that differ and nothing else.
    #[track_caller]
    pub fn assert_are(&self, expected: &Self) {
        for (found, expected) in self.metrics.iter().zip(&expected.metrics) {
            assert_eq!(found, expected, "metrics.jsonl");
        }
        assert_eq!(
            self.metrics.len(),
            expected.metrics.len(),
            "lines of metrics.jsonl"
        );
        assert_eq!(
            self.weights_sha256, expected.weights_sha256,
            "weights_sha256"
        );
        assert_eq!(
            self.model_file_sha256, expected.model_file_sha256,
            "model.safetensors"
        );
        assert_eq!(
            self.optimizer_file_sha256, expected.optimizer_file_sha256,
            "optimizer.safetensors"
        );
        assert_eq!(self.evaluation, expected.evaluation, "eval.json");
        assert_eq!(self.tasks, expected.tasks, "tasks.json");
        assert_eq!(self.config, expected.config, "config.toml");
    }
}

impl Run {
    pub fn new(folder: Arc<TempDir>, relative: &Path) -> Self {
        Self {
            path: folder.path().join(relative),
            _folder: folder,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn text(&self, name: &str) -> String {
        let path = self.path.join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// `run.json`.
    pub fn record(&self) -> Value {
        serde_json::from_str(&self.text("run.json")).expect("run.json")
    }

    pub fn status(&self) -> String {
        self.record()["status"].as_str().expect("status").to_owned()
    }

    /// Lines of `metrics.jsonl` as they stand there, without the wall time, which is last in a line.
    /// Not parsed: a number that changes its last digit on being rewritten must show.
    pub fn metrics(&self) -> Vec<String> {
        let text = self.text("metrics.jsonl");
        assert!(text.ends_with('\n'), "the last line is torn");
        let without_time = |line: &str| {
            let time = line.find(",\"seconds\":");
            assert!(time.is_some() || line.contains("validation_loss"), "{line}");
            line[..time.unwrap_or(line.len())].to_owned()
        };
        text.lines().map(without_time).collect()
    }

    /// The number under `key` in every line that has it.
    pub fn series(&self, key: &str) -> Vec<f64> {
        self.text("metrics.jsonl")
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"))
            .filter_map(|line| line.get(key).map(|value| value.as_f64().expect("a number")))
            .collect()
    }

    /// Last step in `metrics.jsonl`, 0 if there is none yet. Cheap and safe beside a writer.
    pub fn step(&self) -> usize {
        let text = fs::read_to_string(self.path.join("metrics.jsonl")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let last = whole.lines().last().unwrap_or("");
        serde_json::from_str::<Value>(last)
            .ok()
            .and_then(|line| line["step"].as_u64())
            .unwrap_or(0) as usize
    }

    /// Steps of the checkpoints, rising.
    pub fn checkpoints(&self) -> Vec<usize> {
        let mut steps: Vec<usize> = fs::read_dir(self.path.join("checkpoints"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                name.strip_prefix("step-")?.parse().ok()
            })
            .collect();
        steps.sort_unstable();
        steps
    }

    /// Folder of a checkpoint.
    pub fn checkpoint(&self, step: usize) -> PathBuf {
        self.path.join(format!("checkpoints/step-{step:06}"))
    }

    /// Whether a checkpoint is being written, or was when its writer was killed.
    pub fn is_writing(&self) -> bool {
        fs::read_dir(self.path.join("checkpoints"))
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with(".writing-"))
    }

    /// What the run came to, with the last checkpoint's files.
    #[track_caller]
    pub fn results(&self) -> Results {
        assert_eq!(self.status(), "finished");
        let last = *self.checkpoints().last().expect("a checkpoint");
        let hash = |name: &str| sha256(&fs::read(self.checkpoint(last).join(name)).expect(name));
        let digest = self.record()["weights_sha256"].clone();
        Results {
            weights_sha256: digest.as_str().expect("weights_sha256").to_owned(),
            model_file_sha256: hash("model.safetensors"),
            optimizer_file_sha256: hash("optimizer.safetensors"),
            metrics: self.metrics(),
            evaluation: fs::read_to_string(self.path.join("eval.json")).ok(),
            tasks: fs::read_to_string(self.path.join("tasks.json")).ok(),
            config: self.text("config.toml"),
        }
    }

    /// The digest of the final weights.
    pub fn weights(&self) -> String {
        self.results().weights_sha256
    }
}
