//! Folders of strangers: clear errors, no panic, no memory for sizes that files only claim.
//!
//! `FUZZ_CASES=100000 cargo nextest run --workspace -E 'package(interchange) & test(mutated)'` is the long
//! form of the last test; `docs/interchange.md` says when it was run.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use interchange::HuggingFaceFolder;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A Llama of one layer: two heads of 2, one of them for keys.
const CONFIG: &str = r#"{
    "model_type": "llama", "vocab_size": 3, "hidden_size": 4, "intermediate_size": 5,
    "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 2,
    "max_position_embeddings": 8, "rms_norm_eps": 1e-5, "tie_word_embeddings": true,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}
}"#;

const TENSORS: [(&str, &[usize]); 11] = [
    ("model.embed_tokens.weight", &[3, 4]),
    ("model.layers.0.input_layernorm.weight", &[4]),
    ("model.layers.0.mlp.down_proj.weight", &[4, 5]),
    ("model.layers.0.mlp.gate_proj.weight", &[5, 4]),
    ("model.layers.0.mlp.up_proj.weight", &[5, 4]),
    ("model.layers.0.post_attention_layernorm.weight", &[4]),
    ("model.layers.0.self_attn.k_proj.weight", &[2, 4]),
    ("model.layers.0.self_attn.o_proj.weight", &[4, 4]),
    ("model.layers.0.self_attn.q_proj.weight", &[4, 4]),
    ("model.layers.0.self_attn.v_proj.weight", &[2, 4]),
    ("model.norm.weight", &[4]),
];

type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

fn tensors() -> Vec<Stored> {
    let stored = |(name, shape): &(&str, &[usize])| {
        let count = shape.iter().product::<usize>();
        let values = (0..count).flat_map(|i| (i as f32 / 8.0).to_le_bytes());
        (
            (*name).to_owned(),
            Dtype::F32,
            shape.to_vec(),
            values.collect(),
        )
    };
    TENSORS.iter().map(stored).collect()
}

fn safetensors(tensors: &[Stored]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        let view = TensorView::new(*dtype, shape.clone(), bytes).expect("consistent");
        (name.as_str(), view)
    });
    safetensors::serialize(views, None::<HashMap<String, String>>).expect("serializes")
}

/// A safetensors file with `header` as it is, before `data`.
fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    [
        &(header.len() as u64).to_le_bytes()[..],
        header.as_bytes(),
        data,
    ]
    .concat()
}

fn folder(config: &str, weights: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().expect("temporary folder");
    fs::write(folder.path().join("config.json"), config).expect("write");
    fs::write(folder.path().join("model.safetensors"), weights).expect("write");
    folder
}

/// A folder of two shards, the first with the embedding alone.
fn sharded(index: &Value) -> TempDir {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = |name: &str| folder.path().join(name);
    let all = tensors();
    fs::write(path("config.json"), CONFIG).expect("write");
    fs::write(path("model.safetensors.index.json"), index.to_string()).expect("write");
    fs::write(path("a.safetensors"), safetensors(&all[..1])).expect("write");
    fs::write(path("b.safetensors"), safetensors(&all[1..])).expect("write");
    folder
}

fn index() -> Value {
    let shard = |name: &str| {
        if name == TENSORS[0].0 {
            "a.safetensors"
        } else {
            "b.safetensors"
        }
    };
    let map: HashMap<&str, &str> = TENSORS
        .iter()
        .map(|(name, _)| (*name, shard(name)))
        .collect();
    json!({ "metadata": {}, "weight_map": map })
}

fn load(folder: &Path) -> Result<decoder::Decoder, interchange::InterchangeError> {
    HuggingFaceFolder::open(folder)?.load(&Device::flex())
}

#[track_caller]
fn assert_refused(folder: &TempDir, words: &[&str]) {
    let error = load(folder.path())
        .expect_err("must be refused")
        .to_string();
    for word in words {
        assert!(error.contains(word), "no `{word}` in: {error}");
    }
}

