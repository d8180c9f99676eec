//! Bytes of text per token on the held-out documents of dataset folders.
//!
//! `cargo run -p corpus --example bytes_per_token -- datasets/books datasets/sotu datasets/wikipedia`

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use corpus::{DataConfig, Split, Tokenizer, read_documents};

const TOKENIZERS: [&str; 3] = [
    "bytes",
    "datasets/tokenizers/bpe2k.json",
    "datasets/tokenizers/bpe8k.json",
];
/// Data sets of more held-out documents than this are shown as one line per split.
const MANY: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let tokenizers: Vec<Tokenizer> = TOKENIZERS
        .iter()
        .map(|spec| Tokenizer::open(spec, None))
        .collect::<Result<_, _>>()?;
    println!(
        "text, split, bytes, then bytes per token of: {}",
        TOKENIZERS.join(", ")
    );
    for path in std::env::args_os().skip(1).map(PathBuf::from) {
        let config = DataConfig {
            paths: vec![path],
            ..DataConfig::default()
        };
        let mut held_out = read_documents(&config)?.documents;
        held_out.retain(|document| document.split != Split::Train);
        let many = held_out.len() > MANY;
        let mut lines: BTreeMap<(String, Split), Vec<usize>> = BTreeMap::new();
        for document in held_out {
            let folder = document
                .name
                .split('/')
                .next()
                .unwrap_or_default()
                .to_owned();
            let label = if many { folder } else { document.name };
            let counts = lines
                .entry((label, document.split))
                .or_insert_with(|| vec![0; tokenizers.len() + 1]);
            counts[0] += document.text.len();
            for (count, tokenizer) in counts[1..].iter_mut().zip(&tokenizers) {
                *count += tokenizer.encode(&document.text)?.len();
            }
        }
        for ((label, split), counts) in lines {
            let bytes = counts[0];
            print!("{label:32} {split:5} {bytes:8}");
            for tokens in &counts[1..] {
                print!(" {:5.2}", bytes as f64 / *tokens as f64);
            }
            println!();
        }
    }
    Ok(())
}
