//! From the merged tables to an [`Experiment`] with every value explicit.

use corpus::{CorpusError, DataConfig, Tokenizer};
use decoder::{DecoderConfig, PRESETS};
use tasks::TaskConfig;
use toml::{Table, Value};

use crate::check::encoding_problem;
use crate::defaults;
use crate::evaluation::EvaluationConfig;
use crate::experiment::Experiment;
use crate::merge::merge;
use crate::nearest::nearest;
use crate::problem::Problem;
use crate::raw::{RawData, RawEvaluation, RawExperiment, RawRun, RawTrain};
use crate::run::RunConfig;
use crate::source::did_you_mean;
use crate::task::{Place, task_config};
use crate::train::TrainConfig;

/// Fills in the preset and the defaults. Values are not checked yet, and without a `vocab_size` the
/// preset's stands in for the tokenizer's.
pub(crate) fn resolve(merged: &Table, file_stem: &str) -> Result<Experiment, Problem> {
    let raw: RawExperiment = merged
        .clone()
        .try_into()
        .map_err(|error: toml::de::Error| Problem::new("config", error.message()))?;
    let train = train(&raw.train)?;
    let task = task(&raw.data)?;
    Ok(Experiment {
        name: raw.name.unwrap_or_else(|| file_stem.to_owned()),
        seed: raw.seed.unwrap_or(defaults::SEED),
        model: model(merged)?,
        data: data(raw.data)?,
        evaluation: evaluation(raw.evaluation, train.context_length, task.as_ref())?,
        task,
        train,
        run: run(raw.run),
    })
}

/// Sets the vocabulary's size to the tokenizer's, or checks that the size asked for holds it.
pub(crate) fn settle_vocabulary(
    experiment: &mut Experiment,
    merged: &Table,
) -> Result<(), Problem> {
    let data = &experiment.data;
    let tokenizer = Tokenizer::open(&data.tokenizer, data.bos_token.as_deref())
        .map_err(|error| tokenizer_problem(&error, data.bos_token.is_some()))?;
    let size = tokenizer.vocab_size();
    let asked = merged
        .get("model")
        .and_then(|model| model.get("vocab_size"));
    if asked.is_none() {
        experiment.model.vocab_size = size;
    }
    if experiment.model.vocab_size < size {
        let message = format!(
            "{} is too small: the tokenizer `{}` has {size} tokens",
            experiment.model.vocab_size, data.tokenizer
        );
        return Err(Problem::new("model.vocab_size", message)
            .help("leave it out to take the tokenizer's, or give a larger number to pad"));
    }
    Ok(())
}

fn tokenizer_problem(error: &CorpusError, names_bos: bool) -> Problem {
    let message = error.to_string();
    match error {
        CorpusError::NoBos { .. } if names_bos => Problem::new("data.bos_token", message),
        CorpusError::NoBos { .. } => Problem::new("data.tokenizer", message),
        _ => Problem::new("data.tokenizer", message).help(
            "`bytes`, or the path of a Hugging Face tokenizer.json relative to the working directory",
        ),
    }
}

fn model(merged: &Table) -> Result<DecoderConfig, Problem> {
    let empty = Table::new();
    let mut over = merged
        .get("model")
        .and_then(Value::as_table)
        .unwrap_or(&empty)
        .clone();
    let preset = preset(over.remove("preset").as_ref().and_then(Value::as_str))?;
    // Serialising plain data with string keys cannot fail; an empty table would be reported below.
    let mut table = Table::try_from(preset).unwrap_or_default();
    merge(&mut table, over);
    require_encodings(&table)?;
    let mut config: DecoderConfig = table
        .try_into()
        .map_err(|error: toml::de::Error| Problem::new("model", error.message()))?;
    for name in config.layers.keys().cloned().collect::<Vec<_>>() {
        let resolved = config.layers[&name]
            .encoding
            .resolved()
            .map_err(|error| encoding_problem(&config, &name, &error))?;
        if let Some(kind) = config.layers.get_mut(&name) {
            kind.encoding = resolved;
        }
    }
    Ok(config)
}

