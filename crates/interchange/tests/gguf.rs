//! GGUF files against transformers: a tiny model of all storage types (`scripts/parity/gguf_llama.py`), and
//! SmolLM2-135M where it has been fetched (`make test-smollm2`; golden values of `scripts/parity/smollm2.py`).

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::{Device, Int, Tensor, TensorData};
use decoder::{Decoder, Execution, Precision};
use interchange::{GgufModel, InterchangeError, TensorSource, import};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokenizers::Tokenizer;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gguf")
}

fn golden<T: DeserializeOwned>(name: &str) -> T {
    let text = std::fs::read(folder().join(name)).expect(name);
    serde_json::from_slice(&text).expect(name)
}

/// `[T, V]`
fn logits(decoder: &Decoder, ids: &[i32]) -> Tensor<2> {
    let device = decoder.device();
    let positions = decoder.positions(ids.len(), &device);
    let data = TensorData::new(ids.to_vec(), [1, ids.len()]);
    let input: Tensor<2, Int> = Tensor::from_data(data, &device);
    let hidden = decoder.hidden_states(input, &positions, Execution::exact(&device, 256));
    let logits = decoder.logits(hidden, Precision::F32);
    let vocabulary = decoder.config().vocab_size;
    logits.reshape([ids.len(), vocabulary])
}

/// Negative log-likelihood in nats of each token but the first, given all before it.
fn losses(decoder: &Decoder, ids: &[i32]) -> Vec<f64> {
    let logits = logits(decoder, ids).into_data();
    let logits: Vec<f32> = logits.iter().collect();
    let rows = logits.chunks_exact(decoder.config().vocab_size);
    rows.zip(&ids[1..])
        .map(|(row, &target)| {
            let largest = row.iter().copied().fold(f32::MIN, f32::max);
            let sum: f64 = row.iter().map(|&x| f64::from(x - largest).exp()).sum();
            sum.ln() - f64::from(row[target as usize] - largest)
        })
        .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The model with rows of queries and keys as the file has them: the mistake that the reader must not make.
struct Interleaved<'a>(&'a GgufModel);

impl TensorSource for Interleaved<'_> {
    fn names(&self) -> Vec<String> {
        self.0.names()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.0.shape(name)
    }

    fn location(&self, name: &str) -> String {
        self.0.location(name)
    }

    fn read(&self, name: &str) -> Result<Vec<f32>, InterchangeError> {
        let values = self.0.read(name)?;
        if !name.contains("q_proj") && !name.contains("k_proj") {
            return Ok(values);
        }
        let columns = self.shape(name).expect("read")[1];
        let half = self.0.architecture().decoder.head_dim / 2 * columns;
        let heads = values.chunks_exact(2 * half);
        let interleaved = heads.flat_map(|head| {
            let (first, second) = head.split_at(half);
            let pairs = first
                .chunks_exact(columns)
                .zip(second.chunks_exact(columns));
            pairs
                .flat_map(|(a, b)| [a, b].concat())
                .collect::<Vec<f32>>()
        });
        Ok(interleaved.collect())
    }
}

#[derive(Deserialize)]
struct Expected {
    tokens: Vec<Vec<i32>>,
    /// Positions compared, from the end.
    positions: usize,
    /// `[sequences][positions][vocabulary]`
    logits: Vec<Vec<Vec<f32>>>,
}

/// Largest difference of a logit of the tiny model to transformers'.
fn worst_difference(decoder: &Decoder) -> f32 {
    let expected: Expected = golden("expected.json");
    let sequences = expected.tokens.iter().zip(&expected.logits);
    let differences = sequences.flat_map(|(ids, rows)| {
        let ours: Vec<f32> = logits(decoder, ids).into_data().iter().collect();
        let vocabulary = decoder.config().vocab_size;
        let last = ours[(ids.len() - expected.positions) * vocabulary..].to_vec();
        let rows = rows.concat();
        assert_eq!(last.len(), rows.len());
        last.into_iter().zip(rows).map(|(a, b)| (a - b).abs())
    });
    differences.fold(0.0, f32::max)
}

