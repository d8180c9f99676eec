//! The training loop: steps from the last checkpoint to the last step.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use burn_train::Interrupter;
use decoder::{Decoder, named_tensors};
use experiment::Experiment;

use crate::checkpoint::{Best, Checkpoint, Checkpoints, State};
use crate::error::TrainerError;
use crate::examples::Examples;
use crate::learner::{Computation, Gradients, Learner};
use crate::metrics::{Line, MetricsFile};
use crate::monitor::{Monitor, Sample, View};
use crate::optimizer::Optimizer;
use crate::run_directory::RunDirectory;
use crate::tensorboard::EventFile;
use crate::throughput::Throughput;

/// How a training session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done and saved.
    Complete,
    /// A signal came; everything up to now is saved.
    Interrupted,
}

/// What does not change during a session.
pub struct Setting<'a> {
    /// The experiment.
    pub experiment: &'a Experiment,
    /// What it is trained on.
    pub examples: Examples<'a>,
    /// Devices without autodiff that train together; the first evaluates and saves.
    pub devices: &'a [Device],
    /// How the decoder is computed.
    pub computation: Computation,
    /// Where results go.
    pub directory: &'a RunDirectory,
    /// Set by a signal handler.
    pub stop: Arc<AtomicBool>,
    /// How progress is shown.
    pub view: View,
}

/// A decoder in training: everything a checkpoint holds, on the device.
pub struct Training<'a> {
    setting: Setting<'a>,
    learner: Learner,
    checkpoints: Checkpoints,
    step: usize,
    best: Option<Best>,
    /// Seconds spent in this session's steps.
    step_seconds: f64,
    first_step: usize,
}

impl<'a> Training<'a> {
    /// Random weights, or the weights and moments of `checkpoint`.
    ///
    /// # Errors
    /// If the decoder cannot be built or the checkpoint does not fit it.
    pub fn new(setting: Setting<'a>, checkpoint: Option<Checkpoint>) -> Result<Self, TrainerError> {
        let experiment = setting.experiment;
        let autodiff = setting.devices[0].clone().autodiff();
        let mut decoder = Decoder::new(experiment.model.clone(), experiment.seed, &autodiff)?;
        let mut optimizer =
            Optimizer::new(&experiment.train, setting.computation.execution.kernels);
        let (mut step, mut best) = (0, None);
        if let Some(checkpoint) = checkpoint {
            check_spectra(&decoder, &checkpoint.state)?;
            decoder = decoder::load_parameters(decoder, checkpoint.weights)?;
            step = checkpoint.state.step;
            best = checkpoint.state.best;
            optimizer.restore(step, checkpoint.moments, &setting.devices[0])?;
        }
        let learner = Learner::new(
            decoder,
            optimizer,
            experiment.train.context_length,
            setting.devices,
            setting.computation.clone(),
        );
        Ok(Self {
            checkpoints: setting.directory.checkpoints(),
            setting,
            learner,
            step,
            best,
            step_seconds: 0.0,
            first_step: step,
        })
    }

    /// The decoder, for evaluation.
    pub fn into_decoder(self) -> Decoder {
        self.learner.decoder().valid()
    }

    /// The speed of this session's steps on the device called `device`.
    pub fn throughput(&self, device: &str) -> Option<Throughput> {
        let experiment = self.setting.experiment;
        let length = experiment.train.context_length;
        Throughput::measured(
            (self.step - self.first_step) * experiment.train.tokens_per_step(),
            self.step_seconds,
            experiment.model.training_flops_per_token(length),
            device,
            self.setting.computation.execution.precision,
        )
    }

    /// Steps done.
    pub fn step(&self) -> usize {
        self.step
    }

    /// Trains until the last step or a signal.
    ///
    /// # Errors
    /// If a loss or gradient is not finite, a checkpoint cannot be written, or the metrics cannot.
    pub fn run(&mut self) -> Result<Outcome, TrainerError> {
        let config = &self.setting.experiment.train;
        let (steps, evaluate_every, checkpoint_every) =
            (config.steps, config.evaluate_every, config.checkpoint_every);
        let metrics_path = self.setting.directory.metrics_path();
        let mut metrics = self
            .open_metrics(&metrics_path)
            .map_err(TrainerError::io(&metrics_path))?;
        let interrupter = Interrupter::new();
        let mut monitor = Monitor::new(
            self.setting.view,
            &self.setting.experiment.name,
            self.step,
            steps,
            interrupter.clone(),
        );
        let session = Session {
            started: Instant::now(),
            first_step: self.step,
        };
        while self.step < steps {
            self.train_step(&session, &mut metrics, &mut monitor)?;
            let last = self.step == steps;
            let mut save = last || is_due(self.step, checkpoint_every);
            if last || is_due(self.step, evaluate_every) {
                save |= self.validate(&mut metrics, &mut monitor)?;
            }
            let stop = self.setting.stop.load(Ordering::Relaxed) || interrupter.should_stop();
            if save || stop {
                self.save()?;
            }
            if stop && !last {
                monitor.finish();
                return Ok(Outcome::Interrupted);
            }
        }
        monitor.finish();
        Ok(Outcome::Complete)
    }

    fn open_metrics(&self, path: &Path) -> std::io::Result<MetricsFile> {
        let metrics = MetricsFile::continue_after(path, self.step)?;
        let directory = self.setting.directory;
        if self.setting.experiment.run.tensorboard {
            let started = directory.record().map_or(0, |record| record.started);
            metrics.with_events(started)
        } else {
            EventFile::remove(directory.path());
            Ok(metrics)
        }
    }

