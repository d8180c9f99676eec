//! Configs in a temporary folder.

use std::path::PathBuf;

use experiment::{ConfigError, Experiment, Loaded};
use tempfile::TempDir;

/// The least that a config must say.
pub const BASE: &str = r#"[model]
preset = "micro"

[model.layers.global]
encoding = { kind = "prope", theta = 10_000, fraction = 0.75 }

[data]
path = "texts"
tokenizer = "bytes"

[train]
steps = 1000
"#;

pub struct Folder(TempDir);

impl Folder {
    /// A folder with these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self(TempDir::new().expect("temporary folder"));
        for (name, text) in files {
            std::fs::write(folder.path(name), text).expect(name);
        }
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Loads the file with these `--set` arguments.
    pub fn load(&self, name: &str, overrides: &[&str]) -> Result<Loaded, ConfigError> {
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        Experiment::load(&self.path(name), &overrides)
    }
}
