//! From losses to the numbers of a task. Numbers only: no model, no tensor.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Cell, Induction, Sample, TaskError};

/// Groups whose losses are subtracted, per sample: the first minus the second.
const DIFFERENCES: [(&str, &str); 1] = [(Induction::SECOND_COPY, Induction::FIRST_COPY)];

/// What a model made of one sample.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// Loss of each of the T targets, in nats.
    pub losses: &'a [f32],
    /// For each of the T targets whether the most likely token is the right one.
    pub right: &'a [bool],
    /// Summed loss in nats of each alternative of each answer, on its own sequence
    /// ([`Sample::with_alternative`]); empty where alternatives were not scored.
    pub alternatives: &'a [Vec<f64>],
}

/// What a model made of one answer. Keep these: means, intervals and paired comparisons all follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerScore {
    /// Index of the sample.
    pub sample: u64,
    /// T, in tokens.
    pub length: usize,
    /// [`crate::Answer::group`].
    pub group: String,
    /// [`crate::Answer::cell`], distances exact.
    pub cell: Option<Cell>,
    /// Tokens of the answer.
    pub targets: usize,
    /// How many of them were the most likely token.
    pub right: usize,
    /// Their summed loss, in nats.
    pub nll: f64,
    /// The same for each alternative; empty where none were scored.
    pub alternatives: Vec<f64>,
}

/// Means over answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// How many answers.
    pub answers: usize,
    /// How many tokens they have.
    pub targets: usize,
    /// Mean loss in nats per token.
    pub loss: f64,
    /// Fraction of tokens that were the most likely.
    pub token_accuracy: f64,
    /// Fraction of answers of which every token was.
    pub exact_match: f64,
    /// Mean over answers, and over each one's alternatives, of ln p(right) - ln p(wrong), in nats per
    /// answer; none where no alternatives were scored.
    pub log_likelihood_ratio: Option<f64>,
    /// Fraction of those answers that were more likely than every alternative.
    pub preferred: Option<f64>,
}

/// A group's means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupScore {
    /// [`crate::Answer::group`].
    pub group: String,
    /// Its means.
    #[serde(flatten)]
    pub score: Score,
}

/// A group's means at one length and cell: a field of a heat map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellScore {
    /// [`crate::Answer::group`].
    pub group: String,
    /// T, in tokens.
    pub length: usize,
    /// The cell, distances rounded down to a power of two; none where the length says it all.
    pub cell: Option<Cell>,
    /// Its means.
    #[serde(flatten)]
    pub score: Score,
}

/// How two groups of the same samples differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The group subtracted from.
    pub group: String,
    /// The group subtracted.
    pub minus: String,
    /// T, in tokens.
    pub length: usize,
    /// Samples that have both.
    pub samples: usize,
    /// Mean over these samples of the difference of their mean losses, in nats per token.
    pub loss: f64,
}

/// The numbers of one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Over all lengths and cells.
    pub groups: Vec<GroupScore>,
    /// In the order of group, length, cell.
    pub cells: Vec<CellScore>,
    /// By length; empty for tasks that do not compare groups.
    pub differences: Vec<Difference>,
}

/// Scores the answers of sample number `index`.
///
/// # Errors
/// [`TaskError::NotFinite`] when a loss of an answer is infinite or NaN.
///
/// # Panics
/// When `outcome` does not have the sample's shape.
pub fn score_sample(
    sample: &Sample,
    index: u64,
    outcome: Outcome,
) -> Result<Vec<AnswerScore>, TaskError> {
    let length = sample.length();
    assert_eq!(outcome.losses.len(), length, "one loss for each target");
    assert_eq!(outcome.right.len(), length, "one flag for each target");
    assert!(
        outcome.alternatives.is_empty() || outcome.alternatives.len() == sample.answers.len(),
        "alternatives of all answers or of none"
    );
    (0..sample.answers.len())
        .map(|answer| score_answer(sample, index, answer, &outcome))
        .collect()
}

