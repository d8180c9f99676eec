//! Checks every value of an [`Experiment`] by itself and beside the others.

use corpus::{CorpusError, DataConfig};
use decoder::{DecoderConfig, DecoderError};
use positional::EncodingError;
use tasks::TaskConfig;

use crate::evaluation::EvaluationConfig;
use crate::experiment::Experiment;
use crate::problem::Problem;
use crate::train::{Schedule, TrainConfig};

type Checked = Result<(), Problem>;

/// The first value that cannot be, with its key.
pub(crate) fn check(experiment: &Experiment) -> Checked {
    check_name(&experiment.name)?;
    if i64::try_from(experiment.seed).is_err() {
        return wrong("seed", "must be below 2^63");
    }
    check_model(&experiment.model)?;
    check_data(experiment)?;
    check_counts(&experiment.train)?;
    check_batches(&experiment.train)?;
    check_schedule(&experiment.train)?;
    check_optimizer(&experiment.train)?;
    check_evaluation(experiment)?;
    check_tasks(&experiment.evaluation)?;
    if experiment.run.directory.as_os_str().is_empty() {
        return wrong(
            "run.directory",
            "must not be empty (`.` is the working directory)",
        );
    }
    Ok(())
}

fn wrong(key: &str, message: impl Into<String>) -> Checked {
    Err(Problem::new(key, message))
}

/// Letters, digits, `.`, `_` and `-`: names that need no quoting in TOML, paths and shells.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && !name.starts_with(['.', '-'])
}

fn check_name(name: &str) -> Checked {
    if is_plain(name) {
        return Ok(());
    }
    let message = format!("`{name}` cannot name a run directory");
    Err(Problem::new("name", message)
        .help("use letters, digits, `.`, `_` and `-`, and begin with a letter, a digit or `_`"))
}

fn check_model(model: &DecoderConfig) -> Checked {
    for name in model.layers.keys() {
        if !is_plain(name) || name.contains('.') {
            let message = format!("`{name}` cannot name a layer kind");
            return Err(
                Problem::new("model.layers", message).help("use letters, digits, `_` and `-`")
            );
        }
    }
    model.validate().map_err(|error| match error {
        DecoderError::Invalid { key, reason } => Problem::new(format!("model.{key}"), reason),
        DecoderError::Encoding { kind, source } => encoding_problem(model, &kind, &source),
    })
}

/// An encoding's complaint, at the key that it is about: one of its own, or a size of the model.
pub(crate) fn encoding_problem(
    model: &DecoderConfig,
    layer: &str,
    error: &EncodingError,
) -> Problem {
    let own_head_dim = model
        .layers
        .get(layer)
        .is_some_and(|kind| kind.head_dim.is_some());
    let key = match error.parameter() {
        Some("head_dim") if own_head_dim => format!("model.layers.{layer}.head_dim"),
        Some("head_dim") => "model.head_dim".to_owned(),
        Some("hidden_size") => "model.hidden_size".to_owned(),
        Some("num_heads") => "model.num_attention_heads".to_owned(),
        Some(parameter) => format!("model.layers.{layer}.encoding.{parameter}"),
        None => format!("model.layers.{layer}.encoding"),
    };
    Problem::new(key, error.to_string())
}

fn check_data(experiment: &Experiment) -> Checked {
    let data = &experiment.data;
    if let Some(task) = &experiment.task {
        check_text_of(task, data, experiment.reads_text())?;
    }
    let anything = DataConfig {
        paths: vec![".".into()],
        ..data.clone()
    };
    let data = if experiment.reads_text() {
        data
    } else {
        &anything
    };
    data.validate().map_err(|error| match error {
        CorpusError::Config { field, message } => {
            let key = if field == "paths" { "path" } else { field };
            Problem::new(format!("data.{key}"), message)
        }
        other => Problem::new("data", other.to_string()),
    })
}

/// A run on a task has a text exactly if a task is hidden in one.
fn check_text_of(task: &TaskConfig, data: &DataConfig, reads_text: bool) -> Checked {
    let kind = task.kind();
    match (data.paths.is_empty(), reads_text) {
        (false, false) => {
            let message = format!("not read: the run trains on the task `{kind}`, not on text");
            Err(Problem::new("data.path", message).help("leave out `path` or `task`"))
        }
        (true, true) => {
            let message = "missing: a task hides its answers in a text (`filler = \"text\"`)";
            Err(Problem::new("data.path", message)
                .help("for example path = \"datasets/books\", or filler = \"sentences\""))
        }
        _ => Ok(()),
    }
}

fn check_counts(train: &TrainConfig) -> Checked {
    for (key, count) in [
        ("train.context_length", train.context_length),
        ("train.batch_size", train.batch_size),
        ("train.micro_batch_size", train.micro_batch_size),
        ("train.steps", train.steps),
        ("train.evaluation_windows", train.evaluation_windows),
        ("train.keep_checkpoints", train.keep_checkpoints),
    ] {
        if count == 0 {
            return wrong(key, "must be at least 1");
        }
    }
    Ok(())
}

