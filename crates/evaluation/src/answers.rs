//! Tasks, run on a decoder: one forward pass over each sample, losses at the answers' targets only.

use std::ops::{ControlFlow, Range};

use decoder::Decoder;
use fused::Workers;
use serde::{Deserialize, Serialize};
use tasks::{
    AnswerScore, CellScore, Difference, LengthScore, Outcome, Sample, SampleScore, Stream, Task,
    TaskConfig, TaskError, by_length, by_sample, score_sample, summarize,
};

use crate::perplexity::EvaluationError;
use crate::scoring::Reader;

/// Raised whenever a change could change a number or the file.
pub const TASKS_VERSION: u32 = 1;

/// Seed of the samples that results are of. One for all runs, whatever their own seed: results pair by sample.
const SEED: u64 = 0;
/// Seed of the samples that training looks at meanwhile.
const VALIDATION_SEED: u64 = 1;

/// Tokens that are read at once on each worker. It decides which samples are neighbours, so that the number of
/// workers does not.
const TOKENS: usize = 4096;

/// What is measured.
#[derive(Clone, Debug)]
pub struct TaskPlan {
    /// The tasks, with the text they hide their answers in.
    pub tasks: Vec<Task>,
    /// Lengths in tokens, rising; each task leaves out those that it has no room in.
    pub lengths: Vec<usize>,
    /// Samples of each task and length.
    pub samples: usize,
}

/// Everything that was measured; the content of `tasks.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskEvaluation {
    /// [`TASKS_VERSION`].
    pub version: u32,
    /// Seed of the samples.
    pub seed: u64,
    /// Samples of each task and length.
    pub samples: usize,
    /// One entry per task.
    pub tasks: Vec<TaskResult>,
}

/// The result of one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskResult {
    /// The task.
    pub task: TaskConfig,
    /// Token accuracy of a uniform guess; none for tasks in words.
    pub chance: Option<f64>,
    /// Lengths that were asked for and have no room for it, in tokens.
    pub too_short: Vec<usize>,
    /// Means by group and length.
    pub lengths: Vec<LengthScore>,
    /// Means by group, length and cell.
    pub cells: Vec<CellScore>,
    /// Differences of groups by length.
    pub differences: Vec<Difference>,
    /// Sums by length, sample and group: what paired comparisons need.
    pub samples: Vec<SampleScore>,
}

