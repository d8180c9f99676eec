//! One run from config to evaluation: `trainer CONFIG` and `trainer eval RUN`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use decoder::{Activations, Decoder, Execution, Kernels, StepShape, Workload};
use experiment::{ActivationCheckpointing, DeviceRequest, Experiment, Loaded, Sources};
use fused::Workers;
use indicatif::{ProgressBar, ProgressStyle};

use crate::checkpoint::{Checkpoint, weights_digest};
use crate::data::Data;
use crate::device::{self, Selected};
use crate::error::TrainerError;
use crate::learner::Computation;
use crate::measurement::{Measured, Measurement};
use crate::monitor::View;
use crate::run_directory::{RunDirectory, RunRecord, Status};
use crate::training::{Outcome, Setting, Training, check_spectra};
use crate::{cli, kernels, logging, plan, provenance, screen, shell, stop};

/// What the command line asks of a run.
#[derive(Clone, Debug)]
pub struct Request {
    /// The config file.
    pub config: PathBuf,
    /// `--set` arguments.
    pub overrides: Vec<String>,
    /// Print the plan and stop.
    pub dry_run: bool,
    /// Whether it begins or continues.
    pub beginning: Beginning,
    /// How progress is shown.
    pub view: View,
}

/// How a run begins where its folder may be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// It starts; an unfinished run in the folder is an error.
    Start,
    /// It continues an unfinished run; an empty folder is an error.
    Resume,
    /// It continues if there is something to continue, else starts.
    Continue,
    /// It starts in a folder beside the existing one.
    Beside,
}

/// Trains and evaluates as `request` says.
///
/// # Errors
/// Everything that can go wrong, in the user's words.
pub fn train(request: &Request) -> Result<(), TrainerError> {
    let Loaded {
        mut experiment,
        sources,
    } = Experiment::load(&request.config, &request.overrides)?;
    if request.dry_run {
        screen::say(plan::describe(&experiment).trim_end());
        return Ok(());
    }
    let path = match place(request, &experiment)? {
        Place::Finished(path) => return report_finished(&path),
        Place::Run(path) => path,
    };
    // `--force` may have chosen another name, by which the run is found again.
    experiment.name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let selected = select_device(&experiment.run.device, &sources)?;
    screen::say(selected.line());
    if let Some(transport) = selected.transport() {
        screen::note(transport);
    }
    check_devices(&experiment, &selected, &sources)?;
    let execution = execution(&experiment, &selected, &sources)?;
    let data = open_data(&experiment, &sources)?;
    let examples = data.examples(&experiment, &sources)?;
    let measurement = Measurement::new(&experiment, &data, &sources)?;
    let directory = RunDirectory::create(path, &experiment, data.tokenizer().json())?;
    logging::to_file(&directory.path().join("trainer.log"));
    let stop = stop::flag();
    let mut record = begin(&directory, &experiment, &data, &selected)?;
    let workers = Workers::new(selected.workers())?;
    let setting = Setting {
        experiment: &experiment,
        examples,
        devices: &selected.devices,
        computation: Computation {
            execution,
            activations: activations(&experiment, &selected, execution),
            workers: workers.clone(),
        },
        directory: &directory,
        stop: stop.clone(),
        view: request.view,
    };
    let checkpoint = latest_checkpoint(&directory);
    let mut training = Training::new(setting, checkpoint)?;
    screen::say(format_args!(
        "run {}, step {} of {}",
        directory.path().display(),
        training.step(),
        experiment.train.steps
    ));
    let began = Instant::now();
    let outcome = training.run();
    record.training_seconds += began.elapsed().as_secs_f64();
    record.throughput = training.throughput(&selected.description);
    record.peak_memory_bytes = provenance::peak_memory_bytes();
    match outcome {
        Err(error) => {
            note_failure(request, &directory, record, &experiment.name, &error);
            return Err(error);
        }
        Ok(Outcome::Interrupted) => {
            let (step, steps) = (training.step(), experiment.train.steps);
            let saved = directory.checkpoints().path(step);
            let done = format!("after step {step} of {steps}, saved in {}", saved.display());
            let name = &experiment.name;
            return Err(interrupted(request, &directory, record, name, &done));
        }
        Ok(Outcome::Complete) => {}
    }
    if let Some(throughput) = &record.throughput {
        screen::say(throughput.line());
    }
    let decoder = training.into_decoder();
    record.weights_sha256 = Some(weights_digest(&decoder::named_tensors(&decoder)));
    directory.write_record(&record)?;
    let Some(measured) = measurement.run(&decoder, &workers, &stop)? else {
        let done = "in the evaluation, after the training, which is saved";
        let name = &experiment.name;
        return Err(interrupted(request, &directory, record, name, done));
    };
    measured.write(&directory)?;
    record.status = Status::Finished;
    record.peak_memory_bytes = provenance::peak_memory_bytes();
    directory.write_record(&record)?;
    measured.show(&experiment.name);
    screen::say(format_args!("results in {}", directory.path().display()));
    Ok(())
}

