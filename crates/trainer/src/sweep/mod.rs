//! `trainer sweep FILE`: all runs of a sweep file, started, watched and continued.
//!
//! A run is a process of this program, `trainer CONFIG --set .. --continue`, in a run directory that is named
//! after the run's id. All state is in those directories: a sweep that was killed, extended or moved to
//! another engine looks at them and goes on. Reading order: this file, `job` (a run and how it fares), the
//! engines `local`, `slurm` and `hyperqueue`, `board` (the screen).

mod board;
mod hyperqueue;
mod job;
mod local;
mod manifest;
mod plan;
mod slurm;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use experiment::Sweep;

use crate::error::TrainerError;
use crate::sweep::board::Board;
use crate::sweep::hyperqueue::HyperQueue;
use crate::sweep::job::{Job, State};
use crate::sweep::local::Local;
use crate::sweep::slurm::Slurm;
use crate::{cli, screen, shell, stop};

pub use crate::sweep::manifest::Manifest;

/// Time between two looks at the run directories.
const POLL: Duration = Duration::from_millis(500);

/// What the command line asks of a sweep.
#[derive(Debug)]
pub struct Request {
    /// The sweep file.
    pub file: PathBuf,
    /// `--set` arguments for every run.
    pub overrides: Vec<String>,
    /// Print the plan and stop.
    pub dry_run: bool,
    /// Who starts the processes.
    pub engine: EngineKind,
    /// Runs at the same time; `None`: as the engine sees fit.
    pub jobs: Option<usize>,
    /// Start failed runs once more.
    pub retry: bool,
}

/// Who starts the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum EngineKind {
    /// Processes on this machine
    Local,
    /// Array jobs of a SLURM cluster
    Slurm,
    /// Tasks of a `HyperQueue` server.
    #[value(
        name = "hyperqueue",
        help = "Tasks of a HyperQueue server, through its Python package"
    )]
    HyperQueue,
}

/// Starts runs, and stops those it started.
trait Engine {
    /// Starts what may be started and notices what ended. Called until no job is left to do.
    ///
    /// # Errors
    /// If nothing can be started at all.
    fn advance(&mut self, jobs: &mut [Job]) -> Result<(), TrainerError>;

    /// Asks all runs to save and end, and waits for them.
    fn stop(&mut self);
}

/// Runs or continues the sweep of `request`.
///
/// # Errors
/// A mistake in the file; an engine that cannot start anything; runs that failed, or were stopped.
pub fn sweep(request: &Request) -> Result<(), TrainerError> {
    let sweep = Sweep::load(&request.file, &request.overrides)?;
    let folder = folder(&sweep);
    let mut jobs: Vec<Job> = sweep
        .runs
        .iter()
        .map(|run| Job::new(&sweep, run, &folder))
        .collect();
    if request.dry_run {
        return plan::describe(&sweep, &jobs);
    }
    manifest::write(&sweep, &folder)?;
    if request.retry {
        jobs.iter().for_each(Job::forget_failure);
    }
    jobs.iter_mut().for_each(Job::look);
    let mut engine: Box<dyn Engine> = match request.engine {
        EngineKind::Local => Box::new(Local::new(&sweep, request.jobs)),
        EngineKind::Slurm => Box::new(Slurm::new(&sweep, &folder, request.jobs)?),
        EngineKind::HyperQueue => Box::new(HyperQueue::new(&sweep, &folder, request.jobs)?),
    };
    let stop = stop::flag();
    let stopped = follow(engine.as_mut(), &mut jobs, &stop)?;
    finish(request, &folder, &jobs, stopped)
}

/// Where the sweep's runs live: beside other runs, in a folder of their own.
fn folder(sweep: &Sweep) -> PathBuf {
    sweep.runs[0].experiment.run.directory.join(&sweep.name)
}

