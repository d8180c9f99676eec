//! The runs that are compared, read from their folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use evaluation::{ContextResult, Evaluation};
use experiment::Experiment;

use crate::error::TrainerError;
use crate::metrics::{self, Line};
use crate::run_directory::{self, RunRecord, Status};
use crate::sweep::Manifest;

/// Variants of one experiment, each with a result for one or more seeds.
#[derive(Debug)]
pub struct Study {
    /// Its name: the sweep's.
    pub name: String,
    /// Index of the variant that the others are compared with.
    pub baseline: usize,
    /// All variants that have a result.
    pub variants: Vec<Variant>,
    /// Runs that belong to it and have no result.
    pub missing: Vec<String>,
}

/// Runs that differ in the seed only.
#[derive(Debug)]
pub struct Variant {
    /// What it is called.
    pub label: String,
    /// Its values on the sweep's axes.
    pub settings: BTreeMap<String, toml::Value>,
    /// Its runs by seed.
    pub runs: BTreeMap<u64, FinishedRun>,
}

/// All that is known of a finished run.
#[derive(Debug)]
pub struct FinishedRun {
    /// Its config.
    pub experiment: Experiment,
    /// Device, versions, times.
    pub record: RunRecord,
    /// Its perplexities.
    pub evaluation: Evaluation,
    /// Its folder.
    pub directory: PathBuf,
}

impl FinishedRun {
    /// The lines of `metrics.jsonl`.
    pub fn metrics(&self) -> Vec<Line> {
        metrics::read(&self.directory.join("metrics.jsonl"))
    }
}

/// A run and what it is in the study.
struct Member {
    label: String,
    settings: BTreeMap<String, toml::Value>,
    directory: PathBuf,
}

impl Study {
    /// Reads `folders`: of sweeps, of single runs, or both. The baseline is `baseline`, else the first sweep's,
    /// else the first variant.
    ///
    /// # Errors
    /// If a folder is neither, no run has a result, or the results cannot be compared.
    pub fn read(folders: &[PathBuf], baseline: Option<&str>) -> Result<Self, TrainerError> {
        let mut members = Vec::new();
        let mut names = Vec::new();
        let mut wanted = baseline.map(str::to_owned);
        for folder in folders {
            if let Some(manifest) = read_manifest(folder) {
                wanted.get_or_insert_with(|| manifest.baseline.clone());
                names.push(manifest.name.clone());
                members.extend(of_sweep(&manifest, folder));
            } else {
                members.push(single(folder)?);
                names.push(file_name(folder));
            }
        }
        let mut study = Self {
            name: names.join(", "),
            baseline: 0,
            variants: Vec::new(),
            missing: Vec::new(),
        };
        for member in members {
            study.add(member)?;
        }
        if study.variants.is_empty() {
            return Err(TrainerError::NothingToCompare(
                "no run has a result yet".to_owned(),
            ));
        }
        if let Some(label) = wanted {
            study.baseline = study.index_of(&label)?;
        }
        study.check_alike()?;
        Ok(study)
    }

    fn add(&mut self, member: Member) -> Result<(), TrainerError> {
        let Some(run) = read_run(&member.directory)? else {
            self.missing.push(file_name(&member.directory));
            return Ok(());
        };
        let seed = run.experiment.seed;
        let known = self.variants.iter().position(|v| v.label == member.label);
        let index = known.unwrap_or_else(|| {
            self.variants.push(Variant {
                label: member.label.clone(),
                settings: member.settings.clone(),
                runs: BTreeMap::new(),
            });
            self.variants.len() - 1
        });
        if let Some(other) = self.variants[index].runs.insert(seed, run) {
            let message = format!(
                "{} and {} are both `{}` with seed {seed}",
                other.directory.display(),
                member.directory.display(),
                member.label
            );
            return Err(TrainerError::NothingToCompare(message));
        }
        Ok(())
    }

    fn index_of(&self, label: &str) -> Result<usize, TrainerError> {
        let found = self.variants.iter().position(|v| v.label == label);
        found.ok_or_else(|| {
            let labels: Vec<&str> = self.variants.iter().map(|v| v.label.as_str()).collect();
            TrainerError::NothingToCompare(format!(
                "the baseline `{label}` has no result; there are {}",
                labels.join(", ")
            ))
        })
    }

