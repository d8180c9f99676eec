//! Evaluation windows: where, how many, and none that cross documents.

use std::sync::Arc;

use corpus::{TokenFile, evaluation_windows};
use proptest::prelude::*;

use crate::support::corpus_of;

fn file_of(lengths: &[usize]) -> Arc<TokenFile> {
    let texts: Vec<String> = lengths.iter().map(|length| "x".repeat(*length)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    corpus_of(&texts).0.train
}

fn places(file: &TokenFile, length: usize, per_document: Option<usize>) -> Vec<(usize, usize)> {
    let windows = evaluation_windows(file, length, per_document).expect("windows");
    windows.iter().map(|w| (w.document, w.start)).collect()
}

#[test]
fn all_windows_of_all_documents_long_enough() {
    let file = file_of(&[10, 3, 8]);
    assert_eq!(places(&file, 4, None), [(0, 0), (0, 4), (2, 13), (2, 17)]);
    assert_eq!(places(&file, 4, Some(9)), places(&file, 4, None));
    assert_eq!(file.documents_shorter_than(4), 1);
}

#[test]
fn a_choice_is_evenly_spaced() {
    // Ten windows; the middles of 1, 2, 3 and 5 equal parts.
    let file = file_of(&[100]);
    let indices = |most| -> Vec<usize> {
        places(&file, 10, Some(most))
            .iter()
            .map(|(_, start)| start / 10)
            .collect()
    };
    assert_eq!(indices(1), [5]);
    assert_eq!(indices(2), [2, 7]);
    assert_eq!(indices(3), [1, 5, 8]);
    assert_eq!(indices(5), [1, 3, 5, 7, 9]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn windows_stay_inside_and_apart(
        lengths in prop::collection::vec(0_usize..120, 1..6),
        length in 1_usize..30,
        most in 1_usize..6,
    ) {
        prop_assume!(lengths.iter().any(|n| *n >= length));
        let file = file_of(&lengths);
        let places = places(&file, length, Some(most));
        let expected: usize = lengths.iter().map(|n| (n / length).min(most)).sum();
        prop_assert_eq!(places.len(), expected);
        for (document, start) in &places {
            let span = &file.documents()[*document];
            prop_assert!(span.start <= *start && start + length <= span.end);
        }
        prop_assert!(places.is_sorted_by(|a, b| a.1 + length <= b.1));
    }
}

#[test]
fn impossible_windows_are_explained() {
    let file = file_of(&[5, 7]);
    let message = |length, most| {
        evaluation_windows(&file, length, most)
            .expect_err("must fail")
            .to_string()
    };
    assert!(message(8, None).contains("the longest, `texts.jsonl:2`, has 7"));
    assert!(message(0, None).contains("must be at least 1"));
    assert!(message(2, Some(0)).contains("windows per document must be at least 1"));
}
