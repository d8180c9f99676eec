//! Classes of tokens, by how they are written.

/// A class: its name and whether a token's text is in it. `<bos>` has no text and is a class of its own.
type Class = (&'static str, fn(&str) -> bool);

/// The classes of text. A token may be in several.
const BY_TEXT: [Class; 9] = [
    ("apostrophe", |text| text.contains(['\'', '\u{2019}'])),
    ("newline", |text| text.contains('\n')),
    ("comma", |text| text.trim() == ","),
    ("end of sentence", |text| {
        text.trim().starts_with(['.', '!', '?', '\u{3002}'])
    }),
    ("other punctuation", |text| {
        let text = text.trim();
        !text.is_empty()
            && text
                .chars()
                .all(|c| !c.is_alphanumeric() && !c.is_whitespace())
            && !text.starts_with([',', '.', '!', '?', '\'', '\u{2019}', '\u{3002}'])
    }),
    ("digits", |text| {
        text.trim().starts_with(|c: char| c.is_ascii_digit())
    }),
    ("capitalised", |text| {
        text.trim().starts_with(char::is_uppercase)
    }),
    ("function word", |text| {
        FUNCTION_WORDS.contains(&text.trim().to_lowercase().as_str())
    }),
    ("inside a word", |text| {
        text.starts_with(char::is_alphabetic)
    }),
];

/// English words that hold sentences together.
const FUNCTION_WORDS: [&str; 44] = [
    "the", "a", "an", "of", "to", "in", "and", "that", "it", "is", "was", "i", "for", "on", "you",
    "he", "she", "be", "with", "as", "by", "at", "have", "are", "not", "this", "but", "had", "his",
    "her", "they", "from", "or", "which", "who", "we", "were", "so", "my", "no", "if", "all",
    "their", "what",
];

/// Name of the class of `<bos>` alone.
const BOS: &str = "<bos>";

/// Names of the classes: `<bos>` first.
pub const CLASSES: [&str; BY_TEXT.len() + 1] = {
    let mut names = [BOS; BY_TEXT.len() + 1];
    let mut i = 0;
    while i < BY_TEXT.len() {
        names[i + 1] = BY_TEXT[i].0;
        i += 1;
    }
    names
};

/// Which classes each token of a vocabulary is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenClasses {
    /// One bit a class, by token id.
    bits: Vec<u16>,
}

impl TokenClasses {
    /// From the text of each token, by id, and the id of `<bos>`.
    pub fn new(texts: &[String], bos: u32) -> Self {
        let mut bits: Vec<u16> = texts
            .iter()
            .map(|text| {
                let is_in = BY_TEXT.iter().enumerate().filter(|(_, (_, is))| is(text));
                is_in.map(|(i, _)| 1 << (i + 1)).sum()
            })
            .collect();
        if let Some(bits) = bits.get_mut(bos as usize) {
            *bits = 1;
        }
        Self { bits }
    }

    /// Whether `token` is in class `class` of [`CLASSES`].
    pub fn contains(&self, class: usize, token: u32) -> bool {
        let bits = self.bits.get(token as usize).copied().unwrap_or(0);
        bits & (1 << class) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_in_the_classes_of_their_text() {
        let texts = [
            "<bos>",
            " the",
            "\u{2019}s",
            "ing",
            ".\n",
            " 42",
            " Emma",
            ";",
            ",",
        ];
        let texts = texts.map(str::to_owned);
        let classes = TokenClasses::new(&texts, 0);
        let of = |token| -> Vec<&str> {
            let names = CLASSES.iter().enumerate();
            names
                .filter(|(class, _)| classes.contains(*class, token))
                .map(|(_, name)| *name)
                .collect()
        };
        assert_eq!(of(0), ["<bos>"]);
        assert_eq!(of(1), ["function word"]);
        assert_eq!(of(2), ["apostrophe"]);
        assert_eq!(of(3), ["inside a word"]);
        assert_eq!(of(4), ["newline", "end of sentence"]);
        assert_eq!(of(5), ["digits"]);
        assert_eq!(of(6), ["capitalised"]);
        assert_eq!(of(7), ["other punctuation"]);
        assert_eq!(of(8), ["comma"]);
        assert!(of(99).is_empty());
    }
}