#[test]
fn a_tiny_model_of_all_types_has_the_logits_of_transformers() {
    let model = GgufModel::open(&folder().join("tiny.gguf")).expect("a sound file");
    let decoder = model.load(&Device::flex()).expect("sound weights");
    let worst = worst_difference(&decoder);
    assert!(worst <= 1e-4, "{worst}");
    let wrong = import(model.architecture(), &Interleaved(&model), &Device::flex());
    let worst = worst_difference(&wrong.expect("sound weights"));
    assert!(
        worst > 0.1,
        "rows in the file's order make no difference: {worst}"
    );
}

#[test]
fn a_tiny_model_brings_its_tokenizer() {
    let model = GgufModel::open(&folder().join("tiny.gguf")).expect("a sound file");
    let tokenizer: Tokenizer = model
        .tokenizer_json()
        .expect("a tokenizer")
        .parse()
        .expect("valid");
    let encoded = tokenizer.encode("the the 12<s>", false).expect("encoded");
    assert_eq!(
        encoded.get_tokens(),
        ["t", "he", "Ġthe", "Ġ", "1", "2", "<s>"]
    );
    assert_eq!(
        model.bos_token().expect("in the vocabulary").as_deref(),
        Some("<s>")
    );
}

#[test]
fn files_that_are_no_llama_are_refused() {
    let sound = std::fs::read(folder().join("tiny.gguf")).expect("the fixture");
    let temporary = tempfile::tempdir().expect("a folder");
    let path = temporary.path().join("changed.gguf");
    let refusal = |from: &str, to: &str| {
        let mut bytes = sound.clone();
        let at = bytes
            .windows(from.len())
            .position(|window| window == from.as_bytes());
        let at = at.expect(from);
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        std::fs::write(&path, bytes).expect("written");
        let loaded = GgufModel::open(&path).and_then(|model| model.load(&Device::flex()));
        loaded.map(drop).expect_err(to).to_string()
    };
    // The first `llama` in the file is the value of `general.architecture`.
    assert!(refusal("llama", "falco").contains("is of the architecture `falco`"));
    assert!(
        refusal("llama.block_count", "llama.block_kount")
            .contains("`llama.block_count` is missing")
    );
    let missing = refusal("blk.1.ffn_up.weight", "blk.1.ffn_ap.weight");
    assert!(missing.contains("mlp.up_proj.weight"), "{missing}");
    assert!(
        refusal("token_embd.weight", "token_embx.weight")
            .contains("`token_embd.weight` is missing")
    );
}

#[derive(Deserialize)]
struct Golden {
    ids: Vec<i32>,
    mean_nll: f64,
    mean_nll_first256: f64,
    mean_nll_interleaved: f64,
    top3_of_first8_positions: Vec<Vec<usize>>,
    mean_nll_of_books: std::collections::BTreeMap<String, f64>,
    tokens_of_books: std::collections::BTreeMap<String, Book>,
}

#[derive(Deserialize)]
struct Book {
    all: Tokens,
    without_digits: Tokens,
}

#[derive(Deserialize, PartialEq, Debug)]
struct Tokens {
    count: usize,
    sha256: String,
}

fn smollm2() -> GgufModel {
    let path = std::env::var_os("SMOLLM2_GGUF")
        .expect("SMOLLM2_GGUF is the path that scripts/smollm2.sh prints");
    GgufModel::open(Path::new(&path)).expect("a sound file")
}

fn smollm2_tokenizer() -> Tokenizer {
    smollm2()
        .tokenizer_json()
        .expect("a tokenizer")
        .parse()
        .expect("valid")
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer
        .encode(text, false)
        .expect("encoded")
        .get_ids()
        .to_vec()
}

