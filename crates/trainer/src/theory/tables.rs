//! Numbers as tables, and as text for the screen.

use ::theory::{Content, Verdict, fitted_base};
use report::{Cell, Column, Table};

use crate::theory::charts::name;
use crate::theory::study::{Frequencies, Study};

/// Columns of the screen.
const WIDTH: usize = 110;

/// Everything about an encoding, for the screen.
pub fn text(study: &Study) -> String {
    let mut text = format!(
        "{}: head_dim {}, context {} tokens\n\n",
        study.label,
        study.subject.head_dim(),
        study.subject.context()
    );
    for table in [frequencies(study), decay(study)] {
        text += &table.to_text();
        text.push('\n');
    }
    for check in &study.checks {
        let head = format!("  {:<8} {:<16} ", check.verdict, check.name);
        let indent = " ".repeat(head.chars().count());
        let lines = wrap(&check.found, WIDTH - indent.len());
        text += &format!("{head}{}\n", lines.join(&format!("\n{indent}")));
    }
    text
}

/// Wavelengths and bounds, a line each.
pub fn frequencies(study: &Study) -> Table {
    let table = Table::new("Frequencies")
        .column(Column::left("quantity"))
        .column(Column::left("value"));
    let rows = match &study.frequencies {
        None => vec![(
            "coordinate pairs".to_owned(),
            "none: nothing rotates".to_owned(),
        )],
        Some(frequencies) => rows(study, frequencies),
    };
    rows.into_iter().fold(table, |table, (quantity, value)| {
        table.row([Cell::text(quantity), Cell::text(value)])
    })
}

fn rows(study: &Study, frequencies: &Frequencies) -> Vec<(String, String)> {
    let Frequencies {
        wavelengths,
        least,
        base,
    } = frequencies;
    let context = study.subject.context();
    let tokens = |length: Option<f64>| {
        length.map_or_else(
            || "none".to_owned(),
            |length| format!("{} tokens", tokens(length)),
        )
    };
    let mut rows = vec![
        (
            "coordinate pairs: rotating, still",
            format!("{}, {}", wavelengths.rotated, wavelengths.unrotated()),
        ),
        ("shortest wavelength", tokens(wavelengths.shortest)),
        ("longest rotated wavelength", tokens(wavelengths.longest)),
        ("its quarter turn", tokens(wavelengths.quarter_turn())),
        (
            "rotating pairs without a whole turn in the context",
            wavelengths.incomplete.to_string(),
        ),
        (
            "smallest B_m over the pairs (Men et al.)",
            format!("{:.3} at {} tokens", least.value, least.distance),
        ),
    ];
    if let Some(base) = base {
        let value = if base.first < base.all_from {
            format!(
                "{} (with gaps; all from {})",
                base_text(base.first),
                base_text(base.all_from)
            )
        } else {
            base_text(base.first)
        };
        rows.push(("smallest base without a negative B_m", value));
        rows.push((
            "their fit for RoPE, head_dim 128",
            base_text(fitted_base(context)),
        ));
    }
    rows.into_iter()
        .map(|(quantity, value)| (quantity.to_owned(), value))
        .collect()
}

/// A length: one decimal while it matters.
pub fn tokens(length: f64) -> String {
    if length < 1000.0 {
        format!("{length:.1}")
    } else {
        base_text(length)
    }
}

/// Three digits, or whole with thousands parted.
fn base_text(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    if digits.len() > 12 {
        return format!("{value:.2e}");
    }
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Logits at some distances, all contents and heads across.
pub fn decay(study: &Study) -> Table {
    let table =
        Table::new("Logit over √head_dim, by distance").column(Column::number("distance", 0));
    let several = study.decays_of(Content::Constant).count() > 1;
    let table = study.decays.iter().fold(table, |table, decay| {
        let title = name(decay.content);
        let title = if several {
            format!("{title}, head {}", decay.head)
        } else {
            title.to_owned()
        };
        table.column(Column::number(title, 3))
    });
    let last = study.subject.context() - 1;
    let mut distances = vec![0, 1, 10, 100, 1000, 5000, last];
    distances.retain(|distance| *distance <= last);
    distances.sort_unstable();
    distances.dedup();
    distances.into_iter().fold(table, |table, distance| {
        let values = study.decays.iter();
        let values = values.map(|decay| Cell::number(decay.values[distance]));
        table.row(std::iter::once(Cell::number(distance as f64)).chain(values))
    })
}

/// Every logit at every distance, as CSV.
pub fn every_logit(study: &Study) -> String {
    let columns = study.decays.iter();
    let titles: Vec<String> = columns
        .map(|decay| format!("{}, head {}", name(decay.content), decay.head))
        .map(|title| format!("\"{title}\""))
        .collect();
    let mut csv = format!("distance,{}\n", titles.join(","));
    for distance in 0..study.subject.context() {
        let values: Vec<String> = study
            .decays
            .iter()
            .map(|decay| decay.values[distance].to_string())
            .collect();
        csv += &format!("{distance},{}\n", values.join(","));
    }
    csv
}

/// The statements with everything about them.
pub fn statements(study: &Study) -> Table {
    let table = [
        "statement",
        "verdict",
        "found",
        "says",
        "refuted by",
        "source",
    ]
    .into_iter()
    .fold(Table::new("Statements of the paper"), |table, title| {
        table.column(Column::left(title))
    });
    study.checks.iter().fold(table, |table, check| {
        table.row([
            Cell::text(check.name),
            Cell::text(check.verdict.to_string()),
            Cell::text(&check.found),
            Cell::text(check.statement),
            Cell::text(check.refuted_by),
            Cell::text(check.source),
        ])
    })
}

/// How many statements have this verdict.
pub fn count(study: &Study, verdict: Verdict) -> usize {
    let checks = study.checks.iter();
    checks.filter(|check| check.verdict == verdict).count()
}

/// Lines of at most `width` characters, broken at spaces.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else {
            continue;
        };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
