//! Array jobs of a SLURM cluster, whose nodes see this folder and this program.
//!
//! One array job for what is left to do; its script and command list stay in the sweep's folder `slurm/`, so that
//! it can be read, changed and submitted by hand. A task that SLURM preempts, or whose time runs out,
//! saves its state and goes back to the queue, and so does one that is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use experiment::Sweep;
use serde::{Deserialize, Serialize};

use crate::error::{STOPPED, TrainerError};
use crate::shell::{self, quoted};
use crate::sweep::Engine;
use crate::sweep::job::{Job, State};

/// Time between two questions to the scheduler: many users ask it.
const ASK_EVERY: Duration = Duration::from_secs(3);

/// Tasks of one array job.
const LARGEST_ARRAY: usize = 1000;

/// A SLURM cluster through `sbatch` and `squeue`.
pub struct Slurm {
    folder: PathBuf,
    name: String,
    /// More arguments of `sbatch`.
    options: Vec<String>,
    at_once: Option<usize>,
    submitted: Vec<Submission>,
    asked: Option<Instant>,
}

/// An array job: its number, and its tasks' run directories by index.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Submission {
    job: u64,
    runs: Vec<PathBuf>,
}

impl Slurm {
    /// The cluster, with what an earlier process submitted for the sweep in `folder`.
    ///
    /// # Errors
    /// If the folder cannot be made, or is not known by an absolute path.
    pub fn new(sweep: &Sweep, folder: &Path, jobs: Option<usize>) -> Result<Self, TrainerError> {
        let folder = std::path::absolute(folder)
            .map_err(TrainerError::io(folder))?
            .join("slurm");
        fs::create_dir_all(&folder).map_err(TrainerError::io(&folder))?;
        let text = fs::read_to_string(folder.join("submitted.json")).unwrap_or_default();
        Ok(Self {
            folder,
            name: sweep.name.clone(),
            options: sweep.slurm_options.clone(),
            at_once: jobs,
            submitted: serde_json::from_str(&text).unwrap_or_default(),
            asked: None,
        })
    }

    /// Submits an array job for `runs`, the indices of waiting jobs.
    fn submit(&mut self, jobs: &[Job], runs: &[usize]) -> Result<(), TrainerError> {
        let program = std::env::current_exe().map_err(TrainerError::io(Path::new("trainer")))?;
        let commands: Vec<String> = runs
            .iter()
            .map(|&run| command_line(&program, jobs[run].arguments()))
            .collect();
        let stem = self.folder.join(format!("array-{}", self.submitted.len()));
        let list = stem.with_extension("commands");
        write(&list, &(commands.join("\n") + "\n"))?;
        let logs = self.folder.with_file_name("logs");
        let script = script(&self.name, runs.len(), self.at_once, &list, &logs);
        let path = stem.with_extension("sbatch");
        write(&path, &script)?;
        let mut sbatch = Command::new("sbatch");
        sbatch.arg("--parsable").args(&self.options).arg(&path);
        let printed = output(&mut sbatch)?;
        // `JOB` or `JOB;CLUSTER`.
        let number = printed.trim().split(';').next().unwrap_or_default();
        let job = number.parse().map_err(|_| TrainerError::Scheduler {
            command: "sbatch".to_owned(),
            said: printed.clone(),
        })?;
        self.submitted.push(Submission {
            job,
            runs: runs
                .iter()
                .map(|&run| jobs[run].directory.clone())
                .collect(),
        });
        let text = serde_json::to_string_pretty(&self.submitted)
            .map_err(|error| TrainerError::io(&self.folder)(error.into()))?;
        write(&self.folder.join("submitted.json"), &text)
    }

    /// Tasks that the scheduler has not seen the end of, by the run directory, and whether they are at work.
    fn alive(&self) -> Result<BTreeMap<PathBuf, bool>, TrainerError> {
        let mut alive = BTreeMap::new();
        for submission in &self.submitted {
            for (task, at_work) in tasks(submission.job)? {
                if let Some(run) = submission.runs.get(task) {
                    alive.insert(run.clone(), at_work);
                }
            }
        }
        Ok(alive)
    }
}