fn book(name: &str, characters: std::ops::Range<usize>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../datasets/books")
        .join(name);
    let text = std::fs::read_to_string(path).expect(name);
    text.chars()
        .skip(characters.start)
        .take(characters.len())
        .collect()
}

#[test]
#[ignore = "needs SmolLM2: make test-smollm2"]
fn smollm2_tokenizes_books_as_transformers_does() {
    let tokenizer = smollm2_tokenizer();
    let digest = |text: &str| {
        let ids = ids(&tokenizer, text);
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        let sha256 = Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Tokens {
            count: ids.len(),
            sha256,
        }
    };
    let golden: Golden = golden("smollm2.json");
    assert_eq!(golden.tokens_of_books.len(), 19);
    for (name, expected) in &golden.tokens_of_books {
        let text = book(name, 0..200_000);
        assert_eq!(digest(&text), expected.all, "{name}");
        let has_digit = |line: &str| line.contains(|c: char| c.is_ascii_digit());
        let without: String = text
            .split_inclusive('\n')
            .filter(|line| !has_digit(line))
            .collect();
        assert_eq!(digest(&without), expected.without_digits, "{name}");
    }
}

#[test]
#[ignore = "needs SmolLM2: make test-smollm2"]
fn smollm2_has_the_perplexity_of_transformers() {
    let golden: Golden = golden("smollm2.json");
    let began = Instant::now();
    let model = smollm2();
    let decoder = model.load(&Device::flex()).expect("sound weights");
    println!("loaded in {:.1?}", began.elapsed());
    let began = Instant::now();
    let ours = losses(&decoder, &golden.ids);
    println!("512 tokens in {:.1?}", began.elapsed());
    let close = |what: &str, ours: f64, theirs: f64| {
        println!(
            "{what}: {ours:.7} here, {theirs:.7} in transformers, relative difference {:.1e}",
            ours / theirs - 1.0
        );
        assert!((ours / theirs - 1.0).abs() < 1e-5, "{what}");
    };
    close("passage", mean(&ours), golden.mean_nll);
    close(
        "passage, first 256",
        mean(&ours[..255]),
        golden.mean_nll_first256,
    );
    let tokenizer = smollm2_tokenizer();
    let passage =
        std::fs::read_to_string(folder().join("smollm2_passage.txt")).expect("the passage");
    let first: Vec<i32> = ids(&tokenizer, &passage)[..512]
        .iter()
        .map(|&id| id as i32)
        .collect();
    assert_eq!(first, golden.ids);
    for (name, expected) in &golden.mean_nll_of_books {
        let text = book(name, 60_000..64_500);
        let ids: Vec<i32> = ids(&tokenizer, &text)[..512]
            .iter()
            .map(|&id| id as i32)
            .collect();
        close(name, mean(&losses(&decoder, &ids)), *expected);
    }
    let rows: Vec<f32> = logits(&decoder, &golden.ids[..8])
        .into_data()
        .iter()
        .collect();
    for (row, expected) in rows
        .chunks_exact(49_152)
        .zip(&golden.top3_of_first8_positions)
    {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        assert_eq!(order[..3], expected[..]);
    }
}

#[test]
#[ignore = "needs SmolLM2: make test-smollm2"]
fn smollm2_with_rows_in_the_files_order_is_another_model() {
    let golden: Golden = golden("smollm2.json");
    let model = smollm2();
    let wrong =
        import(model.architecture(), &Interleaved(&model), &Device::flex()).expect("sound weights");
    let nll = mean(&losses(&wrong, &golden.ids));
    println!(
        "perplexity {:.1}, transformers' {:.1}",
        nll.exp(),
        golden.mean_nll_interleaved.exp()
    );
    assert!(
        (nll / golden.mean_nll_interleaved - 1.0).abs() < 1e-4,
        "{nll}"
    );
    assert!(nll.exp() > 300.0);
}
