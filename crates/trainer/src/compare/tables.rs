//! Variants down, context lengths across.

use report::{Cell, Column, Table};

use crate::compare::effects::{Difference, Outcome};
use crate::compare::study::Study;

/// Perplexities, then differences to the baseline.
pub fn all(study: &Study, outcomes: &[Outcome]) -> Vec<Table> {
    vec![perplexity(study, outcomes), difference(study, outcomes)]
}

const SIGNIFICANT: &str =
    "differs from the baseline: t test over seeds, 5%, corrected for all tests of the table (Holm)";

fn perplexity(study: &Study, outcomes: &[Outcome]) -> Table {
    let best: Vec<f64> = study
        .contexts()
        .iter()
        .map(|context| {
            let at = outcomes.iter().filter(|o| o.context == *context);
            at.map(|o| o.nll).fold(f64::INFINITY, f64::min)
        })
        .collect();
    let mut table = with_columns(study, "Perplexity by context length, mean over seeds", 3);
    for (index, variant) in study.variants.iter().enumerate() {
        let cells = of_variant(outcomes, index)
            .zip(&best)
            .map(|(outcome, best)| {
                let mut cell = Cell::number(outcome.nll.exp());
                if outcome.nll.to_bits() == best.to_bits() {
                    cell = cell.best();
                }
                mark(cell, outcome)
            });
        let seeds = Cell::number(variant.runs.len() as f64);
        table = table.row([Cell::text(&variant.label), seeds].into_iter().chain(cells));
    }
    table.marks("lowest of its column", SIGNIFICANT)
}

fn difference(study: &Study, outcomes: &[Outcome]) -> Table {
    let baseline = &study.variants[study.baseline].label;
    let caption = format!(
        "Loss minus that of {baseline}, nats per token, paired by seed and document; ± half of the 95% interval by the crossed bootstrap"
    );
    let mut table = with_columns(study, &caption, 4);
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

fn with_columns(study: &Study, caption: &str, decimals: usize) -> Table {
    let table = Table::new(caption)
        .column(Column::left("encoding"))
        .column(Column::number("seeds", 0));
    study.contexts().iter().fold(table, |table, context| {
        table.column(Column::number(format!("{context} tokens"), decimals))
    })
}

fn of_variant(outcomes: &[Outcome], index: usize) -> impl Iterator<Item = &Outcome> {
    outcomes.iter().filter(move |o| o.variant == index)
}

fn mark(cell: Cell, outcome: &Outcome) -> Cell {
    let difference = outcome.difference.as_ref();
    if difference.is_some_and(Difference::is_significant) {
        cell.significant()
    } else {
        cell
    }
}
