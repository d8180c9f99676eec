//! The page: what was found, how sure, and everything needed to doubt it.

use evaluation::Evaluation;
use report::{Block, Cell, Column, Page, Section, Table};
use tasks::TaskConfig;

use crate::compare::effects::{ALPHA, Outcome, POWER};
use crate::compare::measure::Measure;
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
        .fact("measured", measured(study))
        .fact("device", &run.record.device);
    let page = (0..study.measures.len()).fold(page, |page, number| {
        page.section(results(study, number, outcomes))
    });
    page.section(curves(study))
        .section(certainty(study, outcomes))
        .section(spectra(study))
        .section(method(study))
}

/// The protocol and the tasks.
fn measured(study: &Study) -> String {
    let protocol = study.any_run().evaluation.as_ref();
    let protocol = protocol.map(|found| format!("{} v{}", found.protocol, found.version));
    let mut names: Vec<String> = protocol.into_iter().collect();
    names.extend(
        study
            .measures
            .iter()
            .filter_map(|m| Some(m.task()?.kind().to_owned())),
    );
    names.dedup();
    names.join(", ")
}

fn results(study: &Study, number: usize, outcomes: &[Outcome]) -> Section {
    let measure = &study.measures[number];
    let mut section = if number == 0 {
        let section = Section::new("What came out");
        let notes = words::caveats(study, outcomes).into_iter();
        notes.fold(section, Section::prose)
    } else {
        Section::new(measure.title()).prose(words::finding(study, number, outcomes))
    };
    let caption = if measure.is_perplexity() {
        "Every model scores the same tokens at every length; only what it may look back at differs."
    } else if measure.lower_is_better() {
        "Lower is better. Every model reads the same samples."
    } else {
        "Higher is better. Every model reads the same samples."
    };
    section = section.chart(&charts::by_length(study, measure), caption);
    for (_, table) in tables::of(study, number, outcomes) {
        section = section.table(table);
    }
    section = section.chart(
        &charts::effects(study, number, outcomes),
        "An interval that leaves out zero, before the correction for many comparisons; the table's marks are after it.",
    );
    for (_, map) in charts::heat_maps(study, measure) {
        section = section.chart(&map, "By length, and by where the answer is to be found.");
    }
    section
}

fn curves(study: &Study) -> Section {
    let mut section = Section::new("Where and when");
    if let Some(chart) = charts::by_position(study) {
        section = section.chart(&chart, "Where in the sequence the loss comes from.");
    }
    if let Some(chart) = charts::training(study) {
        section = section.chart(&chart, "How it was learnt.");
    }
    if let Some(chart) = charts::by_wavelength(study) {
        let better = if study.measures[0].lower_is_better() {
            "Lower is better."
        } else {
            "Higher is better."
        };
        section = section.chart(&chart, better);
    }
    section
}

/// Every test with its numbers.
fn certainty(study: &Study, outcomes: &[Outcome]) -> Section {
    let mut table = Table::new("Every comparison")
        .column(Column::left("of"))
        .column(Column::left("encoding"))
        .column(Column::number("length", 0))
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
        let measure = &study.measures[outcome.measure];
        let of = match measure.task() {
            None => "loss, nats per token".to_owned(),
            Some(_) => measure.title(),
        };
        table = table.row([
            Cell::text(of),
            Cell::text(&study.variants[outcome.variant].label),
            Cell::number(outcome.length as f64),
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
         The bootstrap draws seeds and documents (of a task: samples) with replacement, independently of each other; the t \
         interval takes the documents as given. With few seeds the t interval is the one to trust. Tests are two-sided at {:.0}%, corrected \
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
    let mut section = Section::new("How it was measured");
    if let Some(evaluation) = &run.evaluation {
        section = section.prose(protocol(evaluation));
    }
    let mut tasks: Vec<&TaskConfig> = study.measures.iter().filter_map(Measure::task).collect();
    tasks.dedup();
    for task in tasks {
        section = section.prose(task_words(run, task));
    }
    section
        .details(
            "What the variants differ in",
            [Block::table(differences(study))],
        )
        .details("All runs", [Block::table(table)])
        .details("Config of the baseline", [Block::table(config(study))])
        .details("Versions", [Block::prose(versions(run))])
}

fn listed(numbers: impl Iterator<Item = usize>) -> String {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    numbers.join(", ")
}

fn protocol(evaluation: &Evaluation) -> String {
    let parameters = &evaluation.parameters;
    let windows = parameters.windows_per_document;
    format!(
        "Protocol `{}`, version {}: contexts of {} tokens, the same {} final tokens scored at each, at most {} windows of a \
         document, {} documents of the split `{}`, {} skipped as too short.",
        evaluation.protocol,
        evaluation.version,
        listed(evaluation.contexts.iter().map(|context| context.context)),
        parameters.scored_tokens,
        windows.map_or_else(|| "all".to_owned(), |n| n.to_string()),
        evaluation.documents.len(),
        evaluation.split,
        evaluation.skipped_documents,
    )
}

fn task_words(run: &FinishedRun, task: &TaskConfig) -> String {
    let parameters = toml::to_string(task).unwrap_or_default();
    let parameters: Vec<&str> = parameters.lines().collect();
    let (samples, version) = run
        .tasks
        .as_ref()
        .map_or((0, 0), |tasks| (tasks.samples, tasks.version));
    let mut lengths: Vec<usize> = run.task(task).map_or_else(Vec::new, |result| {
        result.lengths.iter().map(|at| at.length).collect()
    });
    lengths.sort_unstable();
    lengths.dedup();
    format!(
        "Task {}, version {version}: {samples} samples of each of the lengths {} tokens, the same for every run; one pass \
         over each, with the right tokens before every answer.",
        parameters.join(", "),
        listed(lengths.into_iter()),
    )
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
