//! One text of a config: a file or a `--set`.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{NamedSource, SourceSpan};
use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use crate::error::{ConfigError, NamedText};
use crate::leaves::{join, leaves};
use crate::nearest::nearest;
use crate::raw::RawExperiment;
use crate::schema;

/// One text, known to be TOML with known keys and values of the right types.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) text: NamedText,
    /// The file; `None` for a `--set`.
    pub(crate) path: Option<PathBuf>,
    pub(crate) table: Table,
}

impl Source {
    /// Reads `path`. `named_by` is the source whose `extends` asks for it.
    pub(crate) fn read(path: &Path, named_by: Option<&Source>) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
            path: path.to_owned(),
            error,
            text: named_by.map(|source| source.text.clone()),
            span: named_by.and_then(|source| source.span_of("extends")),
            help: named_by
                .map(|_| "the path of `extends` is relative to the file that says it".to_owned()),
        })?;
        let text = named(path.display().to_string(), text);
        let table = checked_table(&text)?;
        Ok(Self {
            text,
            path: Some(path.to_owned()),
            table,
        })
    }

    /// Reads the argument of a `--set`: a dotted key, `=`, and a TOML value or else a string.
    pub(crate) fn from_override(argument: &str) -> Result<Self, ConfigError> {
        let text = named("--set".to_owned(), as_toml(argument)?);
        let table = checked_table(&text)?;
        if table.contains_key("extends") {
            return Err(ConfigError::Invalid {
                key: "extends".to_owned(),
                message: "only a file can say what it extends".to_owned(),
                span: Some(SourceSpan::from(0..text.inner().len())),
                text: Some(text),
                help: Some("write the other file on the command line".to_owned()),
            });
        }
        Ok(Self {
            text,
            path: None,
            table,
        })
    }

    /// Where the value under the dotted `key` stands in this text.
    pub(crate) fn find(&self, key: &str) -> Found {
        let Ok(root) = DeTable::parse(self.text.inner()) else {
            return Found::Nothing;
        };
        let mut table = root.get_ref();
        let mut segments = key.split('.').peekable();
        while let Some(segment) = segments.next() {
            let Some((_, value)) = table.iter().find(|(name, _)| name.get_ref() == segment) else {
                return kind_of(table).map_or(Found::Nothing, Found::Replaced);
            };
            match value.get_ref() {
                _ if segments.peek().is_none() => return Found::Value(value.span()),
                DeValue::Table(inner) => table = inner,
                _ => return Found::Nothing,
            }
        }
        Found::Nothing
    }

    pub(crate) fn span_of(&self, key: &str) -> Option<SourceSpan> {
        match self.find(key) {
            Found::Value(span) => Some(span.into()),
            Found::Replaced(_) | Found::Nothing => None,
        }
    }
}

/// What a text says about a dotted key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Its value is here.
    Value(Range<usize>),
    /// The `kind` here replaces the inherited table that the key belongs to, so the key has its default.
    Replaced(Range<usize>),
    /// Nothing.
    Nothing,
}

fn kind_of(table: &DeTable<'_>) -> Option<Range<usize>> {
    let (_, kind) = table.iter().find(|(name, _)| name.get_ref() == "kind")?;
    kind.get_ref().is_str().then(|| kind.span())
}

pub(crate) fn named(name: String, text: String) -> NamedText {
    Arc::new(NamedSource::new(name, text).with_language("toml"))
}

/// Parses and checks keys and types. The table has each value in the type of its key: `steps = 1e3` is the
/// integer that it means.
fn checked_table(text: &NamedText) -> Result<Table, ConfigError> {
    let raw = read::<RawExperiment>(text)?;
    Table::try_from(raw).map_err(|error| ConfigError::Syntax {
        message: error.to_string(),
        text: text.clone(),
        span: None,
        help: None,
    })
}

/// Reads `text` as a `T`.
pub(crate) fn read<T: DeserializeOwned>(text: &NamedText) -> Result<T, ConfigError> {
    let root = DeTable::parse(text.inner()).map_err(|error| ConfigError::Syntax {
        message: format!("not TOML: {}", on_one_line(error.message())),
        text: text.clone(),
        span: error.span().map(SourceSpan::from),
        help: None,
    })?;
    toml::from_str(text.inner()).map_err(|error| explain(&error, text, root.get_ref()))
}

/// The parser writes what it expected on a line of its own.
fn on_one_line(message: &str) -> String {
    message.lines().collect::<Vec<_>>().join(", ")
}

