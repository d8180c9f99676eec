//! The screen of a sweep: a line for each run at work, a bar for all, and a line that stays for each that ends.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::screen;
use crate::sweep::job::{Job, State};

/// Shows how the jobs fare. Without a terminal only what stays is printed.
pub struct Board {
    lines: MultiProgress,
    total: ProgressBar,
    running: BTreeMap<usize, ProgressBar>,
    known: Vec<State>,
    on_terminal: bool,
}

impl Board {
    /// A board for `jobs` as they are now.
    pub fn new(jobs: &[Job]) -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        let lines = MultiProgress::with_draw_target(if on_terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        });
        let total = lines.add(ProgressBar::new(steps(jobs, |_| true)));
        total.set_style(style("{bar:24} {pos}/{len} steps  {msg}  {eta} left"));
        // What earlier sessions did counts, but not for the speed.
        total.set_position(steps_done(jobs));
        total.reset_eta();
        let board = Self {
            lines,
            total,
            running: BTreeMap::new(),
            known: jobs.iter().map(|job| job.state.clone()).collect(),
            on_terminal,
        };
        let finished = jobs.iter().filter(|job| job.is_done()).count();
        board.say(&format!(
            "sweep  {} runs, {finished} of them done before",
            jobs.len()
        ));
        board
    }

    /// A line that stays.
    pub fn say(&self, line: &str) {
        if self.on_terminal {
            let _ = self.lines.println(line);
        } else {
            screen::note(line);
        }
    }

    /// Brings the board up to date.
    pub fn show(&mut self, jobs: &[Job]) {
        for (index, job) in jobs.iter().enumerate() {
            self.show_run(index, job);
            if std::mem::discriminant(&self.known[index]) != std::mem::discriminant(&job.state) {
                self.announce(job, jobs);
            }
            self.known[index] = job.state.clone();
        }
        let done = jobs.iter().filter(|job| job.is_done()).count();
        self.total
            .set_message(format!("{done}/{} runs", jobs.len()));
        self.total.set_position(steps_done(jobs));
        if done == jobs.len() {
            self.total.finish_and_clear();
        }
    }

    fn show_run(&mut self, index: usize, job: &Job) {
        let State::Running { step } = job.state else {
            if let Some(bar) = self.running.remove(&index) {
                bar.finish_and_clear();
                self.lines.remove(&bar);
            }
            return;
        };
        let bar = self.running.entry(index).or_insert_with(|| {
            let bar = ProgressBar::new(job.steps as u64);
            let bar = self.lines.insert_before(&self.total, bar);
            bar.set_style(style("  {msg}  {bar:16} step {pos}/{len}  {eta} left"));
            bar.set_message(job.name());
            bar.enable_steady_tick(Duration::from_secs(1));
            bar
        });
        bar.set_position(step as u64);
        if step == job.steps {
            bar.set_message(format!("{}, evaluating", job.name()));
        }
    }

    fn announce(&self, job: &Job, jobs: &[Job]) {
        let done = jobs.iter().filter(|job| job.is_done()).count();
        match &job.state {
            State::Finished => self.say(&format!(
                "finished  {}  ({done}/{})",
                job.name(),
                jobs.len()
            )),
            State::Failed(why) => {
                let first = why.lines().next().unwrap_or_default();
                self.say(&format!("FAILED    {}: {first}", job.name()));
            }
            State::Stopped => self.say(&format!("stopped   {}", job.name())),
            State::Running { .. } if !self.on_terminal => {
                self.say(&format!("started   {}", job.name()));
            }
            State::Running { .. } | State::Waiting => {}
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn steps(jobs: &[Job], counts: impl Fn(&Job) -> bool) -> u64 {
    jobs.iter()
        .filter(|job| counts(job))
        .map(|job| job.steps as u64)
        .sum()
}

/// Steps of finished runs and of those at work; a failed or stopped run counts as done, or the bar would never end.
fn steps_done(jobs: &[Job]) -> u64 {
    let at_work = jobs.iter().map(|job| match job.state {
        State::Running { step } => step as u64,
        _ => 0,
    });
    steps(jobs, Job::is_done) + at_work.sum::<u64>()
}
