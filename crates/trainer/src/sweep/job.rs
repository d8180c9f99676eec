//! One run of a sweep: how to start it, and what its folder says about how it fares.

use std::fs;
use std::path::{Path, PathBuf};

use experiment::{PlannedRun, Sweep};

use crate::error::STOPPED;
use crate::run_directory::{self, RunDirectory, Status};
use crate::{cli, metrics};

/// Times that a run whose process was stopped or killed is started again: by then it is the run that brings it about.
const RESTARTS: usize = 3;

/// How far a run is.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Not begun, or stopped and to be continued.
    Waiting,
    /// A process works on it.
    Running {
        /// Steps done.
        step: usize,
    },
    /// Trained and evaluated.
    Finished,
    /// Stopped with its state saved, and not started again by this sweep; the next one continues it.
    Stopped,
    /// Ended without a result; it is not started again unless asked for.
    Failed(String),
}

/// How a process ended that left no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was asked to save its state and did.
    Stopped,
    /// It was killed from outside.
    Killed,
    /// By itself, with an error.
    GaveUp,
}

impl End {
    /// By the exit status of the trainer, where there is one.
    pub fn by_status(status: Option<i32>) -> Self {
        match status {
            Some(status) if status == i32::from(STOPPED) => Self::Stopped,
            Some(_) => Self::GaveUp,
            None => Self::Killed,
        }
    }
}

/// One run of a sweep.
#[derive(Debug)]
pub struct Job {
    /// Label of its variant.
    pub variant: String,
    /// Its seed.
    pub seed: u64,
    /// Its run directory.
    pub directory: PathBuf,
    /// What its processes wrote on the screen.
    pub log: PathBuf,
    /// Steps of its training.
    pub steps: usize,
    /// How far it is.
    pub state: State,
    /// Times that its process was stopped or killed and it was started again.
    pub restarts: usize,
    /// A task that a scheduler has forgotten is to be submitted once more.
    pub resubmit: bool,
    arguments: Vec<String>,
}

impl Job {
    /// The job of `run`, whose directory is in `folder`.
    pub fn new(sweep: &Sweep, run: &PlannedRun, folder: &Path) -> Self {
        let name = run.directory_name();
        let mut arguments = vec![cli::file_argument(&sweep.config)];
        for set in &run.overrides {
            arguments.extend(["--set".to_owned(), set.clone()]);
        }
        arguments.extend([
            "--set".to_owned(),
            cli::set("run.directory", &folder.display().to_string()),
            "--name".to_owned(),
            name.clone(),
            "--continue".to_owned(),
        ]);
        Self {
            variant: run.variant.clone(),
            seed: run.seed,
            directory: folder.join(&name),
            log: folder.join("logs").join(format!("{name}.log")),
            steps: run.experiment.train.steps,
            state: State::Waiting,
            restarts: 0,
            resubmit: true,
            arguments,
        }
    }

    /// Arguments of the process that begins or continues it.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// Variant and seed.
    pub fn name(&self) -> String {
        format!("{}, seed {}", self.variant, self.seed)
    }

    /// Nothing is left to do for it.
    pub fn is_done(&self) -> bool {
        matches!(
            self.state,
            State::Finished | State::Stopped | State::Failed(_)
        )
    }

    /// Reads its folder.
    pub fn look(&mut self) {
        self.state = self.looked();
    }

    /// How far it is by its folder.
    pub fn looked(&self) -> State {
        let record = run_directory::read_record(&self.directory);
        let in_use = RunDirectory::is_in_use(&self.directory);
        match record.map(|record| record.status) {
            Some(Status::Finished) => State::Finished,
            _ if in_use => State::Running {
                step: metrics::last_step(&self.directory.join("metrics.jsonl")),
            },
            _ => fs::read_to_string(self.failure_file())
                .map_or(State::Waiting, |why| State::Failed(why.trim().to_owned())),
        }
    }

    /// Its process is gone, and there is no result: one that was stopped or killed from outside is started again, one
    /// that gave up is not.
    pub fn ended_without_result(&mut self, end: End, why: &str) {
        match end {
            End::Stopped | End::Killed if self.restarts < RESTARTS => self.restarts += 1,
            End::Stopped => self.state = State::Stopped,
            End::Killed | End::GaveUp => self.fail(why),
        }
    }

    /// Whether its last process was stopped and saved its state.
    pub fn was_interrupted(&self) -> bool {
        let record = run_directory::read_record(&self.directory);
        record.is_some_and(|record| record.status == Status::Interrupted)
    }

    /// Remembers, in its folder, that it failed.
    pub fn fail(&mut self, why: &str) {
        let why = format!("{why}\n{}", self.last_words());
        // A note that cannot be written is a run that is tried again.
        if let Err(error) = fs::create_dir_all(&self.directory)
            .and_then(|()| fs::write(self.failure_file(), why.trim()))
        {
            tracing::warn!(%error, run = %self.directory.display(), "failure not noted");
        }
        self.state = State::Failed(why.trim().to_owned());
    }

    /// Undoes [`Job::fail`].
    pub fn forget_failure(&self) {
        let _ = fs::remove_file(self.failure_file());
    }

    /// Name, reason and log of a failed run.
    pub fn failure_report(&self) -> String {
        let State::Failed(why) = &self.state else {
            return String::new();
        };
        let why = why.replace('\n', "\n    ");
        format!("  {}: {why}\n    log: {}", self.name(), self.log.display())
    }

    /// A hidden file: a folder with nothing else in it is not a run that was begun.
    fn failure_file(&self) -> PathBuf {
        self.directory.join(".failed")
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        const LINES: usize = 6;
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(folder: &Path) -> Job {
        Job {
            variant: "v".to_owned(),
            seed: 1,
            directory: folder.join("v"),
            log: folder.join("v.log"),
            steps: 1,
            state: State::Waiting,
            restarts: 0,
            resubmit: true,
            arguments: Vec::new(),
        }
    }

    /// Neither finished nor failed: the next sweep finds nothing that keeps it from going on.
    #[test]
    fn a_stopped_run_is_started_again_and_never_failed() {
        let folder = tempfile::tempdir().expect("folder");
        let mut job = job(folder.path());
        for _ in 0..RESTARTS {
            job.ended_without_result(End::Stopped, "stopped");
            assert_eq!(job.state, State::Waiting);
        }
        job.ended_without_result(End::Stopped, "stopped");
        assert_eq!(job.state, State::Stopped);
        assert!(job.is_done());
        assert_eq!(job.looked(), State::Waiting);
    }

    #[test]
    fn a_run_that_is_always_killed_fails_and_so_does_one_that_gives_up() {
        let folder = tempfile::tempdir().expect("folder");
        let mut killed = job(folder.path());
        for _ in 0..=RESTARTS {
            assert_eq!(killed.state, State::Waiting);
            killed.ended_without_result(End::Killed, "killed");
        }
        assert_eq!(killed.state, State::Failed("killed".to_owned()));
        killed.forget_failure();
        let mut gave_up = job(folder.path());
        gave_up.ended_without_result(End::GaveUp, "an error");
        assert_eq!(gave_up.state, State::Failed("an error".to_owned()));
    }

    #[test]
    fn the_exit_status_tells_how_a_process_ended() {
        assert_eq!(End::by_status(Some(75)), End::Stopped);
        assert_eq!(End::by_status(Some(1)), End::GaveUp);
        assert_eq!(End::by_status(None), End::Killed);
    }
}
