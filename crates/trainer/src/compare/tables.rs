//! Variants down, lengths across.

use report::{Cell, Column, Table};

use crate::compare::effects::{Difference, Outcome};
use crate::compare::measure::Measure;
use crate::compare::study::Study;

/// A table of a measure's values and one of their differences to the baseline, with the names of their files.
pub fn of(study: &Study, measure: usize, outcomes: &[Outcome]) -> [(String, Table); 2] {
    let of_measure = outcomes.iter().filter(|o| o.measure == measure);
    let outcomes: Vec<&Outcome> = of_measure.collect();
    let measure = &study.measures[measure];
    let file = measure.file();
    let differences = if measure.is_perplexity() {
        "difference".to_owned()
    } else {
        format!("{file}-difference")
    };
    [
        (file, values(study, measure, &outcomes)),
        (differences, difference(study, measure, &outcomes)),
    ]
}

const SIGNIFICANT: &str =
    "differs from the baseline: t test over seeds, 5%, corrected for all tests of the study (Holm)";

fn values(study: &Study, measure: &Measure, outcomes: &[&Outcome]) -> Table {
    let lower = measure.lower_is_better();
    let best = |length: usize| {
        let at = outcomes.iter().filter(|o| o.length == length);
        let values = at.map(|o| o.value);
        if lower {
            values.fold(f64::INFINITY, f64::min)
        } else {
            values.fold(f64::NEG_INFINITY, f64::max)
        }
    };
    let what = if measure.is_perplexity() {
        "context length"
    } else {
        "length"
    };
    let caption = format!("{} by {what}, mean over seeds", measure.title());
    let mut table = with_columns(measure, &caption, 3);
    for (index, variant) in study.variants.iter().enumerate() {
        let cells = of_variant(outcomes, index).map(|outcome| {
            let mut cell = Cell::number(measure.shown(outcome.value));
            if outcome.value.to_bits() == best(outcome.length).to_bits() {
                cell = cell.best();
            }
            mark(cell, outcome)
        });
        let seeds = Cell::number(variant.runs.len() as f64);
        table = table.row([Cell::text(&variant.label), seeds].into_iter().chain(cells));
    }
    let best = if lower {
        "lowest of its column"
    } else {
        "highest of its column"
    };
    table.marks(best, SIGNIFICANT)
}

fn difference(study: &Study, measure: &Measure, outcomes: &[&Outcome]) -> Table {
    let baseline = &study.variants[study.baseline].label;
    let noun = if measure.is_perplexity() {
        "Loss".to_owned()
    } else {
        measure.title()
    };
    let unit = match measure.unit() {
        "" => String::new(),
        unit => format!(", {unit}"),
    };
    let caption = format!(
        "{noun} minus that of {baseline}{unit}, paired by seed and {}; ± half of the 95% interval by the crossed bootstrap",
        measure.unit_of_pairing()
    );
    let mut table = with_columns(measure, &caption, 4);
    for (index, variant) in study.variants.iter().enumerate() {
        if index == study.baseline {
            continue;
        }
        let mut shared = 0;
        let cells: Vec<Cell> = of_variant(outcomes, index)
            .map(|outcome| match &outcome.difference {
                None => Cell::missing(),
                Some(difference) => {
                    shared = difference.seeds;
                    let cell = match difference.bootstrap {
                        Some(interval) => {
                            let half_width = (interval.high - interval.low) / 2.0;
                            Cell::plus_minus(difference.mean, half_width)
                        }
                        None => Cell::number(difference.mean),
                    };
                    mark(cell, outcome)
                }
            })
            .collect();
        let seeds = Cell::number(shared as f64);
        table = table.row([Cell::text(&variant.label), seeds].into_iter().chain(cells));
    }
    table.marks("", SIGNIFICANT)
}

fn with_columns(measure: &Measure, caption: &str, decimals: usize) -> Table {
    let table = Table::new(caption)
        .column(Column::left("encoding"))
        .column(Column::number("seeds", 0));
    measure.lengths.iter().fold(table, |table, length| {
        table.column(Column::number(format!("{length} tokens"), decimals))
    })
}

fn of_variant<'o>(outcomes: &[&'o Outcome], index: usize) -> impl Iterator<Item = &'o Outcome> {
    let of_variant = outcomes.iter().filter(move |o| o.variant == index);
    of_variant.copied()
}

fn mark(cell: Cell, outcome: &Outcome) -> Cell {
    let difference = outcome.difference.as_ref();
    if difference.is_some_and(Difference::is_significant) {
        cell.significant()
    } else {
        cell
    }
}
