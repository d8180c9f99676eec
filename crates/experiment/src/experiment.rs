//! One experiment with every value explicit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use corpus::{DataConfig, sha256_hex};
use decoder::DecoderConfig;
use serde::{Deserialize, Serialize};
use tasks::TaskConfig;
use toml::{Table, Value};

use crate::check::check;
use crate::error::ConfigError;
use crate::evaluation::EvaluationConfig;
use crate::leaves::leaves;
use crate::resolve::{check_tasks, resolve, settle_vocabulary};
use crate::resolved::Resolved;
use crate::run::RunConfig;
use crate::source::{Source, named, read};
use crate::sources::Sources;
use crate::train::TrainConfig;

/// A runnable experiment: no default is left to be filled in, every value is checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Resolved", into = "Resolved")]
pub struct Experiment {
    /// Names the run directory.
    pub name: String,
    /// Decides the initial weights and the order of the data.
    pub seed: u64,
    /// The decoder, its vocabulary size and encodings included.
    pub model: DecoderConfig,
    /// Tokenizer and text. A run on a task that takes nothing from a text has no paths.
    pub data: DataConfig,
    /// What is trained on instead of the text, `[data] task` of a config.
    pub task: Option<TaskConfig>,
    /// The optimizer's steps.
    pub train: TrainConfig,
    /// What is measured.
    pub evaluation: EvaluationConfig,
    /// Where to write and to compute.
    pub run: RunConfig,
}

/// An experiment together with the texts it was read from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The experiment.
    pub experiment: Experiment,
    /// The texts, to point at a value that turns out to be wrong later.
    pub sources: Sources,
}

/// Keys beside `[run]` that say where and how, not what.
const INDIFFERENT: [&str; 3] = ["name", "data.cache", "train.activation_checkpointing"];

impl Experiment {
    /// Reads the config at `path` and what it extends, lays the `overrides` (arguments of `--set`) over
    /// it, fills in preset and defaults, checks everything, and opens the tokenizer for its size.
    ///
    /// Paths inside the config are relative to the working directory, only `extends` is relative to
    /// its file. Whether the data exists is found out when the corpus is prepared.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Loaded, ConfigError> {
        let sources = Sources::read(path, overrides)?;
        let merged = sources.merged()?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let experiment = resolve(&merged, &stem)
            .and_then(|mut experiment| {
                check(&experiment)?;
                settle_vocabulary(&mut experiment, &merged)?;
                Ok(experiment)
            })
            .map_err(|problem| sources.locate(problem))?;
        Ok(Loaded {
            experiment,
            sources,
        })
    }

    /// Reads what [`Experiment::to_toml`] wrote. Nothing is extended, nothing has a default, the
    /// tokenizer is not opened.
    ///
    /// # Errors
    /// A missing or unknown key, or a value that cannot be.
    pub fn from_resolved(toml: &str) -> Result<Self, ConfigError> {
        let text = named("resolved config".to_owned(), toml.to_owned());
        let experiment: Self = read(&text)?;
        check(&experiment).map_err(|problem| {
            let (path, table) = (None, Table::new());
            Sources::single(Source { text, path, table }).locate(problem)
        })?;
        Ok(experiment)
    }

    /// Reads the resolved config at `path` and lays the `overrides` (arguments of `--set`) over it.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn load_resolved(path: &Path, overrides: &[String]) -> Result<Loaded, ConfigError> {
        let sources = Sources::read(path, overrides)?;
        let merged = sources.merged()?;
        check_tasks(&merged).map_err(|problem| sources.locate(problem))?;
        let merged = merged.to_string();
        let experiment: Self = read(&named(path.display().to_string(), merged))?;
        check(&experiment).map_err(|problem| sources.locate(problem))?;
        Ok(Loaded {
            experiment,
            sources,
        })
    }

    /// Whether documents are read: to train on, or as what a task hides its answers in.
    pub fn reads_text(&self) -> bool {
        let mut tasks = self.task.iter().chain(&self.evaluation.tasks);
        self.task.is_none() || tasks.any(TaskConfig::needs_filler)
    }

    /// The resolved config: every value, in TOML.
    ///
    /// # Panics
    /// If `seed` is 2^63 or more, which no config can say.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("plain data with string keys is TOML")
    }

    /// Every value by its dotted key, as TOML, sorted.
    ///
    /// # Panics
    /// As [`Experiment::to_toml`].
    pub fn settings(&self) -> Vec<(String, String)> {
        let table = Table::try_from(self).expect("plain data with string keys is TOML");
        let settings = leaves(&table).into_iter();
        settings
            .map(|(key, value)| (key, value.to_string()))
            .collect()
    }

    /// SHA-256, in hexadecimal, of everything that decides the result: all but `name`, `[run]`, `data.cache`
    /// and `train.activation_checkpointing`. Files count by their path; the corpus has a hash of its own for their contents.
    ///
    /// # Panics
    /// As [`Experiment::to_toml`].
    pub fn digest(&self) -> String {
        let lines: Vec<String> = self
            .deciding()
            .into_iter()
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect();
        sha256_hex(lines.concat().as_bytes())
    }

    /// What decides the result and differs: `train.steps: 1000 -> 2000`, sorted by key. Empty exactly
    /// if the digests are equal.
    ///
    /// # Panics
    /// As [`Experiment::to_toml`].
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let (ours, theirs) = (self.deciding(), other.deciding());
        let shown = |value: Option<&Value>| value.map_or("absent".to_owned(), Value::to_string);
        let keys: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        keys.into_iter()
            .map(|key| (key, shown(ours.get(key)), shown(theirs.get(key))))
            .filter(|(_, ours, theirs)| ours != theirs)
            .map(|(key, ours, theirs)| format!("{key}: {ours} -> {theirs}"))
            .collect()
    }

    fn deciding(&self) -> BTreeMap<String, Value> {
        let table = Table::try_from(self).expect("plain data with string keys is TOML");
        let mut leaves = leaves(&table);
        leaves.retain(|key, _| !INDIFFERENT.contains(&key.as_str()) && !key.starts_with("run."));
        leaves
    }
}
