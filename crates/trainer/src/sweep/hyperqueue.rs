//! Tasks of a `HyperQueue` server, whose workers see this folder and this program.
//!
//! `HyperQueue` is spoken to through its Python package (`pip install hyperqueue`): a short driver submits all that is
//! left to do as one job, a task for each run, and waits for it. With `HQ_SERVER_DIR` set the server is the one
//! that runs there, and its workers may be SLURM allocations; else the driver starts one on this machine. The driver
//! and its tasks stay in the sweep's folder `hyperqueue/`.

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use experiment::Sweep;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use crate::error::TrainerError;
use crate::sweep::Engine;
use crate::sweep::job::{End, Job, State};

/// What submits and waits.
const DRIVER: &str = include_str!("hyperqueue.py");

/// A `HyperQueue` server through its Python package.
pub struct HyperQueue {
    folder: PathBuf,
    name: String,
    /// Resources of a task beside its cores, for example `gpus/nvidia`.
    resources: BTreeMap<String, f64>,
    /// Cores of this machine.
    cores: usize,
    /// Cores of a task.
    cpus: usize,
    /// Jobs submitted by this process.
    submitted: usize,
    driver: Option<Driver>,
}

/// A driver at work.
struct Driver {
    child: Child,
    /// Indices of its runs, in the order of its tasks.
    runs: Vec<usize>,
    /// Where it says which tasks failed.
    ended: PathBuf,
    /// What it printed.
    log: PathBuf,
}

#[derive(Serialize)]
struct Tasks<'a> {
    name: &'a str,
    tasks: Vec<Task<'a>>,
}

#[derive(Serialize)]
struct Task<'a> {
    name: String,
    command: Vec<String>,
    folder: PathBuf,
    log: PathBuf,
    environment: BTreeMap<&'static str, String>,
    cpus: usize,
    resources: &'a BTreeMap<String, f64>,
}

impl HyperQueue {
    /// The server, for the sweep in `folder`: `jobs` runs at once share this machine's cores.
    ///
    /// # Errors
    /// If Python or its package is missing, or the folder cannot be made.
    pub fn new(sweep: &Sweep, folder: &Path, jobs: Option<usize>) -> Result<Self, TrainerError> {
        check_package()?;
        let folder = folder.join("hyperqueue");
        fs::create_dir_all(&folder).map_err(TrainerError::io(&folder))?;
        let folder = folder.canonicalize().map_err(TrainerError::io(&folder))?;
        write(&folder.join("driver.py"), DRIVER)?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            folder,
            name: sweep.name.clone(),
            resources: sweep.hyperqueue_resources.clone(),
            cores,
            cpus: (cores / jobs.unwrap_or(cores).max(1)).max(1),
            submitted: 0,
            driver: None,
        })
    }

    fn submit(&mut self, jobs: &[Job], runs: Vec<usize>) -> Result<(), TrainerError> {
        let program = std::env::current_exe().map_err(TrainerError::io(Path::new("trainer")))?;
        let here = std::env::current_dir().map_err(TrainerError::io(Path::new(".")))?;
        let task = |&run: &usize| {
            let job = &jobs[run];
            let words = [program.display().to_string()];
            Task {
                name: job.name(),
                command: words.iter().chain(job.arguments()).cloned().collect(),
                folder: here.clone(),
                log: here.join(&job.log),
                environment: BTreeMap::from([("RAYON_NUM_THREADS", self.cpus.to_string())]),
                cpus: self.cpus,
                resources: &self.resources,
            }
        };
        let tasks = Tasks {
            name: &self.name,
            tasks: runs.iter().map(task).collect(),
        };
        let file = |kind: &str| self.folder.join(format!("{kind}-{}.json", self.submitted));
        let (list, ended) = (file("tasks"), file("ended"));
        let text = serde_json::to_string_pretty(&tasks)
            .map_err(|error| TrainerError::io(&list)(error.into()))?;
        write(&list, &text)?;
        let _ = fs::remove_file(&ended);
        let log = self.folder.join("driver.log");
        let printed = File::create(&log).map_err(TrainerError::io(&log))?;
        let errors = printed.try_clone().map_err(TrainerError::io(&log))?;
        let child = python()
            .arg(self.folder.join("driver.py"))
            .args([&list, &ended])
            .arg(self.cores.to_string())
            // Ctrl-C is for this process alone: HyperQueue would kill the runs a second later.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(printed)
            .stderr(errors)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        self.submitted += 1;
        self.driver = Some(Driver {
            child,
            runs,
            ended,
            log,
        });
        Ok(())
    }
}

