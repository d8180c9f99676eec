//! What a run came to: perplexities and tasks.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use decoder::Decoder;
use evaluation::{
    Evaluation, EvaluationError, Protocol, TaskEvaluation, TaskPlan, evaluate, evaluate_tasks,
};
use experiment::{Experiment, Sources};
use fused::Workers;

use crate::data::Data;
use crate::error::TrainerError;
use crate::run::bar;
use crate::run_directory::RunDirectory;
use crate::{screen, table};

/// What is measured of a decoder.
pub struct Measurement<'a> {
    data: &'a Data,
    experiment: &'a Experiment,
    /// Of the perplexities, for a run that was trained on text.
    protocol: Option<Protocol>,
    tasks: Option<TaskPlan>,
}

/// What was measured.
pub struct Measured {
    /// Perplexities, of a run trained on text.
    pub perplexity: Option<Evaluation>,
    /// Tasks, where there are any.
    pub tasks: Option<TaskEvaluation>,
}

impl<'a> Measurement<'a> {
    /// Finds out before training, not after it, that there is nothing to measure on.
    ///
    /// # Errors
    /// If a text or a length is too short.
    pub fn new(
        experiment: &'a Experiment,
        data: &'a Data,
        sources: &Sources,
    ) -> Result<Self, TrainerError> {
        let protocol = experiment.task.is_none().then(|| protocol(experiment));
        if let (Some(protocol), Some(text)) = (&protocol, data.text()) {
            check_evaluation_text(experiment, protocol, data, sources)?;
            corpus::evaluation_windows(&text.valid, experiment.train.context_length, Some(1))
                .map_err(|error| sources.error("train.context_length", error.to_string(), None))?;
        }
        Ok(Self {
            tasks: data.task_plan(experiment, sources)?,
            data,
            experiment,
            protocol,
        })
    }

    /// Measures tasks only.
    pub fn leave_out_perplexity(&mut self) {
        self.protocol = None;
    }

    /// Measures `decoder`; `None` if a signal stopped it.
    ///
    /// # Errors
    /// If a loss is not finite.
    pub fn run(
        &self,
        decoder: &Decoder,
        workers: &Workers,
        stop: &AtomicBool,
    ) -> Result<Option<Measured>, TrainerError> {
        let mut measured = Measured {
            perplexity: None,
            tasks: None,
        };
        let text = self.data.evaluation_text(self.experiment);
        if let (Some(protocol), Some((file, split))) = (&self.protocol, text) {
            let tokenizer = self.data.tokenizer();
            let found = with_progress("evaluating", stop, |progress| {
                evaluate(decoder, file, split, tokenizer, protocol, workers, progress)
            })?;
            if found.is_none() {
                return Ok(None);
            }
            measured.perplexity = found;
        }
        if let Some(plan) = &self.tasks {
            let found = with_progress("measuring tasks", stop, |progress| {
                evaluate_tasks(decoder, plan, workers, progress)
            })?;
            if found.is_none() {
                return Ok(None);
            }
            measured.tasks = found;
        }
        Ok(Some(measured))
    }
}

impl Measured {
    /// What was measured replaces what is stored; the rest stays.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn write(&self, directory: &RunDirectory) -> Result<(), TrainerError> {
        if let Some(perplexity) = &self.perplexity {
            directory.write_evaluation(perplexity)?;
        }
        if let Some(tasks) = &self.tasks {
            directory.write_tasks(tasks)?;
        }
        Ok(())
    }

    /// Prints it as the results of `name`.
    pub fn show(&self, name: &str) {
        if let Some(perplexity) = &self.perplexity {
            screen::say(format_args!("\n{}", table::evaluation(name, perplexity)));
        }
        if let Some(tasks) = &self.tasks {
            screen::say(format_args!("\n{}", table::tasks(name, tasks)));
        }
    }
}

fn check_evaluation_text(
    experiment: &Experiment,
    protocol: &Protocol,
    data: &Data,
    sources: &Sources,
) -> Result<(), TrainerError> {
    let Some((file, _)) = data.evaluation_text(experiment) else {
        return Ok(());
    };
    corpus::evaluation_windows(file, protocol.window(), Some(1)).map_err(|error| {
        let help = "lower the largest of `evaluation.context_factors` or evaluate longer documents";
        sources.error(
            "evaluation.context_factors",
            error.to_string(),
            Some(help.to_owned()),
        )
    })?;
    Ok(())
}

/// The protocol's parameters.
fn protocol(experiment: &Experiment) -> Protocol {
    let config = &experiment.evaluation;
    Protocol {
        contexts: config.context_lengths(experiment.train.context_length),
        scored_tokens: config.scored_tokens,
        windows_per_document: config.window_limit(),
        bootstrap_samples: config.bootstrap_samples,
    }
}

/// Tells how far a measurement is; breaks when it shall stop.
type Progress<'a> = &'a mut dyn FnMut(usize, usize) -> ControlFlow<()>;

/// The result of `measure` under a bar that is called `what`; `None` if a signal stopped it.
fn with_progress<T>(
    what: &str,
    stop: &AtomicBool,
    measure: impl FnOnce(Progress<'_>) -> Result<T, EvaluationError>,
) -> Result<Option<T>, TrainerError> {
    let bar = bar(&format!(
        "{what} {{bar:24}} {{pos}}/{{len}} tokens  {{eta}} left"
    ));
    let result = measure(&mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        if stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    bar.finish_and_clear();
    match result {
        Ok(result) => Ok(Some(result)),
        Err(EvaluationError::Stopped) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
