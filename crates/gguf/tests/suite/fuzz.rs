//! Mutated files: whatever the bytes, an answer or an error.
//!
//! `GGUF_FUZZ_CASES=100000 cargo nextest run -p gguf -E 'test(fuzz)'` for more cases than `make test` takes.

use std::path::Path;

use gguf::GgufFile;
use proptest::prelude::*;

use crate::golden::blocks;
use crate::writer::Writer;

fn cases() -> u32 {
    let chosen = std::env::var("GGUF_FUZZ_CASES").ok();
    chosen.map_or(500, |cases| {
        cases.parse().expect("GGUF_FUZZ_CASES is a number")
    })
}

/// A small file with a bit of everything.
fn small() -> Vec<u8> {
    Writer::new()
        .text("general.architecture", "llama")
        .u32("general.alignment", 32)
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "smollm")
        .texts("tokenizer.ggml.tokens", &["a", "b", "ab", "<s>"])
        .integers("tokenizer.ggml.token_type", &[1, 1, 1, 3])
        .texts("tokenizer.ggml.merges", &["a b"])
        .entry("tokenizer.ggml.add_bos_token", 7, &[1])
        .u32("tokenizer.ggml.bos_token_id", 3)
        .tensor("token_embd.weight", &[32, 2], 8, 0)
        .tensor("blk.0.attn_q.weight", &[256], 12, 96)
        .data(96 + 144)
        .bytes()
}

/// A change of a file.
#[derive(Debug, Clone)]
enum Mutation {
    Byte(usize, u8),
    Bit(usize, u8),
    /// Eight bytes become a number that is apt to overflow.
    Number(usize, u64),
    Cut(usize),
    Remove(usize, usize),
    Repeat(usize, usize),
}

fn mutation(length: usize) -> impl Strategy<Value = Mutation> {
    let at = 0..length;
    let number = prop_oneof![
        any::<u64>(),
        (0..64u32).prop_map(|shift| 1 << shift),
        (0..64u32).prop_map(|shift| u64::MAX >> shift),
        0..16u64,
    ];
    prop_oneof![
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
        (at.clone(), 0..8u8).prop_map(|(at, bit)| Mutation::Bit(at, bit)),
        (at.clone(), number).prop_map(|(at, number)| Mutation::Number(at, number)),
        at.clone().prop_map(Mutation::Cut),
        (at.clone(), 1..40usize).prop_map(|(at, count)| Mutation::Remove(at, count)),
        (at, 1..40usize).prop_map(|(at, count)| Mutation::Repeat(at, count)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let within = |at: usize| at.min(bytes.len());
    match *mutation {
        Mutation::Byte(at, byte) if at < bytes.len() => bytes[at] = byte,
        Mutation::Bit(at, bit) if at < bytes.len() => bytes[at] ^= 1 << bit,
        Mutation::Number(at, number) if at + 8 <= bytes.len() => {
            bytes[at..at + 8].copy_from_slice(&number.to_le_bytes())
        }
        Mutation::Byte(..) | Mutation::Bit(..) | Mutation::Number(..) => {}
        Mutation::Cut(at) => bytes.truncate(at),
        Mutation::Remove(at, count) => drop(bytes.drain(within(at)..within(at + count))),
        Mutation::Repeat(at, count) => {
            let copy = bytes[within(at)..within(at + count)].to_vec();
            let at = within(at);
            bytes.splice(at..at, copy);
        }
    }
}

/// Opens the file and asks it everything. Returns whether it opened.
fn ask_everything(bytes: Vec<u8>) -> bool {
    let length = bytes.len();
    let Ok(file) = GgufFile::from_bytes(bytes, Path::new("mutated.gguf")) else {
        return false;
    };
    let keys: Vec<String> = file.keys().map(str::to_owned).collect();
    for key in &keys {
        file.value(key).expect("checked on opening");
        drop((
            file.integer(key),
            file.float(key),
            file.flag(key),
            file.string(key),
        ));
        drop((file.strings(key), file.integers(key)));
    }
    for tensor in file.tensors() {
        assert!(tensor.bytes().len() <= length);
        assert_eq!(
            tensor.to_f32().len(),
            tensor.shape().iter().product::<usize>()
        );
    }
    let _ = file.tokenizer_json();
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fuzz_small_files(mutations in proptest::collection::vec(mutation(860), 1..6)) {
        let mut bytes = small();
        mutations.iter().for_each(|mutation| mutate(&mut bytes, mutation));
        ask_everything(bytes);
    }

    #[test]
    fn fuzz_the_header_of_a_real_file(mutations in proptest::collection::vec(mutation(3000), 1..4)) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/blocks.gguf");
        let mut bytes = std::fs::read(path).unwrap();
        mutations.iter().for_each(|mutation| mutate(&mut bytes, mutation));
        ask_everything(bytes);
    }

    #[test]
    fn fuzz_random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let magic = [b"GGUF\x03\0\0\0".to_vec(), bytes].concat();
        ask_everything(magic);
    }
}

/// The mutations start from files that open; otherwise they would test little.
#[test]
fn unmutated_files_open() {
    assert!(ask_everything(small()));
    assert!(small().len() < 900, "{}", small().len());
    assert!(blocks().tokenizer_json().is_err());
}