/// Turns serde's message about a key or a type into ours.
fn explain(error: &toml::de::Error, text: &NamedText, root: &DeTable<'_>) -> ConfigError {
    let (message, text) = (error.message(), text.clone());
    let key = error.span().and_then(|at| key_at("", root, &at));
    let span = error.span().map(SourceSpan::from);
    let mut names = backticked(message);
    if message.starts_with("unknown field") && !names.is_empty() {
        let unknown = names.remove(0);
        return ConfigError::UnknownKey {
            help: Some(help_for_key(unknown, &names)),
            key: key.unwrap_or_else(|| unknown.to_owned()),
            text,
            span,
        };
    }
    let help = (message.starts_with("unknown variant") && !names.is_empty())
        .then(|| nearest(names.remove(0), names.iter().copied()))
        .flatten()
        .map(did_you_mean)
        .or_else(|| help_for_number(message));
    ConfigError::WrongType {
        key: key.unwrap_or_else(|| "config".to_owned()),
        message: in_words(message),
        text,
        span,
        help,
    }
}

/// The names that serde puts in backticks: the one it found, then those it expected.
pub(crate) fn backticked(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

/// What to write for text that is a number everywhere but in TOML: `.5`, `1.e-3`, `\"5\"`.
fn help_for_number(message: &str) -> Option<String> {
    let (_, after) = message.split_once("invalid type: string \"")?;
    let (text, expected) = after.split_once("\", expected ")?;
    let wants_number = ["f64", "a whole number"]
        .iter()
        .any(|type_| expected.starts_with(type_));
    let number: f64 = text.trim().parse().ok()?;
    (wants_number && number.is_finite())
        .then(|| format!("TOML writes this number as {number:?}, without quotes"))
}

fn help_for_key(unknown: &str, known: &[&str]) -> String {
    if let Some(name) = nearest(unknown, known.iter().copied()) {
        return did_you_mean(name);
    }
    if let Some(path) = schema::keys().find(|path| path.rsplit('.').next() == Some(unknown)) {
        return did_you_mean(path);
    }
    format!("the keys of this table are {}", known.join(", "))
}

pub(crate) fn did_you_mean(name: &str) -> String {
    format!("did you mean `{name}`?")
}

/// Rust's and serde's names for types as a reader of TOML knows them.
pub(crate) fn in_words(message: &str) -> String {
    let mut message = on_one_line(message);
    if let Some(at) = message.find("expected struct ") {
        message.replace_range(at.., "expected a table");
    }
    for (rust, words) in [
        ("expected usize", "expected a whole number, 0 or more"),
        ("expected u64", "expected a whole number, 0 or more"),
        ("expected f64", "expected a number"),
        ("expected a sequence", "expected a list"),
        ("wanted string or table", "expected a string"),
        ("expected path string", "expected a path"),
        ("floating point", "number"),
    ] {
        message = message.replace(rust, words);
    }
    message
}

/// The dotted key that `span` belongs to.
fn key_at(prefix: &str, table: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    table.iter().find_map(|(name, value)| {
        let path = join(prefix, name.get_ref());
        if name.span() == *span {
            return Some(path);
        }
        let inside = match value.get_ref() {
            DeValue::Table(inner) => key_at(&path, inner, span),
            _ => None,
        };
        let at_value = value.span().start <= span.start && span.end <= value.span().end;
        inside.or(at_value.then_some(path))
    })
}

/// The argument of a `--set` as a line of TOML: as it stands, or with its right side in quotes.
fn as_toml(argument: &str) -> Result<String, ConfigError> {
    let bad = |message: &str| ConfigError::Syntax {
        message: format!("`--set {argument}`: {message}"),
        text: named("--set".to_owned(), argument.to_owned()),
        span: Some(SourceSpan::from(0..argument.len())),
        help: Some("write it as `--set train.steps=2000`".to_owned()),
    };
    let (key, value) = argument
        .split_once('=')
        .ok_or_else(|| bad("there is no `=`"))?;
    // A comment or a table header would pass as TOML and set nothing.
    let probe = format!("{key}=0").parse::<Table>();
    if key.contains('\n') || !probe.is_ok_and(|table| leaves(&table).len() == 1) {
        return Err(bad("the left side is not a dotted key"));
    }
    if !value.contains('\n') && argument.parse::<Table>().is_ok() {
        return Ok(argument.to_owned());
    }
    Ok(format!("{key}={}", Value::String(value.trim().to_owned())))
}