#[test]
fn what_is_sound_loads() {
    let whole = folder(CONFIG, &safetensors(&tensors()));
    let shards = sharded(&index());
    let [a, b] = [&whole, &shards].map(|folder| load(folder.path()).expect("sound"));
    let values = |decoder| {
        decoder::named_tensors(decoder)
            .into_iter()
            .map(|t| t.values)
    };
    assert!(values(&a).eq(values(&b)));
}

#[test]
fn headers_that_lie() {
    let data = [0u8; 8];
    let entry =
        |from: u64, to: u64| json!({ "dtype": "F32", "shape": [1], "data_offsets": [from, to] });
    let file = |header: &Value| with_header(&header.to_string(), &data);
    for (bytes, words) in [
        (vec![], &["shorter than the 8 bytes"][..]),
        (vec![1, 0, 0], &["shorter than the 8 bytes"]),
        (
            u64::MAX.to_le_bytes().to_vec(),
            &["header has 18446744073709551615 bytes"],
        ),
        (
            1000u64.to_le_bytes().to_vec(),
            &["not a sound safetensors file"],
        ),
        (with_header("{", &data), &["not a sound safetensors file"]),
        (
            with_header(&"[".repeat(9999), &data),
            &["not a sound safetensors file"],
        ),
        // Overlap, gap, beyond the end, end before begin.
        (
            file(&json!({ "a": entry(0, 4), "b": entry(0, 4) })),
            &["sound"],
        ),
        (file(&json!({ "a": entry(4, 8) })), &["sound"]),
        (
            file(&json!({ "a": entry(0, 4), "b": entry(4, 1 << 40) })),
            &["sound"],
        ),
        (file(&json!({ "a": entry(8, 0) })), &["sound"]),
        // The product of the shape overflows.
        (
            file(
                &json!({ "a": { "dtype": "F32", "shape": [u64::MAX, 3], "data_offsets": [0, 8] } }),
            ),
            &["sound"],
        ),
    ] {
        let folder = folder(CONFIG, &bytes);
        assert_refused(&folder, words);
        assert_refused(&folder, &["model.safetensors"]);
    }
}

#[test]
fn tensors_that_do_not_fit() {
    let changed = |change: &dyn Fn(&mut Vec<Stored>)| {
        let mut all = tensors();
        change(&mut all);
        folder(CONFIG, &safetensors(&all))
    };
    assert_refused(
        &changed(&|all| all[8].2 = vec![2, 8]),
        &["q_proj.weight`: has shape [2, 8], config.json wants [4, 4]"],
    );
    assert_refused(
        &changed(&|all| all[2].2 = vec![5, 4]),
        &["down_proj.weight`: has shape [5, 4], config.json wants [4, 5]"],
    );
    assert_refused(
        &changed(&|all| all[10].1 = Dtype::I32),
        &["model.norm.weight`: stored as I32; weights must be F32, F16 or BF16"],
    );
    assert_refused(
        &changed(&|all| all[3].3.fill(0xff)),
        &["gate_proj.weight`: holds NaN"],
    );
    assert_refused(
        &changed(&|all| all[9].3[..4].copy_from_slice(&f32::INFINITY.to_le_bytes())),
        &["v_proj.weight`: holds inf"],
    );
    assert_refused(
        &changed(&|all| drop(all.remove(4))),
        &["up_proj.weight`: there is no such tensor"],
    );
    let bias = "model.layers.0.self_attn.q_proj.bias".to_owned();
    assert_refused(
        &changed(&|all| all.push((bias.clone(), Dtype::F32, vec![4], vec![0; 16]))),
        &["q_proj.bias`: belongs to no parameter that config.json describes"],
    );
}

