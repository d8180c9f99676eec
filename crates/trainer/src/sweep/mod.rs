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

use experiment::Sweep;

use crate::error::TrainerError;
use crate::screen;
use crate::sweep::board::Board;
use crate::sweep::hyperqueue::HyperQueue;
use crate::sweep::job::{Job, State};
use crate::sweep::local::Local;
use crate::sweep::slurm::Slurm;

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
/// A mistake in the file; an engine that cannot start anything; runs that failed.
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
    let stop = crate::run::stop_flag();
    let stopped = follow(engine.as_mut(), &mut jobs, &stop)?;
    finish(&request.file, &folder, &jobs, stopped)
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

fn finish(file: &Path, folder: &Path, jobs: &[Job], stopped: bool) -> Result<(), TrainerError> {
    let count = |wanted: fn(&State) -> bool| jobs.iter().filter(|job| wanted(&job.state)).count();
    let finished = count(|state| *state == State::Finished);
    screen::say(format_args!(
        "{finished} of {} runs finished, in {}",
        jobs.len(),
        folder.display()
    ));
    if stopped {
        screen::say(format_args!(
            "stopped; the same command continues: cargo run -p trainer -- sweep {}",
            file.display()
        ));
    }
    let failed: Vec<&Job> = jobs
        .iter()
        .filter(|job| matches!(job.state, State::Failed(_)))
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = failed.iter().map(|job| job.failure_report()).collect();
    Err(TrainerError::RunsFailed {
        count: failed.len(),
        list: list.join("\n"),
    })
}
