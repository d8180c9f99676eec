//! `trainer compare RUNS..`: which encoding is better at which context length, by how much, and how sure.
//!
//! Reading order: `study` (the runs), `measure` (what of them is compared), `effects` (the statistics), `words` (the sentence), `tables`, `charts`,
//! `page`.

mod charts;
mod effects;
mod measure;
mod page;
mod study;
mod tables;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use report::Table;
use report::chart::Chart;

use crate::compare::effects::{Outcome, outcomes};
use crate::compare::study::Study;
use crate::error::TrainerError;
use crate::screen;

/// What the command line asks of a comparison.
#[derive(Debug)]
pub struct Request {
    /// Folders of sweeps or of single runs.
    pub folders: Vec<PathBuf>,
    /// Label of the variant to compare with; `None`: the sweep's.
    pub baseline: Option<String>,
    /// Where to write the page.
    pub html: Option<PathBuf>,
    /// Folder to write tables and charts to, each in every format.
    pub files: Option<PathBuf>,
}

/// Compares the runs of `request`: prints tables, writes what was asked for.
///
/// # Errors
/// If runs cannot be read or compared, or a file cannot be written.
pub fn compare(request: &Request) -> Result<(), TrainerError> {
    let study = Study::read(&request.folders, request.baseline.as_deref())?;
    let outcomes =
        outcomes(&study).map_err(|error| TrainerError::NothingToCompare(error.to_string()))?;
    screen::say(words::headline(&study, &outcomes));
    for number in 0..study.measures.len() {
        if number > 0 {
            let title = study.measures[number].title();
            let finding = words::finding(&study, number, &outcomes);
            screen::say(format_args!("\n{title}. {finding}"));
        }
        for (_, table) in tables::of(&study, number, &outcomes) {
            screen::say(format_args!("\n{}", table.to_text().trim_end()));
        }
    }
    for note in words::caveats(&study, &outcomes) {
        screen::say(format_args!("\n{note}"));
    }
    if let Some(path) = &request.html {
        write(path, page::page(&study, &outcomes).to_html().as_bytes())?;
        screen::say(format_args!("\npage in {}", path.display()));
    }
    if let Some(folder) = &request.files {
        write_files(folder, &study, &outcomes)?;
        screen::say(format_args!("\ntables and charts in {}", folder.display()));
    }
    Ok(())
}

fn write_files(folder: &Path, study: &Study, outcomes: &[Outcome]) -> Result<(), TrainerError> {
    fs::create_dir_all(folder).map_err(TrainerError::io(folder))?;
    for number in 0..study.measures.len() {
        for (name, table) in tables::of(study, number, outcomes) {
            write_table(folder, &name, &table)?;
        }
    }
    for (name, chart) in charts::all(study, outcomes) {
        write_chart(folder, &name, chart.as_ref())?;
    }
    Ok(())
}

/// Writes a table in every format.
///
/// # Errors
/// If a file cannot be written.
pub fn write_table(folder: &Path, name: &str, table: &Table) -> Result<(), TrainerError> {
    for (extension, text) in [
        ("csv", table.to_csv()),
        ("md", table.to_markdown()),
        ("tex", table.to_latex()),
    ] {
        write(&folder.join(format!("{name}.{extension}")), text.as_bytes())?;
    }
    Ok(())
}

#[cfg(feature = "png")]
fn write_png(path: &Path, chart: &dyn Chart) -> Result<(), TrainerError> {
    /// Pixels of a PNG for each of the page's: sharp on paper.
    const SCALE: f32 = 2.0;
    let png = chart
        .to_png(report::Theme::Light, SCALE)
        .map_err(|error| TrainerError::io(path)(std::io::Error::other(error)))?;
    write(path, &png)
}

/// Writes a chart in every format.
///
/// # Errors
/// If it cannot be drawn or a file cannot be written.
pub fn write_chart(folder: &Path, name: &str, chart: &dyn Chart) -> Result<(), TrainerError> {
    // Not `with_extension`: a name may have a dot of its own.
    let path = |extension: &str| folder.join(format!("{name}.{extension}"));
    #[cfg(feature = "png")]
    write_png(&path("png"), chart)?;
    write(&path("svg"), chart.to_svg().as_bytes())?;
    write(&path("csv"), chart.to_csv().as_bytes())
}

/// Writes a file.
///
/// # Errors
/// If the file system refuses.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), TrainerError> {
    fs::write(path, bytes).map_err(TrainerError::io(path))
}