fn preset(name: Option<&str>) -> Result<DecoderConfig, Problem> {
    let names = PRESETS.iter().map(|preset| preset.name);
    let known = names.clone().collect::<Vec<_>>().join(", ");
    let Some(name) = name else {
        let problem = Problem::new("model.preset", "missing: it names the shape to start from");
        return Err(problem.help(format!("one of {known}")));
    };
    decoder::preset(name).ok_or_else(|| {
        let suggestion = nearest(name, names).map(did_you_mean);
        let known = format!("the presets are {known}");
        let help = suggestion.map_or(known.clone(), |suggestion| format!("{suggestion} {known}"));
        Problem::new("model.preset", format!("`{name}` is not a preset")).help(help)
    })
}

/// A kind of layer that the preset does not have must say its encoding, and an encoding its kind.
fn require_encodings(model: &Table) -> Result<(), Problem> {
    let layers = model.get("layers").and_then(Value::as_table);
    for (name, layer) in layers.into_iter().flatten() {
        let key = format!("model.layers.{name}");
        let example = "for example encoding = { kind = \"rope\", theta = 10_000 }";
        match layer.get("encoding").map(|encoding| encoding.get("kind")) {
            None => return Err(Problem::new(key, "the layer kind has no `encoding`").help(example)),
            Some(None) => {
                let key = format!("{key}.encoding");
                return Err(Problem::new(key, "the encoding has no `kind`").help(example));
            }
            Some(Some(_)) => {}
        }
    }
    Ok(())
}

/// That every task of the merged tables is one.
pub(crate) fn check_tasks(merged: &Table) -> Result<(), Problem> {
    let get = |table: &str, key: &str| merged.get(table).and_then(|table| table.get(key));
    if let Some(task) = get("data", "task") {
        task_config(task, Place::Table("data.task"))?;
    }
    let listed = get("evaluation", "tasks").and_then(Value::as_array);
    for task in listed.into_iter().flatten() {
        task_config(task, Place::List("evaluation.tasks"))?;
    }
    Ok(())
}

fn task(raw: &RawData) -> Result<Option<TaskConfig>, Problem> {
    let Some(task) = &raw.task else {
        return Ok(None);
    };
    let config = task_config(&task.0, Place::Table("data.task"))?;
    let about_text = [
        ("format", raw.format.is_some()),
        ("field", raw.field.is_some()),
        ("splits", raw.splits.is_some()),
        ("valid_fraction", raw.valid_fraction.is_some()),
        ("test_fraction", raw.test_fraction.is_some()),
    ];
    match about_text.iter().find(|(_, given)| *given) {
        Some((key, _)) if raw.path.is_none() => {
            let message = format!(
                "says how a text is read, but the run trains on the task `{}` and names no text",
                config.kind()
            );
            Err(Problem::new(format!("data.{key}"), message).help("leave it out"))
        }
        _ => Ok(Some(config)),
    }
}

fn data(raw: RawData) -> Result<DataConfig, Problem> {
    let missing = |key: &str, help: &str| Problem::new(key, "missing").help(help);
    let example = "for example path = \"datasets/books\"; or train on a task: task = \"mqar\"";
    let paths = match (raw.path, &raw.task) {
        (Some(paths), _) => paths.into(),
        (None, Some(_)) => Vec::new(),
        (None, None) => return Err(missing("data.path", example)),
    };
    Ok(DataConfig {
        paths,
        format: raw.format.unwrap_or(defaults::FORMAT),
        field: raw.field.unwrap_or_else(|| defaults::FIELD.to_owned()),
        tokenizer: raw
            .tokenizer
            .ok_or_else(|| missing("data.tokenizer", "`bytes`, or the path of a tokenizer.json"))?,
        bos_token: raw.bos_token,
        splits: raw.splits.unwrap_or(defaults::SPLITS),
        valid_fraction: raw.valid_fraction.unwrap_or(defaults::VALID_FRACTION),
        test_fraction: raw.test_fraction.unwrap_or(defaults::TEST_FRACTION),
        cache: raw.cache.unwrap_or_else(|| defaults::CACHE.into()),
    })
}

