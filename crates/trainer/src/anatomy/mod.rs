//! `trainer anatomy MODEL`: what heads do with each frequency.
//!
//! Reading order: `model` (what is looked at), `texts` (on what), `page`.

mod model;
mod page;
mod texts;

use std::fs;
use std::path::{Path, PathBuf};

use crate::anatomy::model::Model;
use crate::compare::{write, write_chart, write_table};
use crate::error::TrainerError;
use crate::imported::ModelPath;
use crate::run::bar;
use crate::{screen, theory};
use ::anatomy::{Anatomy, Budget, Part, Source};
use experiment::DeviceRequest;
use fused::Workers;
use report::Section;

/// What the command line asks for.
#[derive(Debug)]
pub struct Request {
    /// The model.
    pub model: ModelPath,
    /// Text files; the first is the one whose heads and losses are looked at. None: those that ship.
    pub texts: Vec<PathBuf>,
    /// Where to write the page.
    pub html: Option<PathBuf>,
    /// Folder for the numbers and every chart and table.
    pub files: Option<PathBuf>,
    /// The device; `None`: the run's.
    pub device: Option<DeviceRequest>,
    /// Tokens of a window; `None`: the context the model was made for, up to 256.
    pub length: Option<usize>,
    /// Windows of the first text.
    pub windows: Option<usize>,
    /// Windows of the first text for ablations.
    pub ablation_windows: Option<usize>,
    /// Of these, windows for the ablations of single layers and heads.
    pub layer_windows: Option<usize>,
    /// Layers looked at head by head, 0-based.
    pub layers: Vec<usize>,
}

/// Looks into the model of `request`: prints the finding and a table, writes what was asked for.
///
/// # Errors
/// If the model or a text cannot be read, a text is too short, a layer is not there, or a file cannot be written.
pub fn anatomy(request: &Request) -> Result<(), TrainerError> {
    let model = Model::open(&request.model, request.device.as_ref())?;
    screen::say(model.selected.line());
    let texts = texts::read(&request.texts, &model.tokenizer)?;
    let vocabulary = texts::vocabulary(&model.tokenizer)?;
    let ordinary = texts::ordinary(&model.tokenizer);
    let budget = budget(request, &model);
    let workers = Workers::new(model.selected.workers())?;
    let bar = bar("{msg} {bar:24} {pos}/{len} {eta} left");
    let source = Source {
        name: model.name.clone(),
        texts,
        bos: model.tokenizer.bos(),
        vocabulary: &vocabulary,
        ordinary: &ordinary,
    };
    let found = Anatomy::of(
        &model.decoder,
        &source,
        &budget,
        &workers,
        &|what, done, all| {
            bar.set_message(what.to_owned());
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        },
    );
    bar.finish_and_clear();
    let found = found?;
    screen::say(found.headline());
    let parts = ::anatomy::parts(&found);
    for (_, table) in parts.iter().flat_map(Part::tables) {
        screen::say(format_args!("\n{}", table.to_text().trim_end()));
    }
    if let Some(path) = &request.html {
        let page = page::page(&found, &parts, &model, of_encodings(&model)?);
        write(path, page.to_html().as_bytes())?;
        screen::say(format_args!("\npage in {}", path.display()));
    }
    if let Some(folder) = &request.files {
        write_files(folder, &found, &parts)?;
        screen::say(format_args!(
            "\ncharts, tables and anatomy.json in {}",
            folder.display()
        ));
    }
    Ok(())
}

/// What the model's encodings do by themselves.
fn of_encodings(model: &Model) -> Result<Vec<Section>, TrainerError> {
    let source = theory::Source::Model(model.decoder.config().clone().into());
    let studies = theory::studies(&source, Some(model.context_length))?;
    let several = studies.len() > 1;
    let sections = studies
        .iter()
        .flat_map(|study| theory::sections(study, several));
    Ok(sections.collect())
}

fn budget(request: &Request, model: &Model) -> Budget {
    let length = request.length.unwrap_or(model.context_length.min(256));
    let config = model.decoder.config();
    let mut budget = Budget::new(config, length, model.parameters);
    budget.windows = request.windows.unwrap_or(budget.windows);
    budget.ablation_windows = request.ablation_windows.unwrap_or(budget.ablation_windows);
    budget.layer_windows = request.layer_windows.unwrap_or(budget.layer_windows);
    if !request.layers.is_empty() {
        budget.layers.clone_from(&request.layers);
    }
    budget
}

fn write_files(folder: &Path, found: &Anatomy, parts: &[Part]) -> Result<(), TrainerError> {
    fs::create_dir_all(folder).map_err(TrainerError::io(folder))?;
    let json = folder.join("anatomy.json");
    let text =
        serde_json::to_string(found).map_err(|error| TrainerError::io(&json)(error.into()))?;
    write(&json, (text + "\n").as_bytes())?;
    for part in parts {
        for (name, table) in part.tables() {
            write_table(folder, name, table)?;
        }
        for figure in part.figures() {
            write_chart(folder, &figure.name, figure.chart.as_ref())?;
        }
    }
    Ok(())
}