/// Watches until every job is done or a signal comes; whether one came.
fn follow(
    engine: &mut dyn Engine,
    jobs: &mut [Job],
    stop: &Arc<AtomicBool>,
) -> Result<bool, TrainerError> {
    let mut board = Board::new(jobs);
    loop {
        engine.advance(jobs)?;
        board.show(jobs);
        if jobs.iter().all(Job::is_done) {
            return Ok(false);
        }
        if stop.load(Ordering::Relaxed) {
            board.say("stopping: the runs save their state");
            engine.stop();
            jobs.iter_mut().for_each(Job::look);
            return Ok(true);
        }
        std::thread::sleep(POLL);
        for job in jobs.iter_mut().filter(|job| !job.is_done()) {
            job.look();
        }
    }
}

fn finish(
    request: &Request,
    folder: &Path,
    jobs: &[Job],
    stopped: bool,
) -> Result<(), TrainerError> {
    let count = |wanted: fn(&State) -> bool| jobs.iter().filter(|job| wanted(&job.state)).count();
    let finished = count(|state| *state == State::Finished);
    let left = count(|state| *state == State::Stopped);
    screen::say(format_args!(
        "{finished} of {} runs finished, in {}",
        jobs.len(),
        folder.display()
    ));
    let failed: Vec<String> = jobs
        .iter()
        .filter(|job| matches!(job.state, State::Failed(_)))
        .map(Job::failure_report)
        .collect();
    let failures = (!failed.is_empty()).then(|| TrainerError::RunsFailed {
        count: failed.len(),
        list: failed.join("\n"),
    });
    if !stopped && left == 0 {
        return failures.map_or(Ok(()), Err);
    }
    // The failures will be told again at the end of the sweep, which this is not.
    if let Some(failures) = failures {
        screen::note(failures);
    }
    let what = match left {
        0 => format!("stopped{}", stop::by_signal()),
        _ => format!(
            "{left} of {} runs stopped, with their state saved",
            jobs.len()
        ),
    };
    let command = shell::line(command(request));
    Err(TrainerError::Stopped(format!(
        "{what}; the same command continues:\n{command}"
    )))
}

/// The command line of `request`. Without `--retry`, which would start once more what has failed since.
fn command(request: &Request) -> Vec<String> {
    let mut words = vec![
        shell::this_program(),
        "sweep".to_owned(),
        cli::file_argument(&request.file),
    ];
    for set in &request.overrides {
        words.extend(["--set".to_owned(), set.clone()]);
    }
    if request.engine != EngineKind::Local
        && let Some(engine) = request.engine.to_possible_value()
    {
        words.extend(["--engine".to_owned(), engine.get_name().to_owned()]);
    }
    if let Some(jobs) = request.jobs {
        words.extend(["--jobs".to_owned(), jobs.to_string()]);
    }
    words
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn the_command_that_continues_a_sweep_is_the_one_that_began_it() {
        for words in [
            &["sweep", "a b.toml"][..],
            &[
                "sweep",
                "s.toml",
                "--set",
                "train.steps=3",
                "--set",
                "name='x'",
                "--jobs",
                "2",
            ],
            &[
                "sweep",
                "s.toml",
                "--engine",
                "slurm",
                "--device",
                "cuda:0..3",
                "--retry",
            ],
            &["sweep", "s.toml", "--engine", "hyperqueue"],
        ] {
            let parsed = |words: &[String]| {
                let words = std::iter::once("trainer").chain(words.iter().map(String::as_str));
                match Cli::try_parse_from(words).expect("a command line").command {
                    Some(Command::Sweep(arguments)) => Request {
                        overrides: arguments.all_overrides(),
                        file: arguments.file,
                        dry_run: arguments.dry_run,
                        engine: arguments.engine,
                        jobs: arguments.jobs.map(std::num::NonZeroUsize::get),
                        retry: arguments.retry,
                    },
                    other => panic!("{other:?}"),
                }
            };
            let begun = parsed(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
            let continued = parsed(&command(&begun)[1..]);
            let expected = Request {
                retry: false,
                ..begun
            };
            assert_eq!(format!("{continued:?}"), format!("{expected:?}"));
        }
    }
}
