//! What cannot be looked at, in words.

use anatomy::{Anatomy, Budget, Sample, Source, repeated_segments};
use fused::Workers;

use crate::built::{decoder, text, written};

#[test]
fn a_text_too_short() {
    let error = Sample::new("note", &text(31), 0, 96, 2).expect_err("31 tokens");
    assert_eq!(
        error.to_string(),
        "the text `note` has 31 tokens; at least 32 are needed"
    );
    let whole = Sample::new("note", &text(32), 0, 96, 2).expect("32 tokens");
    assert_eq!((whole.windows.len(), whole.length()), (1, 32));
}

#[test]
fn windows_lie_side_by_side_after_bos() {
    let text = text(100);
    let sample = Sample::new("ids", &text, 0, 40, 8).expect("long enough");
    assert_eq!(sample.windows.len(), 2);
    assert_eq!(sample.windows[1][0], 0);
    assert_eq!(sample.windows[1][1..], text[40..80]);
    assert_eq!(sample.first(1).windows.len(), 1);
}

#[test]
fn a_vocabulary_too_small() {
    let error = repeated_segments(&[1, 2, 3], 0, 8, 1, 1).expect_err("three tokens");
    assert!(error.to_string().contains("3 ordinary tokens"), "{error}");
}

#[test]
fn a_layer_or_a_text_that_is_not_there() {
    let decoder = decoder();
    let written = written();
    let ordinary: Vec<u32> = (1..64).collect();
    let mut source = Source {
        name: "built".to_owned(),
        texts: vec![("ids".to_owned(), text(64))],
        bos: 0,
        vocabulary: &written,
        ordinary: &ordinary,
    };
    let mut budget = Budget::new(decoder.config(), 32, 1000);
    let workers = Workers::new(1).expect("threads");
    budget.layers = vec![1];
    let error = Anatomy::of(&decoder, &source, &budget, &workers, &|_, _, _| ());
    let error = error.expect_err("one layer").to_string();
    assert_eq!(error, "there is no layer 1: the decoder has layers 0 to 0");
    budget.layers = vec![0];
    source.texts.clear();
    let error = Anatomy::of(&decoder, &source, &budget, &workers, &|_, _, _| ());
    assert_eq!(
        error.expect_err("no text").to_string(),
        "there is no text to look at"
    );
}
