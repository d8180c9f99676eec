//! Laws that hold for every task, parameter, vocabulary and length.

use proptest::prelude::*;
use tasks::{Sample, Stream, TaskConfig, TaskError, Vocabulary};

use crate::solvers::assert_solved;
use crate::support::{BYTES, SMALL, build, ids, task};

fn config(toml: String) -> TaskConfig {
    toml::from_str(&toml).expect("a task")
}

/// Tasks made of ids, with parameters that need at most 14 content ids.
fn synthetic() -> impl Strategy<Value = TaskConfig> {
    prop_oneof![
        Just(config("kind = 'induction'".into())),
        (1..=7_usize, 0.01..=1.0)
            .prop_map(|(n, a)| config(format!("kind = 'mqar'\npairs = {n}\npower = {a}"))),
        prop_oneof![Just("copy"), Just("reverse")]
            .prop_map(|kind| config(format!("kind = '{kind}'"))),
        (
            prop_oneof![Just("copy"), Just("reverse"), Just("selective_copy")],
            1..=9_usize
        )
            .prop_map(|(kind, n)| config(format!("kind = '{kind}'\nitems = {n}"))),
        (1..=5_usize).prop_map(|n| config(format!("kind = 'previous_token'\nqueries = {n}"))),
        (1..=6_usize, 1..=5_usize)
            .prop_map(|(k, n)| config(format!("kind = 'k_back'\nk = {k}\nqueries = {n}"))),
        Just(config("kind = 'first_token'".into())),
    ]
}

fn in_words() -> impl Strategy<Value = TaskConfig> {
    let kind = prop_oneof![Just("passkey"), Just("needle")];
    let filler = prop_oneof![Just("sentences"), Just("text")];
    (kind, filler, 1..=6_usize, 0..=5_usize, 0..=100_u8).prop_map(
        |(kind, filler, digits, alternatives, depth)| {
            config(format!(
                "kind = '{kind}'\nfiller = '{filler}'\ndigits = {digits}\n\
                 alternatives = {alternatives}\ndepths = [{depth}, 100, 0]"
            ))
        },
    )
}

/// With BOS before, in, or behind the ids used.
fn vocabulary() -> impl Strategy<Value = Vocabulary> {
    (0..40_u32, 0..20_u32, 23..60_u32).prop_map(|(bos, first_id, count)| Vocabulary {
        bos,
        first_id,
        size: first_id + count,
    })
}

