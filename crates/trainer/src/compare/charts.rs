//! Curves over length, position and training, heat maps, and effects with intervals.

use std::collections::BTreeMap;

use report::Axis;
use report::chart::{Chart, Effect, HeatMap, Intervals, Line, Point, Series};
use statistics::t_interval;

use crate::compare::effects::Outcome;
use crate::compare::measure::Measure;
use crate::compare::study::{FinishedRun, Study, Variant};
use crate::metrics;

/// Points of a training curve: more than a screen shows are averaged.
const CURVE_POINTS: usize = 100;

/// All charts with the names of their files.
pub fn all(study: &Study, outcomes: &[Outcome]) -> Vec<(String, Box<dyn Chart>)> {
    let mut charts: Vec<(String, Box<dyn Chart>)> = Vec::new();
    for (number, measure) in study.measures.iter().enumerate() {
        let (by_length, against) = if measure.is_perplexity() {
            ("perplexity-by-context".to_owned(), "effects".to_owned())
        } else {
            let file = measure.file();
            (format!("{file}-by-length"), format!("{file}-effects"))
        };
        charts.push((by_length, Box::new(self::by_length(study, measure))));
        charts.push((against, Box::new(effects(study, number, outcomes))));
        for (label, map) in heat_maps(study, measure) {
            let name = format!("{}-map-{}", measure.file(), as_file(&label));
            charts.push((name, Box::new(map)));
        }
    }
    if let Some(chart) = by_position(study) {
        charts.push(("loss-by-position".to_owned(), Box::new(chart)));
    }
    if let Some(chart) = training(study) {
        charts.push(("training".to_owned(), Box::new(chart)));
    }
    if let Some(chart) = by_wavelength(study) {
        charts.push(("base-wavelength".to_owned(), Box::new(chart)));
    }
    charts
}

/// Letters, digits, `.`, `-` and `_`.
fn as_file(label: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let characters = label.chars();
    characters.map(|c| if kept(c) { c } else { '_' }).collect()
}

fn with_training_length(chart: Line, study: &Study) -> Line {
    let length = study.any_run().experiment.train.context_length;
    chart.reference(length as f64, "training length")
}

/// A measure against length, a line for each variant, t intervals over seeds as bands.
pub fn by_length(study: &Study, measure: &Measure) -> Line {
    let (title, what, same) = if measure.is_perplexity() {
        (
            "Perplexity by context length".to_owned(),
            "Context length",
            "final tokens at every length",
        )
    } else {
        (
            format!("{} by length", measure.title()),
            "Length",
            "samples for every run",
        )
    };
    let chart = Line::new(title)
        .subtitle(format!(
            "the same {same}; bands: 95% t intervals over seeds"
        ))
        .x(Axis::log2(what).unit("tokens"))
        .y(axis(measure));
    let chart = with_training_length(chart, study);
    study.variants.iter().fold(chart, |chart, variant| {
        let lengths = measure.lengths.iter().enumerate();
        let points = lengths.map(|(place, length)| {
            let values = of_runs(variant, |run| measure.mean(run, place));
            banded(*length as f64, &values, |value| measure.shown(value))
        });
        chart.series(Series::new(&variant.label, points))
    })
}

fn axis(measure: &Measure) -> Axis {
    if measure.is_perplexity() {
        return Axis::linear("Perplexity");
    }
    let axis = Axis::linear(capitalised(measure.noun()));
    match measure.unit() {
        "" => axis,
        unit => axis.unit(unit),
    }
}

fn capitalised(noun: &str) -> String {
    let mut characters = noun.chars();
    let first = characters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

/// Heat maps of a task's measure, a variant each, where length alone does not say it all: mean over seeds.
pub fn heat_maps(study: &Study, measure: &Measure) -> Vec<(String, HeatMap)> {
    let variants = study.variants.iter();
    variants
        .filter_map(|variant| Some((variant.label.clone(), heat_map(variant, measure)?)))
        .collect()
}

fn heat_map(variant: &Variant, measure: &Measure) -> Option<HeatMap> {
    let mut sums: BTreeMap<(tasks::Cell, usize), (f64, usize)> = BTreeMap::new();
    for run in variant.runs.values() {
        for (length, cell, value) in measure.cells(run) {
            let (sum, count) = sums.entry((cell, length)).or_default();
            (*sum, *count) = (*sum + value, *count + 1);
        }
    }
    let mut rows: Vec<tasks::Cell> = sums.keys().map(|(cell, _)| *cell).collect();
    rows.dedup();
    let in_one_length = |length: &usize| sums.keys().filter(|(_, at)| at == length).count();
    if measure
        .lengths
        .iter()
        .all(|length| in_one_length(length) < 2)
    {
        return None;
    }
    let values = rows.iter().map(|row| {
        let lengths = measure.lengths.iter();
        lengths
            .map(|length| match sums.get(&(*row, *length)) {
                Some((sum, count)) => sum / *count as f64,
                None => f64::NAN,
            })
            .collect()
    });
    let map = HeatMap::new(
        format!("{}, {}", measure.title(), variant.label),
        cell_axis(rows[0]),
        rows.iter().map(|row| cell_name(*row)),
        "Length in tokens",
        measure.lengths.iter().map(usize::to_string),
    )
    .subtitle("mean over seeds; crossed out: there is none")
    .values(measure.noun(), values.collect());
    Some(match measure.unit() {
        "" => map.range(0.0, 1.0),
        _ => map.diverging(0.0),
    })
}

fn cell_axis(cell: tasks::Cell) -> &'static str {
    match cell {
        tasks::Cell::Depth { .. } => "Depth",
        tasks::Cell::Pairs { .. } | tasks::Cell::Distance { .. } => "Distance in tokens",
        tasks::Cell::Back { .. } => "Tokens back",
    }
}

