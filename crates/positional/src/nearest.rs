//! Spelling suggestions for error messages.

/// The candidate spelled most like `word`, if at most a third of its letters (two for short names) differ.
pub(crate) fn nearest(word: &str, candidates: &[&'static str]) -> Option<&'static str> {
    let word = word.to_lowercase();
    let (distance, best) = candidates
        .iter()
        .map(|candidate| (levenshtein(&word, candidate), *candidate))
        .min()?;
    (distance <= (best.len() / 3).max(2)).then_some(best)
}

/// Fewest insertions, deletions and substitutions of one letter that turn `a` into `b`.
fn levenshtein(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for j in 0..b.len() {
            let substituted = diagonal + usize::from(letter != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_single_letter_edits() {
        assert_eq!(levenshtein("kitten", "sitting"), 3);
        assert_eq!(levenshtein("", "rope"), 4);
        assert_eq!(levenshtein("rope", ""), 4);
        assert_eq!(levenshtein("flaw", "lawn"), 2);
        assert_eq!(levenshtein("rope", "rope"), 0);
    }

    #[test]
    fn suggests_only_what_is_close() {
        let kinds = ["rope", "prope", "sinusoidal"];
        assert_eq!(nearest("PROPE", &kinds), Some("prope"));
        assert_eq!(nearest("sinusodial", &kinds), Some("sinusoidal"));
        assert_eq!(nearest("transformer", &kinds), None);
        assert_eq!(nearest("rope", &[]), None);
    }
}
