//! Everything that can be wrong with a task, and with the losses it is scored by.

/// Why a task cannot be made, sampled or scored: what is wrong and the least that works.
/// [`TaskError::key`] names the key to point at.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// No task has this kind.
    #[error("unknown task `{kind}`; known tasks: {}", .known.join(", "))]
    UnknownKind {
        /// The kind asked for.
        kind: String,
        /// Every known kind.
        known: Vec<&'static str>,
    },
    /// A parameter has a value that makes no sense.
    #[error("`{key}` of `{kind}` is {value}; it must be {expected}")]
    OutOfRange {
        /// The task.
        kind: &'static str,
        /// The parameter.
        key: &'static str,
        /// The value given.
        value: String,
        /// The values allowed.
        expected: String,
    },
    /// Too few token ids to make the task of.
    #[error(
        "`{kind}` has {ids} token ids from first_id = {first_id} on (BOS not counted); it needs at least {least}"
    )]
    VocabularyTooSmall {
        /// The task.
        kind: &'static str,
        /// Where its ids begin.
        first_id: u32,
        /// How many there are, without BOS.
        ids: usize,
        /// The fewest that work, markers included.
        least: usize,
    },
    /// The sequence has no room for the task.
    #[error("`{kind}` does not fit into a length of {length} tokens; it needs at least {least}")]
    LengthTooShort {
        /// The task.
        kind: &'static str,
        /// The length asked for, in tokens.
        length: usize,
        /// The shortest that works.
        least: usize,
    },
    /// A task in words was asked for without a tokenizer.
    #[error("`{kind}` is made of text; it needs a tokenizer and filler text")]
    NoText {
        /// The task.
        kind: &'static str,
    },
    /// Less filler text than the length takes.
    #[error(
        "`{kind}` has {tokens} tokens of filler text; a length of {length} needs at least {least}"
    )]
    FillerTooShort {
        /// The task.
        kind: &'static str,
        /// Tokens of filler given.
        tokens: usize,
        /// The length asked for, in tokens.
        length: usize,
        /// The least filler that works.
        least: usize,
    },
    /// The tokenizer does not tell enough numbers apart.
    #[error(
        "the tokenizer writes only {found} different numbers of {digits} digits in as many tokens each; \
         `{kind}` needs {wanted}: ask for more digits or fewer alternatives"
    )]
    TooFewNumbers {
        /// The task.
        kind: &'static str,
        /// Digits of a number.
        digits: usize,
        /// Different numbers of the commonest count of tokens.
        found: usize,
        /// The right answer and its alternatives.
        wanted: usize,
    },
    /// A loss that is no number: the model has diverged.
    #[error("the loss of target {target} of sample {sample} is {value}; losses must be finite")]
    NotFinite {
        /// The sample's index.
        sample: u64,
        /// The target, counted from 0; for an alternative, the first target it replaces.
        target: usize,
        /// The loss.
        value: f64,
    },
}

impl TaskError {
    /// The key of the config to point at: `kind`, a parameter's name, `first_id`, `length`,
    /// `tokenizer`, `filler`; none when a model's losses are at fault.
    pub fn key(&self) -> Option<&'static str> {
        Some(match self {
            Self::UnknownKind { .. } => "kind",
            Self::OutOfRange { key, .. } => key,
            Self::VocabularyTooSmall { .. } => "first_id",
            Self::LengthTooShort { .. } => "length",
            Self::NoText { .. } => "tokenizer",
            Self::FillerTooShort { .. } => "filler",
            Self::TooFewNumbers { .. } => "digits",
            Self::NotFinite { .. } => return None,
        })
    }
}

/// That a count is at least 1.
pub(crate) fn at_least_one(
    kind: &'static str,
    key: &'static str,
    value: usize,
) -> Result<(), TaskError> {
    check(value >= 1, kind, key, value, "at least 1")
}

/// The error of the parameter `key`, unless its value is `good`.
pub(crate) fn check(
    good: bool,
    kind: &'static str,
    key: &'static str,
    value: impl ToString,
    expected: &str,
) -> Result<(), TaskError> {
    if good {
        return Ok(());
    }
    Err(TaskError::OutOfRange {
        kind,
        key,
        value: value.to_string(),
        expected: expected.to_owned(),
    })
}
