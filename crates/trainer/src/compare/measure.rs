//! What is compared: one number by length, and the units that pair the runs.

use evaluation::TaskResult;
use tasks::{CellScore, SampleScore, TaskConfig};

use crate::compare::study::{FinishedRun, sums_by_document};

/// A quantity that every run of a study has, at every one of its lengths.
#[derive(Clone, Debug)]
pub struct Measure {
    /// Lengths in tokens, rising.
    pub lengths: Vec<usize>,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// Loss of a text's final tokens, shown as perplexity; the units are documents.
    Perplexity,
    /// A metric of a task; the units are samples.
    Task(TaskConfig, Metric),
}

/// A number of `docs/tasks.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Nats per token of an answer.
    Loss,
    /// Share of the answers' tokens that were the most likely.
    TokenAccuracy,
    /// Share of answers of which every token was.
    ExactMatch,
    /// ln p(right) - ln p(wrong), mean over alternatives, in nats per answer.
    LogLikelihoodRatio,
    /// Loss of the second copy minus that of the first.
    CopyDifference,
}

impl Metric {
    /// The numbers that say most about `task`, the most telling one first.
    fn of(task: &TaskConfig) -> &'static [Self] {
        let alternatives = match task {
            TaskConfig::Passkey(task) => task.alternatives,
            TaskConfig::Needle(task) => task.alternatives,
            _ => 0,
        };
        match task {
            TaskConfig::Induction(_) => &[Self::CopyDifference],
            TaskConfig::Passkey(_) | TaskConfig::Needle(_) if alternatives > 0 => {
                &[Self::LogLikelihoodRatio, Self::ExactMatch]
            }
            TaskConfig::Copy(_)
            | TaskConfig::Reverse(_)
            | TaskConfig::SelectiveCopy(_)
            | TaskConfig::Passkey(_)
            | TaskConfig::Needle(_) => &[Self::TokenAccuracy, Self::ExactMatch],
            _ => &[Self::TokenAccuracy, Self::Loss],
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::TokenAccuracy => "token accuracy",
            Self::ExactMatch => "exact match",
            Self::LogLikelihoodRatio => "log-likelihood ratio",
            Self::CopyDifference => "second copy minus first",
        }
    }

    /// Its numerator and denominator in one sample, of which `groups` are the groups.
    fn unit(self, groups: &[&SampleScore]) -> (f64, usize) {
        let sum = |of: fn(&SampleScore) -> f64| groups.iter().map(|group| of(group)).sum::<f64>();
        let count = |of: fn(&SampleScore) -> usize| groups.iter().map(|group| of(group)).sum();
        match self {
            Self::Loss => (sum(|group| group.nll), count(|group| group.targets)),
            Self::TokenAccuracy => (
                sum(|group| group.right as f64),
                count(|group| group.targets),
            ),
            Self::ExactMatch => (
                sum(|group| group.exact as f64),
                count(|group| group.answers),
            ),
            Self::LogLikelihoodRatio => (sum(|group| group.ratio), count(|group| group.compared)),
            Self::CopyDifference => (copy_difference(groups), 1),
        }
    }

    /// Its mean in a field of a heat map, where it has one.
    fn in_cell(self, cell: &CellScore) -> Option<f64> {
        match self {
            Self::Loss | Self::CopyDifference => None,
            Self::TokenAccuracy => Some(cell.score.token_accuracy),
            Self::ExactMatch => Some(cell.score.exact_match),
            Self::LogLikelihoodRatio => cell.score.log_likelihood_ratio,
        }
    }
}

fn copy_difference(groups: &[&SampleScore]) -> f64 {
    let loss = |name: &str| {
        let group = groups.iter().find(|group| group.group == name);
        group.map_or(f64::NAN, |group| group.nll / group.targets as f64)
    };
    loss("second copy") - loss("first copy")
}

impl Measure {
    /// Perplexity at `lengths`.
    pub fn perplexity(lengths: Vec<usize>) -> Self {
        Self {
            lengths,
            what: What::Perplexity,
        }
    }

    /// The measures of `result`'s task, the most telling one first.
    pub fn of_task(result: &TaskResult) -> impl Iterator<Item = Self> {
        let mut lengths: Vec<usize> = result.lengths.iter().map(|at| at.length).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let task = result.task.clone();
        Metric::of(&task).iter().map(move |metric| Self {
            lengths: lengths.clone(),
            what: What::Task(task.clone(), *metric),
        })
    }

