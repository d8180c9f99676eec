//! Spelling suggestions.

/// The candidate spelled most like `word`, if at most a third of its letters (two for short names) differ.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let (distance, best) = candidates
        .into_iter()
        .map(|candidate| (edits(word, candidate), candidate))
        .min()?;
    (distance <= (best.chars().count() / 3).max(2)).then_some(best)
}

/// Fewest insertions, deletions and substitutions of one letter that turn `a` into `b` (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
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
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(
            (edits("", "seed"), edits("seed", ""), edits("seed", "seed")),
            (4, 4, 0)
        );
    }

    #[test]
    fn suggests_only_what_is_close() {
        let keys = ["steps", "tokens", "warmup_steps"];
        assert_eq!(nearest("stpes", keys), Some("steps"));
        assert_eq!(nearest("warmup_setps", keys), Some("warmup_steps"));
        assert_eq!(nearest("momentum", keys), None);
        assert_eq!(nearest("steps", []), None);
    }
}