    fn train_step(
        &mut self,
        session: &Session,
        metrics: &mut MetricsFile,
        monitor: &mut Monitor,
    ) -> Result<(), TrainerError> {
        let began = Instant::now();
        let learning_rate = self.setting.experiment.train.learning_rate(self.step);
        let gradients = self.gradients();
        let step = self.step + 1;
        self.check_loss(step, "loss", f64::from(gradients.loss))?;
        if !gradients.norm.is_finite() {
            return Err(self.diverged(step, "gradient norm", gradients.norm));
        }
        let (loss, gradient_norm) = (gradients.loss, gradients.norm);
        self.learner.update(gradients, learning_rate);
        self.step += 1;
        let per_step = self.setting.experiment.train.tokens_per_step();
        let seconds = began.elapsed().as_secs_f64();
        self.step_seconds += seconds;
        let line = Line::Step {
            step: self.step,
            tokens: self.step * per_step,
            loss,
            gradient_norm,
            learning_rate,
            seconds,
        };
        metrics
            .write(&line)
            .map_err(TrainerError::io(metrics.path()))?;
        monitor.step(Sample {
            step: self.step,
            loss: f64::from(loss),
            tokens_per_second: session.tokens_per_second(self.step, per_step),
        });
        Ok(())
    }

    /// Loss and gradients of the next step's batch.
    fn gradients(&self) -> Gradients {
        let config = &self.setting.experiment.train;
        let size = config.micro_batch_size;
        let first_sample = self.step * config.batch_size;
        self.learner
            .gradients(config.micro_batches_per_step(), &|micro| {
                let sample = (first_sample + micro * size) as u64;
                let examples = &self.setting.examples;
                examples.batch(sample, size, config.context_length)
            })
    }

    /// An error if the loss under the weights at hand is not finite. They are broken then, and so is
    /// what was saved of them.
    fn check_loss(&self, step: usize, what: &'static str, loss: f64) -> Result<(), TrainerError> {
        if loss.is_finite() {
            return Ok(());
        }
        self.checkpoints.remove(self.step);
        Err(self.diverged(step, what, loss))
    }

    fn diverged(&self, step: usize, what: &'static str, value: f64) -> TrainerError {
        let mut steps = self.checkpoints.steps();
        steps.retain(|saved| *saved <= self.step);
        let kept = match steps.last() {
            Some(saved) => format!(
                "the last good checkpoint is {}",
                self.checkpoints.path(*saved).display()
            ),
            None => "there is no good checkpoint".to_owned(),
        };
        TrainerError::Diverged {
            step,
            what,
            value,
            kept,
        }
    }

    /// Measures and records the validation loss; true if it is the best so far.
    fn validate(
        &mut self,
        metrics: &mut MetricsFile,
        monitor: &mut Monitor,
    ) -> Result<bool, TrainerError> {
        let config = &self.setting.experiment.train;
        let loss = self.setting.examples.validation_loss(
            &self.learner.decoder().valid(),
            config.context_length,
            config.evaluation_windows,
            &self.setting.computation.workers,
        )?;
        let step = self.step;
        self.check_loss(step, "validation loss", loss)?;
        let line = Line::Validation {
            step,
            validation_loss: loss,
        };
        metrics
            .write(&line)
            .map_err(TrainerError::io(metrics.path()))?;
        monitor.validation(step, loss);
        tracing::info!(step, loss, "validation");
        let is_best = self.best.is_none_or(|best| loss < best.loss);
        if is_best {
            self.best = Some(Best { step, loss });
        }
        Ok(is_best)
    }

    fn save(&mut self) -> Result<(), TrainerError> {
        let checkpoint = Checkpoint {
            weights: named_tensors(self.learner.decoder()),
            moments: self.learner.optimizer().moments(),
            state: State {
                step: self.step,
                best: self.best,
                spectra: spectra(self.learner.decoder()),
            },
        };
        let path = self.checkpoints.save(&checkpoint)?;
        tracing::info!(step = self.step, path = %path.display(), "checkpoint");
        let keep = self.setting.experiment.train.keep_checkpoints;
        self.checkpoints
            .prune(self.step, keep, self.best.map(|best| best.step));
        Ok(())
    }
}

/// One process's part of a run.
struct Session {
    started: Instant,
    first_step: usize,
}

impl Session {
    fn tokens_per_second(&self, step: usize, tokens_per_step: usize) -> f64 {
        let tokens = (step - self.first_step) * tokens_per_step;
        tokens as f64 / self.started.elapsed().as_secs_f64()
    }
}

fn is_due(step: usize, every: usize) -> bool {
    every > 0 && step.is_multiple_of(every)
}

/// Fingerprints of the frequency tables by layer kind.
fn spectra(decoder: &Decoder) -> std::collections::BTreeMap<String, String> {
    decoder
        .encodings()
        .iter()
        .filter_map(|(kind, encoding)| {
            let spectrum = encoding.spectrum()?;
            Some((kind.clone(), format!("{:016x}", spectrum.fingerprint())))
        })
        .collect()
}

/// Refuses weights that were trained under other frequencies: they would load and give nonsense.
///
/// # Errors
/// Naming the first layer kind that differs.
pub fn check_spectra(decoder: &Decoder, state: &State) -> Result<(), TrainerError> {
    let expected = spectra(decoder);
    let kinds = expected.keys().chain(state.spectra.keys());
    for kind in kinds {
        if expected.get(kind) != state.spectra.get(kind) {
            return Err(TrainerError::OtherEncoding { kind: kind.clone() });
        }
    }
    Ok(())
}
