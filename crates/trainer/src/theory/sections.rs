//! Sections of a page, for this command's own and for others'.

use ::theory::{Content, Verdict};
use report::{Block, Cell, Column, Section, Table};

use crate::theory::study::Study;
use crate::theory::{charts, tables};

/// An encoding's numbers in a sentence or two.
pub fn headline(study: &Study) -> String {
    let (holds, refuted) = (
        tables::count(study, Verdict::Holds),
        tables::count(study, Verdict::Refuted),
    );
    let silent = study.checks.len() - holds - refuted;
    let rotation = study.frequencies.as_ref().map(|f| &f.wavelengths);
    let longest = rotation.and_then(|wavelengths| wavelengths.longest);
    let rotation = match (rotation, longest) {
        (Some(wavelengths), Some(longest)) => format!(
            "rotates {} of {} pairs, by wavelengths of up to {} tokens",
            wavelengths.rotated,
            wavelengths.pairs,
            tables::tokens(longest)
        ),
        _ => "rotates nothing".to_owned(),
    };
    format!(
        "{} {rotation}. Of {} statements {holds} hold, {refuted} are refuted, {silent} say nothing about it.",
        study.label,
        study.checks.len()
    )
}

/// Wavelengths, decay and statements; with the encoding's label in each heading where there are `several`.
pub fn sections(study: &Study, several: bool) -> Vec<Section> {
    let heading = |text: &str| {
        if several {
            format!("{text}: {}", study.label)
        } else {
            text.to_owned()
        }
    };
    vec![
        frequencies(study, heading("Frequencies")),
        decay(study, heading("Logits against distance")),
        statements(study, heading("Statements of the paper, put to the test")),
    ]
}

fn frequencies(study: &Study, heading: String) -> Section {
    Section::new(heading)
        .prose(
            "A pair of coordinates at frequency g comes round after 2π/g tokens, its wavelength. Beyond a quarter of it, what is \
             alike gets a negative logit. A pair that stands still carries content at any distance, and no position. In Gemma 7B \
             the paper saw the fastest pairs make positional heads, and the slowest carry what comes nearest to content.\n\n\
             B_m is the sum of cos(m g) over all pairs: the advantage, m tokens away, of a key like the query over a random one (Men \
             et al. 2024). Where it is negative, likeness is a handicap. Each still pair adds 1.",
        )
        .table(tables::frequencies(study))
}

fn decay(study: &Study, heading: String) -> Section {
    let how = if study.subject.encoding().has_absolute() {
        " This encoding adds to the embeddings, before queries and keys are made: with these given, it changes nothing here."
    } else {
        ""
    };
    let section = Section::new(heading).prose(format!(
        "A query at the last position of the context, a key at each distance before it. Logits are after the softmax scale \
         and any bias; divided by √head_dim once more, all-ones vectors have 1 without an encoding.{how}",
    ));
    let section = section
        .chart(
            &charts::chart(study, Content::Constant),
            "For a rotation this is B_m over the pairs. A fall shows what the encoding does to vectors without content, which no trained head has.",
        )
        .chart(
            &charts::chart(study, Content::Independent),
            "A fall here would be a decay for any content. The paper saw none; a bias, as of ALiBi, is one.",
        )
        .chart(
            &charts::chart(study, Content::Repeated),
            "Waves, fast and slow: a token's logit depends on where it stands, and does not simply fall. Still pairs shift the whole line.",
        );
    section.table(tables::decay(study))
}

fn statements(study: &Study, heading: String) -> Section {
    let table = study.checks.iter().fold(
        two_columns(
            "Statements, with the numbers computed now",
            "what it says, what was found",
            "verdict",
        ),
        |table, check| {
            let text = format!(
                "{}. {} Found: {}.",
                check.name, check.statement, check.found
            );
            table.row([Cell::text(text), Cell::text(check.verdict.to_string())])
        },
    );
    let doubt = study.checks.iter().fold(
        two_columns(
            "What would refute each",
            "statement, and what would refute it",
            "source",
        ),
        |table, check| {
            let text = format!("{}: {}.", check.name, check.refuted_by);
            table.row([Cell::text(text), Cell::text(check.source)])
        },
    );
    Section::new(heading)
        .prose(
            "Each is a statement about attention by this encoding alone, without training. `n/a` is one that says nothing about it, \
             with the reason.",
        )
        .table(table)
        .details("What would refute each, and where it comes from", [Block::table(doubt)])
}

fn two_columns(caption: &str, first: &str, second: &str) -> Table {
    Table::new(caption)
        .column(Column::left(first))
        .column(Column::left(second))
}
