//! Configs as users write them, and what they are told when one is wrong.

use tasks::{KBack, Marker, Mqar, SelectiveCopy, Stream, TaskConfig, TaskError, Text, Vocabulary};

use crate::support::{BYTES, SMALL, build, bytes, letters};

fn parse(toml: &str) -> Result<TaskConfig, toml::de::Error> {
    toml::from_str(toml)
}

fn error(toml: &str) -> TaskError {
    let config = parse(toml).expect("a config that can be read");
    config.check().expect_err("a bad parameter")
}

#[test]
fn every_kind_has_defaults_that_work_and_come_back_from_toml() {
    for kind in TaskConfig::KINDS {
        let config = TaskConfig::new(kind).expect("known");
        assert_eq!(config.kind(), kind);
        assert_eq!(config.check(), Ok(()));
        let written = toml::to_string(&config).expect("serializable");
        assert_eq!(parse(&written).expect("as written"), config, "{written}");
        let short = parse(&format!("kind = '{kind}'")).expect("defaults");
        assert_eq!(short, config);
        let task = build(&config, BYTES);
        assert_eq!(task.config(), &config);
        assert!(task.sample(Stream::Train, 0, 0, 512).is_ok(), "{kind}");
    }
}

#[test]
fn unknown_keys_are_refused_for_every_kind() {
    for kind in TaskConfig::KINDS {
        let error = parse(&format!("kind = '{kind}'\npears = 3")).expect_err("a wrong key");
        assert!(error.to_string().contains("pears"), "{error}");
    }
    let error = parse("kind = 'mqra'").expect_err("a wrong kind");
    assert!(error.to_string().contains("mqra"), "{error}");
}

#[test]
fn an_unknown_kind_is_told_the_known_ones() {
    let error = TaskConfig::new("niah").expect_err("a wrong kind");
    assert_eq!(error.key(), Some("kind"));
    assert_eq!(
        error.to_string(),
        "unknown task `niah`; known tasks: induction, mqar, copy, reverse, selective_copy, \
         previous_token, k_back, first_token, passkey, needle"
    );
}

#[test]
fn bad_parameters_are_named() {
    for (toml, key, message) in [
        (
            "kind = 'mqar'\npairs = 0",
            "pairs",
            "`pairs` of `mqar` is 0; it must be at least 1",
        ),
        (
            "kind = 'mqar'\npower = 0.0",
            "power",
            "`power` of `mqar` is 0; it must be in (0, 1]",
        ),
        (
            "kind = 'mqar'\npower = nan",
            "power",
            "`power` of `mqar` is NaN; it must be in (0, 1]",
        ),
        (
            "kind = 'copy'\nitems = 0",
            "items",
            "`items` of `copy` is 0; it must be at least 1",
        ),
        (
            "kind = 'reverse'\nitems = 0",
            "items",
            "`items` of `reverse` is 0; it must be at least 1",
        ),
        (
            "kind = 'selective_copy'\nitems = 0",
            "items",
            "`items` of `selective_copy` is 0; it must be at least 1",
        ),
        (
            "kind = 'previous_token'\nqueries = 0",
            "queries",
            "`queries` of `previous_token` is 0; it must be at least 1",
        ),
        (
            "kind = 'k_back'\nk = 0",
            "k",
            "`k` of `k_back` is 0; it must be at least 1",
        ),
        (
            "kind = 'k_back'\nqueries = 0",
            "queries",
            "`queries` of `k_back` is 0; it must be at least 1",
        ),
        (
            "kind = 'passkey'\ndigits = 0",
            "digits",
            "`digits` of `passkey` is 0; it must be from 1 to 15",
        ),
        (
            "kind = 'needle'\ndigits = 16",
            "digits",
            "`digits` of `needle` is 16; it must be from 1 to 15",
        ),
        (
            "kind = 'needle'\ndepths = []",
            "depths",
            "`depths` of `needle` is empty; it must be at least one percentage",
        ),
        (
            "kind = 'passkey'\ndepths = [50, 101]",
            "depths",
            "`depths` of `passkey` is 101; it must be percentages from 0 to 100",
        ),
        (
            "kind = 'passkey'\ndigits = 1\nalternatives = 10",
            "alternatives",
            "`alternatives` of `passkey` is 10; it must be at most 9, the other numbers of 1 digits",
        ),
        (
            "kind = 'passkey'\nalternatives = 1001",
            "alternatives",
            "`alternatives` of `passkey` is 1001; it must be at most 1000",
        ),
    ] {
        let error = error(toml);
        assert_eq!(error.to_string(), message);
        assert_eq!(error.key(), Some(key));
        let config = parse(toml).expect("readable");
        assert_eq!(config.build(BYTES, None).expect_err("checked"), error);
    }
}

