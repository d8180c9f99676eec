//! The screen, which may go away: a closed pipe or terminal must not end a run.

use std::fmt::Display;
use std::io::Write;

/// A line of what was asked for, on standard output.
pub fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A line about how it goes, on standard error.
pub fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