    /// Every result is of the same protocol on the same windows.
    fn check_alike(&self) -> Result<(), TrainerError> {
        let first = self.any_run();
        let differs = |run: &FinishedRun| {
            let (a, b) = (&first.evaluation, &run.evaluation);
            if (&a.protocol, a.version) != (&b.protocol, b.version) {
                Some("protocols")
            } else if a.parameters != b.parameters {
                Some("protocol parameters (evaluation.*, train.context_length)")
            } else if a.split != b.split || a.documents != b.documents {
                Some("texts")
            } else if first.record.corpus_digest != run.record.corpus_digest {
                Some("corpora or tokenizers")
            } else {
                None
            }
        };
        for run in self.all_runs() {
            if let Some(what) = differs(run) {
                return Err(TrainerError::NothingToCompare(format!(
                    "{} and {} were evaluated with different {what}",
                    first.directory.display(),
                    run.directory.display()
                )));
            }
        }
        Ok(())
    }

    /// All runs, variant by variant.
    pub fn all_runs(&self) -> impl Iterator<Item = &FinishedRun> {
        self.variants.iter().flat_map(|v| v.runs.values())
    }

    /// One of the runs, for what all have in common.
    pub fn any_run(&self) -> &FinishedRun {
        self.all_runs().next().expect("a study has a run")
    }

    /// Context lengths in tokens, rising.
    pub fn contexts(&self) -> Vec<usize> {
        let contexts = self.any_run().evaluation.contexts.iter();
        contexts.map(|context| context.context).collect()
    }

    /// Scored tokens of each document that has a window, at every context.
    pub fn tokens_by_document(&self) -> Vec<usize> {
        let evaluation = &self.any_run().evaluation;
        let scored = evaluation.parameters.scored_tokens;
        let documents = evaluation.documents.iter();
        documents
            .map(|document| document.windows * scored)
            .collect()
    }
}

/// Summed negative log-likelihoods in nats by document.
pub fn sums_by_document(context: &ContextResult, documents: usize) -> Vec<f64> {
    let mut sums = vec![0.0; documents];
    for window in &context.windows {
        sums[window.document] += window.nll;
    }
    sums
}

fn read_manifest(folder: &Path) -> Option<Manifest> {
    let text = fs::read_to_string(folder.join("sweep.json")).ok()?;
    serde_json::from_str(&text).ok()
}

fn of_sweep(manifest: &Manifest, folder: &Path) -> Vec<Member> {
    // In the order of the sweep file, whatever order the runs were planned in.
    let mut members = Vec::new();
    for label in &manifest.variants {
        let runs = manifest.runs.iter().filter(|run| run.variant == *label);
        members.extend(runs.map(|run| Member {
            label: label.clone(),
            settings: run.settings.clone(),
            directory: folder.join(&run.directory),
        }));
    }
    members
}

/// A run by itself is called by its name, less the seed that users like to put there.
fn single(folder: &Path) -> Result<Member, TrainerError> {
    if !folder.join("config.toml").is_file() {
        return Err(TrainerError::NotARun(folder.to_owned()));
    }
    let experiment = read_experiment(folder)?;
    let suffixes = ["seed", "seed-", "seed_", "s"].map(|word| format!("{word}{}", experiment.seed));
    let name = experiment.name.as_str();
    let label = suffixes
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix.as_str()))
        .map_or(name, |label| label.trim_end_matches(['-', '_', '.']));
    Ok(Member {
        label: if label.is_empty() { name } else { label }.to_owned(),
        settings: BTreeMap::new(),
        directory: folder.to_owned(),
    })
}

/// A finished run, or nothing if it has not finished.
fn read_run(directory: &Path) -> Result<Option<FinishedRun>, TrainerError> {
    let record = run_directory::read_record(directory);
    let evaluation = run_directory::read_evaluation(directory);
    let (Some(record), Some(evaluation)) = (record, evaluation) else {
        return Ok(None);
    };
    if record.status != Status::Finished {
        return Ok(None);
    }
    Ok(Some(FinishedRun {
        experiment: read_experiment(directory)?,
        record,
        evaluation,
        directory: directory.to_owned(),
    }))
}

fn read_experiment(directory: &Path) -> Result<Experiment, TrainerError> {
    let path = directory.join("config.toml");
    let text = fs::read_to_string(&path).map_err(TrainerError::io(&path))?;
    Ok(Experiment::from_resolved(&text)?)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