    /// Whether it is of a text.
    pub fn is_perplexity(&self) -> bool {
        matches!(self.what, What::Perplexity)
    }

    /// Its task, if it has one.
    pub fn task(&self) -> Option<&TaskConfig> {
        match &self.what {
            What::Perplexity => None,
            What::Task(task, _) => Some(task),
        }
    }

    /// What is shown: `Perplexity`, `mqar: token accuracy`.
    pub fn title(&self) -> String {
        match &self.what {
            What::Perplexity => "Perplexity".to_owned(),
            What::Task(task, metric) => format!("{}: {}", task.kind(), metric.noun()),
        }
    }

    /// What differences are of: `loss`, `token accuracy`.
    pub fn noun(&self) -> &'static str {
        match &self.what {
            What::Perplexity => "loss",
            What::Task(_, metric) => metric.noun(),
        }
    }

    /// Unit of a difference; empty for shares.
    pub fn unit(&self) -> &'static str {
        match &self.what {
            What::Perplexity | What::Task(_, Metric::Loss | Metric::CopyDifference) => {
                "nats per token"
            }
            What::Task(_, Metric::LogLikelihoodRatio) => "nats per answer",
            What::Task(_, Metric::TokenAccuracy | Metric::ExactMatch) => "",
        }
    }

    /// Begin of the names of its files: `mqar-token-accuracy`.
    pub fn file(&self) -> String {
        let title = self.title().to_lowercase().replace(": ", "-");
        title.replace(' ', "-")
    }

    /// What a unit is.
    pub fn unit_of_pairing(&self) -> &'static str {
        match self.what {
            What::Perplexity => "document",
            What::Task(..) => "sample",
        }
    }

    /// Whether a smaller value is a better one.
    pub fn lower_is_better(&self) -> bool {
        matches!(
            self.what,
            What::Perplexity | What::Task(_, Metric::Loss | Metric::CopyDifference)
        )
    }

    /// A mean as it is shown.
    pub fn shown(&self, value: f64) -> f64 {
        match self.what {
            What::Perplexity => value.exp(),
            What::Task(..) => value,
        }
    }

    /// The mean of `run` at the length number `place`.
    pub fn mean(&self, run: &FinishedRun, place: usize) -> f64 {
        if let (What::Perplexity, Some(evaluation)) = (&self.what, &run.evaluation) {
            return evaluation.contexts[place].nll;
        }
        let units = self.units(run, place);
        let (sum, weight) = units.iter().fold((0.0, 0), |(sum, all), (value, weight)| {
            (sum + value, all + weight)
        });
        sum / weight as f64
    }

    /// Sum and weight of every unit of `run` at the length number `place`, in an order that all runs share.
    pub fn units(&self, run: &FinishedRun, place: usize) -> Vec<(f64, usize)> {
        match &self.what {
            What::Perplexity => document_units(run, place),
            What::Task(task, metric) => {
                let length = self.lengths[place];
                let samples = run.task(task).map_or(&[][..], |result| &result.samples);
                let samples: Vec<&SampleScore> =
                    samples.iter().filter(|s| s.length == length).collect();
                samples
                    .chunk_by(|a, b| a.sample == b.sample)
                    .map(|groups| metric.unit(groups))
                    .collect()
            }
        }
    }

    /// Fields of `run`'s heat map: length, cell and mean, for a measure that has one.
    pub fn cells<'r>(
        &self,
        run: &'r FinishedRun,
    ) -> impl Iterator<Item = (usize, tasks::Cell, f64)> + use<'r> {
        let (result, metric) = match &self.what {
            What::Perplexity => (None, None),
            What::Task(task, metric) => (run.task(task), Some(*metric)),
        };
        let cells = result.map_or(&[][..], |result| &result.cells);
        cells
            .iter()
            .filter_map(move |cell| Some((cell.length, cell.cell?, metric?.in_cell(cell)?)))
    }
}

fn document_units(run: &FinishedRun, place: usize) -> Vec<(f64, usize)> {
    let Some(evaluation) = &run.evaluation else {
        return Vec::new();
    };
    let documents = &evaluation.documents;
    let scored = evaluation.parameters.scored_tokens;
    let sums = sums_by_document(&evaluation.contexts[place], documents.len());
    let tokens = documents.iter().map(|document| document.windows * scored);
    sums.into_iter().zip(tokens).collect()
}
