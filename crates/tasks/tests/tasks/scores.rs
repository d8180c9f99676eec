//! Numbers made of losses, against sums written out here.

use proptest::prelude::*;
use tasks::{
    AnswerScore, Cell, Outcome, Sample, Scores, Stream, TaskError, score_sample, summarize,
};

use crate::support::{BYTES, SMALL, task};

/// Three targets of two answers, worked by hand.
fn by_hand() -> Vec<AnswerScore> {
    let answer = |sample, targets, right, nll, alternatives: &[f64]| AnswerScore {
        sample,
        length: 16,
        group: "answer".into(),
        cell: Some(Cell::Distance {
            distance: 5 + sample as usize,
        }),
        targets,
        right,
        nll,
        alternatives: alternatives.to_vec(),
    };
    vec![
        answer(0, 1, 1, 0.5, &[2.5, 0.25]),
        answer(1, 2, 1, 4.0, &[5.0, 6.0]),
        answer(4, 1, 0, 1.5, &[]),
    ]
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-12
}

#[test]
fn means_are_those_worked_by_hand() {
    let scores = summarize(&by_hand());
    assert_eq!(scores.groups.len(), 1);
    let score = &scores.groups[0].score;
    assert_eq!((score.answers, score.targets), (3, 4));
    assert!(close(score.loss, 6.0 / 4.0));
    assert!(close(score.token_accuracy, 2.0 / 4.0));
    assert!(close(score.exact_match, 1.0 / 3.0));
    // (2.5 + 0.25)/2 - 0.5 = 0.875 and (5 + 6)/2 - 4 = 1.5
    assert!(close(score.log_likelihood_ratio.expect("some"), 1.1875));
    assert!(close(score.preferred.expect("some"), 0.5));
    // Distances 5 and 6 are one cell, 9 is another.
    let cells: Vec<_> = scores
        .cells
        .iter()
        .map(|c| (c.cell, c.score.answers))
        .collect();
    assert_eq!(
        cells,
        [
            (Some(Cell::Distance { distance: 4 }), 2),
            (Some(Cell::Distance { distance: 8 }), 1),
        ]
    );
    assert_eq!(scores.cells[1].score.log_likelihood_ratio, None);
    assert_eq!(scores.cells[1].score.preferred, None);
    assert!(scores.differences.is_empty());
}

#[test]
fn a_tie_is_not_preferred() {
    let mut answers = by_hand();
    answers[1].alternatives = vec![4.0, 6.0];
    let score = &summarize(&answers).groups[0].score;
    assert_eq!(score.preferred, Some(0.0));
}

#[test]
fn answers_without_a_token_do_not_count() {
    let mut answers = by_hand();
    let expected = summarize(&answers);
    answers.push(AnswerScore {
        targets: 0,
        right: 0,
        ..answers[0].clone()
    });
    assert_eq!(summarize(&answers), expected);
    let empty = summarize(&answers[3..]);
    assert!(empty.groups.is_empty() && empty.cells.is_empty());
}

