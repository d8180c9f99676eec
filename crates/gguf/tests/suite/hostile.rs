//! Damaged and hostile files: an error that says what is wrong, no panic, no great allocation.

use std::path::Path;

use gguf::GgufFile;

use crate::writer::{Writer, string};

/// The error of a file that must not open.
fn refusal(bytes: Vec<u8>) -> String {
    match GgufFile::from_bytes(bytes, Path::new("hostile.gguf")) {
        Ok(_) => panic!("opened"),
        Err(error) => error.to_string(),
    }
}

fn refused(writer: &Writer, expected: &str) {
    let message = refusal(writer.bytes());
    assert!(
        message.contains(expected),
        "{message}\n  does not say\n{expected}"
    );
    assert!(message.starts_with("hostile.gguf"), "{message}");
}

#[test]
fn not_a_gguf_file() {
    assert!(
        refusal(Vec::new())
            .contains("the magic number goes beyond the end of the file (0 bytes left)")
    );
    assert!(refusal(b"PK\x03\x04 and more".to_vec()).contains("does not begin with `GGUF`"));
    assert!(refusal(b"GGUF".to_vec()).contains("byte 4: the version goes beyond the end"));
}

#[test]
fn other_versions() {
    for (version, expected) in [
        (1, "GGUF version 1, which llama.cpp no longer writes"),
        (4, "GGUF version 4; 2 and 3 can be read"),
        (3u32.swap_bytes(), "big-endian"),
    ] {
        let mut writer = Writer::new();
        writer.version = version;
        refused(&writer, expected);
    }
    let mut writer = Writer::new();
    writer.version = 2;
    assert!(GgufFile::from_bytes(writer.bytes(), Path::new("two.gguf")).is_ok());
}

#[test]
fn counts_beyond_the_file() {
    for count in [1, 1 << 40, u64::MAX] {
        let mut writer = Writer::new();
        writer.tensor_count = Some(count);
        refused(&writer, "the number of tensors is");
        let mut writer = Writer::new();
        writer.entry_count = Some(count);
        refused(&writer, "the number of metadata entries is");
    }
    // Enough bytes for the count, of something else.
    let mut writer = Writer::new().data(4096);
    writer.tensor_count = Some(100);
    refused(&writer, "tensor `` has 0 dimensions");
}

#[test]
fn lengths_beyond_the_file() {
    for length in [9, 1 << 60, u64::MAX] {
        let long = [&length.to_le_bytes()[..], b"short"].concat();
        refused(
            &Writer::new().entry("key", 8, &long),
            "metadata `key`: a string goes beyond the end",
        );
        let mut writer = Writer::new();
        writer.entries.push([long, vec![0; 3]].concat());
        refused(&writer, "a metadata key goes beyond the end");
    }
    for element in [0u32, 5, 7, 8, 10] {
        let array = [&element.to_le_bytes()[..], &u64::MAX.to_le_bytes()].concat();
        refused(
            &Writer::new().entry("key", 9, &array),
            "an array's length is 18446744073709551615",
        );
    }
}

#[test]
fn values_that_are_none() {
    refused(
        &Writer::new().entry("key", 13, &[0; 8]),
        "13 is no type of a metadata value",
    );
    refused(
        &Writer::new().entry("key", 7, &[2]),
        "2 is neither true (1) nor false (0)",
    );
    let nested = [&9u32.to_le_bytes()[..], &1u64.to_le_bytes(), &[0; 12]].concat();
    refused(
        &Writer::new().entry("key", 9, &nested),
        "an array of arrays",
    );
    let broken = [&2u64.to_le_bytes()[..], &[0xff, 0xfe]].concat();
    refused(
        &Writer::new().entry("key", 8, &broken),
        "a string is not UTF-8",
    );
    refused(
        &Writer::new().u32("key", 1).u32("key", 2),
        "metadata `key` comes twice",
    );
}

