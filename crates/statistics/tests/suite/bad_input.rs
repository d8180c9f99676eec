//! Each error has a message that says what is wrong and where.

use statistics::{Paired, StatisticsError};

fn message(differences: Vec<Vec<f64>>, tokens: &[usize]) -> String {
    Paired::new(differences, tokens)
        .expect_err("bad input")
        .to_string()
}

#[test]
fn nothing_to_compare() {
    assert_eq!(
        Paired::new(vec![], &[3]),
        Err(StatisticsError::NoSeeds),
        "no seeds"
    );
    assert_eq!(
        Paired::new(vec![vec![]], &[]),
        Err(StatisticsError::NoDocuments),
        "no documents"
    );
}

#[test]
fn a_seed_with_other_documents() {
    assert_eq!(
        message(vec![vec![1.0, 2.0], vec![1.0]], &[5, 6]),
        "seed 1 has the differences of 1 documents, but there are 2 token counts; all seeds must be \
         evaluated on the same documents"
    );
    assert!(Paired::new(vec![vec![1.0, 2.0, 3.0]], &[5, 6]).is_err());
}

#[test]
fn numbers_that_are_none() {
    assert_eq!(
        message(vec![vec![1.0, 2.0], vec![1.0, f64::NAN]], &[5, 6]),
        "the difference of seed 1 on document 1 is NaN; it must be a finite number of nats"
    );
    assert!(Paired::new(vec![vec![f64::NEG_INFINITY, 2.0]], &[5, 6]).is_err());
}

#[test]
fn a_document_without_tokens() {
    assert_eq!(
        message(vec![vec![1.0, 2.0]], &[5, 0]),
        "document 1 has no tokens; leave it out"
    );
}

#[test]
fn nothing_to_resample() {
    let one = Paired::new(vec![vec![1.0]], &[5]).expect("one pair");
    assert_eq!(one.bootstrap_interval(100), None);
    let more = Paired::new(vec![vec![1.0, 2.0]], &[5, 6]).expect("two pairs");
    assert_eq!(more.bootstrap_interval(0), None);
    assert!(more.bootstrap_interval(100).is_some());
}