#[test]
fn shard_indices_that_lie() {
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut index = index();
        change(&mut index["weight_map"]);
        sharded(&index)
    };
    for name in [
        "../b.safetensors",
        "/etc/b.safetensors",
        "x/b.safetensors",
        "x\\b.safetensors",
        "..",
        "",
        "b.bin",
    ] {
        let folder = changed(&|map| map["model.norm.weight"] = json!(name));
        assert_refused(
            &folder,
            &["index.json", "not the name of a .safetensors file beside"],
        );
    }
    assert_refused(
        &changed(&|map| map["model.norm.weight"] = json!("c.safetensors")),
        &["shards are missing: c.safetensors"],
    );
    assert_refused(
        &changed(&|map| map["model.norm.weight"] = json!("a.safetensors")),
        &["`model.norm.weight` is in b.safetensors, where the index does not have it"],
    );
    assert_refused(
        &changed(&|map| map["model.ghost.weight"] = json!("a.safetensors")),
        &["`model.ghost.weight` is not in a.safetensors"],
    );
    let twice = sharded(&index());
    let all = tensors();
    let both = [all[0].clone(), all[10].clone()];
    fs::write(twice.path().join("a.safetensors"), safetensors(&both)).expect("write");
    assert_refused(&twice, &["`model.norm.weight` is in a.safetensors, where"]);
    let folder = sharded(&json!({ "weight_map": [1, 2] }));
    assert_refused(&folder, &["not the expected JSON"]);
}

