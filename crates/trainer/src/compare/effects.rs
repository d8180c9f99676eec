//! Differences to the baseline, paired by seed and by document or sample.

use statistics::{
    Interval, Paired, RESAMPLES, StatisticsError, TInterval, holm, smallest_detectable,
    standard_deviation, t_interval,
};

use crate::compare::measure::Measure;
use crate::compare::study::{Study, Variant};

/// Two-sided error rate of every interval and test.
pub const ALPHA: f64 = 0.05;
/// Chance with which the smallest detectable difference would have been found.
pub const POWER: f64 = 0.8;

/// What a variant reaches at a length, and how it differs from the baseline there.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Index of the measure.
    pub measure: usize,
    /// Index of the variant.
    pub variant: usize,
    /// Length in tokens.
    pub length: usize,
    /// Mean of the measure over the seeds; of a perplexity, the loss in nats per token.
    pub value: f64,
    /// `None` for the baseline itself, or where the two share no seed.
    pub difference: Option<Difference>,
}

/// Variant minus baseline, in the measure's unit.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Mean over the seeds that both have.
    pub mean: f64,
    /// Seeds that both have.
    pub seeds: usize,
    /// 95% interval by the crossed bootstrap over seeds and documents or samples.
    pub bootstrap: Option<Interval>,
    /// 95% t interval over seeds, with its test; `None` with one seed.
    pub t: Option<TInterval>,
    /// The test's p-value, corrected for all comparisons of the study (Holm).
    pub adjusted_p: Option<f64>,
    /// The smallest true difference that this many seeds would show with 80% power.
    pub detectable: Option<f64>,
}

impl Difference {
    /// Whether it stands out after the correction.
    pub fn is_significant(&self) -> bool {
        self.adjusted_p.is_some_and(|p| p < ALPHA)
    }
}

/// Every measure of every variant at every length, variants in their order, lengths rising.
///
/// # Errors
/// If a result is not finite or a document has no tokens.
pub fn outcomes(study: &Study) -> Result<Vec<Outcome>, StatisticsError> {
    let mut outcomes = Vec::new();
    for (number, measure) in study.measures.iter().enumerate() {
        for (index, variant) in study.variants.iter().enumerate() {
            for (place, length) in measure.lengths.iter().enumerate() {
                outcomes.push(Outcome {
                    measure: number,
                    variant: index,
                    length: *length,
                    value: mean(measure, variant, place),
                    difference: difference(study, measure, index, place)?,
                });
            }
        }
    }
    correct(&mut outcomes)?;
    Ok(outcomes)
}

fn mean(measure: &Measure, variant: &Variant, place: usize) -> f64 {
    let runs = variant.runs.values();
    let sum: f64 = runs.map(|run| measure.mean(run, place)).sum();
    sum / variant.runs.len() as f64
}

fn difference(
    study: &Study,
    measure: &Measure,
    index: usize,
    place: usize,
) -> Result<Option<Difference>, StatisticsError> {
    let (variant, baseline) = (&study.variants[index], &study.variants[study.baseline]);
    if index == study.baseline {
        return Ok(None);
    }
    let weights = measure.units(study.any_run(), place).into_iter();
    let weights: Vec<usize> = weights.map(|(_, weight)| weight).collect();
    let pairs: Vec<Vec<f64>> = variant
        .runs
        .iter()
        .filter_map(|(seed, run)| Some((run, baseline.runs.get(seed)?)))
        .map(|(run, base)| {
            let (ours, theirs) = (measure.units(run, place), measure.units(base, place));
            let pairs = ours.iter().zip(theirs);
            pairs.map(|((a, _), (b, _))| a - b).collect()
        })
        .collect();
    if pairs.is_empty() {
        return Ok(None);
    }
    let paired = Paired::new(pairs, &weights)?;
    let effect = paired.effect();
    let spread = standard_deviation(&effect.per_seed);
    Ok(Some(Difference {
        mean: effect.mean,
        seeds: paired.seeds(),
        bootstrap: paired.bootstrap_interval(RESAMPLES),
        t: t_interval(&effect.per_seed),
        adjusted_p: None,
        detectable: spread
            .and_then(|spread| smallest_detectable(spread, paired.seeds(), ALPHA, POWER)),
    }))
}

/// Fills in the corrected p-values: the family is every test of the study.
fn correct(outcomes: &mut [Outcome]) -> Result<(), StatisticsError> {
    let tested = |outcome: &Outcome| Some(outcome.difference.as_ref()?.t.as_ref()?.p);
    let raw: Vec<f64> = outcomes.iter().filter_map(tested).collect();
    let mut adjusted = holm(&raw)?.into_iter();
    for outcome in outcomes {
        if tested(outcome).is_some()
            && let Some(difference) = &mut outcome.difference
        {
            difference.adjusted_p = adjusted.next();
        }
    }
    Ok(())
}
