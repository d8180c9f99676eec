//! The page: what was found, how sure, and everything needed to doubt it.

use report::{Block, Cell, Column, Page, Section, Table};

use crate::compare::effects::{ALPHA, Outcome, POWER};
use crate::compare::study::{FinishedRun, Study};
use crate::compare::{charts, tables, words};

/// The whole report.
pub fn page(study: &Study, outcomes: &[Outcome]) -> Page {
    let run = study.any_run();
    let seeds = study.variants.iter().map(|v| v.runs.len());
    let seeds = match (seeds.clone().min(), seeds.max()) {
        (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
        (least, _) => least.unwrap_or(0).to_string(),
    };
    let page = Page::new(&study.name)
        .headline(words::headline(study, outcomes))
        .fact("variants", study.variants.len().to_string())
        .fact("seeds each", seeds)
        .fact(
            "parameters",
            run.experiment.model.num_parameters().to_string(),
        )
        .fact(
            "training",
            format!(
                "{} tokens at {} context",
                run.experiment.train.steps * run.experiment.train.tokens_per_step(),
                run.experiment.train.context_length
            ),
        )
        .fact(
            "protocol",
            format!("{} v{}", run.evaluation.protocol, run.evaluation.version),
        )
        .fact("device", &run.record.device);
    page.section(results(study, outcomes))
        .section(curves(study, outcomes))
        .section(certainty(study, outcomes))
        .section(spectra(study))
        .section(method(study))
}

fn results(study: &Study, outcomes: &[Outcome]) -> Section {
    let mut section = Section::new("What came out");
    for note in words::caveats(study, outcomes) {
        section = section.prose(note);
    }
    section = section.chart(
        &charts::by_context(study),
        "Every model scores the same tokens at every length; only what it may look back at differs.",
    );
    for table in tables::all(study, outcomes) {
        section = section.table(table);
    }
    section.chart(
        &charts::effects(study, outcomes),
        "An interval that leaves out zero, before the correction for many comparisons; the table's marks are after it.",
    )
}

fn curves(study: &Study, outcomes: &[Outcome]) -> Section {
    let mut section = Section::new("Where and when").chart(
        &charts::by_position(study),
        "Where in the sequence the loss comes from.",
    );
    if let Some(chart) = charts::training(study) {
        section = section.chart(&chart, "How it was learnt.");
    }
    if let Some(chart) = charts::by_wavelength(study, outcomes) {
        section = section.chart(&chart, "Lower is better.");
    }
    section
}

/// Every test with its numbers.
fn certainty(study: &Study, outcomes: &[Outcome]) -> Section {
    let mut table = Table::new("Every comparison, nats per token")
        .column(Column::left("encoding"))
        .column(Column::number("context", 0))
        .column(Column::number("difference, bootstrap interval", 4))
        .column(Column::number("t interval over seeds", 4))
        .column(Column::number("p", 4))
        .column(Column::number("p, Holm", 4))
        .column(Column::number("detectable", 4));
    for outcome in outcomes {
        let Some(difference) = &outcome.difference else {
            continue;
        };
        let optional = |value: Option<f64>| value.map_or_else(Cell::missing, Cell::number);
        let (bootstrap, t) = (&difference.bootstrap, &difference.t);
        table = table.row([
            Cell::text(&study.variants[outcome.variant].label),
            Cell::number(outcome.context as f64),
            bootstrap
                .as_ref()
                .map_or(Cell::number(difference.mean), |i| {
                    Cell::interval(difference.mean, i.low, i.high)
                }),
            t.as_ref()
                .map_or_else(Cell::missing, |t| Cell::interval(t.mean, t.low, t.high)),
            optional(t.as_ref().map(|t| t.p)),
            optional(difference.adjusted_p),
            optional(difference.detectable),
        ]);
    }
    Section::new("How sure").prose(format!(
        "The unit is a pair of runs that share a seed, hence initial weights where shapes agree, and data order. \
         The bootstrap draws seeds and documents with replacement, independently of each other; the t interval takes the \
         documents as given. With few seeds the t interval is the one to trust. Tests are two-sided at {:.0}%, corrected \
         over all of this table by Holm's method. Detectable: the smallest true difference that this many seeds would \
         show, uncorrected, in {:.0}% of studies like this one.",
        ALPHA * 100.0,
        POWER * 100.0
    ))
    .details("All comparisons", [Block::table(table)])
}

/// The longest wavelength that each variant rotates by, beside the training length.
fn spectra(study: &Study) -> Section {
    let mut table = Table::new("Longest rotated wavelength, in tokens")
        .column(Column::left("encoding"))
        .column(Column::left("layers"))
        .column(Column::number("wavelength", 0))
        .column(Column::number("times the training length", 2));
    for variant in &study.variants {
        let Some(run) = variant.runs.values().next() else {
            continue;
        };
        let length = run.experiment.train.context_length as f64;
        for (name, wavelength) in wavelengths(run) {
            let cells = match wavelength {
                Some(tokens) => [Cell::number(tokens), Cell::number(tokens / length)],
                None => [Cell::text("none"), Cell::missing()],
            };
            let names = [Cell::text(&variant.label), Cell::text(name)];
            table = table.row(names.into_iter().chain(cells));
        }
    }
    Section::new("Wavelengths")
        .prose("A frequency whose wavelength is far beyond the training length never completes a turn in training: the model has not seen its angles beyond that.")
        .table(table)
}

fn wavelengths(run: &FinishedRun) -> Vec<(&str, Option<f64>)> {
    let model = &run.experiment.model;
    let layers = model.layers.iter();
    layers
        .map(|(name, kind)| {
            let encoding = kind.encoding.build(model.attention_shape(kind)).ok();
            let longest = encoding.and_then(|encoding| {
                encoding
                    .spectrum()
                    .and_then(positional::Spectrum::longest_wavelength)
            });
            (name.as_str(), longest)
        })
        .collect()
}

fn method(study: &Study) -> Section {
    let run = study.any_run();
    let parameters = &run.evaluation.parameters;
    let mut table = Table::new("Runs")
        .column(Column::left("run"))
        .column(Column::number("seed", 0))
        .column(Column::number("minutes", 1))
        .column(Column::number("tokens/s", 0))
        .column(Column::left("device"))
        .column(Column::left("commit"))
        .column(Column::left("weights"));
    for run in study.all_runs() {
        let record = &run.record;
        let trained = run.experiment.train.steps * run.experiment.train.tokens_per_step();
        let speed = trained as f64 / record.training_seconds;
        table = table.row([
            Cell::text(&run.experiment.name),
            Cell::number(run.experiment.seed as f64),
            Cell::number(record.training_seconds / 60.0),
            Cell::number(speed),
            Cell::text(&record.device),
            Cell::text(first(&record.git_commit, 10)),
            Cell::text(first(record.weights_sha256.as_deref().unwrap_or("-"), 10)),
        ]);
    }
    Section::new("How it was measured")
        .prose(format!(
            "Protocol `{}`, version {}: contexts of {} tokens, the same {} final tokens scored at each, at most {} windows of a \
             document, {} documents of the split `{}`, {} skipped as too short.",
            run.evaluation.protocol,
            run.evaluation.version,
            study.contexts().iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
            parameters.scored_tokens,
            parameters.windows_per_document.map_or_else(|| "all".to_owned(), |n| n.to_string()),
            run.evaluation.documents.len(),
            run.evaluation.split,
            run.evaluation.skipped_documents,
        ))
        .details("What the variants differ in", [Block::table(differences(study))])
        .details("All runs", [Block::table(table)])
        .details(
            "Config of the baseline",
            [Block::table(config(study))],
        )
        .details("Versions", [Block::prose(versions(run))])
}

/// Key by key, what each variant changes in the baseline's config.
fn differences(study: &Study) -> Table {
    let mut table = Table::new("Differences of the configs")
        .column(Column::left("encoding"))
        .column(Column::left("key: baseline -> variant"));
    let Some(base) = study.variants[study.baseline].runs.values().next() else {
        return table;
    };
    for variant in &study.variants {
        let Some(run) = variant.runs.values().next() else {
            continue;
        };
        let keys = base.experiment.differences(&run.experiment);
        for key in keys.iter().filter(|key| !key.starts_with("seed:")) {
            table = table.row([Cell::text(&variant.label), Cell::text(key)]);
        }
    }
    table
}

/// The resolved config of the baseline's first run.
fn config(study: &Study) -> Table {
    let table = Table::new("Resolved config")
        .column(Column::left("key"))
        .column(Column::left("value"));
    let run = study.variants[study.baseline].runs.values().next();
    let settings = run.map_or_else(Vec::new, |run| run.experiment.settings());
    settings.into_iter().fold(table, |table, (key, value)| {
        table.row([Cell::text(key), Cell::text(value)])
    })
}

fn versions(run: &FinishedRun) -> String {
    let versions = run.record.versions.iter();
    let list: Vec<String> = versions
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    list.join(", ")
}

fn first(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}
