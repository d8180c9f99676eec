//! All the texts that one experiment was put together from.

use std::path::{Path, PathBuf};

use toml::Table;

use crate::error::ConfigError;
use crate::merge::{merge, overlay};
use crate::problem::Problem;
use crate::source::{Found, Source};

/// The texts behind an experiment, kept to point at the line of a value that turns out to be wrong.
#[derive(Clone, Debug)]
pub struct Sources {
    /// From the highest precedence to the lowest.
    list: Vec<Source>,
}

impl Sources {
    /// Reads the config at `path`, what it extends, and the `--set` arguments.
    pub(crate) fn read(path: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        let mut list = Vec::new();
        for argument in overrides.iter().rev() {
            list.push(Source::from_override(argument)?);
        }
        list.extend(read_chain(path)?);
        Ok(Self { list })
    }

    pub(crate) fn single(source: Source) -> Self {
        Self { list: vec![source] }
    }

    /// The texts laid over each other.
    pub(crate) fn merged(&self) -> Result<Table, ConfigError> {
        let mut merged = Table::new();
        let mut overrides = Table::new();
        for source in self.list.iter().rev() {
            if source.path.is_none() {
                merge(&mut overrides, source.table.clone());
                continue;
            }
            self.refuse_two_lengths(&source.table)?;
            // The name of a run is not passed on, or two files would share a run directory.
            merged.remove("name");
            overlay(&mut merged, source.table.clone());
        }
        self.refuse_two_lengths(&overrides)?;
        overlay(&mut merged, overrides);
        merged.remove("extends");
        Ok(merged)
    }

    /// One file, or one command line, says how long to train in one way only.
    fn refuse_two_lengths(&self, table: &Table) -> Result<(), ConfigError> {
        let gives = |key| {
            table
                .get("train")
                .is_some_and(|train| train.get(key).is_some())
        };
        if gives("steps") && gives("tokens") {
            let problem = Problem::new("train.tokens", "`steps` is given too");
            return Err(self.locate(problem.help("keep one of `steps` and `tokens`")));
        }
        Ok(())
    }

    /// An error about the value under the dotted `key`, such as `data.path`, that points at the text
    /// which gave the value. A default was given by no text; then the error has no location.
    pub fn error(
        &self,
        key: &str,
        message: impl Into<String>,
        help: Option<String>,
    ) -> ConfigError {
        self.locate(Problem {
            key: key.to_owned(),
            message: message.into(),
            help,
        })
    }

    pub(crate) fn locate(&self, problem: Problem) -> ConfigError {
        let place = self
            .list
            .iter()
            .find_map(|source| match source.find(&problem.key) {
                Found::Value(span) | Found::Replaced(span) => {
                    Some((source.text.clone(), span.into()))
                }
                Found::Nothing => None,
            });
        let (text, span) = place.unzip();
        ConfigError::Invalid {
            key: problem.key,
            message: problem.message,
            text,
            span,
            help: problem.help,
        }
    }
}

/// The file at `path` and the files it extends, nearest first.
fn read_chain(path: &Path) -> Result<Vec<Source>, ConfigError> {
    let mut chain = vec![Source::read(path, None)?];
    let mut visited = vec![identity(path)];
    let mut directory = folder_of(path);
    while let Some(source) = chain.last()
        && let Some(parent) = source.table.get("extends").and_then(toml::Value::as_str)
    {
        let parent = directory.join(parent);
        if visited.contains(&identity(&parent)) {
            return Err(cycle(source, &chain, &parent));
        }
        let next = Source::read(&parent, Some(source))?;
        visited.push(identity(&parent));
        directory = folder_of(&parent);
        chain.push(next);
    }
    Ok(chain)
}

/// One name for one file, however its path is written.
fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

fn cycle(at: &Source, chain: &[Source], parent: &Path) -> ConfigError {
    let names = chain.iter().filter_map(|source| source.path.as_deref());
    let way: Vec<String> = names
        .chain([parent])
        .filter_map(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    ConfigError::Invalid {
        key: "extends".to_owned(),
        message: format!(
            "the files extend each other in a circle: {}",
            way.join(" -> ")
        ),
        text: Some(at.text.clone()),
        span: at.span_of("extends"),
        help: Some("one of them must not extend".to_owned()),
    }
}
