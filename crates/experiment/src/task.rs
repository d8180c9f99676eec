//! A task as a config writes it: its name, or a table of its kind and parameters.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use tasks::TaskConfig;
use toml::{Table, Value};

use crate::nearest::nearest;
use crate::problem::Problem;
use crate::raw::RawTask;
use crate::source::{backticked, did_you_mean, in_words};
use crate::whole;

/// Where a task stands.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// Under this key, with a key for each parameter.
    Table(&'static str),
    /// In the list under this key.
    List(&'static str),
}

impl Place {
    fn key(self) -> &'static str {
        match self {
            Self::Table(key) | Self::List(key) => key,
        }
    }

    /// Of the task's parameter `name`.
    fn parameter(self, name: &str, message: impl Into<String>) -> Problem {
        let key = match self {
            Self::Table(key) => format!("{key}.{name}"),
            Self::List(key) => key.to_owned(),
        };
        Problem::new(key, message)
    }
}

/// The task that `value` writes.
pub(crate) fn task_config(value: &Value, place: Place) -> Result<TaskConfig, Problem> {
    let example = "for example \"mqar\" or { kind = \"mqar\", pairs = 8 }";
    let table = match value {
        Value::String(kind) => Table::from_iter([("kind".to_owned(), kind.as_str().into())]),
        Value::Table(table) => whole::integers(table.clone()),
        _ => return Err(Problem::new(place.key(), "not a task").help(example)),
    };
    let Some(kind) = table.get("kind").and_then(Value::as_str) else {
        return Err(Problem::new(place.key(), "the task has no `kind`").help(example));
    };
    TaskConfig::new(kind).map_err(|_| unknown_kind(kind, place))?;
    for (name, value) in table.iter().filter(|(name, _)| *name != "kind") {
        check_parameter(kind, name, value, place)?;
    }
    let config: TaskConfig = Value::Table(table)
        .try_into()
        .map_err(|error: toml::de::Error| Problem::new(place.key(), error.message()))?;
    config.check().map_err(|error| match error.key() {
        Some(name) => place.parameter(name, error.to_string()),
        None => Problem::new(place.key(), error.to_string()),
    })?;
    Ok(config)
}

fn unknown_kind(kind: &str, place: Place) -> Problem {
    let known = format!("the tasks are {}", TaskConfig::KINDS.join(", "));
    let help = match nearest(kind, TaskConfig::KINDS) {
        Some(near) => format!("{} {known}", did_you_mean(near)),
        None => known,
    };
    Problem::new(place.key(), format!("`{kind}` is not a task")).help(help)
}

/// One parameter by itself, so that a mistake has a place.
fn check_parameter(kind: &str, name: &str, value: &Value, place: Place) -> Result<(), Problem> {
    let alone = [("kind", kind.into()), (name, value.clone())];
    let alone = Table::from_iter(alone.map(|(key, value): (&str, Value)| (key.to_owned(), value)));
    let found: Result<TaskConfig, toml::de::Error> = Value::Table(alone).try_into();
    let Err(error) = found else {
        return Ok(());
    };
    let message = error.message();
    if !message.starts_with("unknown field") {
        return Err(place.parameter(name, format!("`{name}` of `{kind}`: {}", in_words(message))));
    }
    let known: Vec<&str> = backticked(message).into_iter().skip(1).collect();
    let problem = place.parameter(name, format!("`{kind}` has no parameter `{name}`"));
    Err(match nearest(name, known.iter().copied()) {
        Some(near) => problem.help(did_you_mean(near)),
        None if known.is_empty() => problem.help("it has none"),
        None => problem.help(format!("its parameters are {}", known.join(", "))),
    })
}

/// Reads a task of a resolved config.
pub(crate) fn one<'de, D: Deserializer<'de>>(from: D) -> Result<Option<TaskConfig>, D::Error> {
    let raw = Option::<RawTask>::deserialize(from)?;
    raw.map(|raw| config_of(&raw))
        .transpose()
        .map_err(Error::custom)
}

/// Reads the tasks of a resolved config.
pub(crate) fn list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<TaskConfig>, D::Error> {
    let raw = Vec::<RawTask>::deserialize(from)?;
    let tasks: Result<Vec<TaskConfig>, String> = raw.iter().map(config_of).collect();
    tasks.map_err(Error::custom)
}

fn config_of(raw: &RawTask) -> Result<TaskConfig, String> {
    task_config(&raw.0, Place::List("")).map_err(|problem| problem.message)
}