/// Evaluates the newest checkpoint of the run in `path` again, under `overrides` of its config.
///
/// # Errors
/// Everything that can go wrong, in the user's words.
pub fn evaluate_run(path: &Path, overrides: &[String]) -> Result<(), TrainerError> {
    let directory = RunDirectory::open(path)?;
    let Loaded {
        mut experiment,
        sources,
    } = Experiment::load_resolved(&directory.path().join("config.toml"), overrides)?;
    let copied_tokenizer = directory.path().join("tokenizer.json");
    // The byte tokenizer's file gives the same ids but has a fingerprint of its own.
    if experiment.data.tokenizer != "bytes" && copied_tokenizer.is_file() {
        experiment.data.tokenizer = copied_tokenizer.to_string_lossy().into_owned();
    }
    let selected = select_device(&experiment.run.device, &sources)?;
    screen::say(selected.line());
    let data = open_data(&experiment, &sources)?;
    let record = directory.record();
    if let Some(record) = &record {
        check_corpus(&directory, record, &data)?;
    }
    let mut measurement = Measurement::new(&experiment, &data, &sources)?;
    let checkpoint =
        latest_checkpoint(&directory).ok_or_else(|| TrainerError::NoCheckpoint(path.to_owned()))?;
    let stop = stop::flag();
    screen::say(format_args!("checkpoint of step {}", checkpoint.state.step));
    let digest = weights_digest(&checkpoint.weights);
    let is_final = record.is_some_and(|record| record.weights_sha256 == Some(digest));
    let decoder = Decoder::new(experiment.model.clone(), experiment.seed, selected.device())?;
    check_spectra(&decoder, &checkpoint.state)?;
    let decoder = decoder::load_parameters(decoder, checkpoint.weights)?;
    let workers = Workers::new(selected.workers())?;
    let changes = changes(&directory.experiment()?, &experiment);
    // The perplexities do not depend on the tasks: where nothing else was asked for, they stay as they are.
    let only_tasks = changes == Changes::Tasks && is_final && directory.evaluation().is_some();
    if only_tasks {
        measurement.leave_out_perplexity();
    }
    let Some(measured) = measurement.run(&decoder, &workers, &stop)? else {
        return Err(evaluation_stopped());
    };
    // The final weights under the run's own config belong to the run, and so does any task; anything else is
    // only shown.
    let own = match changes {
        Changes::None => overrides.is_empty(),
        Changes::Tasks => true,
        Changes::More => false,
    };
    if is_final && own {
        measured.write(&directory)?;
    }
    measured.show(&experiment.name);
    if let Some(bytes) = provenance::peak_memory_bytes() {
        screen::say(format_args!(
            "peak memory {:.2} GiB",
            bytes as f64 / f64::from(1 << 30)
        ));
    }
    Ok(())
}

/// Where a run goes, or that it is there already.
enum Place {
    Run(PathBuf),
    Finished(PathBuf),
}

fn place(request: &Request, experiment: &Experiment) -> Result<Place, TrainerError> {
    let path = RunDirectory::path_for(experiment);
    if request.beginning == Beginning::Beside {
        return Ok(Place::Run(RunDirectory::unused(&path)));
    }
    if !RunDirectory::is_begun(&path) {
        return if request.beginning == Beginning::Resume {
            Err(TrainerError::NothingToResume(path))
        } else {
            Ok(Place::Run(path))
        };
    }
    let directory = RunDirectory::open(&path)?;
    let found = directory.experiment()?;
    if found.digest() != experiment.digest() {
        let differences = found.differences(experiment).join("\n  ");
        return Err(TrainerError::OtherConfig { path, differences });
    }
    let finished = directory
        .record()
        .is_some_and(|record| record.status == Status::Finished);
    match (finished, request.beginning) {
        (true, _) => Ok(Place::Finished(path)),
        (false, Beginning::Start) => Err(TrainerError::Unfinished(path)),
        (false, _) => Ok(Place::Run(path)),
    }
}