#[test]
fn alignments() {
    for alignment in [0, 3, 48] {
        let writer = Writer::new().u32("general.alignment", alignment);
        refused(
            &writer,
            &format!("metadata `general.alignment` is {alignment}, not a power of two"),
        );
    }
    refused(
        &Writer::new().text("general.alignment", "32"),
        "`general.alignment` is not a u32",
    );
    // The greatest alignment: the data would begin beyond the file.
    let writer = Writer::new()
        .u32("general.alignment", 1 << 31)
        .tensor("w", &[1], 0, 0)
        .data(64);
    refused(
        &writer,
        "tensor `w` (4 bytes at offset 0) goes beyond the end of the file",
    );
}

#[test]
fn shapes() {
    let one =
        |dimensions: &[u64], code| Writer::new().tensor("w", dimensions, code, 0).data(1 << 12);
    refused(&one(&[], 0), "tensor `w` has 0 dimensions");
    refused(&one(&[1; 5], 0), "tensor `w` has 5 dimensions");
    refused(
        &one(&[4, 0], 0),
        "tensor `w` has a dimension of length zero",
    );
    refused(
        &one(&[1 << 32, 1 << 32], 0),
        "more elements than a 64-bit number counts",
    );
    refused(
        &one(&[1 << 63], 0),
        "more bytes than a 64-bit number counts",
    );
    refused(&one(&[1 << 40], 0), "goes beyond the end of the file");
    refused(
        &one(&[33], 8),
        "has rows of 33 numbers, not a multiple of Q8_0's block of 32",
    );
    refused(
        &one(&[32, 8], 12),
        "has rows of 32 numbers, not a multiple of Q4_K's block of 256",
    );
    refused(
        &one(&[32], 6),
        "is stored as Q5_0 (number 6); these can be read: F32, F16, BF16",
    );
    refused(&one(&[32], 4), "an unknown type (number 4)");
    refused(&one(&[32], u32::MAX), "an unknown type");
}

#[test]
fn places() {
    let two = |offset| {
        Writer::new()
            .tensor("a", &[16], 0, 0)
            .tensor("b", &[16], 0, offset)
            .data(128)
    };
    assert!(GgufFile::from_bytes(two(64).bytes(), Path::new("right.gguf")).is_ok());
    refused(&two(32), "tensor `a` overlaps tensor `b`");
    refused(&two(0), "overlaps tensor");
    refused(
        &two(68),
        "tensor `b` begins at offset 68, not a multiple of the alignment 32",
    );
    refused(
        &two(96),
        "tensor `b` (64 bytes at offset 96) goes beyond the end of the file",
    );
    refused(&two(u64::MAX - 31), "goes beyond the end of the file");
    let twice = Writer::new()
        .tensor("a", &[16], 0, 0)
        .tensor("a", &[16], 0, 64)
        .data(128);
    refused(&twice, "tensor `a` comes twice");
}

#[test]
fn names_are_made_fit_to_print() {
    let long = "\u{1b}[31m".to_owned() + &"x".repeat(1000);
    let message = refusal(Writer::new().tensor(&long, &[0], 0, 0).bytes());
    assert!(
        message.len() < 200 && !message.contains('\u{1b}'),
        "{message}"
    );
}

#[test]
fn cut_anywhere() {
    let whole = Writer::new()
        .text("general.architecture", "llama")
        .texts("tokenizer.ggml.tokens", &["a", "b", "ab"])
        .tensor("w", &[32], 8, 0)
        .data(34)
        .bytes();
    assert!(GgufFile::from_bytes(whole.clone(), Path::new("whole.gguf")).is_ok());
    for length in 0..whole.len() {
        refusal(whole[..length].to_vec());
    }
}

#[test]
fn a_missing_and_an_empty_file() {
    let folder = tempfile::tempdir().unwrap();
    let missing = GgufFile::open(&folder.path().join("none.gguf"))
        .err()
        .unwrap()
        .to_string();
    assert!(missing.starts_with("cannot open "), "{missing}");
    let empty = folder.path().join("empty.gguf");
    std::fs::write(&empty, []).unwrap();
    assert!(GgufFile::open(&empty).is_err());
    assert_eq!(string("ab").len(), 10);
}