#[test]
fn scores_come_back_from_json() {
    let mut answers = by_hand();
    answers.extend(induction_answers(9, 32));
    let json = serde_json::to_string(&answers).expect("serializable");
    let read: Vec<AnswerScore> = serde_json::from_str(&json).expect("as written");
    assert_eq!(read, answers);
    let scores = summarize(&answers);
    let json = serde_json::to_string(&scores).expect("serializable");
    let read: Scores = serde_json::from_str(&json).expect("as written");
    assert_eq!(read, scores);
    assert!(json.contains(r#""group":"answer","length":16,"cell":{"by":"distance","distance":4}"#));
}

/// A loss that is told apart from every other.
fn loss(sample: u64, target: usize) -> f32 {
    (sample as f32 + 1.0) * 0.125 + (target * target) as f32 * 0.0625
}

fn score(sample: &Sample, index: u64) -> Vec<AnswerScore> {
    let losses: Vec<f32> = (0..sample.length()).map(|t| loss(index, t)).collect();
    let right: Vec<bool> = (0..sample.length()).map(|t| t % 3 == 0).collect();
    let outcome = Outcome {
        losses: &losses,
        right: &right,
        alternatives: &[],
    };
    score_sample(sample, index, outcome).expect("finite")
}

fn induction_answers(count: u64, length: usize) -> Vec<AnswerScore> {
    let task = task("kind = 'induction'", SMALL);
    (0..count)
        .flat_map(|index| {
            let sample = task.sample(Stream::Evaluation, 1, index, length);
            score(&sample.expect("long enough"), index)
        })
        .collect()
}

#[test]
fn induction_is_the_second_copy_minus_the_first() {
    // Two lengths, so that samples of the same index must be told apart.
    let mut answers = induction_answers(5, 12);
    answers.extend(induction_answers(3, 9));
    let scores = summarize(&answers);
    let groups: Vec<&str> = scores.groups.iter().map(|g| g.group.as_str()).collect();
    assert_eq!(groups, ["first copy", "second copy"]);
    let mean = |targets: std::ops::Range<usize>| {
        let count = targets.len() as f64;
        targets.map(|t| (t * t) as f64 * 0.0625).sum::<f64>() / count
    };
    // The sample's own part of the loss cancels.
    let expected = [
        (9, 3, mean(5..8) - mean(1..4)),
        (12, 5, mean(7..12) - mean(1..6)),
    ];
    assert_eq!(scores.differences.len(), 2);
    for (difference, (length, samples, loss)) in scores.differences.iter().zip(expected) {
        assert_eq!(difference.group, "second copy");
        assert_eq!(difference.minus, "first copy");
        assert_eq!((difference.length, difference.samples), (length, samples));
        assert!(close(difference.loss, loss), "{difference:?} {loss}");
    }
}

#[test]
fn only_targets_of_answers_count() {
    let task = task("kind = 'mqar'\npairs = 3", BYTES);
    let sample = task.sample(Stream::Evaluation, 1, 0, 40).expect("fits");
    let mut losses = vec![f32::NAN; 40];
    let mut right = vec![true; 40];
    for (target, scored) in sample.scored().into_iter().enumerate() {
        if scored {
            losses[target] = 0.5;
            right[target] = false;
        }
    }
    let outcome = Outcome {
        losses: &losses,
        right: &right,
        alternatives: &[],
    };
    let answers = score_sample(&sample, 0, outcome).expect("finite where it counts");
    assert_eq!(answers.len(), 3);
    let score = &summarize(&answers).groups[0].score;
    assert!(close(score.loss, 0.5));
    assert!(close(score.token_accuracy, 0.0));
}

#[test]
fn a_loss_that_is_no_number_is_an_error() {
    let task = task("kind = 'first_token'", SMALL);
    let sample = task.sample(Stream::Evaluation, 1, 0, 8).expect("fits");
    let target = sample.answers[0].targets.start;
    let mut losses = [1.0; 8];
    losses[target] = f32::INFINITY;
    let outcome = Outcome {
        losses: &losses,
        right: &[true; 8],
        alternatives: &[],
    };
    let error = score_sample(&sample, 21, outcome).expect_err("infinite");
    assert_eq!(
        error.to_string(),
        format!("the loss of target {target} of sample 21 is inf; losses must be finite")
    );
    assert_eq!(error.key(), None);
}

#[test]
fn an_alternative_that_is_no_number_is_an_error() {
    let task = task("kind = 'passkey'\nalternatives = 1", BYTES);
    let sample = task.sample(Stream::Evaluation, 1, 0, 400).expect("fits");
    let outcome = Outcome {
        losses: &[1.0; 400],
        right: &[true; 400],
        alternatives: &[vec![f64::NAN]],
    };
    let error = score_sample(&sample, 2, outcome).expect_err("not a number");
    assert!(matches!(error, TaskError::NotFinite { sample: 2, .. }));
}

#[test]
#[should_panic(expected = "one loss for each target")]
fn losses_of_another_length_are_a_mistake_of_the_caller() {
    let task = task("kind = 'copy'", SMALL);
    let sample = task.sample(Stream::Evaluation, 1, 0, 8).expect("fits");
    let outcome = Outcome {
        losses: &[1.0; 9],
        right: &[true; 8],
        alternatives: &[],
    };
    let _ = score_sample(&sample, 0, outcome);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Alternatives through the sequences a model would read, with a made-up model of bytes.
    #[test]
    fn likelihood_ratios_are_those_of_the_sequences(seed: u64, digits in 1..=4_usize, wrong in 1..=5_usize) {
        let toml = format!("kind = 'needle'\ndigits = {digits}\nalternatives = {wrong}");
        let task = task(&toml, BYTES);
        let sample = task.sample(Stream::Evaluation, seed, 3, 400).expect("fits");
        let model = |tokens: &[u32]| -> Vec<f32> {
            let pairs = tokens.windows(2);
            pairs.map(|pair| ((pair[0] * 31 + pair[1] * 17) % 64) as f32 / 8.0).collect()
        };
        let losses = model(&sample.tokens);
        let targets = sample.answers[0].targets.clone();
        let sum = |losses: &[f32]| losses[targets.clone()].iter().map(|l| f64::from(*l)).sum::<f64>();
        let alternatives: Vec<f64> = (0..wrong)
            .map(|alternative| sum(&model(&sample.with_alternative(0, alternative))))
            .collect();
        let right = vec![false; 400];
        let outcome = Outcome { losses: &losses, right: &right, alternatives: std::slice::from_ref(&alternatives) };
        let answers = score_sample(&sample, 3, outcome).expect("finite");
        let score = &summarize(&answers).groups[0].score;
        // Eighths are exact, so sums are equal to the last bit.
        let mean = alternatives.iter().map(|nll| nll - sum(&losses)).sum::<f64>() / wrong as f64;
        prop_assert!(close(score.log_likelihood_ratio.expect("some"), mean));
        let best = alternatives.iter().fold(f64::INFINITY, |best, nll| best.min(*nll));
        prop_assert_eq!(score.preferred, Some(f64::from(u8::from(sum(&losses) < best))));
        prop_assert!(close(score.loss, sum(&losses) / (digits + 1) as f64));
    }

    #[test]
    fn cells_add_up_to_their_group(
        answers in prop::collection::vec((0..5_u64, 1..4_usize, 0.0..9.0_f64, 1..99_usize), 1..40)
    ) {
        let answers: Vec<AnswerScore> = answers
            .into_iter()
            .map(|(sample, targets, nll, distance)| AnswerScore {
                sample,
                length: 100 + sample as usize % 2,
                group: "answer".into(),
                cell: Some(Cell::Pairs { pairs: 4, distance }),
                targets,
                right: (sample as usize).min(targets),
                nll,
                alternatives: Vec::new(),
            })
            .collect();
        let scores = summarize(&answers);
        let whole = &scores.groups[0].score;
        let parts: Vec<_> = scores.cells.iter().map(|cell| &cell.score).collect();
        prop_assert_eq!(parts.iter().map(|p| p.answers).sum::<usize>(), answers.len());
        prop_assert_eq!(parts.iter().map(|p| p.targets).sum::<usize>(), whole.targets);
        let loss: f64 = parts.iter().map(|p| p.loss * p.targets as f64).sum();
        prop_assert!((loss / whole.targets as f64 - whole.loss).abs() < 1e-9);
        let exact = answers.iter().filter(|a| a.right == a.targets).count() as f64;
        prop_assert!(close(whole.exact_match, exact / answers.len() as f64));
        for cell in &scores.cells {
            let Some(Cell::Pairs { distance, .. }) = cell.cell else { panic!("pairs") };
            prop_assert!(distance.is_power_of_two());
        }
    }
}
