//! Curves over context length, position and training, and effects with intervals.

use std::collections::BTreeMap;

use report::Axis;
use report::chart::{Chart, Effect, Intervals, Line, Point, Series};
use statistics::t_interval;

use crate::compare::effects::Outcome;
use crate::compare::study::{Study, Variant};
use crate::metrics;

/// Points of a training curve: more than a screen shows are averaged.
const CURVE_POINTS: usize = 100;

/// All charts with the names of their files.
pub fn all(study: &Study, outcomes: &[Outcome]) -> Vec<(&'static str, Box<dyn Chart>)> {
    let mut charts: Vec<(&'static str, Box<dyn Chart>)> = vec![
        ("perplexity-by-context", Box::new(by_context(study))),
        ("effects", Box::new(effects(study, outcomes))),
        ("loss-by-position", Box::new(by_position(study))),
    ];
    if let Some(chart) = training(study) {
        charts.push(("training", Box::new(chart)));
    }
    if let Some(chart) = by_wavelength(study, outcomes) {
        charts.push(("base-wavelength", Box::new(chart)));
    }
    charts
}

fn with_training_length(chart: Line, study: &Study) -> Line {
    let length = study.any_run().experiment.train.context_length;
    chart.reference(length as f64, "training length")
}

/// Perplexity against context length, a line for each variant, t intervals over seeds as bands.
pub fn by_context(study: &Study) -> Line {
    let chart = Line::new("Perplexity by context length")
        .subtitle("the same final tokens at every length; bands: 95% t intervals over seeds")
        .x(Axis::log2("Context length").unit("tokens"))
        .y(Axis::linear("Perplexity"));
    let chart = with_training_length(chart, study);
    study.variants.iter().fold(chart, |chart, variant| {
        let contexts = study.contexts();
        let points = contexts.iter().enumerate().map(|(place, context)| {
            let losses = losses(variant, |run| run.contexts[place].nll);
            banded(*context as f64, &losses, f64::exp)
        });
        chart.series(Series::new(&variant.label, points))
    })
}

/// Loss at the longest context by position.
pub fn by_position(study: &Study) -> Line {
    let chart = Line::new("Loss by position, at the longest context")
        .subtitle("mean over seeds; late positions are other tokens than early ones")
        .x(Axis::log2("Position").unit("tokens"))
        .y(Axis::linear("Loss").unit("nats per token"));
    let chart = with_training_length(chart, study);
    study.variants.iter().fold(chart, |chart, variant| {
        let buckets = &study.any_run().evaluation.positions;
        let points = buckets.iter().enumerate().map(|(place, bucket)| {
            let losses = losses(variant, |run| run.positions[place].nll);
            // The middle of a bucket; a logarithm has no place for position 0.
            let middle = ((bucket.first + 1) as f64 * bucket.end as f64).sqrt();
            Point::new(middle, mean(&losses))
        });
        chart.series(Series::new(&variant.label, points))
    })
}

/// Training loss over tokens, mean over seeds; `None` where no run's metrics are at hand.
pub fn training(study: &Study) -> Option<Line> {
    let curves: Vec<Vec<Point>> = study.variants.iter().map(curve).collect();
    if curves.iter().all(Vec::is_empty) {
        return None;
    }
    let chart = Line::new("Training loss")
        .subtitle("mean over seeds, averaged over stretches of steps")
        .x(Axis::linear("Training").unit("tokens"))
        .y(Axis::linear("Loss").unit("nats per token"));
    let lines = study.variants.iter().zip(curves);
    Some(lines.fold(chart, |chart, (variant, points)| {
        chart.series(Series::new(&variant.label, points))
    }))
}

fn curve(variant: &Variant) -> Vec<Point> {
    let mut by_step: BTreeMap<usize, (f64, f64, f64)> = BTreeMap::new();
    let steps = variant
        .runs
        .values()
        .map(|run| run.experiment.train.steps)
        .max();
    let stretch = steps.unwrap_or(1).div_ceil(CURVE_POINTS).max(1);
    for run in variant.runs.values() {
        for line in run.metrics() {
            if let metrics::Line::Step {
                step, tokens, loss, ..
            } = line
            {
                let sums = by_step.entry((step - 1) / stretch).or_default();
                *sums = (
                    sums.0 + tokens as f64,
                    sums.1 + f64::from(loss),
                    sums.2 + 1.0,
                );
            }
        }
    }
    let averages = by_step.into_values();
    averages
        .map(|(tokens, loss, count)| Point::new(tokens / count, loss / count))
        .collect()
}

/// Differences to the baseline at the longest context, with intervals.
pub fn effects(study: &Study, outcomes: &[Outcome]) -> Intervals {
    let contexts = study.contexts();
    let far = contexts[contexts.len() - 1];
    let baseline = &study.variants[study.baseline].label;
    let axis = Axis::linear("Difference in loss").unit("nats per token");
    let chart = Intervals::new(format!("Against {baseline}, at {far} tokens"), axis)
        .subtitle(
            "paired by seed and document; 95% intervals by the crossed bootstrap, not corrected",
        )
        .directions(
            format!("better than {baseline}"),
            format!("worse than {baseline}"),
        )
        .decimals(4);
    let at = outcomes.iter().filter(|outcome| outcome.context == far);
    at.fold(chart, |chart, outcome| match &outcome.difference {
        None => chart,
        Some(difference) => {
            let (low, high) = difference
                .bootstrap
                .map_or((f64::NAN, f64::NAN), |interval| {
                    (interval.low, interval.high)
                });
            let label = &study.variants[outcome.variant].label;
            chart.effect(Effect::new(label, difference.mean, low, high))
        }
    })
}

/// Perplexity against the base wavelength, where the sweep has an axis of that name: a line for each
/// combination of its other settings.
pub fn by_wavelength(study: &Study, outcomes: &[Outcome]) -> Option<Line> {
    let contexts = study.contexts();
    let far = contexts[contexts.len() - 1];
    let mut lines: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.context == far) {
        let variant = &study.variants[outcome.variant];
        let Some(theta) = variant.settings.get("theta").and_then(number) else {
            continue;
        };
        let words = variant.label.split(' ');
        let name: Vec<&str> = words.filter(|word| !word.starts_with("theta=")).collect();
        let losses: Vec<f64> = losses(variant, |run| run.contexts[contexts.len() - 1].nll);
        let point = banded(theta, &losses, f64::exp);
        lines.entry(name.join(" ")).or_default().push(point);
    }
    if lines.is_empty() {
        return None;
    }
    let chart = Line::new(format!("Perplexity by base wavelength, at {far} tokens"))
        .subtitle("bands: 95% t intervals over seeds")
        .x(Axis::log10("Base wavelength θ"))
        .y(Axis::linear("Perplexity"));
    Some(lines.into_iter().fold(chart, |chart, (name, points)| {
        chart.series(Series::new(name, points))
    }))
}

fn number(value: &toml::Value) -> Option<f64> {
    value
        .as_float()
        .or_else(|| value.as_integer().map(|whole| whole as f64))
}

fn losses(variant: &Variant, of: impl Fn(&evaluation::Evaluation) -> f64) -> Vec<f64> {
    variant
        .runs
        .values()
        .map(|run| of(&run.evaluation))
        .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The mean of `values` at `x` with its t interval, both through `show`.
fn banded(x: f64, values: &[f64], show: fn(f64) -> f64) -> Point {
    let point = Point::new(x, show(mean(values)));
    match t_interval(values) {
        Some(interval) => point.band(show(interval.low), show(interval.high)),
        None => point,
    }
}