#[test]
fn too_few_ids_are_told_the_least() {
    let config = parse("kind = 'mqar'\npairs = 8").expect("a task");
    let error = config.build(SMALL, None).expect_err("too few ids");
    assert_eq!(
        error.to_string(),
        "`mqar` has 15 token ids from first_id = 2 on (BOS not counted); it needs at least 24"
    );
    assert_eq!(error.key(), Some("first_id"));
}

#[test]
fn too_short_a_length_is_told_the_least() {
    let task = build(&TaskConfig::new("k_back").expect("known"), SMALL);
    let error = task.check_length(47).expect_err("too short");
    assert_eq!(
        error.to_string(),
        "`k_back` does not fit into a length of 47 tokens; it needs at least 48"
    );
    assert_eq!(error.key(), Some("length"));
    assert_eq!(task.sample(Stream::Train, 0, 0, 47), Err(error));
}

/// Sizes whose products are small again, modulo the size of a word.
#[test]
fn sizes_beyond_all_bounds_are_errors_and_not_overflows() {
    let half = 1 << (usize::BITS - 1);
    for config in [
        TaskConfig::Mqar(Mqar {
            pairs: half,
            ..Mqar::default()
        }),
        TaskConfig::Copy(tasks::Copy { items: Some(half) }),
        TaskConfig::SelectiveCopy(SelectiveCopy { items: half }),
        TaskConfig::KBack(KBack {
            k: half / 2 - 2,
            queries: 4,
        }),
    ] {
        let length = config.build(BYTES, None).map(|task| task.check_length(512));
        assert!(!matches!(length, Ok(Ok(()))), "{config:?}");
    }
}

#[test]
fn tasks_in_words_need_a_tokenizer_and_enough_text() {
    let config = TaskConfig::new("needle").expect("known");
    assert!(config.needs_text());
    let error = config.build(BYTES, None).expect_err("no text");
    assert_eq!(
        error.to_string(),
        "`needle` is made of text; it needs a tokenizer and filler text"
    );
    let filler = letters(500);
    let text = Text {
        encode: &bytes,
        filler: &filler,
    };
    let task = config.build(BYTES, Some(&text)).expect("buildable");
    let error = task.check_length(1_000).expect_err("too little text");
    let TaskError::FillerTooShort { least, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(error.key(), Some("filler"));
    let longer = letters(least);
    let text = Text {
        encode: &bytes,
        filler: &longer,
    };
    let task = config.build(BYTES, Some(&text)).expect("buildable");
    for index in 0..200 {
        assert!(task.sample(Stream::Train, 1, index, 1_000).is_ok());
    }
    let shorter = &longer[1..];
    let text = Text {
        encode: &bytes,
        filler: shorter,
    };
    let task = config.build(BYTES, Some(&text)).expect("buildable");
    assert!(task.check_length(1_000).is_err());
    assert_eq!(
        error.to_string(),
        format!("`needle` has 500 tokens of filler text; a length of 1000 needs at least {least}")
    );
}

#[test]
fn repeated_sentences_need_no_text() {
    let config = TaskConfig::new("passkey").expect("known");
    let text = Text {
        encode: &bytes,
        filler: &[],
    };
    let task = config.build(BYTES, Some(&text)).expect("buildable");
    assert!(task.sample(Stream::Evaluation, 0, 0, 10_000).is_ok());
}

#[test]
fn text_in_words_of_another_tokenizer_keeps_the_answers_equally_long() {
    // Two equal digits are one token here, so numbers differ in their count of tokens.
    let merge = |text: &str| -> Vec<u32> {
        let mut tokens: Vec<u32> = Vec::new();
        for byte in text.bytes().map(u32::from) {
            match tokens.last_mut() {
                Some(last) if *last == byte && byte < 58 => *last += 1_000,
                _ => tokens.push(byte),
            }
        }
        tokens
    };
    let config = TaskConfig::new("passkey").expect("known");
    let text = Text {
        encode: &merge,
        filler: &[],
    };
    let task = config.build(BYTES, Some(&text)).expect("buildable");
    for index in 0..100 {
        let sample = task.sample(Stream::Train, 5, index, 400).expect("fits");
        let answer = &sample.answers[0];
        assert_eq!(answer.targets, 394..400);
        assert!(answer.alternatives.iter().all(|wrong| wrong.len() == 6));
        let right = &sample.tokens[395..];
        let shown = sample.tokens.windows(6).filter(|w| *w == right).count();
        assert_eq!(shown, 3, "twice in the statement and once at the end");
    }
}

#[test]
fn markers_are_reserved_at_the_begin_of_the_range() {
    let vocabulary = Vocabulary {
        bos: 0,
        first_id: 0,
        size: 100,
    };
    assert_eq!(Marker::COUNT, 8);
    assert_eq!(vocabulary.marker(Marker::Padding), 1);
    assert_eq!(vocabulary.content(0), 9);
    assert_eq!(vocabulary.content_ids(), 91);
}