impl Engine for Slurm {
    fn advance(&mut self, jobs: &mut [Job]) -> Result<(), TrainerError> {
        if self.asked.is_some_and(|asked| asked.elapsed() < ASK_EVERY) {
            // Between two questions the folders alone would take a queued run for one to be started.
            return Ok(());
        }
        let alive = self.alive()?;
        self.asked = Some(Instant::now());
        let known: BTreeSet<PathBuf> = match self.submitted.last() {
            Some(_) => self.submitted.iter().flat_map(|s| s.runs.clone()).collect(),
            None => BTreeSet::new(),
        };
        let mut waiting = Vec::new();
        for (index, job) in jobs
            .iter_mut()
            .enumerate()
            .filter(|(_, job)| !job.is_done())
        {
            // After the question: what ended since then is seen by its folder.
            job.look();
            match (&job.state, alive.get(&job.directory)) {
                (State::Waiting, None) if known.contains(&job.directory) && !job.resubmit => {
                    if job.was_interrupted() {
                        job.state = State::Stopped;
                    } else {
                        job.fail("its SLURM task ended without a result");
                    }
                }
                (State::Waiting, None) => waiting.push(index),
                _ => {}
            }
        }
        for runs in waiting.chunks(LARGEST_ARRAY) {
            self.submit(jobs, runs)?;
            for &run in runs {
                jobs[run].resubmit = false;
            }
        }
        Ok(())
    }

    fn stop(&mut self) {
        let numbers: Vec<String> = self.submitted.iter().map(|s| s.job.to_string()).collect();
        crate::screen::note(format_args!(
            "the SLURM jobs go on without this process; `scancel {}` stops them",
            numbers.join(" ")
        ));
    }
}

/// The array script. `%` and `$` are SLURM's and the shell's.
fn script(name: &str, tasks: usize, at_once: Option<usize>, list: &Path, logs: &Path) -> String {
    let limit = at_once.map_or_else(String::new, |jobs| format!("%{jobs}"));
    format!(
        r#"#!/usr/bin/env bash
#SBATCH --job-name={name}
#SBATCH --array=0-{last}{limit}
#SBATCH --output={logs}/slurm-%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR2@120
# One run of the sweep a task: line number SLURM_ARRAY_TASK_ID of the list, counted from 0.
command=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {list})
again() {{
    if (( ${{SLURM_RESTART_COUNT:-0}} < $1 )); then
        echo "back to the queue: $2"
        scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
    fi
    exit "$status"
}}
# The trainer ends with {STOPPED} where it was stopped and saved its state.
ended() {{
    if (( status == {STOPPED} )); then again 100 "$1"; fi
    if (( status > 128 )); then again 5 "killed by signal $((status - 128))"; fi
    exit "$status"
}}
# It does so at USR1. SLURM may have sent it a TERM as well; a second one would end it at once.
save() {{
    kill -USR1 "$child"
    wait "$child"
    status=$?
}}
# USR2 comes two minutes before the time is up.
trap 'save; ended "time is up"' USR2
# Cancelled, preempted, or out of time: SLURM itself puts a preempted job back.
trap 'save; exit "$status"' TERM
eval "$command" &
child=$!
wait "$child"
status=$?
ended "stopped"
"#,
        last = tasks - 1,
        logs = logs.display(),
        list = quoted(&list.display().to_string()),
    )
}

/// Array tasks of `job` that are queued or at work, and which are at work.
fn tasks(job: u64) -> Result<Vec<(usize, bool)>, TrainerError> {
    let mut squeue = Command::new("squeue");
    squeue.args(["--noheader", "--array", "--format=%K %T", "--jobs"]);
    squeue.arg(job.to_string());
    match output(&mut squeue) {
        Ok(printed) => Ok(parse_tasks(&printed)),
        // SLURM forgets jobs some minutes after their end.
        Err(TrainerError::Scheduler { said, .. }) if said.contains("Invalid job id") => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

fn parse_tasks(printed: &str) -> Vec<(usize, bool)> {
    let line = |line: &str| {
        let (task, state) = line.trim().split_once(' ')?;
        Some((task.parse().ok()?, state == "RUNNING"))
    };
    printed.lines().filter_map(line).collect()
}

/// What a command prints, or why there is none.
fn output(command: &mut Command) -> Result<String, TrainerError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |said: String| TrainerError::Scheduler {
        command: name.clone(),
        said,
    };
    let done = command
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
        return Err(failed(said));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// A command for a shell. Relative paths in it are meant from here.
fn command_line(program: &Path, arguments: &[String]) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let words = [program.display().to_string()];
    let here = quoted(&here.display().to_string());
    format!(
        "cd {here} && exec {}",
        shell::line(words.iter().chain(arguments))
    )
}

fn write(path: &Path, text: &str) -> Result<(), TrainerError> {
    fs::write(path, text).map_err(TrainerError::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_of_the_queue() {
        let printed = "3 PENDING\n0 RUNNING\n12 COMPLETING\nN/A RUNNING\n";
        assert_eq!(parse_tasks(printed), [(3, false), (0, true), (12, false)]);
    }
}