fn assert_well_formed(sample: &Sample, vocabulary: Vocabulary, length: usize) {
    assert_eq!(sample.tokens.len(), length + 1);
    assert_eq!(sample.tokens[0], vocabulary.bos);
    let ids = ids(vocabulary);
    assert!(sample.tokens[1..].iter().all(|token| ids.contains(token)));
    let mut end = 0;
    assert!(!sample.answers.is_empty());
    for answer in &sample.answers {
        assert!(end <= answer.targets.start, "in order: {sample:?}");
        assert!(answer.targets.start < answer.targets.end, "not empty");
        end = answer.targets.end;
        let right = &sample.targets()[answer.targets.clone()];
        for wrong in &answer.alternatives {
            assert_eq!(wrong.len(), right.len());
            assert_ne!(wrong, right);
        }
    }
    assert!(end <= length);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn answers_follow_from_the_tokens(
        config in synthetic(),
        vocabulary in vocabulary(),
        spare in 0..50_usize,
        seed: u64,
        index: u64,
    ) {
        let task = build(&config, vocabulary);
        let length = task.least_length() + spare;
        let sample = task.sample(Stream::Train, seed, index, length).expect("long enough");
        assert_well_formed(&sample, vocabulary, length);
        assert_solved(&config, vocabulary, &sample);
        prop_assert_eq!(&sample, &task.sample(Stream::Train, seed, index, length).expect("again"));
    }

    #[test]
    fn the_least_length_is_the_least(config in synthetic(), vocabulary in vocabulary()) {
        let task = build(&config, vocabulary);
        let least = task.least_length();
        prop_assert!(task.sample(Stream::Train, 1, 2, least).is_ok());
        let too_short = TaskError::LengthTooShort { kind: config.kind(), length: least - 1, least };
        prop_assert_eq!(task.sample(Stream::Train, 1, 2, least - 1), Err(too_short));
    }

    #[test]
    fn the_least_vocabulary_is_the_least(config in synthetic(), bos in 0..40_u32, first_id in 0..20_u32) {
        let of = |size: u32| Vocabulary { bos, first_id, size };
        let Err(TaskError::VocabularyTooSmall { least, ids, .. }) = config.build(of(first_id), None)
        else {
            panic!("no ids at all");
        };
        prop_assert_eq!(ids, 0);
        let enough = (0..100).map(of).find(|v| v.ids() == least).expect("some size");
        let task = config.build(enough, None).expect("the least");
        let sample = task.sample(Stream::Train, 1, 2, task.least_length() + 5).expect("long enough");
        assert_solved(&config, enough, &sample);
        let fewer = (0..100).map(of).find(|v| v.ids() == least - 1).expect("some size");
        let refused = matches!(
            config.build(fewer, None),
            Err(TaskError::VocabularyTooSmall { .. })
        );
        prop_assert!(refused);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn answers_in_words_follow_from_the_text(
        config in in_words(),
        spare in 0..300_usize,
        seed: u64,
        index: u64,
    ) {
        let task = build(&config, BYTES);
        let length = task.least_length() + spare;
        let sample = task.sample(Stream::Evaluation, seed, index, length).expect("long enough");
        assert_well_formed(&sample, BYTES, length);
        assert_solved(&config, BYTES, &sample);
        let short = task.sample(Stream::Evaluation, seed, index, task.least_length() - 1);
        let refused = matches!(short, Err(TaskError::LengthTooShort { .. }));
        prop_assert!(refused);
    }
}

#[test]
fn seeds_indices_streams_and_lengths_give_other_samples() {
    for kind in TaskConfig::KINDS {
        let config = TaskConfig::new(kind).expect("known");
        let task = build(&config, BYTES);
        let length = task.least_length().max(64);
        let sample = |stream, seed, index, length| {
            let sample = task.sample(stream, seed, index, length);
            sample.expect("long enough").tokens
        };
        let base = sample(Stream::Train, 1, 1, length);
        assert_eq!(base, sample(Stream::Train, 1, 1, length), "{kind}");
        assert_ne!(base, sample(Stream::Train, 1, 2, length), "{kind}");
        assert_ne!(base, sample(Stream::Train, 2, 1, length), "{kind}");
        assert_ne!(base, sample(Stream::Evaluation, 1, 1, length), "{kind}");
        let longer = sample(Stream::Train, 1, 1, length + 1);
        assert_ne!(base, longer[..length], "{kind}");
    }
}

#[test]
fn training_and_evaluation_share_no_sample() {
    let task = task("kind = 'mqar'", BYTES);
    let samples = |stream| (0..2_000).map(move |index| (stream, index));
    let mut seen = std::collections::HashSet::new();
    for (stream, index) in samples(Stream::Train).chain(samples(Stream::Evaluation)) {
        let sample = task.sample(stream, 7, index, 64).expect("long enough");
        assert!(seen.insert(sample.tokens), "{stream:?} {index}");
    }
}

#[test]
fn depths_go_round_and_put_the_needle_where_they_say() {
    let task = task("kind = 'needle'\ndepths = [0, 25, 100]", BYTES);
    for index in 0..6 {
        let sample = task.sample(Stream::Evaluation, 3, index, 1_024);
        let sample = sample.expect("long enough");
        let percent = [0, 25, 100][index as usize % 3];
        let cell = Some(tasks::Cell::Depth { percent });
        assert_eq!(sample.answers[0].cell, cell);
        let text: String = sample.tokens[1..]
            .iter()
            .map(|t| *t as u8 as char)
            .collect();
        let before = text.find(" The special").expect("a needle");
        let behind = text.find("\nWhat").expect("a question");
        let statement = text[before..].find('.').expect("an end") + 1;
        let filler = behind - statement;
        let expected = (filler as f64 * f64::from(percent) / 100.0).round();
        assert!(
            (before as f64 - expected).abs() <= 0.5,
            "{before} {expected}"
        );
    }
}

#[test]
fn chance_is_one_in_the_ids_an_answer_can_be() {
    let chance = |toml| task(toml, SMALL).token_chance();
    let one_in = |n: f64| Some(1.0 / n);
    // 16 ids, BOS among them: 8 markers and 7 symbols, 3 of them keys.
    assert_eq!(chance("kind = 'copy'"), one_in(7.0));
    assert_eq!(chance("kind = 'first_token'"), one_in(7.0));
    assert_eq!(chance("kind = 'mqar'\npairs = 3"), one_in(4.0));
    assert_eq!(chance("kind = 'passkey'"), None);
}

/// The column "least" of `docs/tasks.md`.
#[test]
fn least_lengths_are_those_of_the_page() {
    for (toml, least) in [
        ("kind = 'induction'", 4),
        ("kind = 'mqar'\npairs = 3", 12),
        ("kind = 'copy'", 3),
        ("kind = 'reverse'", 3),
        ("kind = 'copy'\nitems = 5", 11),
        ("kind = 'reverse'\nitems = 2", 5),
        ("kind = 'selective_copy'\nitems = 4", 9),
        ("kind = 'previous_token'\nqueries = 5", 15),
        ("kind = 'k_back'\nk = 3\nqueries = 2", 10),
        ("kind = 'first_token'", 3),
    ] {
        assert_eq!(task(toml, SMALL).least_length(), least, "{toml}");
    }
}

#[test]
fn least_vocabularies_are_those_of_the_page() {
    let none = Vocabulary {
        bos: 0,
        first_id: 1,
        size: 1,
    };
    for (toml, content) in [
        ("kind = 'induction'", 2),
        ("kind = 'mqar'\npairs = 1", 3),
        ("kind = 'mqar'\npairs = 2", 4),
        ("kind = 'copy'", 2),
        ("kind = 'reverse'", 2),
        ("kind = 'selective_copy'", 2),
        ("kind = 'previous_token'", 2),
        ("kind = 'k_back'", 2),
        ("kind = 'first_token'", 2),
    ] {
        let error = config(toml.to_owned()).build(none, None);
        let Err(TaskError::VocabularyTooSmall { least, .. }) = error else {
            panic!("{toml}: {error:?}");
        };
        assert_eq!(least, 8 + content, "{toml}");
    }
}