impl Engine for HyperQueue {
    fn advance(&mut self, jobs: &mut [Job]) -> Result<(), TrainerError> {
        if let Some(driver) = &mut self.driver {
            let status = driver.child.try_wait();
            let Some(status) = status.map_err(|error| failed(error.to_string()))? else {
                return Ok(());
            };
            driver.judge(jobs, status)?;
            self.driver = None;
        }
        let waiting = |(index, job): (usize, &Job)| (job.state == State::Waiting).then_some(index);
        let runs: Vec<usize> = jobs.iter().enumerate().filter_map(waiting).collect();
        if runs.is_empty() {
            return Ok(());
        }
        self.submit(jobs, runs)
    }

    fn stop(&mut self) {
        let Some(mut driver) = self.driver.take() else {
            return;
        };
        if std::env::var_os("HQ_SERVER_DIR").is_some() {
            crate::screen::note(format_args!(
                "the HyperQueue job goes on without this process; `hq job cancel last` stops it"
            ));
            return;
        }
        // It lets the runs save their state and ends after them; the server ends with it.
        if let Some(pid) = Pid::from_raw(driver.child.id().cast_signed()) {
            let _ = kill_process(pid, Signal::USR1);
        }
        let _ = driver.child.wait();
    }
}

impl Driver {
    /// Why tasks failed, by their number. A driver that was killed took its tasks with it and says nothing.
    fn failures(&self, status: ExitStatus) -> Result<BTreeMap<usize, String>, TrainerError> {
        if status.signal().is_some() {
            return Ok(BTreeMap::new());
        }
        let text = fs::read_to_string(&self.ended).map_err(|_| {
            let printed = fs::read_to_string(&self.log).unwrap_or_default();
            failed(printed.trim().to_owned())
        })?;
        serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
    }

    /// Judges the runs that are not done by what the driver says of their tasks.
    fn judge(&self, jobs: &mut [Job], status: ExitStatus) -> Result<(), TrainerError> {
        let failures = self.failures(status)?;
        for (task, &run) in self.runs.iter().enumerate() {
            let job = &mut jobs[run];
            job.look();
            if job.state != State::Waiting {
                continue;
            }
            let why = failures.get(&task);
            let end = why.map_or(End::Killed, |why| end(why));
            let why = why.map_or("it ended without a result", String::as_str);
            job.ended_without_result(end, &format!("its HyperQueue task: {why}"));
        }
        Ok(())
    }
}

/// How a task ended, by `HyperQueue`'s words for its failure.
fn end(why: &str) -> End {
    if why.contains("Received signal") {
        return End::Killed;
    }
    let after = why.split_once("exit code ").map_or("", |(_, after)| after);
    let digits = after.split(|c: char| !c.is_ascii_digit()).next();
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(status) => End::by_status(Some(status)),
        None => End::GaveUp,
    }
}

/// `python3`, or the one that the environment variable `PYTHON` names.
fn python() -> Command {
    Command::new(std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into()))
}

fn check_package() -> Result<(), TrainerError> {
    let import = python().args(["-c", "import hyperqueue"]).output();
    let import = import.map_err(|error| failed(error.to_string()))?;
    if import.status.success() {
        return Ok(());
    }
    Err(failed(format!(
        "{}\n`pip install hyperqueue` installs it; PYTHON=FILE names another Python",
        String::from_utf8_lossy(&import.stderr).trim()
    )))
}

fn failed(said: String) -> TrainerError {
    TrainerError::Scheduler {
        command: "python3 (hyperqueue)".to_owned(),
        said,
    }
}

fn write(path: &Path, text: &str) -> Result<(), TrainerError> {
    fs::write(path, text).map_err(TrainerError::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of 0.27.0.
    #[test]
    fn how_a_task_ended_is_read_from_what_hyperqueue_says() {
        let killed = "Program terminated with exit code -1. Received signal 15 (SIGTERM).";
        assert_eq!(end(killed), End::Killed);
        assert_eq!(end("Program terminated with exit code 75."), End::Stopped);
        assert_eq!(end("Program terminated with exit code 1."), End::GaveUp);
        assert_eq!(end("Error: No such file or directory"), End::GaveUp);
    }
}
