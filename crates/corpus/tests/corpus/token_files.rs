//! Damaged token files are noticed.

use std::fs;
use std::path::PathBuf;

use corpus::TokenFile;
use tempfile::TempDir;

use crate::support::corpus_of;

/// The path and bytes of a token file, all of it besides the tokens, and the folder it lies in.
fn token_file() -> (PathBuf, Vec<u8>, usize, TempDir) {
    let (corpus, folder) = corpus_of(&["a first document", "and a second one"]);
    let path = corpus.train.path().to_path_buf();
    let bytes = fs::read(&path).expect("reads");
    let tokens_at = bytes.len() - 2 * corpus.train.num_tokens();
    (path, bytes, tokens_at, folder)
}

fn error(path: &PathBuf, bytes: &[u8]) -> String {
    fs::write(path, bytes).expect("writes");
    TokenFile::open(path).expect_err("must fail").to_string()
}

#[test]
fn every_truncation_is_noticed() {
    let (path, bytes, _, _folder) = token_file();
    // Ends within tokens, header, fixed part; and nothing at all.
    for length in [
        bytes.len() - 1,
        bytes.len() - 2,
        bytes.len() / 2,
        60,
        48,
        47,
        12,
        1,
    ] {
        let message = error(&path, &bytes[..length]);
        assert!(
            message.contains("delete it, it will be made anew"),
            "{message}"
        );
    }
    assert!(TokenFile::open(&path.with_extension("missing")).is_err());
    let longer = [&bytes[..], &[0, 0]].concat();
    assert!(error(&path, &longer).contains("its header says"));
}

#[test]
fn every_flipped_bit_of_the_header_is_noticed() {
    let (path, bytes, tokens_at, _folder) = token_file();
    // The last bytes before the tokens may be padding, which means nothing.
    let header_length = u32::from_le_bytes(bytes[12..16].try_into().expect("4 bytes")) as usize;
    assert!((48 + header_length..56 + header_length).contains(&tokens_at));
    for at in 0..48 + header_length {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&path, &damaged).expect("writes");
        assert!(TokenFile::open(&path).is_err(), "byte {at}");
    }
}

#[test]
fn another_version_and_another_kind_of_file_are_named() {
    let (path, bytes, _, _folder) = token_file();
    let mut newer = bytes.clone();
    newer[8] = 99;
    let message = error(&path, &newer);
    assert!(
        message.contains("has format version 99, this program reads 1"),
        "{message}"
    );
    let text = b"Call me Ishmael. Some years ago, never mind how long precisely";
    assert!(error(&path, text).contains("is not a token file"));
}

#[test]
fn a_flipped_bit_of_the_tokens_is_found_by_verify() {
    let (path, mut bytes, tokens_at, _folder) = token_file();
    TokenFile::open(&path)
        .expect("opens")
        .verify()
        .expect("whole");
    bytes[tokens_at + 4] ^= 1;
    fs::write(&path, &bytes).expect("writes");
    let file = TokenFile::open(&path).expect("opens");
    let message = file.verify().expect_err("must fail").to_string();
    assert!(message.contains("checksum of its tokens"), "{message}");
}

#[test]
#[should_panic(expected = "tokens 30..33 of 32")]
fn tokens_out_of_range_panic() {
    let (corpus, _folder) = corpus_of(&["a first document", "and a second one"]);
    corpus.train.tokens(30..33);
}