fn cell_name(cell: tasks::Cell) -> String {
    match cell {
        tasks::Cell::Depth { percent } => format!("{percent} %"),
        tasks::Cell::Pairs { distance, .. } | tasks::Cell::Distance { distance } => {
            match distance {
                0 | 1 => distance.to_string(),
                _ => format!("{distance} to {}", 2 * distance - 1),
            }
        }
        tasks::Cell::Back { k } => k.to_string(),
    }
}

/// Loss at the longest context by position, of runs that were trained on text.
pub fn by_position(study: &Study) -> Option<Line> {
    let buckets = &study.any_run().evaluation.as_ref()?.positions;
    let chart = Line::new("Loss by position, at the longest context")
        .subtitle("mean over seeds; late positions are other tokens than early ones")
        .x(Axis::log2("Position").unit("tokens"))
        .y(Axis::linear("Loss").unit("nats per token"));
    let chart = with_training_length(chart, study);
    Some(study.variants.iter().fold(chart, |chart, variant| {
        let points = buckets.iter().enumerate().map(|(place, bucket)| {
            let losses = of_runs(variant, |run| {
                let evaluation = run.evaluation.as_ref();
                evaluation.map_or(f64::NAN, |found| found.positions[place].nll)
            });
            // The middle of a bucket; a logarithm has no place for position 0.
            let middle = ((bucket.first + 1) as f64 * bucket.end as f64).sqrt();
            Point::new(middle, mean(&losses))
        });
        chart.series(Series::new(&variant.label, points))
    }))
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

/// Differences of a measure to the baseline at its longest length, with intervals.
pub fn effects(study: &Study, number: usize, outcomes: &[Outcome]) -> Intervals {
    let measure = &study.measures[number];
    let far = measure.lengths.last().copied().unwrap_or(0);
    let baseline = &study.variants[study.baseline].label;
    let axis = Axis::linear(format!("Difference in {}", measure.noun()));
    let axis = match measure.unit() {
        "" => axis,
        unit => axis.unit(unit),
    };
    let (better, worse) = (
        format!("better than {baseline}"),
        format!("worse than {baseline}"),
    );
    let (below, above) = if measure.lower_is_better() {
        (better, worse)
    } else {
        (worse, better)
    };
    let title = match measure.task() {
        None => format!("Against {baseline}, at {far} tokens"),
        Some(task) => format!("{} against {baseline}, at {far} tokens", task.kind()),
    };
    let chart = Intervals::new(title, axis)
        .subtitle(format!(
            "paired by seed and {}; 95% intervals by the crossed bootstrap, not corrected",
            measure.unit_of_pairing()
        ))
        .directions(below, above)
        .decimals(4);
    let at = outcomes
        .iter()
        .filter(|outcome| outcome.measure == number && outcome.length == far);
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

/// The first measure against the base wavelength, where the sweep has an axis of that name: a line for each
/// combination of its other settings.
pub fn by_wavelength(study: &Study) -> Option<Line> {
    let measure = &study.measures[0];
    let place = measure.lengths.len() - 1;
    let mut lines: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for variant in &study.variants {
        let Some(theta) = variant.settings.get("theta").and_then(number) else {
            continue;
        };
        let words = variant.label.split(' ');
        let name: Vec<&str> = words.filter(|word| !word.starts_with("theta=")).collect();
        let values = of_runs(variant, |run| measure.mean(run, place));
        let point = banded(theta, &values, |value| measure.shown(value));
        lines.entry(name.join(" ")).or_default().push(point);
    }
    if lines.is_empty() {
        return None;
    }
    let far = measure.lengths[place];
    let title = format!("{} by base wavelength, at {far} tokens", measure.title());
    let chart = Line::new(title)
        .subtitle("bands: 95% t intervals over seeds")
        .x(Axis::log10("Base wavelength θ"))
        .y(axis(measure));
    Some(lines.into_iter().fold(chart, |chart, (name, points)| {
        chart.series(Series::new(name, points))
    }))
}

fn number(value: &toml::Value) -> Option<f64> {
    value
        .as_float()
        .or_else(|| value.as_integer().map(|whole| whole as f64))
}

fn of_runs(variant: &Variant, of: impl Fn(&FinishedRun) -> f64) -> Vec<f64> {
    variant.runs.values().map(of).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The mean of `values` at `x` with its t interval, both through `show`.
fn banded(x: f64, values: &[f64], show: impl Fn(f64) -> f64) -> Point {
    let point = Point::new(x, show(mean(values)));
    match t_interval(values) {
        Some(interval) => point.band(show(interval.low), show(interval.high)),
        None => point,
    }
}
