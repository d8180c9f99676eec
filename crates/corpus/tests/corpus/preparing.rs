//! From a config to token files: caching, hashing, parallelism.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use corpus::{
    Corpus, DataConfig, Progress, Split, Splits, TokenFile, prepare, prepare_evaluation, sha256_hex,
};
use serde_json::json;

use crate::support::{committed_tokenizer, config, corpus_of, folder, silent};

fn all_tokens(file: &TokenFile) -> Vec<u32> {
    file.tokens(0..file.num_tokens())
}

fn files(cache: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(cache)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    names.sort();
    names
}

#[test]
fn documents_follow_each_other_in_their_token_file() {
    let (corpus, _folder) = corpus_of(&["abc", "", "zwölf"]);
    let spans: Vec<_> = corpus
        .train
        .documents()
        .iter()
        .map(|d| (d.start, d.end, d.bytes))
        .collect();
    assert_eq!(spans, [(0, 3, 3), (3, 3, 0), (3, 9, 6)]);
    assert_eq!(corpus.train.documents()[2].name, "texts.jsonl:3");
    let bytes: Vec<u32> = "abczwölf".bytes().map(u32::from).collect();
    assert_eq!(all_tokens(&corpus.train), bytes);
    assert_eq!(corpus.train.tokens(1..3), bytes[1..3]);
    assert_eq!(corpus.train.split(), Split::Train);
    assert_eq!(
        corpus.train.tokenizer_fingerprint(),
        corpus.tokenizer.fingerprint()
    );
    assert_eq!(
        (corpus.valid.num_tokens(), corpus.test.documents().len()),
        (0, 0)
    );
    assert_eq!(corpus.train.documents_shorter_than(4), 2);
}

#[test]
fn splits_by_name_are_disjoint_and_complete() {
    let lines: Vec<String> = (0..200)
        .map(|i| json!({ "text": format!("document {i}") }).to_string())
        .collect();
    let folder = folder(&[("x.jsonl", lines.join("\n").as_bytes())]);
    let config = DataConfig {
        valid_fraction: 0.2,
        test_fraction: 0.2,
        ..config(&folder.path().join("x.jsonl"), &folder.path().join("cache"))
    };
    let corpus = prepare(&config, &silent).expect("prepares");
    let mut names = Vec::new();
    for file in [&corpus.train, &corpus.valid, &corpus.test] {
        assert!(!file.documents().is_empty());
        for document in file.documents() {
            assert_eq!(Split::by_name(&document.name, 0.2, 0.2), file.split());
            names.push(document.name.clone());
        }
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 200);
}

#[test]
fn the_second_time_nothing_is_tokenized() {
    let folder = folder(&[("texts/a.txt", b"some text"), ("texts/b.txt", b"other")]);
    let cache = folder.path().join("cache");
    let config = config(&folder.path().join("texts"), &cache);
    let reports = RefCell::new(Vec::new());
    let listen = |progress: Progress| reports.borrow_mut().push(progress);
    let first = prepare(&config, &listen).expect("prepares");
    {
        let reports = reports.borrow();
        assert_eq!(reports.len(), 2);
        assert!(reports.iter().all(|p| p.total_bytes == 14));
        assert!(reports[0].done_bytes < reports[1].done_bytes);
        assert_eq!(reports[1].done_bytes, 14);
    }
    let key = &first.content_hash[..16];
    let expected = ["test", "train", "valid"].map(|split| format!("{split}-{key}.tokens"));
    assert_eq!(files(&cache), expected);

    let second = prepare(&config, &listen).expect("prepares");
    assert_eq!(reports.borrow().len(), 2, "tokenized again");
    assert_eq!(first.content_hash, second.content_hash);
    assert_eq!(all_tokens(&first.train), all_tokens(&second.train));
}

