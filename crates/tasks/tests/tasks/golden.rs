//! Samples of tiny cases against those of `golden/make_golden.py`, a second implementation.

use serde::Deserialize;
use tasks::{Cell, Stream, TaskConfig, Text, Vocabulary};

use crate::support::{bytes, letters};

#[derive(Deserialize)]
struct Case {
    task: TaskConfig,
    vocabulary: Ids,
    stream: String,
    seed: u64,
    index: u64,
    length: usize,
    tokens: Vec<u32>,
    answers: Vec<Marked>,
}

#[derive(Deserialize)]
struct Ids {
    bos: u32,
    first_id: u32,
    size: u32,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Marked {
    group: String,
    targets: [usize; 2],
    cell: Option<Cell>,
    alternatives: Vec<Vec<u32>>,
}

#[test]
fn samples_are_those_of_the_second_implementation() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../golden/golden.json")).expect("golden cases");
    let filler = letters(400);
    let text = Text {
        encode: &bytes,
        filler: &filler,
    };
    for case in &cases {
        let vocabulary = Vocabulary {
            bos: case.vocabulary.bos,
            first_id: case.vocabulary.first_id,
            size: case.vocabulary.size,
        };
        let stream = match case.stream.as_str() {
            "train" => Stream::Train,
            _ => Stream::Evaluation,
        };
        let task = case.task.build(vocabulary, Some(&text)).expect("buildable");
        let sample = task
            .sample(stream, case.seed, case.index, case.length)
            .expect("long enough");
        let answers: Vec<Marked> = sample
            .answers
            .into_iter()
            .map(|answer| Marked {
                group: answer.group.to_owned(),
                targets: [answer.targets.start, answer.targets.end],
                cell: answer.cell,
                alternatives: answer.alternatives,
            })
            .collect();
        assert_eq!(sample.tokens, case.tokens, "{:?}", case.task);
        assert_eq!(answers, case.answers, "{:?}", case.task);
    }
    let kinds: std::collections::BTreeSet<&str> =
        cases.iter().map(|case| case.task.kind()).collect();
    assert_eq!(kinds.len(), TaskConfig::KINDS.len(), "a case of each kind");
}
