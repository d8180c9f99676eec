//! The mark that some editors put before UTF-8.

/// `text` without a byte-order mark at its begin: it is no part of a text, and no JSON parser takes it.
pub(crate) fn without(text: &str) -> &str {
    text.strip_prefix('\u{FEFF}').unwrap_or(text)
}