#[test]
fn a_damaged_cache_is_made_anew() {
    let folder = folder(&[("a.txt", b"some text")]);
    let config = config(&folder.path().join("a.txt"), &folder.path().join("cache"));
    let first = prepare(&config, &silent).expect("prepares");
    let (path, tokens) = (first.train.path().to_path_buf(), all_tokens(&first.train));
    let whole = fs::read(&path).expect("reads");
    drop(first);
    fs::write(&path, &whole[..whole.len() - 1]).expect("writes");
    let second = prepare(&config, &silent).expect("prepares");
    assert_eq!(all_tokens(&second.train), tokens);
    assert_eq!(fs::read(&path).expect("reads"), whole);
}

#[test]
fn the_content_hash_tells_corpora_apart() {
    let hash = |name: &str, text: &str, tokenizer: &str| {
        let folder = folder(&[(name, text.as_bytes())]);
        let config = DataConfig {
            tokenizer: tokenizer.to_owned(),
            ..config(&folder.path().join(name), &folder.path().join("cache"))
        };
        prepare(&config, &silent).expect("prepares").content_hash
    };
    let first = hash("a.txt", "text", "bytes");
    // Not the folder: the same file elsewhere is the same corpus.
    assert_eq!(first, hash("a.txt", "text", "bytes"));
    assert_ne!(first, hash("b.txt", "text", "bytes"));
    assert_ne!(first, hash("a.txt", "tex", "bytes"));
    assert_ne!(
        first,
        hash("a.txt", "text", &committed_tokenizer("bpe2k.json"))
    );
}

#[test]
fn tokens_do_not_depend_on_threads() {
    let texts: Vec<String> = (0..40)
        .map(|i| format!("Document {i} about whales. ").repeat(i))
        .collect();
    let owned: Vec<(String, &[u8])> = texts
        .iter()
        .enumerate()
        .map(|(i, t)| (format!("t/{i}.txt"), t.as_bytes()))
        .collect();
    let files: Vec<(&str, &[u8])> = owned.iter().map(|(n, t)| (n.as_str(), *t)).collect();
    let folder = folder(&files);
    let run = |threads: usize| -> Corpus {
        let config = DataConfig {
            tokenizer: committed_tokenizer("bpe2k.json"),
            ..config(
                &folder.path().join("t"),
                &folder.path().join(format!("cache{threads}")),
            )
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool");
        pool.install(|| prepare(&config, &silent))
            .expect("prepares")
    };
    let (one, four) = (run(1), run(4));
    assert_eq!(one.content_hash, four.content_hash);
    assert_eq!(
        fs::read(one.train.path()).expect("reads"),
        fs::read(four.train.path()).expect("reads")
    );
}

#[test]
fn many_may_prepare_the_same_corpus_at_once() {
    let text = "All work and no play. ".repeat(5_000);
    let folder = folder(&[("a.txt", text.as_bytes())]);
    let cache = folder.path().join("cache");
    let config = config(&folder.path().join("a.txt"), &cache);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| prepare(&config, &silent).expect("prepares")))
            .collect();
        for worker in workers {
            let corpus = worker.join().expect("no panic");
            corpus.train.verify().expect("whole");
            assert_eq!(corpus.train.num_tokens(), text.len());
        }
    });
    // No temporary files are left.
    assert_eq!(files(&cache).len(), 3);
}

#[test]
fn nothing_to_train_on_is_an_error() {
    let name = (0..).map(|i| format!("{i}.txt"));
    let held_out = name
        .into_iter()
        .find(|n| Split::by_name(n, 0.0, 0.5) == Split::Test);
    let name = held_out.expect("half of all names");
    let folder = folder(&[(&name, b"text")]);
    let config = DataConfig {
        test_fraction: 0.5,
        ..config(&folder.path().join(&name), &folder.path().join("cache"))
    };
    let error = prepare(&config, &silent)
        .expect_err("must fail")
        .to_string();
    assert!(
        error.contains("the train split has no documents"),
        "{error}"
    );
}

