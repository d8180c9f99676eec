//! GGUF files against transformers: a tiny model of all storage types (`scripts/parity/gguf_llama.py`), and
//! SmolLM2-135M where it has been fetched (`make test-smollm2`; golden values of `scripts/parity/smollm2.py`).

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::{Device, Int, Tensor, TensorData};
use decoder::{Decoder, Execution, Precision};
use gguf::GgufFile;
use interchange::{GgufModel, InterchangeError, PretrainedModel, TensorSource, import};
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
        match loaded {
            Ok(_) => panic!("{to}"),
            Err(error) => error.to_string(),
        }
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

/// `tiny.gguf` with more metadata: keys, types by number, values as bytes.
fn with_entries(entries: &[(&str, u32, Vec<u8>)]) -> Vec<u8> {
    with_entries_and_room(entries, 0)
}

/// [`with_entries`], aligned as if the header were longer by `room` bytes.
fn with_entries_and_room(entries: &[(&str, u32, Vec<u8>)], room: usize) -> Vec<u8> {
    let entry = |key: &str, kind: u32, value: &[u8]| {
        [&text_bytes(key)[..], &kind.to_le_bytes(), value].concat()
    };
    let mut added: Vec<u8> = entries
        .iter()
        .flat_map(|(key, kind, value)| entry(key, *kind, value))
        .collect();
    // The numbers behind the header stay where the alignment wants them.
    let filled = |length: usize| entry("general.filler", TEXT, &text_bytes(&"x".repeat(length)));
    let missing = 32 - (added.len() + filled(0).len() + room) % 32;
    added.extend(filled(missing));
    let mut bytes = std::fs::read(folder().join("tiny.gguf")).expect("the fixture");
    let count: [u8; 8] = bytes[16..24].try_into().expect("eight bytes");
    let count = u64::from_le_bytes(count) + entries.len() as u64 + 1;
    bytes[16..24].copy_from_slice(&count.to_le_bytes());
    bytes.splice(24..24, added);
    bytes
}

