//! Prose: paragraphs and code words, everything else plain text.

use crate::escape;

/// Blank lines part paragraphs, backticks enclose code. Anything else is escaped.
pub(crate) fn paragraphs(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let paragraphs = text
        .split("\n\n")
        .map(str::trim)
        .filter(|paragraph| !paragraph.is_empty());
    paragraphs
        .map(|paragraph| format!("<p>{}</p>", inline(paragraph)))
        .collect()
}

/// One run of text, with code words.
pub(crate) fn inline(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`') {
        let Some((code, after)) = after.split_once('`') else {
            break;
        };
        out += &escape::xml(before);
        out += &format!("<code>{}</code>", escape::xml(code));
        rest = after;
    }
    out + &escape::xml(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paragraphs_and_code_are_markup() {
        assert_eq!(
            paragraphs("a <b>\n\n`x < y` & `open\n\n\n"),
            "<p>a &lt;b&gt;</p><p><code>x &lt; y</code> &amp; `open</p>"
        );
    }
}