fn check_batches(train: &TrainConfig) -> Checked {
    let (batch, micro) = (train.batch_size, train.micro_batch_size);
    if batch.checked_mul(train.context_length).is_none() {
        return wrong(
            "train.batch_size",
            "batch_size * context_length is too large to count",
        );
    }
    if batch.is_multiple_of(micro) {
        return Ok(());
    }
    let fitting = (1..=micro.min(batch))
        .rev()
        .find(|size| batch.is_multiple_of(*size));
    let message = format!("{micro} does not divide batch_size = {batch}");
    Err(Problem::new("train.micro_batch_size", message)
        .help(format!("{} does", fitting.unwrap_or(1))))
}

fn check_schedule(train: &TrainConfig) -> Checked {
    let (steps, warmup) = (train.steps, train.warmup_steps);
    if warmup > steps {
        return wrong(
            "train.warmup_steps",
            format!("{warmup} is more than the {steps} steps of the run"),
        );
    }
    let stable = train.schedule == Schedule::WarmupStableDecay;
    match train.decay_steps {
        Some(_) if !stable => wrong(
            "train.decay_steps",
            "only the schedule `warmup_stable_decay` has a decay of its own length",
        ),
        None if stable => Err(Problem::new("train.schedule", "needs `decay_steps` too")
            .help("a fifth of the steps is usual")),
        Some(0) => wrong("train.decay_steps", "must be at least 1"),
        Some(decay) if decay > steps - warmup => wrong(
            "train.decay_steps",
            format!(
                "{decay} is more than the {} steps after the warm-up",
                steps - warmup
            ),
        ),
        _ => Ok(()),
    }
}

fn check_optimizer(train: &TrainConfig) -> Checked {
    let above_zero = "must be a number above 0";
    for (key, good, message) in [
        (
            "learning_rate",
            is_positive(train.learning_rate),
            above_zero,
        ),
        (
            "final_learning_rate_ratio",
            (0.0..=1.0).contains(&train.final_learning_rate_ratio),
            "must be in [0, 1]",
        ),
        (
            "beta1",
            (0.0..1.0).contains(&train.beta1),
            "must be in [0, 1)",
        ),
        (
            "beta2",
            (0.0..1.0).contains(&train.beta2),
            "must be in [0, 1)",
        ),
        ("epsilon", is_positive(train.epsilon), above_zero),
        (
            "weight_decay",
            train.weight_decay.is_finite() && train.weight_decay >= 0.0,
            "must be a number, 0 or more",
        ),
        (
            "max_grad_norm",
            train.max_grad_norm > 0.0,
            "must be above 0; `inf` never scales gradients down",
        ),
    ] {
        if !good {
            return wrong(&format!("train.{key}"), message);
        }
    }
    Ok(())
}

fn is_positive(x: f64) -> bool {
    x.is_finite() && x > 0.0
}

fn check_evaluation(experiment: &Experiment) -> Checked {
    let (evaluation, context_length) = (&experiment.evaluation, experiment.train.context_length);
    check_factors(&evaluation.context_factors, context_length)?;
    if experiment.task.is_some() {
        // Perplexity is not measured.
        return Ok(());
    }
    for (key, count) in [
        ("evaluation.scored_tokens", evaluation.scored_tokens),
        ("evaluation.bootstrap_samples", evaluation.bootstrap_samples),
    ] {
        if count == 0 {
            return wrong(key, "must be at least 1");
        }
    }
    let shortest = evaluation.context_lengths(context_length)[0];
    if evaluation.scored_tokens > shortest {
        let message = format!(
            "{} is more than the shortest context of {shortest} tokens",
            evaluation.scored_tokens
        );
        return Err(Problem::new("evaluation.scored_tokens", message).help(
            "every context length scores the same final tokens, so the shortest must hold them",
        ));
    }
    Ok(())
}

fn check_tasks(evaluation: &EvaluationConfig) -> Checked {
    if evaluation.task_samples == Some(0) {
        return wrong("evaluation.task_samples", "must be at least 1");
    }
    let tasks = &evaluation.tasks;
    match (1..tasks.len()).find(|i| tasks[..*i].contains(&tasks[*i])) {
        Some(twice) => wrong(
            "evaluation.tasks",
            format!("`{}` is there twice", tasks[twice].kind()),
        ),
        None => Ok(()),
    }
}

fn check_factors(factors: &[f64], context_length: usize) -> Checked {
    let key = "evaluation.context_factors";
    if factors.is_empty() {
        return wrong(key, "must have at least one factor");
    }
    for &factor in factors {
        let tokens = factor * context_length as f64;
        let whole = tokens.round();
        if !(1.0..1e15).contains(&whole) || (tokens - whole).abs() > 1e-9 * whole {
            let message = format!(
                "{factor} times context_length = {context_length} is {tokens}, not a whole number of tokens"
            );
            return wrong(key, message);
        }
    }
    if !factors.is_sorted_by(|a, b| a < b) {
        return wrong(key, "must rise from one factor to the next");
    }
    Ok(())
}
