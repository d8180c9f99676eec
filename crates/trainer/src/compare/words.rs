//! What was found, in sentences that claim no more than the numbers do.

use crate::compare::effects::{Difference, Outcome};
use crate::compare::study::Study;

/// The finding at the training length and at the longest context.
pub fn headline(study: &Study, outcomes: &[Outcome]) -> String {
    let contexts = study.contexts();
    let trained = study.any_run().experiment.train.context_length;
    let near = nearest(&contexts, trained);
    let far = contexts[contexts.len() - 1];
    let tested = |outcome: &Outcome| {
        let difference = outcome.difference.as_ref();
        difference.is_some_and(|difference| difference.t.is_some())
    };
    if !outcomes.iter().any(tested) {
        return "Without two seeds that a variant shares with the baseline, no difference can be tested: \
                what follows are impressions."
            .to_owned();
    }
    let mut sentences = vec![sentence(study, outcomes, near, "the training length")];
    if far != near {
        sentences.push(sentence(study, outcomes, far, "the longest context"));
    }
    sentences.join(" ")
}

fn sentence(study: &Study, outcomes: &[Outcome], context: usize, called: &str) -> String {
    let at: Vec<&Outcome> = outcomes.iter().filter(|o| o.context == context).collect();
    let place = format!("At {called} ({context} tokens)");
    let baseline = &study.variants[study.baseline].label;
    let label = |outcome: &Outcome| study.variants[outcome.variant].label.as_str();
    let significant = |better: bool| {
        let chosen = at.iter().filter(|outcome| {
            let difference = outcome.difference.as_ref();
            difference.is_some_and(|d| d.is_significant() && (d.mean < 0.0) == better)
        });
        chosen.copied().collect::<Vec<_>>()
    };
    let better = significant(true)
        .into_iter()
        .min_by(|a, b| mean_difference(a).total_cmp(&mean_difference(b)));
    if let Some((outcome, difference)) = better.and_then(|o| Some((o, o.difference.as_ref()?))) {
        return format!(
            "{place}, {} has the lowest loss of those that differ significantly from {baseline}: {}.",
            label(outcome),
            in_nats(difference)
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
    format!(
        "{place}, no difference from {baseline} is significant; before correction, these seeds would have shown every difference above {detectable:.4} nats with 80% power."
    )
}

fn mean_difference(outcome: &Outcome) -> f64 {
    outcome
        .difference
        .as_ref()
        .map_or(0.0, |difference| difference.mean)
}

fn in_nats(difference: &Difference) -> String {
    let interval = difference.bootstrap.map_or_else(String::new, |interval| {
        format!(
            ", 95% interval {:+.4} to {:+.4}",
            interval.low, interval.high
        )
    });
    format!(
        "{:+.4} nats per token over {} seeds{interval}",
        difference.mean, difference.seeds
    )
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
    let largest = outcomes
        .iter()
        .filter_map(|outcome| outcome.difference.as_ref()?.detectable)
        .fold(0.0, f64::max);
    if largest > 0.0 {
        notes.push(format!(
            "Smallest differences that the seeds would show with 80% power, before correction: up to {largest:.4} nats per token. \
             What is not significant is not thereby equal."
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