fn train(raw: &RawTrain) -> Result<TrainConfig, Problem> {
    let context_length = raw.context_length.unwrap_or(defaults::CONTEXT_LENGTH);
    let batch_size = raw.batch_size.unwrap_or(defaults::BATCH_SIZE);
    // Zero and overflow are reported later, by `check`.
    let tokens_per_step = context_length.saturating_mul(batch_size).max(1);
    let steps = match (raw.steps, raw.tokens) {
        (Some(steps), _) => steps,
        (None, Some(0)) => return Err(Problem::new("train.tokens", "must be at least 1")),
        (None, Some(tokens)) => tokens.div_ceil(tokens_per_step),
        (None, None) => {
            return Err(Problem::new("train.steps", "missing")
                .help("give `steps`, or `tokens` to train on"));
        }
    };
    Ok(TrainConfig {
        context_length,
        batch_size,
        micro_batch_size: raw.micro_batch_size.unwrap_or(batch_size),
        steps,
        learning_rate: raw.learning_rate.unwrap_or(defaults::LEARNING_RATE),
        schedule: raw.schedule.unwrap_or(defaults::SCHEDULE),
        warmup_steps: raw
            .warmup_steps
            .unwrap_or(steps / defaults::STEPS_PER_WARMUP_STEP),
        decay_steps: raw.decay_steps,
        final_learning_rate_ratio: raw
            .final_learning_rate_ratio
            .unwrap_or(defaults::FINAL_LEARNING_RATE_RATIO),
        beta1: raw.beta1.unwrap_or(defaults::BETA1),
        beta2: raw.beta2.unwrap_or(defaults::BETA2),
        epsilon: raw.epsilon.unwrap_or(defaults::EPSILON),
        weight_decay: raw.weight_decay.unwrap_or(defaults::WEIGHT_DECAY),
        max_grad_norm: raw.max_grad_norm.unwrap_or(defaults::MAX_GRAD_NORM),
        precision: raw.precision.unwrap_or(defaults::PRECISION),
        kernels: raw.kernels.unwrap_or(defaults::KERNELS),
        activation_checkpointing: raw
            .activation_checkpointing
            .unwrap_or(defaults::ACTIVATION_CHECKPOINTING),
        evaluate_every: raw.evaluate_every.unwrap_or(defaults::EVALUATE_EVERY),
        evaluation_windows: raw
            .evaluation_windows
            .unwrap_or(defaults::EVALUATION_WINDOWS),
        checkpoint_every: raw.checkpoint_every.unwrap_or(defaults::CHECKPOINT_EVERY),
        keep_checkpoints: raw.keep_checkpoints.unwrap_or(defaults::KEEP_CHECKPOINTS),
    })
}

/// Where it names no tasks, that of the training is measured.
fn evaluation(
    raw: RawEvaluation,
    context_length: usize,
    task: Option<&TaskConfig>,
) -> Result<EvaluationConfig, Problem> {
    let quarter = context_length / defaults::CONTEXT_PER_SCORED_TOKEN;
    let tasks: Vec<TaskConfig> = match raw.tasks {
        Some(tasks) => tasks
            .iter()
            .map(|task| task_config(&task.0, Place::List("evaluation.tasks")))
            .collect::<Result<_, _>>()?,
        None => task.into_iter().cloned().collect(),
    };
    if let (true, Some(_)) = (tasks.is_empty(), raw.task_samples) {
        let problem = Problem::new("evaluation.task_samples", "there are no tasks to measure");
        return Err(problem.help("name some: tasks = [\"induction\"]"));
    }
    Ok(EvaluationConfig {
        split: raw.split.unwrap_or(defaults::SPLIT),
        context_factors: raw
            .context_factors
            .unwrap_or_else(|| defaults::CONTEXT_FACTORS.to_vec()),
        scored_tokens: raw.scored_tokens.unwrap_or(quarter.max(1)),
        windows_per_document: raw
            .windows_per_document
            .unwrap_or(defaults::WINDOWS_PER_DOCUMENT),
        bootstrap_samples: raw.bootstrap_samples.unwrap_or(defaults::BOOTSTRAP_SAMPLES),
        task_samples: match tasks.len() {
            0 => None,
            _ => Some(raw.task_samples.unwrap_or(defaults::TASK_SAMPLES)),
        },
        tasks,
    })
}

fn run(raw: RawRun) -> RunConfig {
    RunConfig {
        directory: raw.directory.unwrap_or_else(|| defaults::DIRECTORY.into()),
        device: raw.device.unwrap_or(defaults::DEVICE),
        tensorboard: raw.tensorboard.unwrap_or(defaults::TENSORBOARD),
    }
}
