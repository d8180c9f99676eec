//! `sweep.json`: what the runs of a sweep's folder are, for those who compare them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use experiment::Sweep;
use serde::{Deserialize, Serialize};

use crate::error::TrainerError;

/// The content of `sweep.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name of the sweep.
    pub name: String,
    /// The variant that the others are compared with.
    pub baseline: String,
    /// Labels of the variants, in the order of the sweep file.
    pub variants: Vec<String>,
    /// Seeds of every variant.
    pub seeds: Vec<u64>,
    /// All runs.
    pub runs: Vec<ManifestRun>,
}

/// A run of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManifestRun {
    /// First digits of the config's digest.
    pub id: String,
    /// Label of its variant.
    pub variant: String,
    /// Its seed.
    pub seed: u64,
    /// Its values on the axes.
    pub settings: BTreeMap<String, toml::Value>,
    /// Its run directory, within the sweep's folder.
    pub directory: String,
}

/// Writes the manifest of `sweep` into `folder`, which is made.
///
/// # Errors
/// If the file system refuses.
pub fn write(sweep: &Sweep, folder: &Path) -> Result<(), TrainerError> {
    let manifest = Manifest {
        name: sweep.name.clone(),
        baseline: sweep.baseline.clone(),
        variants: sweep.variants.clone(),
        seeds: sweep.seeds.clone(),
        runs: sweep
            .runs
            .iter()
            .map(|run| ManifestRun {
                id: run.id(),
                variant: run.variant.clone(),
                seed: run.seed,
                settings: run.settings.clone(),
                directory: run.directory_name(),
            })
            .collect(),
    };
    let logs = folder.join("logs");
    fs::create_dir_all(&logs).map_err(TrainerError::io(&logs))?;
    let path = folder.join("sweep.json");
    let text = serde_json::to_string_pretty(&manifest)
        .map_err(|error| TrainerError::io(&path)(error.into()))?;
    whole_file::write(&path, |file| writeln!(file, "{text}")).map_err(TrainerError::io(&path))
}
