//! The texts a model is looked at with.

use std::fs;
use std::path::PathBuf;

use corpus::Tokenizer;

use crate::error::TrainerError;

/// Names and contents of the texts that ship, the one whose heads and losses are looked at first.
const SHIPPED: [(&str, &str); 6] = [
    (
        "english",
        include_str!("../../../../datasets/anatomy/english.txt"),
    ),
    (
        "shakespeare",
        include_str!("../../../../datasets/anatomy/shakespeare.txt"),
    ),
    (
        "italian",
        include_str!("../../../../datasets/anatomy/italian.txt"),
    ),
    (
        "chinese",
        include_str!("../../../../datasets/anatomy/chinese.txt"),
    ),
    (
        "code",
        include_str!("../../../../datasets/anatomy/code.txt"),
    ),
    (
        "arithmetic",
        include_str!("../../../../datasets/anatomy/arithmetic.txt"),
    ),
];

/// The files as token ids, each with its name, or the texts that ship where there are none.
///
/// # Errors
/// If a file cannot be read or the tokenizer cannot express it.
pub fn read(
    files: &[PathBuf],
    tokenizer: &Tokenizer,
) -> Result<Vec<(String, Vec<u32>)>, TrainerError> {
    if files.is_empty() {
        return SHIPPED
            .iter()
            .map(|(name, text)| Ok(((*name).to_owned(), tokenizer.encode(text)?)))
            .collect();
    }
    files
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).map_err(TrainerError::io(path))?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            Ok((name.into_owned(), tokenizer.encode(&text)?))
        })
        .collect()
}

/// How each token is written, by id.
///
/// # Errors
/// If the tokenizer cannot tell.
pub fn vocabulary(tokenizer: &Tokenizer) -> Result<Vec<String>, TrainerError> {
    (0..tokenizer.vocab_size() as u32)
        .map(|id| Ok(tokenizer.decode(&[id])?))
        .collect()
}

/// Ids of tokens that stand for text.
pub fn ordinary(tokenizer: &Tokenizer) -> Vec<u32> {
    (0..tokenizer.vocab_size() as u32)
        .filter(|id| tokenizer.token_bytes(*id) > 0)
        .collect()
}
