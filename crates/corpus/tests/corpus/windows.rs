//! Training windows: inside documents, complete, and a pure function of seed and index.

use std::collections::BTreeSet;
use std::sync::Arc;

use burn_dataset::Dataset;
use corpus::{Batch, Permutation, Windows};
use proptest::prelude::*;

use crate::support::corpus_of;

const BOS: u32 = 256;

/// Windows over documents of these lengths; every byte of document d is the d-th letter.
fn windows_over(lengths: &[usize], length: usize, seed: u64) -> Windows {
    try_windows(lengths, length, seed).expect("windows")
}

fn try_windows(
    lengths: &[usize],
    length: usize,
    seed: u64,
) -> Result<Windows, corpus::CorpusError> {
    let texts: Vec<String> = lengths
        .iter()
        .zip('a'..='z')
        .map(|(length, letter)| letter.to_string().repeat(*length))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    // The map outlives its folder: a removed file stays until it is unmapped.
    let (corpus, _folder) = corpus_of(&texts);
    Windows::new(corpus.train, length, BOS, seed)
}

fn places(windows: &Windows, samples: std::ops::Range<u64>) -> Vec<(usize, usize)> {
    samples
        .map(|g| windows.sample(g))
        .map(|w| (w.document, w.start))
        .collect()
}

/// The documented formulas, written anew in Python: hash, network, offsets, search.
#[test]
fn order_is_that_of_another_implementation() {
    let shuffled = |epoch| -> Vec<u64> {
        let permutation = Permutation::new(10, 42, epoch);
        (0..10).map(|i| permutation.apply(i)).collect()
    };
    assert_eq!(shuffled(0), [3, 7, 6, 0, 4, 2, 8, 5, 1, 9]);
    assert_eq!(shuffled(1), [4, 9, 1, 0, 3, 6, 5, 8, 2, 7]);
    let windows = windows_over(&[20, 3, 33, 8], 8, 42);
    let expected = [
        (2, 32),
        (2, 48),
        (3, 56),
        (0, 4),
        (2, 40),
        (2, 24),
        (0, 12), // first epoch
        (2, 40),
        (2, 24),
        (0, 8),
        (0, 0),
        (2, 32),
        (3, 56),
        (2, 48), // second
    ];
    assert_eq!(places(&windows, 0..14), expected);
}

#[test]
fn inputs_are_targets_one_later_after_bos() {
    let (corpus, _folder) = corpus_of(&["abcdefgh"]);
    let windows = Windows::new(corpus.train, 8, BOS, 0).expect("windows");
    let window = windows.sample(0);
    let letters: Vec<u32> = (b'a'..=b'h').map(u32::from).collect();
    assert_eq!(window.targets, letters);
    assert_eq!(window.inputs, [&[BOS], &letters[..7]].concat());
    assert_eq!((window.document, window.start), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Each epoch: no window crosses a document's end, none overlap, none are missing.
    #[test]
    fn an_epoch_tiles_the_documents(
        lengths in prop::collection::vec(0_usize..90, 1..8),
        length in 1_usize..20,
        seed: u64,
        epoch in 0_u64..4,
    ) {
        prop_assume!(lengths.iter().any(|n| *n >= length));
        let windows = windows_over(&lengths, length, seed);
        let per_epoch = windows.windows_per_epoch();
        prop_assert_eq!(per_epoch, lengths.iter().map(|n| n / length).sum::<usize>());
        let short = lengths.iter().filter(|n| **n < length).count();
        prop_assert_eq!(windows.skipped_documents(), short);

        let first = epoch * per_epoch as u64;
        let mut used = BTreeSet::new();
        for g in first..first + per_epoch as u64 {
            let window = windows.sample(g);
            let letter = u32::from(b'a') + window.document as u32;
            prop_assert!(window.targets.iter().all(|token| *token == letter));
            prop_assert_eq!(window.targets.len(), length);
            prop_assert_eq!(window.inputs.len(), length);
            for token in window.start..window.start + length {
                prop_assert!(used.insert(token), "token {} is in two windows", token);
            }
        }
    }

    #[test]
    fn batches_do_not_depend_on_how_they_are_split(first in 0_u64..1_000, seed: u64) {
        let windows = windows_over(&[50, 70, 33], 8, seed);
        let whole = windows.batch(first, 8);
        let (left, right) = (windows.batch(first, 4), windows.batch(first + 4, 4));
        prop_assert_eq!(&whole.inputs, &[left.inputs, right.inputs].concat());
        prop_assert_eq!(&whole.targets, &[left.targets, right.targets].concat());
        prop_assert_eq!((whole.batch, whole.length, whole.inputs.len()), (8, 8, 64));
    }
}

#[test]
fn a_batch_is_its_samples_row_by_row() {
    let windows = windows_over(&[50, 70, 33], 8, 5);
    let batch: Batch = windows.batch(17, 3);
    for row in 0..3 {
        let window = windows.sample(17 + row as u64);
        let signed = |ids: &[u32]| -> Vec<i32> { ids.iter().map(|id| *id as i32).collect() };
        assert_eq!(batch.inputs[row * 8..row * 8 + 8], signed(&window.inputs));
        assert_eq!(batch.targets[row * 8..row * 8 + 8], signed(&window.targets));
    }
}

#[test]
fn seeds_and_epochs_differ_and_repeat() {
    let lengths = [500, 700, 333];
    let windows = windows_over(&lengths, 8, 1);
    let n = windows.windows_per_epoch() as u64;
    let first = places(&windows, 0..n);
    assert_eq!(first, places(&windows_over(&lengths, 8, 1), 0..n));
    assert_ne!(first, places(&windows_over(&lengths, 8, 2), 0..n));
    assert_ne!(first, places(&windows, n..2 * n));
}

/// The offset within the remainder moves: over the epochs the ends are seen too.
#[test]
fn every_token_is_seen_in_some_epoch() {
    let windows = windows_over(&[23, 15], 8, 9);
    let seen: BTreeSet<usize> = places(&windows, 0..3 * 60)
        .into_iter()
        .flat_map(|(_, start)| start..start + 8)
        .collect();
    assert_eq!(seen.len(), 38);
}

#[test]
fn the_dataset_is_the_first_epoch() {
    let windows = windows_over(&[50, 70], 8, 3);
    assert_eq!(Dataset::len(&windows), 14);
    let items: Vec<_> = windows.iter().map(|item| item.expect("a window")).collect();
    let samples: Vec<_> = (0..14).map(|g| windows.sample(g)).collect();
    assert_eq!(items, samples);
}

#[test]
#[should_panic(expected = "window 14 of 14")]
fn the_dataset_ends() {
    let _ = windows_over(&[50, 70], 8, 3).get(14);
}

#[test]
fn impossible_windows_are_explained() {
    let message =
        |result: Result<Windows, corpus::CorpusError>| result.expect_err("must fail").to_string();
    let short = message(try_windows(&[5, 7, 6], 8, 0));
    assert!(
        short.contains("has 8 tokens: the longest, `texts.jsonl:2`, has 7"),
        "{short}"
    );
    assert!(message(try_windows(&[5], 0, 0)).contains("length of windows must be at least 1"));
    let (corpus, _folder) = corpus_of(&["text"]);
    let empty = message(Windows::new(Arc::new(corpus.valid), 2, BOS, 0));
    assert!(
        empty.contains("the valid split has no documents"),
        "{empty}"
    );
}