fn report_finished(path: &Path) -> Result<(), TrainerError> {
    let directory = RunDirectory::open(path)?;
    screen::say(format_args!(
        "{} is finished; nothing to do (`--force` starts anew beside it)",
        path.display()
    ));
    let stored = Measured {
        perplexity: directory.evaluation(),
        tasks: directory.tasks(),
    };
    stored.show(&directory.experiment()?.name);
    Ok(())
}

fn select_device(request: &DeviceRequest, sources: &Sources) -> Result<Selected, TrainerError> {
    device::select(request).map_err(|error| {
        sources
            .error("run.device", error.message, Some(error.help))
            .into()
    })
}

/// Precision and attention as the config asks and the device can.
fn execution(
    experiment: &Experiment,
    selected: &Selected,
    sources: &Sources,
) -> Result<Execution, TrainerError> {
    use decoder::Precision;
    use experiment::{Kernels as AskedKernels, Precision as AskedPrecision};
    let has_bf16 = Precision::Bf16.is_supported_by(selected.device());
    let precision = match experiment.train.precision {
        AskedPrecision::Auto if has_bf16 && !selected.is_cpu() => Precision::Bf16,
        AskedPrecision::F32 | AskedPrecision::Auto => Precision::F32,
        AskedPrecision::Bf16 if has_bf16 => Precision::Bf16,
        AskedPrecision::Bf16 => {
            let message = format!("device {} does not compute in bf16", selected.name);
            let help =
                Some("`train.precision = \"auto\"` takes bf16 where there is one".to_owned());
            return Err(sources.error("train.precision", message, help).into());
        }
    };
    let length = experiment.train.context_length;
    Ok(match experiment.train.kernels {
        AskedKernels::Fused => kernels::fastest(
            selected,
            &Workload {
                config: &experiment.model,
                batch: experiment.train.micro_batch_size,
                length,
                precision,
            },
        ),
        AskedKernels::Plain => Execution {
            precision,
            kernels: Kernels::Plain,
            fused_attention: false,
            query_chunk: length,
        },
    })
}

/// Share of a device's memory that the estimate of a training step may take: the estimate is rough, and
/// others need some.
const USABLE_MEMORY: f64 = 0.8;

/// What a pass keeps: as asked, or by the estimate of memory and what the device has.
fn activations(experiment: &Experiment, selected: &Selected, execution: Execution) -> Activations {
    match experiment.train.activation_checkpointing {
        ActivationCheckpointing::None => return Activations::Kept,
        ActivationCheckpointing::Block => return Activations::RecomputedPerBlock,
        ActivationCheckpointing::Auto => {}
    }
    let train = &experiment.train;
    let needed = experiment.model.training_bytes(&StepShape {
        batch: train.micro_batch_size,
        length: train.context_length,
        at_once: match selected.devices.len() {
            1 => selected.workers().min(train.micro_batches_per_step()),
            _ => 1,
        },
        execution,
        activations: Activations::Kept,
    });
    match selected.free_memory_bytes() {
        Some(free) if needed > USABLE_MEMORY * free as f64 => {
            screen::say(format_args!(
                "memory each block is computed twice: keeping all activations would take about {} of {}",
                plan::gibibytes(needed),
                plan::gibibytes(free as f64)
            ));
            Activations::RecomputedPerBlock
        }
        _ => Activations::Kept,
    }
}

/// Every device needs a micro-batch of its own.
fn check_devices(
    experiment: &Experiment,
    selected: &Selected,
    sources: &Sources,
) -> Result<(), TrainerError> {
    let (devices, passes) = (
        selected.devices.len(),
        experiment.train.micro_batches_per_step(),
    );
    if devices == 1 || passes.is_multiple_of(devices) {
        return Ok(());
    }
    let message = format!(
        "{passes} forward passes a step (batch_size / micro_batch_size) cannot be shared out evenly over {devices} devices"
    );
    let help = format!("make `batch_size` a multiple of {devices} x `micro_batch_size`");
    Err(sources
        .error("train.micro_batch_size", message, Some(help))
        .into())
}