/// [`with_entries`], and a table of what frequencies are divided by.
fn with_table(entries: &[(&str, u32, Vec<u8>)], factors: &[f32]) -> Vec<u8> {
    let described = |offset: u64| {
        let name = text_bytes("rope_freqs.weight");
        let count = (factors.len() as u64).to_le_bytes();
        let (dimensions, f32_kind) = (1u32.to_le_bytes(), 0u32.to_le_bytes());
        [
            &name[..],
            &dimensions,
            &count,
            &f32_kind,
            &offset.to_le_bytes(),
        ]
        .concat()
    };
    let mut bytes = with_entries_and_room(entries, described(0).len());
    let fixture = std::fs::read(folder().join("tiny.gguf")).expect("the fixture");
    let fixture = GgufFile::from_bytes(fixture, Path::new("tiny.gguf")).expect("sound");
    let ranges = fixture
        .tensors()
        .map(|tensor| tensor.bytes().as_ptr_range());
    let ranges: Vec<_> = ranges
        .map(|range| (range.start as usize, range.end as usize))
        .collect();
    let begin = ranges
        .iter()
        .map(|(start, _)| *start)
        .min()
        .expect("tensors");
    let end = ranges.iter().map(|(_, end)| *end).max().expect("tensors");
    let length = (end - begin).next_multiple_of(32);
    // Descriptions begin with that of the first tensor; its name has eight bytes of length before it.
    let first = b"token_embd.weight";
    let at = bytes
        .windows(first.len())
        .position(|window| window == first);
    let at = at.expect("in the fixture") - 8;
    bytes.splice(at..at, described(length as u64));
    let count: [u8; 8] = bytes[8..16].try_into().expect("eight bytes");
    bytes[8..16].copy_from_slice(&(u64::from_le_bytes(count) + 1).to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes.extend(factors.iter().flat_map(|factor| factor.to_le_bytes()));
    bytes
}

fn opened(bytes: &[u8]) -> Result<GgufModel, InterchangeError> {
    let temporary = tempfile::tempdir().expect("a folder");
    let path = temporary.path().join("changed.gguf");
    std::fs::write(&path, bytes).expect("written");
    GgufModel::open(&path)
}

#[track_caller]
fn refused(entries: &[(&str, u32, Vec<u8>)], words: &str) {
    let error = opened(&with_entries(entries))
        .err()
        .expect(words)
        .to_string();
    assert!(error.contains(words), "no `{words}` in: {error}");
}

fn f32_bytes(value: f32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn text_bytes(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

const U32: u32 = 4;
const F32: u32 = 6;
const BOOL: u32 = 7;
const TEXT: u32 = 8;
const TYPE: &str = "llama.rope.scaling.type";
const FACTOR: &str = "llama.rope.scaling.factor";
const OLD_FACTOR: &str = "llama.rope.scale_linear";

#[test]
fn linear_scaling_is_read_under_each_key_that_says_it() {
    let linear = || (TYPE, TEXT, text_bytes("linear"));
    let new = |factor| (FACTOR, F32, f32_bytes(factor));
    let old = |factor| (OLD_FACTOR, F32, f32_bytes(factor));
    for (entries, expected) in [
        (vec![linear(), new(4.0)], Some(4.0)),
        (vec![new(4.0)], Some(4.0)),
        (vec![old(4.0)], Some(4.0)),
        (vec![linear(), old(4.0)], Some(4.0)),
        (vec![new(4.0), old(4.0)], Some(4.0)),
        (vec![new(0.0)], None),
        (vec![old(1.0)], None),
        (vec![(TYPE, TEXT, text_bytes("none")), new(4.0)], None),
    ] {
        let model = opened(&with_entries(&entries)).expect("sound");
        let encoding = &model.architecture().decoder.layers["full_attention"].encoding;
        let factor = encoding.parameters.get("factor").copied();
        assert_eq!(factor, expected, "{entries:?}");
        assert_eq!(encoding.kind == "rope_linear", expected.is_some());
    }
}

#[test]
fn scalings_that_contradict_or_are_not_known_are_refused() {
    let new = (FACTOR, F32, f32_bytes(4.0));
    let old = (OLD_FACTOR, F32, f32_bytes(2.0));
    refused(
        &[new.clone(), old],
        "llama.rope.scale_linear is 2, which contradicts llama.rope.scaling.factor, 4",
    );
    refused(
        &[(OLD_FACTOR, F32, f32_bytes(f32::NAN))],
        "llama.rope.scale_linear is NaN",
    );
    let yarn = (TYPE, TEXT, text_bytes("yarn"));
    refused(&[yarn, new.clone()], "`yarn` is not supported");
    refused(
        &[(TYPE, TEXT, text_bytes("linear"))],
        "llama.rope.scaling.factor is missing",
    );
    let number = (TYPE, U32, 1u32.to_le_bytes().to_vec());
    refused(&[number, new], "`llama.rope.scaling.type` is u32");
}

#[test]
fn a_factor_beside_the_table_of_llama_3_is_refused() {
    // Of the fixture's base and heads; the two longest wavelengths are beyond a quarter of 8192.
    let factor = |pair: u8| {
        let wavelength = std::f32::consts::TAU * 500f32.powf(f32::from(pair) / 32.0);
        let smooth = ((8192.0 / wavelength - 1.0) / 3.0).min(1.0);
        1.0 / ((1.0 - smooth) / 8.0 + smooth)
    };
    let table: Vec<f32> = (0..32).map(factor).collect();
    let model = opened(&with_table(&[], &table)).expect("sound");
    let encoding = &model.architecture().decoder.layers["full_attention"].encoding;
    assert_eq!(encoding.kind, "rope_llama3");
    for key in [FACTOR, OLD_FACTOR] {
        let bytes = with_table(&[(key, F32, f32_bytes(4.0))], &table);
        let error = opened(&bytes).err().expect("refused").to_string();
        assert!(
            error.contains(&format!(
                "{key} is 4, and rope_freqs.weight scales frequencies too"
            )),
            "{error}"
        );
    }
}

#[test]
fn keys_that_change_numbers_are_refused_by_name_unless_neutral() {
    for name in [
        "rope.freq_base_swa",
        "rope.dimension_sections",
        "attention.key_length_swa",
        "ssm.state_size",
        "something_new",
    ] {
        let key = format!("llama.{name}");
        let words = format!("{key} is not known, and may change the numbers");
        refused(&[(&key, U32, vec![0; 4])], &words);
    }
    for (name, kind, neutral, changed) in [
        ("attention.causal", BOOL, vec![1], vec![0]),
        ("use_parallel_residual", BOOL, vec![0], vec![1]),
        ("expert_count", U32, vec![0; 4], vec![8, 0, 0, 0]),
        (
            "attention.sliding_window",
            U32,
            vec![0; 4],
            vec![0, 16, 0, 0],
        ),
        (
            "attn_logit_softcapping",
            F32,
            f32_bytes(0.0),
            f32_bytes(50.0),
        ),
        (
            "final_logit_softcapping",
            F32,
            f32_bytes(0.0),
            f32_bytes(30.0),
        ),
        ("attention.scale", F32, f32_bytes(0.0), f32_bytes(0.1)),
        ("attention.clamp_kqv", F32, f32_bytes(0.0), f32_bytes(8.0)),
        (
            "attention.max_alibi_bias",
            F32,
            f32_bytes(0.0),
            f32_bytes(8.0),
        ),
        ("logit_scale", F32, f32_bytes(1.0), f32_bytes(0.5)),
        ("residual_scale", F32, f32_bytes(1.0), f32_bytes(0.5)),
        ("embedding_scale", F32, f32_bytes(1.0), f32_bytes(12.0)),
        (
            "rope.scaling.attn_factor",
            F32,
            f32_bytes(1.0),
            f32_bytes(1.2),
        ),
        (
            "tensor_data_layout",
            TEXT,
            text_bytes("Meta AI original pth"),
            text_bytes("reference"),
        ),
        (
            "rope.scaling.finetuned",
            BOOL,
            vec![1],
            Vec::new(), // changes nothing
        ),
    ] {
        let key = format!("llama.{name}");
        opened(&with_entries(&[(&key, kind, neutral)])).expect(name);
        if !changed.is_empty() {
            let words = format!("{key} has a value that changes the numbers");
            refused(&[(&key, kind, changed)], &words);
        }
    }
}

#[test]
fn keys_of_other_parts_are_taken() {
    opened(&with_entries(&[
        ("general.name", TEXT, text_bytes("tiny")),
        ("split.count", U32, vec![0; 4]),
        ("other.rope.scale_linear", F32, f32_bytes(4.0)),
    ]))
    .expect("sound");
}

/// The fixture with the bytes `from` as `to`, of the same length.
fn replaced(from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = std::fs::read(folder().join("tiny.gguf")).expect("the fixture");
    let at = bytes.windows(from.len()).position(|window| window == from);
    let at = at.expect("in the fixture");
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

#[test]
fn a_beginning_outside_the_vocabulary_is_refused() {
    let entry = |id: u32| {
        let key = b"tokenizer.ggml.bos_token_id";
        [&key[..], &U32.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    let error = opened(&replaced(&entry(99), &entry(100))).err();
    let error = error.expect("refused").to_string();
    assert!(
        error.contains("tokenizer.ggml.bos_token_id is 100, beyond the 100 tokens"),
        "{error}"
    );
    let none = opened(&replaced(&entry(99), &entry(u32::MAX))).expect("sound");
    assert_eq!(none.bos_token().expect("none"), None);
}

#[test]
fn a_tokenizer_beside_a_file_stands_in_for_one_that_cannot_be_rebuilt() {
    let temporary = tempfile::tempdir().expect("a folder");
    let path = temporary.path().join("model.gguf");
    let without = replaced(b"tokenizer.ggml.pre", b"tokenizer.gone.pre");
    std::fs::write(&path, without).expect("written");
    let model = PretrainedModel::open(&path).expect("sound");
    let error = model.tokenizer(temporary.path()).expect_err("refused");
    assert!(
        error
            .to_string()
            .contains("`tokenizer.ggml.pre` is missing"),
        "{error}"
    );
    let beside = temporary.path().join("tokenizer.json");
    std::fs::write(&beside, "{}").expect("written");
    assert_eq!(model.tokenizer(temporary.path()).expect("beside"), beside);
}

#[test]
fn a_tokenizer_in_the_cache_has_the_mode_that_the_umask_leaves() {
    let cache = tempfile::tempdir().expect("a folder");
    let model = PretrainedModel::open(&folder().join("tiny.gguf")).expect("sound");
    let written = model.tokenizer(cache.path()).expect("written");
    let plain = cache.path().join("plain");
    std::fs::write(&plain, "").expect("written");
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions();
    assert_eq!(mode(&written), mode(&plain));
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
