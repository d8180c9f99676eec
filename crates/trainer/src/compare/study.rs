//! The runs that are compared, read from their folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use evaluation::{ContextResult, Evaluation, TaskEvaluation, TaskResult};
use experiment::Experiment;
use tasks::TaskConfig;

use crate::compare::measure::Measure;
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
    /// What is compared: perplexity if the runs have one, then the tasks that all have.
    pub measures: Vec<Measure>,
    /// Tasks that some runs have, or have of other samples.
    pub left_out: Vec<String>,
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
    /// Its perplexities, if it was trained on text.
    pub evaluation: Option<Evaluation>,
    /// Its tasks, if any were measured.
    pub tasks: Option<TaskEvaluation>,
    /// Its folder.
    pub directory: PathBuf,
}

impl FinishedRun {
    /// The lines of `metrics.jsonl`.
    pub fn metrics(&self) -> Vec<Line> {
        metrics::read(&self.directory.join("metrics.jsonl"))
    }

    /// Its result on `task`.
    pub fn task(&self, task: &TaskConfig) -> Option<&TaskResult> {
        let mut results = self.tasks.iter().flat_map(|tasks| &tasks.tasks);
        results.find(|result| result.task == *task)
    }

    /// What decides the samples of `task`, and which of them there are.
    fn samples_of(&self, task: &TaskConfig) -> Option<impl PartialEq + use<>> {
        let (tasks, result) = (self.tasks.as_ref()?, self.task(task)?);
        let samples = result.samples.iter();
        let samples: Vec<_> = samples
            .map(|s| (s.length, s.sample, s.group.clone(), s.answers, s.targets))
            .collect();
        let vocabulary = self.experiment.model.vocab_size;
        Some((tasks.version, tasks.seed, vocabulary, samples))
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
            measures: Vec::new(),
            left_out: Vec::new(),
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
        study.find_measures()?;
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
            if first.record.corpus_digest != run.record.corpus_digest {
                return Some("corpora or tokenizers");
            }
            let (a, b) = match (&first.evaluation, &run.evaluation) {
                (Some(a), Some(b)) => (a, b),
                (None, None) => return None,
                _ => return Some("kinds of data: text and a task"),
            };
            if (&a.protocol, a.version) != (&b.protocol, b.version) {
                Some("protocols")
            } else if a.parameters != b.parameters {
                Some("protocol parameters (evaluation.*, train.context_length)")
            } else if a.split != b.split || a.documents != b.documents {
                Some("texts")
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

    /// Perplexity, and what tasks all runs have of the same samples.
    fn find_measures(&mut self) -> Result<(), TrainerError> {
        let first = self.any_run();
        let mut measures = Vec::new();
        if let Some(evaluation) = &first.evaluation {
            let contexts = evaluation.contexts.iter();
            measures.push(Measure::perplexity(contexts.map(|c| c.context).collect()));
        }
        let results = self
            .all_runs()
            .flat_map(|run| &run.tasks)
            .flat_map(|tasks| &tasks.tasks);
        let mut known: Vec<&TaskResult> = Vec::new();
        for result in results {
            if known.iter().all(|known| known.task != result.task) {
                known.push(result);
            }
        }
        let mut left_out = Vec::new();
        for result in known {
            let expected = first.samples_of(&result.task);
            let shared = |run: &FinishedRun| run.samples_of(&result.task) == expected;
            if expected.is_some() && self.all_runs().all(shared) {
                measures.extend(Measure::of_task(result));
            } else {
                left_out.push(result.task.kind().to_owned());
            }
        }
        if measures.is_empty() {
            let message =
                "the runs have no perplexity, and no task that all of them were measured with";
            return Err(TrainerError::NothingToCompare(message.to_owned()));
        }
        (self.measures, self.left_out) = (measures, left_out);
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
    let tasks = run_directory::read_tasks(directory);
    let Some(record) = record.filter(|record| record.status == Status::Finished) else {
        return Ok(None);
    };
    if evaluation.is_none() && tasks.is_none() {
        return Ok(None);
    }
    Ok(Some(FinishedRun {
        experiment: read_experiment(directory)?,
        record,
        evaluation,
        tasks,
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