fn open_data(experiment: &Experiment, sources: &Sources) -> Result<Data, TrainerError> {
    let bar = bar("tokenizing {bar:24} {bytes}/{total_bytes} {msg} {eta} left");
    let data = Data::open(experiment, sources, &|progress| {
        bar.set_length(progress.total_bytes);
        bar.set_message(progress.document);
        bar.set_position(progress.done_bytes);
    });
    bar.finish_and_clear();
    data
}

fn begin(
    directory: &RunDirectory,
    experiment: &Experiment,
    data: &Data,
    selected: &Selected,
) -> Result<RunRecord, TrainerError> {
    let device = format!("{} ({})", selected.name, selected.description);
    let fresh = RunDirectory::new_record(experiment, data.digest(), device.clone());
    let record = match directory.record() {
        None => fresh,
        Some(before) => {
            check_corpus(directory, &before, data)?;
            RunRecord {
                started: before.started,
                training_seconds: before.training_seconds,
                ..fresh
            }
        }
    };
    tracing::info!(%device, commit = record.git_commit, "session begins");
    directory.write_record(&record)?;
    Ok(record)
}

fn check_corpus(
    directory: &RunDirectory,
    record: &RunRecord,
    data: &Data,
) -> Result<(), TrainerError> {
    if record.corpus_digest == data.digest() {
        return Ok(());
    }
    Err(TrainerError::OtherCorpus {
        path: directory.path().to_owned(),
        expected: record.corpus_digest.clone(),
        found: data.digest().to_owned(),
    })
}

/// The newest usable checkpoint, with a warning for each damaged one after it.
pub fn latest_checkpoint(directory: &RunDirectory) -> Option<Checkpoint> {
    let (checkpoint, damaged) = directory.checkpoints().load_latest();
    for error in damaged {
        tracing::warn!(%error, "checkpoint skipped");
        screen::note(format_args!(
            "warning: {error}; using the checkpoint before it"
        ));
    }
    checkpoint
}

/// Notes in the run directory that training failed, and tells how to continue the run called `name` where the disk was
/// at fault.
fn note_failure(
    request: &Request,
    directory: &RunDirectory,
    mut record: RunRecord,
    name: &str,
    error: &TrainerError,
) {
    if matches!(error, TrainerError::Diverged { .. }) {
        record.status = Status::Diverged;
    }
    // What went wrong first is what counts; on a full disk the record cannot be written either.
    if let Err(second) = directory.write_record(&record) {
        tracing::warn!(error = %second, "the state of the run is not noted");
    }
    if let (TrainerError::Io { .. } | TrainerError::Checkpoint(_), Some(step)) =
        (error, directory.checkpoints().steps().last())
    {
        let command = command_to_continue(request, name);
        screen::note(format_args!(
            "step {step} is saved; once this is mended, continue with:\n{command}"
        ));
    }
}

/// Notes in the run directory that the run was stopped; what was done, as `done` says, and the command that continues
/// it.
fn interrupted(
    request: &Request,
    directory: &RunDirectory,
    mut record: RunRecord,
    name: &str,
    done: &str,
) -> TrainerError {
    record.status = Status::Interrupted;
    if let Err(error) = directory.write_record(&record) {
        return error;
    }
    TrainerError::Stopped(format!(
        "stopped{} {done}; continue with:\n{}",
        stop::by_signal(),
        command_to_continue(request, name)
    ))
}

/// The command that continues the run called `name` that `request` began.
fn command_to_continue(request: &Request, name: &str) -> String {
    let arguments = arguments_to_continue(request, name).into_iter();
    shell::line(std::iter::once(shell::this_program()).chain(arguments))
}

/// An evaluation by itself leaves nothing behind when it is stopped.
pub fn evaluation_stopped() -> TrainerError {
    TrainerError::Stopped(format!(
        "stopped{}; nothing was written, the same command begins again",
        stop::by_signal()
    ))
}

/// What the command line must say to continue the run called `name` that `request` began. Its name is in it if the
/// config alone would not lead to it.
fn arguments_to_continue(request: &Request, name: &str) -> Vec<String> {
    let mut arguments = vec![cli::file_argument(&request.config)];
    let (names, others): (Vec<_>, Vec<_>) =
        request.overrides.iter().partition(|set| sets_name(set));
    for set in others {
        arguments.extend(["--set".to_owned(), set.clone()]);
    }
    if !names.is_empty() || request.beginning == Beginning::Beside {
        arguments.extend(["--name".to_owned(), name.to_owned()]);
    }
    #[cfg(feature = "dashboard")]
    if request.view == View::Dashboard {
        arguments.push("--dashboard".to_owned());
    }
    arguments.push("--resume".to_owned());
    arguments
}

