//! What can be wrong with a config.

use std::path::PathBuf;
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;

/// The text of a config with its name: a file's path, `--set`, or `resolved config`.
pub type NamedText = Arc<NamedSource<String>>;

/// A mistake in a config: what is wrong, where it stands, and what to do about it.
///
/// Printed by `miette` it shows the line with the mistake underlined; [`ConfigError::location`] gives
/// the place as numbers.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum ConfigError {
    /// A config file cannot be read.
    #[error("cannot read config `{}`: {error}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: std::io::Error,
        /// The file that extends it.
        #[source_code]
        text: Option<NamedText>,
        /// The value of `extends`.
        #[label("named here")]
        span: Option<SourceSpan>,
        /// What to do.
        #[help]
        help: Option<String>,
    },
    /// Text that is not TOML, or a `--set` that is not `key=value`.
    #[error("{message}")]
    Syntax {
        /// What is wrong.
        message: String,
        /// Where it was written.
        #[source_code]
        text: NamedText,
        /// The place.
        #[label("here")]
        span: Option<SourceSpan>,
        /// What to do.
        #[help]
        help: Option<String>,
    },
    /// A key that does not exist.
    #[error("unknown key `{key}`")]
    UnknownKey {
        /// The dotted key.
        key: String,
        /// Where it was written.
        #[source_code]
        text: NamedText,
        /// The key.
        #[label("not a key of this table")]
        span: Option<SourceSpan>,
        /// What to write instead.
        #[help]
        help: Option<String>,
    },
    /// A value of the wrong type, a negative count, or a name that is not one of those allowed.
    #[error("{key}: {message}")]
    WrongType {
        /// The dotted key.
        key: String,
        /// What was found and what is expected.
        message: String,
        /// Where it was written.
        #[source_code]
        text: NamedText,
        /// The value.
        #[label("here")]
        span: Option<SourceSpan>,
        /// What to write instead.
        #[help]
        help: Option<String>,
    },
    /// A value that cannot be, by itself or beside another value.
    #[error("{key}: {message}")]
    Invalid {
        /// The dotted key.
        key: String,
        /// What is wrong and what would be right.
        message: String,
        /// Where the value was written; `None`: it is a default.
        #[source_code]
        text: Option<NamedText>,
        /// The value.
        #[label("here")]
        span: Option<SourceSpan>,
        /// What to do.
        #[help]
        help: Option<String>,
    },
}

/// A place in a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// A file's path, `--set`, or `resolved config`.
    pub name: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Character of the line, counted from 1.
    pub column: usize,
}

impl ConfigError {
    /// Where the mistake was written; `None` when it was not written but is a default.
    pub fn location(&self) -> Option<Location> {
        let (text, span) = match self {
            Self::Unreadable { text, span, .. } | Self::Invalid { text, span, .. } => {
                (text.as_ref()?, span)
            }
            Self::Syntax { text, span, .. }
            | Self::UnknownKey { text, span, .. }
            | Self::WrongType { text, span, .. } => (text, span),
        };
        let before = text.inner().get(..span.as_ref()?.offset())?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Some(Location {
            name: text.name().to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        })
    }
}