fn score_answer(
    sample: &Sample,
    index: u64,
    number: usize,
    outcome: &Outcome,
) -> Result<AnswerScore, TaskError> {
    let answer = &sample.answers[number];
    let alternatives = outcome.alternatives.get(number).cloned();
    let alternatives = alternatives.unwrap_or_default();
    assert!(
        alternatives.is_empty() || alternatives.len() == answer.alternatives.len(),
        "one loss for each alternative"
    );
    let at_target = answer
        .targets
        .clone()
        .map(|target| (target, f64::from(outcome.losses[target])));
    let at_alternative = alternatives
        .iter()
        .map(|loss| (answer.targets.start, *loss));
    for (target, value) in at_target.clone().chain(at_alternative) {
        if !value.is_finite() {
            return Err(TaskError::NotFinite {
                sample: index,
                target,
                value,
            });
        }
    }
    let right = &outcome.right[answer.targets.clone()];
    Ok(AnswerScore {
        sample: index,
        length: sample.length(),
        group: answer.group.to_owned(),
        cell: answer.cell,
        targets: answer.targets.len(),
        right: right.iter().filter(|right| **right).count(),
        nll: at_target.map(|(_, loss)| loss).sum(),
        alternatives,
    })
}

/// Means of the answers of one task: by group, by length and cell, and differences of groups.
/// Answers without a token are not counted.
pub fn summarize(answers: &[AnswerScore]) -> Scores {
    let mut groups: BTreeMap<&str, Sums> = BTreeMap::new();
    let mut cells: BTreeMap<(&str, usize, Option<Cell>), Sums> = BTreeMap::new();
    for answer in answers.iter().filter(|answer| answer.targets > 0) {
        let cell = (
            answer.group.as_str(),
            answer.length,
            answer.cell.map(Cell::bucket),
        );
        groups.entry(&answer.group).or_default().add(answer);
        cells.entry(cell).or_default().add(answer);
    }
    Scores {
        groups: groups
            .into_iter()
            .map(|(group, sums)| GroupScore {
                group: group.to_owned(),
                score: sums.means(),
            })
            .collect(),
        cells: cells
            .into_iter()
            .map(|((group, length, cell), sums)| CellScore {
                group: group.to_owned(),
                length,
                cell,
                score: sums.means(),
            })
            .collect(),
        differences: DIFFERENCES
            .iter()
            .flat_map(|(group, minus)| differences(answers, group, minus))
            .collect(),
    }
}

/// What a model made of a group's answers in one sample: sums, to pair runs by and to resample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleScore {
    /// T, in tokens.
    pub length: usize,
    /// Index of the sample.
    pub sample: u64,
    /// [`crate::Answer::group`].
    pub group: String,
    /// How many answers.
    pub answers: usize,
    /// How many tokens they have.
    pub targets: usize,
    /// Their summed loss, in nats.
    pub nll: f64,
    /// How many tokens were the most likely ones.
    pub right: usize,
    /// Answers of which every token was.
    pub exact: usize,
    /// Answers with alternatives.
    pub compared: usize,
    /// Their summed log-likelihood ratios, in nats.
    pub ratio: f64,
    /// Those that were more likely than every alternative.
    pub preferred: usize,
}

/// A group's means at one length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LengthScore {
    /// [`crate::Answer::group`].
    pub group: String,
    /// T, in tokens.
    pub length: usize,
    /// Its means.
    #[serde(flatten)]
    pub score: Score,
}

/// Sums of the answers of one task by length, sample and group, in this order.
pub fn by_sample(answers: &[AnswerScore]) -> Vec<SampleScore> {
    let mut sums: BTreeMap<(usize, u64, &str), Sums> = BTreeMap::new();
    for answer in answers.iter().filter(|answer| answer.targets > 0) {
        let key = (answer.length, answer.sample, answer.group.as_str());
        sums.entry(key).or_default().add(answer);
    }
    sums.into_iter()
        .map(|((length, sample, group), sums)| SampleScore {
            length,
            sample,
            group: group.to_owned(),
            answers: sums.answers,
            targets: sums.targets,
            nll: sums.nll,
            right: sums.right,
            exact: sums.exact,
            compared: sums.compared,
            ratio: sums.ratio,
            preferred: sums.preferred,
        })
        .collect()
}