/// More than 65 536 ids do not fit 16 bits.
#[test]
fn large_vocabularies_get_wide_tokens() {
    let mut vocabulary: serde_json::Map<String, serde_json::Value> = (0..70_000)
        .map(|id| (format!("w{id}"), json!(id)))
        .collect();
    vocabulary.insert("<s>".to_owned(), json!(70_000));
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": { "type": "Whitespace" }, "post_processor": null,
        "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "w0" }
    });
    let folder = folder(&[
        ("a.txt", b"w69999 w1 w65536 unknown w65535"),
        ("words.json", file.to_string().as_bytes()),
    ]);
    let config = DataConfig {
        tokenizer: folder.path().join("words.json").display().to_string(),
        ..config(&folder.path().join("a.txt"), &folder.path().join("cache"))
    };
    let corpus = prepare(&config, &silent).expect("prepares");
    assert_eq!(corpus.tokenizer.vocab_size(), 70_001);
    assert_eq!(all_tokens(&corpus.train), [69_999, 1, 65_536, 0, 65_535]);
    corpus.train.verify().expect("whole");
}

#[test]
fn an_evaluation_reads_all_of_a_text_and_the_split_of_a_manifest() {
    let texts = folder(&[("texts/a.txt", b"abc"), ("texts/b.txt", b"defg")]);
    let cache = texts.path().join("cache");
    let all = config(&texts.path().join("texts"), &cache);
    let text = prepare_evaluation(&all, Split::Test, &silent).expect("prepares");
    assert_eq!(
        (text.tokens.documents().len(), text.tokens.num_tokens()),
        (2, 7)
    );
    assert_eq!(text.tokens.split(), Split::Test);
    let again = prepare_evaluation(&all, Split::Test, &|_| panic!("cached")).expect("cached");
    assert_eq!(all_tokens(&again.tokens), all_tokens(&text.tokens));

    let books = config(&crate::support::datasets().join("books"), &cache);
    let held_out = prepare_evaluation(&books, Split::Valid, &silent).expect("prepares");
    let whole = prepare(&books, &silent).expect("prepares");
    assert_eq!(held_out.tokens.documents(), whole.valid.documents());
    assert_eq!(all_tokens(&held_out.tokens), all_tokens(&whole.valid));
}

#[test]
fn an_evaluation_reads_the_files_that_are_called_its_split() {
    for other in ["validation.txt", "train.txt", "more.txt"] {
        let texts = folder(&[
            ("texts/test.txt", &b"abc"[..]),
            (&format!("texts/{other}"), b"defgh"),
        ]);
        let mut config = config(&texts.path().join("texts"), &texts.path().join("cache"));
        let text = prepare_evaluation(&config, Split::Test, &silent).expect("prepares");
        assert_eq!(text.tokens.num_tokens(), 3, "{other}");
        assert!(text.notes[0].starts_with("the test split is the files"));
        config.splits = Splits::Fractions;
        let text = prepare_evaluation(&config, Split::Test, &silent).expect("prepares");
        assert_eq!((text.tokens.num_tokens(), text.notes.len()), (8, 0));
    }
}

/// The committed tokenizer, lower-casing first.
fn lower_casing() -> String {
    let json = fs::read_to_string(committed_tokenizer("bpe2k.json")).expect("reads");
    let mut file: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    file["normalizer"] = json!({ "type": "Lowercase" });
    file.to_string()
}

