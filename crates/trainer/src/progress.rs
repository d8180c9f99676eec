//! Two plain renderers of burn-train's metrics: a progress bar, and lines where no terminal listens.
//!
//! burn-train's own command-line renderer prints a line a step and shows no metric.

use std::collections::BTreeMap;
use std::time::Instant;

use burn::data::dataloader::Progress;
use burn_train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn_train::metric::{MetricDefinition, NumericEntry};
use burn_train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining,
};
use indicatif::{ProgressBar, ProgressStyle};

use crate::screen;

/// Lines printed over a whole run where no terminal listens.
const LINES: usize = 20;

/// The latest value of each metric.
#[derive(Default)]
struct Latest(BTreeMap<String, f64>);

impl Latest {
    fn note(&mut self, state: &MetricState) {
        if let MetricState::Numeric(entry, Some(value)) = state {
            let value = match value {
                NumericEntry::Value(v) | NumericEntry::Final(v) => *v,
                NumericEntry::Aggregated {
                    aggregated_value, ..
                } => *aggregated_value,
            };
            self.0.insert(format!("{:?}", entry.metric_id), value);
        }
    }

    fn get(&self, name: &str) -> Option<f64> {
        let quoted = format!("\"{name}\"");
        self.0
            .iter()
            .find(|(id, _)| id.contains(&quoted))
            .map(|(_, value)| *value)
    }

    /// `loss 4.1234  ppl 61.8  1,234 tok/s  valid 4.2345`, of what is known.
    fn line(&self) -> String {
        [
            self.get("Loss").map(|v| format!("loss {v:.4}")),
            self.get("Perplexity").map(|v| format!("ppl {v:.2}")),
            self.get("Speed").map(|v| format!("{v:.0} tok/s")),
            self.get("Validation loss").map(|v| format!("valid {v:.4}")),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("  ")
    }
}

/// A progress bar with loss, perplexity, speed and time left.
pub struct BarRenderer {
    bar: ProgressBar,
    latest: Latest,
}

impl BarRenderer {
    /// A bar that is drawn from the first step on.
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        let template = "{prefix} {bar:24} {pos}/{len} steps  {msg}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar,
            latest: Latest::default(),
        }
    }
}

impl MetricsRendererTraining for BarRenderer {
    fn update_train(&mut self, state: MetricState) {
        self.latest.note(&state);
    }

    fn update_valid(&mut self, state: MetricState) {
        self.latest.note(&state);
        self.bar.set_message(self.latest.line());
    }
}

impl TrainingProgressLogger for BarRenderer {
    fn start(&mut self, _epochs: usize, _epoch: usize, items: Option<usize>, label: Option<&str>) {
        self.bar.set_length(items.unwrap_or(0) as u64);
        self.bar.set_prefix(label.unwrap_or("train").to_owned());
    }

    fn start_split(&mut self, _split: &str, progress: &Progress) {
        self.bar.set_position(progress.items_processed as u64);
        // A resumed run's speed must not count the steps done before.
        self.bar.reset_eta();
    }

    fn update_split(&mut self, progress: &Progress) {
        self.bar.set_message(self.latest.line());
        self.bar.set_position(progress.items_processed as u64);
    }

    fn end(&mut self) {
        self.bar.finish_and_clear();
    }

    fn update_epoch(&mut self, _epoch: usize) {}
    fn end_split(&mut self, _progress: &Progress) {}
    fn log_event_training(&mut self, event: String) {
        self.bar.println(event);
    }
}

/// A line now and then, for logs and pipes.
pub struct LineRenderer {
    started: Instant,
    first: usize,
    latest: Latest,
}

impl LineRenderer {
    /// A renderer that prints about twenty lines a run.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            first: 0,
            latest: Latest::default(),
        }
    }

    fn seconds_left(&self, done: usize, total: usize) -> f64 {
        let here = done.saturating_sub(self.first).max(1);
        self.started.elapsed().as_secs_f64() / here as f64 * total.saturating_sub(done) as f64
    }
}

impl MetricsRendererTraining for LineRenderer {
    fn update_train(&mut self, state: MetricState) {
        self.latest.note(&state);
    }

    fn update_valid(&mut self, state: MetricState) {
        self.latest.note(&state);
    }
}

impl TrainingProgressLogger for LineRenderer {
    fn start(
        &mut self,
        _epochs: usize,
        _epoch: usize,
        _items: Option<usize>,
        _label: Option<&str>,
    ) {
        self.started = Instant::now();
    }

    fn start_split(&mut self, _split: &str, progress: &Progress) {
        self.first = progress.items_processed;
    }

    fn update_split(&mut self, progress: &Progress) {
        let (done, total) = (progress.items_processed, progress.total.unwrap_or(0));
        let every = total.div_ceil(LINES).max(1);
        if done.is_multiple_of(every) || done == total {
            let line = self.latest.line();
            let left = self.seconds_left(done, total);
            screen::note(format_args!(
                "step {done}/{total}  {line}  {left:.0} s left"
            ));
        }
    }

    fn end(&mut self) {}
    fn update_epoch(&mut self, _epoch: usize) {}
    fn end_split(&mut self, _progress: &Progress) {}
    fn log_event_training(&mut self, event: String) {
        screen::note(event);
    }
}

/// The parts of burn-train's interface that training does not use.
macro_rules! no_test_phase {
    ($renderer:ty) => {
        impl MetricsRendererEvaluation for $renderer {
            fn update_test(&mut self, _name: EvaluationName, _state: MetricState) {}
        }
        impl EvaluationProgressLogger for $renderer {
            fn start_global_progress(&mut self, _tests: usize) {}
            fn start_test(&mut self, _name: &str, _progress: &Progress) {}
            fn update_test_progress(&mut self, _progress: &Progress) {}
            fn end_test(&mut self, _progress: &Progress) {}
            fn end_global_progress(&mut self) {}
            fn log_event_evaluation(&mut self, _event: String) {}
        }
        impl MetricsRenderer for $renderer {
            fn manual_close(&mut self) {}
            fn register_metric(&mut self, _definition: MetricDefinition) {}
        }
    };
}

no_test_phase!(BarRenderer);
no_test_phase!(LineRenderer);