/// Means over samples, by group and length.
pub fn by_length(samples: &[SampleScore]) -> Vec<LengthScore> {
    let mut sums: BTreeMap<(&str, usize), Sums> = BTreeMap::new();
    for sample in samples {
        let sums = sums.entry((&sample.group, sample.length)).or_default();
        sums.answers += sample.answers;
        sums.targets += sample.targets;
        sums.nll += sample.nll;
        sums.right += sample.right;
        sums.exact += sample.exact;
        sums.compared += sample.compared;
        sums.ratio += sample.ratio;
        sums.preferred += sample.preferred;
    }
    sums.into_iter()
        .map(|((group, length), sums)| LengthScore {
            group: group.to_owned(),
            length,
            score: sums.means(),
        })
        .collect()
}

/// Sums of what [`Score`] has the means of.
#[derive(Default)]
struct Sums {
    answers: usize,
    targets: usize,
    nll: f64,
    right: usize,
    exact: usize,
    compared: usize,
    ratio: f64,
    preferred: usize,
}

impl Sums {
    fn add(&mut self, answer: &AnswerScore) {
        self.answers += 1;
        self.targets += answer.targets;
        self.nll += answer.nll;
        self.right += answer.right;
        self.exact += usize::from(answer.right == answer.targets);
        if answer.alternatives.is_empty() {
            return;
        }
        let wrong = &answer.alternatives;
        self.compared += 1;
        self.ratio += wrong.iter().sum::<f64>() / wrong.len() as f64 - answer.nll;
        self.preferred += usize::from(wrong.iter().all(|nll| answer.nll < *nll));
    }

    /// Of at least one answer with at least one target.
    fn means(&self) -> Score {
        let mean = |sum: f64, count: usize| (count > 0).then(|| sum / count as f64);
        Score {
            answers: self.answers,
            targets: self.targets,
            loss: self.nll / self.targets as f64,
            token_accuracy: self.right as f64 / self.targets as f64,
            exact_match: self.exact as f64 / self.answers as f64,
            log_likelihood_ratio: mean(self.ratio, self.compared),
            preferred: mean(self.preferred as f64, self.compared),
        }
    }
}

/// Differences of two groups' mean losses, by length.
fn differences(answers: &[AnswerScore], group: &str, minus: &str) -> Vec<Difference> {
    let (group_losses, minus_losses) =
        (sample_losses(answers, group), sample_losses(answers, minus));
    let mut by_length: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for (sample, loss) in &group_losses {
        if let Some(subtracted) = minus_losses.get(sample) {
            by_length
                .entry(sample.0)
                .or_default()
                .push(loss - subtracted);
        }
    }
    by_length
        .into_iter()
        .map(|(length, differences)| Difference {
            group: group.to_owned(),
            minus: minus.to_owned(),
            length,
            samples: differences.len(),
            loss: differences.iter().sum::<f64>() / differences.len() as f64,
        })
        .collect()
}

/// Mean loss per token of a group in each sample, by length and index.
fn sample_losses(answers: &[AnswerScore], group: &str) -> BTreeMap<(usize, u64), f64> {
    let mut sums: BTreeMap<(usize, u64), Sums> = BTreeMap::new();
    let of_group = |answer: &&AnswerScore| answer.group == group && answer.targets > 0;
    for answer in answers.iter().filter(of_group) {
        let sample = (answer.length, answer.sample);
        sums.entry(sample).or_default().add(answer);
    }
    sums.into_iter()
        .map(|(sample, sums)| (sample, sums.nll / sums.targets as f64))
        .collect()
}
