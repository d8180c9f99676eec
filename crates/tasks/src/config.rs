//! A task as a config writes it.

use serde::{Deserialize, Serialize};

use crate::{
    Copy, Filler, FirstToken, Induction, KBack, Mqar, Needle, Passkey, PreviousToken, Reverse,
    SelectiveCopy, Task, TaskError, Text, Vocabulary,
};

/// One task and its parameters, in TOML `{ kind = "mqar", pairs = 16 }`. What is left out takes its
/// default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum TaskConfig {
    /// A random segment twice.
    Induction(Induction),
    /// Multi-query associative recall.
    Mqar(Mqar),
    /// Copying behind a separator.
    Copy(Copy),
    /// Reversing behind a separator.
    Reverse(Reverse),
    /// Copying what is not noise.
    SelectiveCopy(SelectiveCopy),
    /// The token before a marker.
    PreviousToken(PreviousToken),
    /// The token k before a marker.
    KBack(KBack),
    /// The first token.
    FirstToken(FirstToken),
    /// A pass key among repeated sentences.
    Passkey(Passkey),
    /// A needle in a haystack of real text.
    Needle(Needle),
}

impl TaskConfig {
    /// Every kind, in the order of `docs/tasks.md`.
    pub const KINDS: [&'static str; 10] = [
        Induction::KIND,
        Mqar::KIND,
        Copy::KIND,
        Reverse::KIND,
        SelectiveCopy::KIND,
        PreviousToken::KIND,
        KBack::KIND,
        FirstToken::KIND,
        Passkey::KIND,
        Needle::KIND,
    ];

    /// The task `kind` with its defaults.
    ///
    /// # Errors
    /// [`TaskError::UnknownKind`].
    pub fn new(kind: &str) -> Result<Self, TaskError> {
        Ok(match kind {
            Induction::KIND => Self::Induction(Induction::default()),
            Mqar::KIND => Self::Mqar(Mqar::default()),
            Copy::KIND => Self::Copy(Copy::default()),
            Reverse::KIND => Self::Reverse(Reverse::default()),
            SelectiveCopy::KIND => Self::SelectiveCopy(SelectiveCopy::default()),
            PreviousToken::KIND => Self::PreviousToken(PreviousToken::default()),
            KBack::KIND => Self::KBack(KBack::default()),
            FirstToken::KIND => Self::FirstToken(FirstToken::default()),
            Passkey::KIND => Self::Passkey(Passkey::default()),
            Needle::KIND => Self::Needle(Needle::default()),
            unknown => {
                return Err(TaskError::UnknownKind {
                    kind: unknown.to_owned(),
                    known: Self::KINDS.to_vec(),
                });
            }
        })
    }

    /// The task's name, one of [`Self::KINDS`].
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Induction(_) => Induction::KIND,
            Self::Mqar(_) => Mqar::KIND,
            Self::Copy(_) => Copy::KIND,
            Self::Reverse(_) => Reverse::KIND,
            Self::SelectiveCopy(_) => SelectiveCopy::KIND,
            Self::PreviousToken(_) => PreviousToken::KIND,
            Self::KBack(_) => KBack::KIND,
            Self::FirstToken(_) => FirstToken::KIND,
            Self::Passkey(_) => Passkey::KIND,
            Self::Needle(_) => Needle::KIND,
        }
    }

    /// Whether [`Self::build`] needs a [`Text`].
    pub fn needs_text(&self) -> bool {
        matches!(self, Self::Passkey(_) | Self::Needle(_))
    }

    /// Whether [`Text::filler`] is hidden in: a text is needed, not only a tokenizer.
    pub fn needs_filler(&self) -> bool {
        match self {
            Self::Passkey(task) => task.filler == Filler::Text,
            Self::Needle(task) => task.filler == Filler::Text,
            _ => false,
        }
    }

    /// That every parameter has a value that makes sense, whatever the vocabulary and length.
    ///
    /// # Errors
    /// [`TaskError::OutOfRange`] names the first that has not.
    pub fn check(&self) -> Result<(), TaskError> {
        match self {
            Self::Induction(_) | Self::FirstToken(_) => Ok(()),
            Self::Mqar(task) => task.check(),
            Self::Copy(task) => task.check(),
            Self::Reverse(task) => task.check(),
            Self::SelectiveCopy(task) => task.check(),
            Self::PreviousToken(task) => task.check(),
            Self::KBack(task) => task.check(),
            Self::Passkey(task) => task.check(),
            Self::Needle(task) => task.check(),
        }
    }

    /// Makes the task ready for a vocabulary. Tasks in words take BOS from it and all else from
    /// `text`; the others leave `text` alone.
    ///
    /// # Errors
    /// Those of [`Self::check`]; [`TaskError::VocabularyTooSmall`]; [`TaskError::NoText`];
    /// [`TaskError::TooFewNumbers`].
    pub fn build(&self, vocabulary: Vocabulary, text: Option<&Text>) -> Result<Task, TaskError> {
        self.check()?;
        let kind = self.kind();
        let text = || text.ok_or(TaskError::NoText { kind });
        let generator = match self {
            Self::Induction(_) => Induction::build(vocabulary),
            Self::Mqar(task) => task.build(vocabulary),
            Self::Copy(task) => task.build(vocabulary),
            Self::Reverse(task) => task.build(vocabulary),
            Self::SelectiveCopy(task) => task.build(vocabulary),
            Self::PreviousToken(task) => task.build(vocabulary),
            Self::KBack(task) => task.build(vocabulary),
            Self::FirstToken(_) => FirstToken::build(vocabulary),
            Self::Passkey(task) => task.build(vocabulary.bos, text()?),
            Self::Needle(task) => task.build(vocabulary.bos, text()?),
        };
        Ok(Task::new(self.clone(), generator?))
    }
}
