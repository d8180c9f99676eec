//! Undoing hard wrapping: newlines that only mark the width of a page teach a model the width.
//!
//! Applied once, when the texts under `datasets/` were made (`examples/make_datasets.rs`).

use serde::{Deserialize, Serialize};

/// How the lines of a raw text are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Hard-wrapped paragraphs between blank lines: lines are joined.
    Prose,
    /// Verse and drama: every line is meant, indentation too.
    Verse,
    /// One paragraph a line already: only white space at both ends of lines is removed.
    Unwrapped,
}

/// A paragraph whose lines (the last aside) are all shorter than this was not wrapped by width.
const SHORT_LINE: usize = 45;
/// The same for a paragraph of two lines, where a single early break of prose would do.
const SHORT_PAIR: usize = 36;
/// From this many lines on, a paragraph whose every line begins with a capital is taken for verse.
const VERSE_LINES: usize = 4;

/// The text without hard wrapping and without white space that carries nothing.
///
/// For every layout: `\r\n` becomes `\n`, control characters (old files end with Ctrl-Z) go, line
/// ends are trimmed, any run of blank lines becomes one, and the text ends with one newline. For [`Layout::Prose`] the lines of a paragraph are then
/// joined by single spaces, except in paragraphs that are verse, lists, headings or letterheads.
/// Those keep their lines, and are known by any of:
/// * every line is indented (a quotation set off from the text);
/// * every line but the last is shorter than 45 characters (36 when there are only two lines);
/// * four lines or more, each beginning with a capital letter (after quotation marks or brackets).
///
/// In a joined paragraph an indented line other than the first still starts a new line, and keeps
/// its indentation.
/// The result is a fixed point: reflowing it again changes nothing.
pub fn reflow(raw: &str, layout: Layout) -> String {
    let mut text = raw.replace("\r\n", "\n").replace('\r', "\n");
    text.retain(|c| !c.is_control() || c == '\n' || c == '\t');
    let mut paragraphs: Vec<String> = Vec::new();
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim_end).chain([""]) {
        if !line.is_empty() {
            lines.push(line);
        } else if !lines.is_empty() {
            paragraphs.push(paragraph(&lines, layout));
            lines.clear();
        }
    }
    let mut out = paragraphs.join("\n\n");
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

fn paragraph(lines: &[&str], layout: Layout) -> String {
    match layout {
        Layout::Verse => lines.join("\n"),
        Layout::Unwrapped => {
            let trimmed: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
            trimmed.join("\n")
        }
        Layout::Prose if keeps_lines(lines) => lines.join("\n"),
        Layout::Prose => join_lines(lines),
    }
}

fn keeps_lines(lines: &[&str]) -> bool {
    let all_indented = lines
        .iter()
        .all(|line| line.starts_with(char::is_whitespace));
    let (_, but_last) = lines.split_last().unwrap_or((&"", &[]));
    let short = if but_last.len() == 1 {
        SHORT_PAIR
    } else {
        SHORT_LINE
    };
    let all_short = but_last.iter().all(|line| line.chars().count() < short);
    let all_capitals = lines.iter().all(|line| begins_with_capital(line));
    all_indented || all_short || (lines.len() >= VERSE_LINES && all_capitals)
}

fn begins_with_capital(line: &str) -> bool {
    line.chars()
        .find(|c| c.is_alphanumeric())
        .is_some_and(char::is_uppercase)
}

