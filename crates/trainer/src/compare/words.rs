//! What was found, in sentences that claim no more than the numbers do.

use crate::compare::effects::{Difference, Outcome};
use crate::compare::measure::Measure;
use crate::compare::study::Study;

/// The finding of the first measure, at the training length and at the longest.
pub fn headline(study: &Study, outcomes: &[Outcome]) -> String {
    let task = study.measures[0].task();
    let task = task.map_or_else(String::new, |task| format!("Task {}. ", task.kind()));
    task + &finding(study, 0, outcomes)
}

/// The finding of a measure, at the training length and at the longest.
pub fn finding(study: &Study, number: usize, outcomes: &[Outcome]) -> String {
    let measure = &study.measures[number];
    let outcomes: Vec<&Outcome> = outcomes.iter().filter(|o| o.measure == number).collect();
    let testable = |outcome: &&Outcome| {
        let difference = outcome.difference.as_ref();
        difference.is_some_and(|difference| difference.seeds > 1)
    };
    if !outcomes.iter().any(testable) {
        return "Without two seeds that a variant shares with the baseline, no difference can be tested: \
                what follows are impressions."
            .to_owned();
    }
    let trained = study.any_run().experiment.train.context_length;
    let near = nearest(&measure.lengths, trained);
    let far = measure.lengths.last().copied().unwrap_or(near);
    let longest = match measure.task() {
        None => "the longest context",
        Some(_) => "the longest",
    };
    let mut sentences = vec![sentence(
        study,
        measure,
        &outcomes,
        near,
        "the training length",
    )];
    if far != near {
        sentences.push(sentence(study, measure, &outcomes, far, longest));
    }
    sentences.join(" ")
}

fn sentence(
    study: &Study,
    measure: &Measure,
    outcomes: &[&Outcome],
    length: usize,
    called: &str,
) -> String {
    let at: Vec<&Outcome> = outcomes
        .iter()
        .copied()
        .filter(|o| o.length == length)
        .collect();
    let place = format!("At {called} ({length} tokens)");
    let baseline = &study.variants[study.baseline].label;
    let label = |outcome: &Outcome| study.variants[outcome.variant].label.as_str();
    let lower = measure.lower_is_better();
    let significant = |better: bool| {
        let chosen = at.iter().filter(|outcome| {
            let difference = outcome.difference.as_ref();
            difference.is_some_and(|d| d.is_significant() && ((d.mean < 0.0) == lower) == better)
        });
        chosen.copied().collect::<Vec<_>>()
    };
    let better = significant(true).into_iter().min_by(|a, b| {
        let (a, b) = (mean_difference(a), mean_difference(b));
        if lower {
            a.total_cmp(&b)
        } else {
            b.total_cmp(&a)
        }
    });
    if let Some((outcome, difference)) = better.and_then(|o| Some((o, o.difference.as_ref()?))) {
        return format!(
            "{place}, {} has the {} {} of those that differ significantly from {baseline}: {}.",
            label(outcome),
            if lower { "lowest" } else { "highest" },
            measure.noun(),
            in_units(difference, measure)
        );
    }
    let worse: Vec<&str> = significant(false).into_iter().map(label).collect();
    if !worse.is_empty() {
        return format!(
            "{place}, nothing is significantly better than {baseline}; {} {} significantly worse.",
            listed(&worse),
            if worse.len() == 1 { "is" } else { "are" }
        );
    }
    let detectable = at
        .iter()
        .filter_map(|o| o.difference.as_ref()?.detectable)
        .fold(f64::NAN, f64::max);
    // There is none where the runs of every pair came to the same.
    let power = if detectable.is_finite() {
        format!(
            "; before correction, these seeds would have shown every difference above {detectable:.4}{} with 80% power",
            if measure.unit().is_empty() {
                ""
            } else {
                " nats"
            }
        )
    } else {
        String::new()
    };
    format!("{place}, no difference from {baseline} is significant{power}.")
}

fn mean_difference(outcome: &Outcome) -> f64 {
    outcome
        .difference
        .as_ref()
        .map_or(0.0, |difference| difference.mean)
}

fn in_units(difference: &Difference, measure: &Measure) -> String {
    let interval = difference.bootstrap.map_or_else(String::new, |interval| {
        format!(
            ", 95% interval {:+.4} to {:+.4}",
            interval.low, interval.high
        )
    });
    format!(
        "{:+.4}{} over {} seeds{interval}",
        difference.mean,
        after_space(measure.unit()),
        difference.seeds
    )
}

fn after_space(unit: &str) -> String {
    match unit {
        "" => String::new(),
        unit => format!(" {unit}"),
    }
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

fn nearest(contexts: &[usize], length: usize) -> usize {
    let distance = |context: &&usize| context.abs_diff(length);
    contexts
        .iter()
        .min_by_key(distance)
        .copied()
        .unwrap_or(length)
}

/// What a reader should know before believing a number.
pub fn caveats(study: &Study, outcomes: &[Outcome]) -> Vec<String> {
    let mut notes = Vec::new();
    let seeds = study
        .variants
        .iter()
        .map(|v| v.runs.len())
        .min()
        .unwrap_or(0);
    if seeds < 3 {
        notes.push(format!(
            "Only {seeds} seed{} of a variant: treat every difference as an impression.",
            if seeds == 1 { "" } else { "s" }
        ));
    }
    let measure = &study.measures[0];
    let largest = outcomes
        .iter()
        .filter(|outcome| outcome.measure == 0)
        .filter_map(|outcome| outcome.difference.as_ref()?.detectable)
        .fold(0.0, f64::max);
    if largest > 0.0 {
        notes.push(format!(
            "Smallest differences in {} that the seeds would show with 80% power, before correction: up to {largest:.4}{}. \
             What is not significant is not thereby equal.",
            measure.noun(),
            after_space(measure.unit())
        ));
    }
    if !study.left_out.is_empty() {
        notes.push(format!(
            "Left out, because not all runs have them of the same samples: {}.",
            study.left_out.join(", ")
        ));
    }
    if !study.missing.is_empty() {
        notes.push(format!(
            "{} runs have no result yet: {}.",
            study.missing.len(),
            study.missing.join(", ")
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_as_english() {
        assert_eq!(listed(&["a"]), "a");
        assert_eq!(listed(&["a", "b"]), "a and b");
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
    }

    #[test]
    fn the_context_nearest_to_the_training_length() {
        assert_eq!(nearest(&[128, 256, 512], 256), 256);
        assert_eq!(nearest(&[100, 1000], 256), 100);
    }
}
