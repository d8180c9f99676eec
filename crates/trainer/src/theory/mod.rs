//! `trainer theory [CONFIG|RUN]`: what an encoding does to attention, by arithmetic alone.
//!
//! Reading order: `study` (what is asked about, and the numbers), `tables`, `charts`, `sections` (of a page).

mod charts;
mod sections;
mod study;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

use ::theory::Verdict;
use report::Page;

pub use sections::sections;
pub use study::{Source, Study, studies};

use crate::compare::{write, write_chart, write_table};
use crate::error::TrainerError;
use crate::screen;

/// What the command line asks for.
#[derive(Debug)]
pub struct Request {
    /// The encodings.
    pub source: Source,
    /// Tokens, if not the config's.
    pub context: Option<usize>,
    /// Where to write the page.
    pub html: Option<PathBuf>,
    /// Folder to write tables and charts to, each in every format.
    pub files: Option<PathBuf>,
}

/// Works out everything about the encodings of `request`, prints it, writes what was asked for.
///
/// # Errors
/// If an encoding cannot be built, a file cannot be read or written, or a statement is refuted.
pub fn theory(request: &Request) -> Result<(), TrainerError> {
    let studies = studies(&request.source, request.context)?;
    for study in &studies {
        screen::say(tables::text(study));
    }
    if let Some(path) = &request.html {
        write(path, page(&studies).to_html().as_bytes())?;
        screen::say(format_args!("page in {}", path.display()));
    }
    if let Some(folder) = &request.files {
        for study in &studies {
            write_files(folder, study, studies.len() > 1)?;
        }
        screen::say(format_args!("tables and charts in {}", folder.display()));
    }
    match refuted(&studies) {
        list if list.is_empty() => Ok(()),
        list => Err(TrainerError::Refuted(list.join("\n"))),
    }
}

fn page(studies: &[Study]) -> Page {
    let labels: Vec<String> = studies.iter().map(|study| study.label.clone()).collect();
    let page = Page::new(format!("{} in theory", labels.join("; ")));
    let headlines: Vec<String> = studies.iter().map(sections::headline).collect();
    let page = studies
        .iter()
        .fold(page.headline(headlines.join(" ")), |page, study| {
            page.fact("layers", &study.layers)
                .fact("head_dim", study.subject.head_dim().to_string())
                .fact("context", format!("{} tokens", study.subject.context()))
        });
    let several = studies.len() > 1;
    studies
        .iter()
        .flat_map(|study| sections(study, several))
        .fold(page, Page::section)
}

fn write_files(folder: &Path, study: &Study, several: bool) -> Result<(), TrainerError> {
    let folder = if several {
        folder.join(&study.layers)
    } else {
        folder.to_owned()
    };
    fs::create_dir_all(&folder).map_err(TrainerError::io(&folder))?;
    for (name, table) in [
        ("frequencies", tables::frequencies(study)),
        ("decay", tables::decay(study)),
        ("statements", tables::statements(study)),
    ] {
        write_table(&folder, name, &table)?;
    }
    for (name, chart) in charts::all(study) {
        write_chart(&folder, name, &chart)?;
    }
    write(
        &folder.join("logits.csv"),
        tables::every_logit(study).as_bytes(),
    )
}

/// Label and finding of what did not stand.
fn refuted(studies: &[Study]) -> Vec<String> {
    let all = studies
        .iter()
        .flat_map(|study| study.checks.iter().map(move |check| (&study.label, check)));
    all.filter(|(_, check)| check.verdict == Verdict::Refuted)
        .map(|(label, check)| format!("  {label}: {}: {}", check.name, check.found))
        .collect()
}