fn join_lines(lines: &[&str]) -> String {
    let mut out = String::new();
    for (index, line) in lines.iter().enumerate() {
        let words = line.trim_start();
        let indentation = &line[..line.len() - words.len()];
        if index > 0 && indentation.is_empty() {
            out.push(' ');
        } else if index > 0 {
            out.push('\n');
            out.push_str(indentation);
        }
        let words: Vec<&str> = words.split_whitespace().collect();
        out.push_str(&words.join(" "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WRAPPED: &str = "It is a truth universally acknowledged, that a single man in possession\n\
                           of a good fortune, must be in want of a wife.\n";

    #[test]
    fn wrapped_lines_are_joined_and_runs_of_spaces_become_one() {
        assert_eq!(
            reflow(WRAPPED, Layout::Prose),
            "It is a truth universally acknowledged, that a single man in possession of a good \
             fortune, must be in want of a wife.\n"
        );
        let two_spaces =
            "He stopped at the corner of the street and looked about him.  Nobody\nwas there.";
        assert_eq!(
            reflow(two_spaces, Layout::Prose),
            "He stopped at the corner of the street and looked about him. Nobody was there.\n"
        );
    }

    #[test]
    fn paragraphs_stay_apart_by_one_blank_line() {
        let raw = format!("\n\n\nCHAPTER I\n\n\n{WRAPPED}   \n\t\n{WRAPPED}\n\n");
        let flowed = reflow(&raw, Layout::Prose);
        assert_eq!(flowed.matches("\n\n").count(), 2, "{flowed}");
        assert!(flowed.starts_with("CHAPTER I\n\nIt is a truth"));
        assert!(flowed.ends_with("wife.\n"));
    }

    #[test]
    fn a_numbered_verse_of_scripture_is_one_line() {
        let raw = "1:2 And the earth was without form, and void; and darkness was upon\n\
                   the face of the deep.\n\n1:3 And God said, Let there be light: and there was light.\n";
        assert_eq!(
            reflow(raw, Layout::Prose),
            "1:2 And the earth was without form, and void; and darkness was upon the face of the \
             deep.\n\n1:3 And God said, Let there be light: and there was light.\n"
        );
    }

    #[test]
    fn verse_within_prose_keeps_its_lines() {
        let short = "\"The ribs and terrors in the whale,\nArched over me a dismal gloom,\n\
                     While all God's sun-lit waves rolled by,\nAnd lift me deepening down to doom.\n";
        let long = "A cloud was on the mind of men, and wailing went the weather,\n\
                    Yea, a sick cloud upon the soul when we were boys together.\n\
                    Science announced nonentity and art admired decay;\n\
                    The world was old and ended: but you and I were gay;\n";
        let indented = "     of a long line that is set off from the margin of the page as a quotation,\n     \
                        and its second\n";
        let speech = "ALL.\nThe squall! the squall! jump, my jollies! (THEY SCATTER.)\n";
        for raw in [short, long, indented, speech] {
            assert_eq!(reflow(raw, Layout::Prose), raw);
        }
    }

    #[test]
    fn an_early_break_between_two_lines_is_joined() {
        let raw = "\"Or rather, as I believe, she considers them\nimpossible to exist.\"";
        assert_eq!(
            reflow(raw, Layout::Prose),
            "\"Or rather, as I believe, she considers them impossible to exist.\"\n"
        );
    }

    #[test]
    fn an_indented_line_starts_anew_inside_prose() {
        let raw = "I never saw a finer day than this one, and hope you are the better for it.\n\
                   Yours as ever,\n                      W.\n";
        assert_eq!(
            reflow(raw, Layout::Prose),
            "I never saw a finer day than this one, and hope you are the better for it. \
             Yours as ever,\n                      W.\n"
        );
    }

    #[test]
    fn verse_keeps_lines_and_indentation() {
        let raw = " Piping down the valleys wild, \r\n   Piping songs of pleasant glee,\r\n\r\n\r\n On a cloud\u{1a}";
        assert_eq!(
            reflow(raw, Layout::Verse),
            " Piping down the valleys wild,\n   Piping songs of pleasant glee,\n\n On a cloud\n"
        );
    }

    #[test]
    fn unwrapped_text_only_loses_white_space() {
        assert_eq!(
            reflow(
                " Places \n A long paragraph  here. \n\n\n Next ",
                Layout::Unwrapped
            ),
            "Places\nA long paragraph  here.\n\nNext\n"
        );
    }

    #[test]
    fn nothing_stays_nothing() {
        assert_eq!(reflow("", Layout::Prose), "");
        assert_eq!(reflow(" \n\n \r\n", Layout::Verse), "");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn words_are_never_changed_and_twice_is_once(
            lines in prop::collection::vec("( {0,3})([A-Za-z,]{0,12} {0,2}){0,9}", 0..20),
        ) {
            let raw = lines.join("\n");
            for layout in [Layout::Prose, Layout::Verse, Layout::Unwrapped] {
                let once = reflow(&raw, layout);
                prop_assert!(raw.split_whitespace().eq(once.split_whitespace()));
                prop_assert_eq!(reflow(&once, layout), once);
            }
        }
    }
}