/// Whether the argument of a `--set` names the run.
fn sets_name(set: &str) -> bool {
    let key = set.split('=').next().unwrap_or_default();
    key.trim().trim_matches(['"', '\'']) == "name"
}

/// What an overridden config changes in that of a finished run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Changes {
    /// Nothing that decides a result.
    None,
    /// The tasks that are measured.
    Tasks,
    /// What the weights or the perplexities depend on.
    More,
}

fn changes(own: &Experiment, asked: &Experiment) -> Changes {
    let mut asked = asked.clone();
    // It may be the run's copy by now; the digest of the data has been compared.
    asked.data.tokenizer.clone_from(&own.data.tokenizer);
    let differences = own.differences(&asked);
    let of_tasks = |line: &String| line.starts_with("evaluation.task");
    match differences.iter().all(of_tasks) {
        true if differences.is_empty() => Changes::None,
        true => Changes::Tasks,
        false => Changes::More,
    }
}

/// A bar of progress that looks like `template`.
pub fn bar(template: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn request(words: &[String]) -> Request {
        let words = std::iter::once("trainer").chain(words.iter().map(String::as_str));
        let train = Cli::try_parse_from(words).expect("a command line").train;
        Request {
            overrides: train.all_overrides(),
            dry_run: train.dry_run,
            beginning: train.beginning(),
            view: train.view(),
            config: train.config.expect("a config"),
        }
    }

    /// What continues the run `name`, begun by `words`.
    fn continued(words: &[&str], name: &str) -> (Vec<String>, Request) {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let arguments = arguments_to_continue(&request(&words), name);
        let request = request(&arguments);
        (arguments, request)
    }

    #[test]
    fn a_hint_is_a_command_line_that_continues_the_run() {
        for (words, name) in [
            (&["run.toml"][..], "run"),
            (&["a b/it's.toml", "--set", "train.steps=3"], "its"),
            (&["run.toml", "--name", "x"], "x"),
            (&["run.toml", "--set", "name=x"], "x"),
            (
                &["run.toml", "--set", "\"name\" = 'x'", "--set", "seed=2"],
                "x",
            ),
            (&["run.toml", "--set", "name=y", "--name", "x"], "x"),
            (&["run.toml", "--force"], "run-2"),
            (&["run.toml", "--force", "--name", "x"], "x-2"),
            #[cfg(feature = "dashboard")]
            (&["run.toml", "--device", "cpu", "--dashboard"], "run"),
            (&["run.toml", "--continue", "--name", "x"], "x"),
            (&["run.toml", "--resume"], "run"),
            (&["run.toml", "--set", "data.path=[\"a b\", \"$c\"]"], "run"),
            (&["--", "-run.toml"], "-run"),
            (&["--", "sweep"], "sweep"),
        ] {
            let begun = request(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
            let (arguments, continued) = continued(words, name);
            assert_eq!(continued.beginning, Beginning::Resume, "{arguments:?}");
            assert_eq!(continued.view, begun.view, "{arguments:?}");
            assert_eq!(
                continued.config.file_name(),
                begun.config.file_name(),
                "{arguments:?}"
            );
            let others = |request: &Request| {
                let mut sets = request.overrides.clone();
                sets.retain(|set| !sets_name(set));
                sets
            };
            assert_eq!(others(&continued), others(&begun), "{arguments:?}");
        }
    }

    #[test]
    fn a_hint_names_the_run_once_and_only_if_it_must() {
        let names = |words: &[&str], name: &str| {
            let (arguments, _) = continued(words, name);
            let about_names = |word: &&String| *word == "--name" || sets_name(word);
            arguments.iter().filter(about_names).count()
        };
        assert_eq!(names(&["run.toml"], "run"), 0);
        assert_eq!(names(&["run.toml", "--name", "x"], "x"), 1);
        assert_eq!(names(&["run.toml", "--set", "name=x"], "x"), 1);
        assert_eq!(
            names(&["run.toml", "--set", "name=y", "--name", "x"], "x"),
            1
        );
        assert_eq!(names(&["run.toml", "--force"], "run-2"), 1);
    }
}
