//! Solvers that know a task's definition and nothing else.
//!
//! Each sees the tokens before a target, as a causal model does, and says what must follow, or that
//! nothing can be known. It has to be right at every scored target and silent at all others.

use tasks::{Sample, TaskConfig, Vocabulary};

use crate::support::ids;

const PADDING: usize = 0;
const NOISE: usize = 1;
const COPY: usize = 2;
const REVERSE: usize = 3;
const SELECTIVE_COPY: usize = 4;
const PREVIOUS_TOKEN: usize = 5;
const K_BACK: usize = 6;
const FIRST_TOKEN: usize = 7;

/// What must follow `prefix` (BOS first) in a sample of `length`.
pub fn solve(
    config: &TaskConfig,
    vocabulary: Vocabulary,
    length: usize,
    prefix: &[u32],
) -> Option<u32> {
    let marker = |number: usize| ids(vocabulary)[number];
    match config {
        TaskConfig::Induction(_) => induction(prefix, length),
        TaskConfig::Mqar(task) => mqar(prefix, task.pairs),
        TaskConfig::Copy(_) => after(prefix, marker(COPY), |data, i| data.get(i).copied()),
        TaskConfig::Reverse(_) => after(prefix, marker(REVERSE), |data, i| {
            data.iter().rev().nth(i).copied()
        }),
        TaskConfig::SelectiveCopy(_) => after(prefix, marker(SELECTIVE_COPY), |data, i| {
            let noise = marker(NOISE);
            data.iter().filter(|token| **token != noise).nth(i).copied()
        }),
        TaskConfig::PreviousToken(_) => back(prefix, marker(PREVIOUS_TOKEN), 1),
        TaskConfig::KBack(task) => back(prefix, marker(K_BACK), task.k),
        TaskConfig::FirstToken(_) => {
            (prefix.last() == Some(&marker(FIRST_TOKEN))).then(|| prefix[1])
        }
        TaskConfig::Passkey(_) => passkey(prefix),
        TaskConfig::Needle(_) => needle(prefix),
        other => panic!("no solver for {}", other.kind()),
    }
}

fn induction(prefix: &[u32], length: usize) -> Option<u32> {
    let (segment, next) = (length / 2, prefix.len());
    (next > segment + 1 && next <= 2 * segment).then(|| prefix[next - segment])
}

fn mqar(prefix: &[u32], pairs: usize) -> Option<u32> {
    let (shown, later) = prefix[1..].split_at_checked(2 * pairs)?;
    let asked = later.last()?;
    let pair = shown.chunks(2).find(|pair| pair[0] == *asked);
    pair.map(|pair| pair[1])
}

fn after(
    prefix: &[u32],
    separator: u32,
    output: impl Fn(&[u32], usize) -> Option<u32>,
) -> Option<u32> {
    let place = prefix.iter().position(|token| *token == separator)?;
    output(&prefix[1..place], prefix.len() - place - 1)
}

fn back(prefix: &[u32], marker: u32, k: usize) -> Option<u32> {
    let last = prefix.len() - 1;
    (prefix[last] == marker).then(|| prefix[last - k])
}

fn text(prefix: &[u32]) -> String {
    prefix[1..].iter().map(|t| *t as u8 as char).collect()
}

fn passkey(prefix: &[u32]) -> Option<u32> {
    let text = text(prefix);
    let (before, given) = text.split_once("\nWhat is the pass key? The pass key is")?;
    let (_, fact) = before.split_once("The pass key is")?;
    let (number, rest) = fact.split_once(". Remember it.")?;
    assert!(rest.starts_with(&format!("{number} is the pass key.")));
    number[given.len()..].bytes().next().map(u32::from)
}

fn needle(prefix: &[u32]) -> Option<u32> {
    let text = text(prefix);
    let (before, question) = text.split_once("\nWhat is the special magic number for ")?;
    let (subject, question) = question.split_once("? ")?;
    let fact = format!("The special magic number for {subject} is");
    let given = question.strip_prefix(&fact)?;
    let (_, number) = before.split_once(&fact)?;
    let (number, _) = number.split_once('.')?;
    number[given.len()..].bytes().next().map(u32::from)
}

/// Asserts that the answers marked are those, and only those, that follow from the tokens.
pub fn assert_solved(config: &TaskConfig, vocabulary: Vocabulary, sample: &Sample) {
    let length = sample.length();
    let mut foretold = vec![false; length];
    for answer in &sample.answers {
        // The first time, a segment is random: scored to compare with, not to be found.
        if answer.group != "first copy" {
            foretold[answer.targets.clone()].fill(true);
        }
    }
    for (target, foretold) in foretold.into_iter().enumerate() {
        let prefix = &sample.tokens[..=target];
        let expected = foretold.then(|| sample.tokens[target + 1]);
        let found = solve(config, vocabulary, length, prefix);
        assert_eq!(found, expected, "target {target} of {sample:?}");
    }
    let padding = ids(vocabulary)[PADDING];
    let last = sample.answers.last().expect("an answer").targets.end;
    let behind = &sample.tokens[last + 1..];
    match config {
        TaskConfig::Induction(_) | TaskConfig::Copy(_) | TaskConfig::Reverse(_) => {
            assert!(behind.iter().all(|token| *token == padding));
        }
        TaskConfig::SelectiveCopy(_) | TaskConfig::Passkey(_) | TaskConfig::Needle(_) => {
            assert!(behind.is_empty());
        }
        _ => {}
    }
}