#[test]
fn configs_that_ask_for_too_much() {
    let weights = safetensors(&tensors());
    let with = |key: &str, value: Value| {
        let mut config: Value = serde_json::from_str(CONFIG).expect("JSON");
        config[key] = value;
        folder(&config.to_string(), &weights)
    };
    assert_refused(
        &with("model_type", json!("mamba")),
        &[
            "model_type: `mamba` is not supported; known: gemma, gemma2,",
            "llama",
        ],
    );
    for key in [
        "num_hidden_layers",
        "hidden_size",
        "vocab_size",
        "head_dim",
        "intermediate_size",
    ] {
        for value in [json!(0), json!(1u64 << 40)] {
            assert_refused(&with(key, value), &[key, "is not in 1 to"]);
        }
        assert_refused(&with(key, json!(-1)), &["not the expected JSON"]);
    }
    assert_refused(
        &with("num_hidden_layers", json!(1000)),
        &["model.layers.1.input_layernorm.weight`: there is no such tensor"],
    );
    for (key, value, words) in [
        (
            "attention_bias",
            json!(true),
            "biases of projections are not supported",
        ),
        (
            "quantization_config",
            json!({}),
            "quantized weights are not supported",
        ),
        (
            "hidden_act",
            json!("relu"),
            "`relu` is not supported; known:",
        ),
        (
            "rope_parameters",
            json!({ "rope_type": "dynamic", "factor": 2.0 }),
            "`dynamic` is not supported; known: default, proportional",
        ),
        (
            "rope_scaling",
            json!({ "type": "linear" }),
            "rope_scaling.factor: missing",
        ),
        (
            "rope_scaling",
            json!({ "type": "linear", "factor": 0.0 }),
            "it must be a finite number in [1, ∞)",
        ),
        (
            "rms_norm_eps",
            json!(-1.0),
            "rms_norm_eps: must be a finite number above 0",
        ),
    ] {
        assert_refused(&with(key, value), &[words]);
    }
    let large = format!("{{\"x\": \"{}\"}}", "y".repeat(5 << 20));
    assert_refused(
        &folder(&large, &weights),
        &["config.json: larger than 4 MiB"],
    );
    let deep = format!("{{\"x\": {}", "[".repeat(1 << 20));
    assert_refused(
        &folder(&deep, &weights),
        &["config.json: not the expected JSON"],
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_file() {
    let folder = sharded(&index());
    let path = |name: &str| folder.path().join(name);
    let tokenizer = json!({ "added_tokens": [{ "id": 1, "content": "<s>" }] });
    fs::write(path("tokenizer.json"), tokenizer.to_string()).expect("write");
    fs::write(path("tokenizer_config.json"), "{}").expect("write");
    let config = CONFIG.replacen('{', "{ \"bos_token_id\": 1,", 1);
    fs::write(path("config.json"), config).expect("write");
    for name in [
        "config.json",
        "model.safetensors.index.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ] {
        let text = fs::read_to_string(path(name)).expect(name);
        fs::write(path(name), format!("\u{FEFF}{text}")).expect(name);
        load(folder.path()).expect(name);
        let bos = HuggingFaceFolder::open(folder.path())
            .expect(name)
            .bos_token();
        assert_eq!(bos.expect(name).as_deref(), Some("<s>"));
    }
    fs::write(path("config.json"), format!("\u{FEFF}\u{FEFF}{CONFIG}")).expect("write");
    assert_refused(&folder, &["config.json: not the expected JSON"]);
}

#[test]
fn folders_in_place_of_files() {
    let folder = tempfile::tempdir().expect("temporary folder");
    fs::create_dir(folder.path().join("config.json")).expect("folder");
    assert_refused(&folder, &["config.json: not a regular file"]);
    fs::remove_dir(folder.path().join("config.json")).expect("remove");
    fs::write(folder.path().join("config.json"), CONFIG).expect("write");
    assert_refused(&folder, &["holds neither model.safetensors nor"]);
    fs::create_dir(folder.path().join("model.safetensors")).expect("folder");
    assert_refused(&folder, &["model.safetensors: not a regular file"]);
}

/// One change of a file.
#[derive(Clone, Debug)]
enum Mutation {
    Byte(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    /// The digits at or after a place become another value.
    Number(prop::sample::Index, &'static str),
}

const VALUES: [&str; 14] = [
    "0",
    "1",
    "-1",
    "3",
    "255",
    "65536",
    "4294967296",
    "18446744073709551615",
    "1e308",
    "-0.0",
    "null",
    "\"x\"",
    "[]",
    "{}",
];

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
        at().prop_map(Mutation::Cut),
        (at(), prop::collection::vec(any::<u8>(), 1..9))
            .prop_map(|(at, b)| Mutation::Insert(at, b)),
        (at(), prop::sample::select(&VALUES[..])).prop_map(|(at, v)| Mutation::Number(at, v)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let length = bytes.len() + 1;
    match mutation {
        Mutation::Byte(at, byte) => {
            let at = at.index(length);
            bytes.get_mut(at).into_iter().for_each(|b| *b = *byte);
        }
        Mutation::Cut(at) => bytes.truncate(at.index(length)),
        Mutation::Insert(at, new) => {
            let at = at.index(length);
            bytes.splice(at..at, new.iter().copied());
        }
        Mutation::Number(at, value) => {
            let is_digit = |byte: &u8| byte.is_ascii_digit();
            let from = at.index(length);
            if let Some(start) = bytes[from..].iter().position(is_digit) {
                let start = from + start;
                let digits = bytes[start..].iter().take_while(|b| is_digit(b)).count();
                bytes.splice(start..start + digits, value.bytes());
            }
        }
    }
}

fn cases() -> u32 {
    let asked = std::env::var("FUZZ_CASES").ok();
    asked.and_then(|cases| cases.parse().ok()).unwrap_or(400)
}

#[test]
fn mutated_folders_are_loaded_or_refused() {
    let weights = safetensors(&tensors());
    let shards = sharded(&index());
    let whole = folder(CONFIG, &weights);
    let files = [
        "config.json",
        "model.safetensors",
        "model.safetensors.index.json",
        "b.safetensors",
    ];
    // The first two of the folder that is whole, the others of the one in shards.
    let of = |which: usize| if which < 2 { &whole } else { &shards };
    let sound: Vec<Vec<u8>> = (0..files.len())
        .map(|which| fs::read(of(which).path().join(files[which])).expect("read"))
        .collect();
    let strategy = (0..files.len(), prop::collection::vec(mutation(), 1..4));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(cases()));
    runner
        .run(&strategy, |(which, mutations)| {
            let mut bytes = sound[which].clone();
            for mutation in &mutations {
                mutate(&mut bytes, mutation);
            }
            let path = of(which).path().join(files[which]);
            fs::write(&path, &bytes).expect("write");
            let result = load(of(which).path());
            fs::write(&path, &sound[which]).expect("write");
            if let Err(error) = result {
                prop_assert!(!error.to_string().is_empty());
            }
            Ok(())
        })
        .expect("no mutation panics");
}
