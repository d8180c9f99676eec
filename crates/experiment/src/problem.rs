//! A fault in a value, before it is known which file wrote the value.

/// What is wrong with the value under a dotted key.
#[derive(Debug)]
pub(crate) struct Problem {
    /// Dotted path, for example `train.steps`.
    pub(crate) key: String,
    /// What is wrong and what would be right.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) help: Option<String>,
}

impl Problem {
    pub(crate) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
            help: None,
        }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }
}
