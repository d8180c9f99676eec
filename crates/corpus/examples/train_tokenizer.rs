//! Trains a byte-level BPE on the training split of dataset folders.
//!
//! `cargo run -p corpus --example train_tokenizer -- 8192 datasets/tokenizers/bpe8k.json datasets/books datasets/sotu`
//!
//! Deterministic: the same texts and size give the same file, byte for byte. All documents weigh
//! what they weigh. `<bos>` has id 0, the 256 bytes follow, then the merges.

use std::collections::HashSet;
use std::error::Error;
use std::path::PathBuf;

use corpus::{DataConfig, Split, read_documents};
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, TokenizerBuilder};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(size), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("usage: train_tokenizer <entries> <tokenizer.json> <folder>..".into());
    };
    let size: usize = size.parse()?;
    let config = DataConfig {
        paths: arguments.map(PathBuf::from).collect(),
        ..DataConfig::default()
    };
    let texts: Vec<String> = read_documents(&config)?
        .documents
        .into_iter()
        .filter(|document| document.split == Split::Train)
        .map(|document| document.text)
        .collect();
    let json = train(size, &texts)?;
    std::fs::write(&out, json)?;
    println!("{out}: {size} entries from {} documents", texts.len());
    Ok(())
}

/// GPT-2's recipe: its regular expression splits words, bytes are the alphabet, no normalisation.
fn train(size: usize, texts: &[String]) -> Result<String> {
    let byte_level = ByteLevel::default().add_prefix_space(false);
    let alphabet: HashSet<char> = ByteLevel::alphabet().into_iter().collect();
    let mut trainer = BpeTrainerBuilder::new()
        .vocab_size(size)
        .show_progress(false)
        .special_tokens(vec![AddedToken::from("<bos>", true)])
        .initial_alphabet(alphabet)
        .build();
    let mut tokenizer = TokenizerBuilder::new()
        .with_model(BPE::default())
        .with_normalizer(None::<NormalizerWrapper>)
        .with_pre_tokenizer(Some(byte_level))
        .with_post_processor(Some(byte_level))
        .with_decoder(Some(byte_level))
        .build()?;
    tokenizer.train(&mut trainer, texts.iter())?;
    let entries = tokenizer.get_vocab_size(true);
    if entries != size {
        return Err(format!("only {entries} of {size} entries: too little text").into());
    }
    Ok(tokenizer.to_string(true)? + "\n")
}