/// Runs the tasks of `plan` on `workers`; `progress` is told (done, all) tokens of samples and may stop it.
///
/// # Errors
/// If a sample cannot be made, a loss is not finite, or `progress` breaks.
pub fn evaluate_tasks(
    decoder: &Decoder,
    plan: &TaskPlan,
    workers: &Workers,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<TaskEvaluation, EvaluationError> {
    let fitting = |task: &Task| {
        let lengths = plan.lengths.iter().copied();
        let (fitting, too_short): (Vec<usize>, Vec<usize>) =
            lengths.partition(|length| *length >= task.least_length());
        (fitting, too_short)
    };
    let tokens = |task: &Task| plan.samples * fitting(task).0.iter().sum::<usize>();
    let all = plan.tasks.iter().map(tokens).sum();
    let mut done = 0;
    let mut results = Vec::new();
    for task in &plan.tasks {
        let (lengths, too_short) = fitting(task);
        let mut answers = Vec::new();
        for length in lengths {
            let reader = Reader::new(decoder, length);
            let batches = batches(plan.samples, length);
            for at_once in batches.chunks(workers.count()) {
                let found = workers.each(at_once.to_vec(), |samples| score(&reader, task, samples));
                for (samples, scores) in at_once.iter().zip(found) {
                    answers.extend(scores?);
                    done += length * (samples.end - samples.start) as usize;
                }
                if progress(done, all).is_break() {
                    return Err(EvaluationError::Stopped);
                }
            }
        }
        results.push(result(task, too_short, &answers));
    }
    Ok(TaskEvaluation {
        version: TASKS_VERSION,
        seed: SEED,
        samples: plan.samples,
        tasks: results,
    })
}

/// Mean loss in nats per token over the answers of `count` samples of `length` tokens, on `workers`. The samples
/// are neither trained on nor those of [`evaluate_tasks`].
///
/// # Errors
/// If a sample cannot be made.
pub fn answer_loss(
    decoder: &Decoder,
    task: &Task,
    length: usize,
    count: usize,
    workers: &Workers,
) -> Result<f64, EvaluationError> {
    let reader = Reader::new(decoder, length);
    let losses = workers.each(batches(count, length), |samples| {
        let samples = make(task, VALIDATION_SEED, samples, length)?;
        let sequences: Vec<Sequence> = samples.iter().map(Sequence::of_sample).collect();
        let read = sequences_read(&reader, &sequences);
        Ok::<_, TaskError>(read.into_iter().flat_map(|read| read.losses).collect())
    });
    let losses: Vec<Vec<f32>> = losses.into_iter().collect::<Result<_, _>>()?;
    let (mut sum, mut tokens) = (0.0, 0usize);
    for loss in losses.into_iter().flatten() {
        sum += f64::from(loss);
        tokens += 1;
    }
    Ok(sum / tokens as f64)
}

/// The samples `0..count`, as many at once as make up about [`TOKENS`].
fn batches(count: usize, length: usize) -> Vec<Range<u64>> {
    let size = (TOKENS / length).max(1);
    let starts = (0..count).step_by(size);
    starts
        .map(|start| start as u64..count.min(start + size) as u64)
        .collect()
}

fn result(task: &Task, too_short: Vec<usize>, answers: &[AnswerScore]) -> TaskResult {
    let samples = by_sample(answers);
    let scores = summarize(answers);
    TaskResult {
        task: task.config().clone(),
        chance: task.token_chance(),
        too_short,
        lengths: by_length(&samples),
        cells: scores.cells,
        differences: scores.differences,
        samples,
    }
}

fn make(
    task: &Task,
    seed: u64,
    samples: Range<u64>,
    length: usize,
) -> Result<Vec<Sample>, TaskError> {
    samples
        .map(|index| task.sample(Stream::Evaluation, seed, index, length))
        .collect()
}

/// Scores the answers of `samples`.
fn score(reader: &Reader, task: &Task, samples: Range<u64>) -> Result<Vec<AnswerScore>, TaskError> {
    let first = samples.start;
    let samples = make(task, SEED, samples, reader.length)?;
    let sequences: Vec<Sequence> = samples
        .iter()
        .flat_map(|sample| std::iter::once(Sequence::of_sample(sample)).chain(alternatives(sample)))
        .collect();
    let mut read = sequences_read(reader, &sequences).into_iter();
    let mut answers = Vec::new();
    for (index, sample) in (first..).zip(&samples) {
        let of_sample = read.next().unwrap_or_default();
        let alternatives: Vec<Vec<f64>> = sample
            .answers
            .iter()
            .map(|answer| {
                let wrong = read.by_ref().take(answer.alternatives.len());
                wrong.map(|wrong| sum(&wrong.losses)).collect()
            })
            .collect();
        let (losses, right) = of_sample.at_targets(sample);
        let outcome = Outcome {
            losses: &losses,
            right: &right,
            alternatives: &alternatives,
        };
        answers.extend(score_sample(sample, index, outcome)?);
    }
    Ok(answers)
}

/// A sequence for each alternative of each answer, in their order.
fn alternatives(sample: &Sample) -> impl Iterator<Item = Sequence> {
    sample
        .answers
        .iter()
        .enumerate()
        .flat_map(move |(index, answer)| {
            let numbers = 0..answer.alternatives.len();
            numbers.map(move |alternative| Sequence {
                tokens: sample.with_alternative(index, alternative),
                targets: answer.targets.clone().collect(),
            })
        })
}

/// T + 1 tokens, and the targets whose losses are wanted.
struct Sequence {
    tokens: Vec<u32>,
    targets: Vec<usize>,
}

impl Sequence {
    fn of_sample(sample: &Sample) -> Self {
        let scored = sample.scored();
        Self {
            tokens: sample.tokens.clone(),
            targets: (0..scored.len()).filter(|target| scored[*target]).collect(),
        }
    }
}

/// At each wanted target of a sequence.
#[derive(Default)]
struct Read {
    losses: Vec<f32>,
    /// Whether the most likely token is the target.
    right: Vec<bool>,
}

impl Read {
    /// At each of the sample's targets, zero and false where no answer is.
    fn at_targets(&self, sample: &Sample) -> (Vec<f32>, Vec<bool>) {
        let scored = sample.scored();
        let (mut losses, mut right) = (vec![0.0; scored.len()], vec![false; scored.len()]);
        let wanted = (0..scored.len()).filter(|target| scored[*target]);
        for (target, (loss, is_right)) in wanted.zip(self.losses.iter().zip(&self.right)) {
            (losses[target], right[target]) = (*loss, *is_right);
        }
        (losses, right)
    }
}

/// Reads all of `sequences`, [`TOKENS`] at a time.
fn sequences_read(reader: &Reader, sequences: &[Sequence]) -> Vec<Read> {
    let at_once = (TOKENS / reader.length).max(1);
    let pieces = sequences.chunks(at_once);
    pieces.flat_map(|piece| read(reader, piece)).collect()
}

fn read(reader: &Reader, sequences: &[Sequence]) -> Vec<Read> {
    let length = reader.length;
    let inputs = sequences.iter().flat_map(|s| &s.tokens[..length]);
    let inputs: Vec<i32> = inputs.map(|id| id.cast_signed()).collect();
    let (mut rows, mut targets) = (Vec::new(), Vec::new());
    for (index, sequence) in sequences.iter().enumerate() {
        for target in &sequence.targets {
            rows.push((index * length + target) as i32);
            targets.push(sequence.tokens[target + 1].cast_signed());
        }
    }
    let hidden = reader
        .hidden_states(inputs, sequences.len())
        .select(0, reader.list(rows)); // [N, C]
    let predicted = reader.decoder.predictions(hidden.clone()).into_data();
    let losses = reader
        .decoder
        .token_losses(hidden, reader.list(targets.clone()), reader.execution)
        .into_data();
    let mut scored = losses
        .iter::<f32>()
        .zip(predicted.iter::<i32>().zip(targets))
        .map(|(loss, (predicted, target))| (loss, predicted == target));
    let lengths = sequences.iter().map(|sequence| sequence.targets.len());
    lengths
        .map(|count| {
            let (losses, right) = scored.by_ref().take(count).unzip();
            Read { losses, right }
        })
        .collect()
}

fn sum(losses: &[f32]) -> f64 {
    losses.iter().map(|loss| f64::from(*loss)).sum()
}
