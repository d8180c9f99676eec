//! A statement and what came of it.

use std::fmt;

/// Whether a statement stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As stated.
    Holds,
    /// Not as stated: a fault of the encoding, of its implementation, or of the statement.
    Refuted,
    /// It says nothing about this encoding.
    NotApplicable,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Holds => "holds",
            Self::Refuted => "REFUTED",
            Self::NotApplicable => "n/a",
        })
    }
}

/// A statement of the paper about an encoding, put to the test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What it is called: `Proposition 3.1`.
    pub name: &'static str,
    /// What it says, in a line.
    pub statement: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// What would refute it.
    pub refuted_by: &'static str,
    /// The numbers computed now; why it says nothing, where it says nothing.
    pub found: String,
    /// Whether it stood.
    pub verdict: Verdict,
}

/// What a check found.
pub(crate) struct Finding {
    pub(crate) found: String,
    pub(crate) verdict: Verdict,
}

impl Finding {
    /// Holds or is refuted.
    pub(crate) fn of(holds: bool, found: String) -> Self {
        let verdict = if holds {
            Verdict::Holds
        } else {
            Verdict::Refuted
        };
        Self { found, verdict }
    }

    /// Says nothing here, and why.
    pub(crate) fn not_applicable(why: impl Into<String>) -> Self {
        Self {
            found: why.into(),
            verdict: Verdict::NotApplicable,
        }
    }
}