#[test]
fn a_document_that_does_not_come_back_from_its_tokens_is_said_to_be_lossy() {
    let folder = folder(&[
        ("lower.json", lower_casing().as_bytes()),
        (
            "in/x.jsonl",
            b"{\"text\": \"lower\"}\n{\"text\": \"UPPER\"}\n{\"text\": \"\"}",
        ),
    ]);
    let config = DataConfig {
        tokenizer: folder.path().join("lower.json").display().to_string(),
        ..config(&folder.path().join("in"), &folder.path().join("cache"))
    };
    // The second time from the cache.
    for _ in 0..2 {
        let corpus = prepare(&config, &silent).expect("prepares");
        let lossy: Vec<bool> = corpus.train.documents().iter().map(|d| d.lossy).collect();
        assert_eq!(lossy, [false, true, false]);
        let notes = corpus.notes.join("");
        assert!(
            notes.contains("of 3 documents 1 do not come back"),
            "{notes}"
        );
        assert!(notes.contains("`in/x.jsonl:2` the first"), "{notes}");
    }
    let held_out = prepare_evaluation(&config, Split::Test, &silent).expect("prepares");
    assert!(
        held_out.notes.join("").contains("bits per byte"),
        "{:?}",
        held_out.notes
    );
    let exact = DataConfig {
        tokenizer: committed_tokenizer("bpe2k.json"),
        ..config
    };
    assert_eq!(prepare(&exact, &silent).expect("prepares").notes, [""; 0]);
}

/// A cache is shared by people.
#[test]
fn token_files_have_the_mode_of_any_new_file() {
    let (_corpus, folder) = corpus_of(&["abc"]);
    let plain = folder.path().join("plain");
    fs::write(&plain, "").expect("writes");
    let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    let cache = folder.path().join("cache");
    for name in files(&cache) {
        assert_eq!(mode(&cache.join(&name)), mode(&plain), "{name}");
    }
}

/// Files of before do not know whether their tokens are all of the text.
#[test]
fn token_files_of_before_are_made_again() {
    let (corpus, folder) = corpus_of(&["abc"]);
    let path = corpus.train.path().to_path_buf();
    let bytes = fs::read(&path).expect("reads");
    let length = u32::from_le_bytes(bytes[12..16].try_into().expect("4 bytes")) as usize;
    let header = String::from_utf8(bytes[48..48 + length].to_vec()).expect("UTF-8");
    let before = header.replace("\"compared\":true,", "");
    assert_ne!(before, header);
    let digest = sha256_hex(before.as_bytes());
    let digest: Vec<u8> = (0..32)
        .map(|i| u8::from_str_radix(&digest[2 * i..2 * i + 2], 16).expect("hexadecimal"))
        .collect();
    let mut old = bytes[..12].to_vec();
    old.extend((before.len() as u32).to_le_bytes());
    old.extend(digest);
    old.extend(before.as_bytes());
    old.resize(old.len().next_multiple_of(8), 0);
    old.extend(&bytes[(48 + length).next_multiple_of(8)..]);
    fs::write(&path, &old).expect("writes");
    TokenFile::open(&path).expect("a whole file");
    let config = config(
        &folder.path().join("texts.jsonl"),
        &folder.path().join("cache"),
    );
    prepare(&config, &silent).expect("prepares");
    assert_eq!(fs::read(&path).expect("reads"), bytes);
}

/// Resuming compares it, so it must not change where the tokens do not.
#[test]
fn the_content_hash_changes_only_for_texts_that_spell_special_tokens() {
    let piece = |name: &str| json!([name, -1.0]);
    let pieces: Vec<_> = ["<unk>", "<s>", "<", "s", ">", "a"].map(piece).to_vec();
    let tokenizer = json!({
        "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null,
        "post_processor": null, "decoder": { "type": "Fuse" },
        "model": { "type": "Unigram", "unk_id": 0, "vocab": pieces }
    })
    .to_string();
    for (text, line) in [("as", ""), ("a<s>", "names of special tokens are text\n")] {
        let folder = folder(&[("t.json", tokenizer.as_bytes()), ("x.txt", text.as_bytes())]);
        let config = DataConfig {
            tokenizer: folder.path().join("t.json").display().to_string(),
            ..config(&folder.path().join("x.txt"), &folder.path().join("cache"))
        };
        let corpus = prepare(&config, &silent).expect("prepares");
        let (key, text) = (
            sha256_hex(tokenizer.as_bytes()),
            sha256_hex(text.as_bytes()),
        );
        let expected = format!("tokens 1 {key}\ntrain {text} 5 x.txt\n{line}");
        assert_eq!(corpus.content_hash, sha256_hex(expected.as_bytes()));
    }
}
