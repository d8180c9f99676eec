//! What is exported comes back bit for bit, and what cannot be exported says why. That transformers reads
//! it alike is for `make parity`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use burn::tensor::{Device, Int, Tensor, TensorData};
use decoder::{
    Activation, Decoder, DecoderConfig, Execution, LayerKind, NormGain, Precision, named_tensors,
    preset,
};
use interchange::{Export, Family, HuggingFaceFolder, InterchangeError, export};
use positional::EncodingConfig;
use serde_json::{Value, json};

const BOS: u32 = 2;

fn tokenizer() -> String {
    json!({
        "version": "1.0",
        "added_tokens": [{ "id": BOS, "content": "<bos>", "special": true }],
        "post_processor": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
        "model": { "type": "BPE", "vocab": { "a": 0, "b": 1 }, "merges": [] }
    })
    .to_string()
}

/// Gemma 1 in small.
fn gemma() -> DecoderConfig {
    DecoderConfig {
        vocab_size: 29,
        hidden_size: 12,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 8,
        intermediate_size: 20,
        ..preset("micro").expect("preset")
    }
}

fn local_global(local: LayerKind, global: LayerKind) -> (Vec<String>, BTreeMap<String, LayerKind>) {
    let names = ["local", "global"].map(str::to_owned);
    let layers = BTreeMap::from([(names[0].clone(), local), (names[1].clone(), global)]);
    (names.to_vec(), layers)
}

fn rope(theta: f64) -> EncodingConfig {
    EncodingConfig::new("rope").with("theta", theta)
}

fn gemma2() -> DecoderConfig {
    let (pattern, layers) = local_global(
        LayerKind::local(5, rope(100.0)),
        LayerKind::global(rope(100.0)),
    );
    DecoderConfig {
        post_norms: true,
        query_scale: Some(0.5),
        attn_logit_softcapping: Some(2.0),
        final_logit_softcapping: Some(3.0),
        pattern,
        layers,
        ..gemma()
    }
}

fn gemma3() -> DecoderConfig {
    let scaled = EncodingConfig::new("rope_linear").with("theta", 1e6);
    let (pattern, layers) =
        local_global(LayerKind::local(5, rope(100.0)), LayerKind::global(scaled));
    DecoderConfig {
        attn_logit_softcapping: None,
        qk_norm: true,
        pattern,
        layers,
        ..gemma2()
    }
}

fn gemma4() -> DecoderConfig {
    let global = LayerKind {
        head_dim: Some(16),
        num_key_value_heads: Some(1),
        keys_are_values: true,
        ..LayerKind::global(EncodingConfig::new("prope").with("fraction", 0.25))
    };
    let (pattern, layers) = local_global(LayerKind::local(5, rope(100.0)), global);
    DecoderConfig {
        num_hidden_layers: 4,
        norm_gain: NormGain::Plain,
        v_norm: true,
        query_scale: Some(1.0),
        layer_scalar: true,
        num_kv_shared_layers: 2,
        use_double_wide_mlp: true,
        hidden_size_per_layer_input: 6,
        pattern,
        layers,
        ..gemma3()
    }
}

fn llama() -> DecoderConfig {
    DecoderConfig {
        norm_gain: NormGain::Plain,
        scale_embeddings: false,
        hidden_activation: Activation::Silu,
        tie_word_embeddings: false,
        ..gemma()
    }
}

fn write(config: &DecoderConfig, out: &Path) -> Result<(Decoder, Family), InterchangeError> {
    let decoder = Decoder::new(config.clone(), 5, &Device::flex()).expect("valid");
    let family = export(
        Export {
            config,
            parameters: named_tensors(&decoder),
            max_position_embeddings: 64,
            tokenizer_json: &tokenizer(),
            bos: BOS,
        },
        out,
    )?;
    Ok((decoder, family))
}

fn logits(decoder: &Decoder) -> Vec<u32> {
    let device = decoder.device();
    let ids: Vec<i32> = (0..17).map(|t| (t * t * 7 + 3) % 29).collect();
    let positions = decoder.positions(ids.len(), &device);
    let ids: Tensor<2, Int> = Tensor::from_data(TensorData::new(ids, [1, 17]), &device);
    let hidden = decoder.hidden_states(ids, &positions, Execution::exact(&device, 8));
    let logits = decoder.logits(hidden, Precision::F32).into_data();
    logits.iter::<f32>().map(f32::to_bits).collect()
}

#[test]
fn every_family_comes_back_bit_for_bit() {
    for (config, family) in [
        (gemma(), Family::Gemma),
        (gemma2(), Family::Gemma2),
        (gemma3(), Family::Gemma3),
        (gemma4(), Family::Gemma4),
        (llama(), Family::Llama),
    ] {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (ours, written) = write(&config, folder.path()).expect("expressible");
        assert_eq!(written, family);
        let read = HuggingFaceFolder::open(folder.path()).expect("opens");
        assert_eq!(read.architecture().family, family);
        assert_eq!(read.bos_token().expect("reads").as_deref(), Some("<bos>"));
        let theirs = read.load(&Device::flex()).expect("loads");
        assert_eq!(logits(&ours), logits(&theirs), "{family:?}");
    }
}

#[test]
fn every_encoding_that_rotates_has_a_name_there() {
    for (kind, rope_type) in [
        ("rope", "default"),
        ("prope", "proportional"),
        ("nope", "proportional"),
        ("rope_linear", "linear"),
        ("rope_llama3", "llama3"),
        ("rope_yarn", "yarn"),
        ("prope_reversed", "longrope"),
        ("rope_partial", "longrope"),
    ] {
        let mut config = gemma();
        config.layers.get_mut("global").expect("kind").encoding = EncodingConfig::new(kind);
        let folder = tempfile::tempdir().expect("temporary folder");
        let (ours, _) = write(&config, folder.path()).expect(kind);
        let json = fs::read(folder.path().join("config.json")).expect("config.json");
        let json: Value = serde_json::from_slice(&json).expect("JSON");
        assert_eq!(json["rope_parameters"]["rope_type"], rope_type, "{kind}");
        if rope_type != "longrope" {
            let read = HuggingFaceFolder::open(folder.path()).expect("opens");
            assert_eq!(
                logits(&ours),
                logits(&read.load(&Device::flex()).expect("loads"))
            );
        }
    }
}

#[test]
fn what_hugging_face_lacks_is_refused_by_name() {
    let refused = |config: DecoderConfig| {
        let folder = tempfile::tempdir().expect("temporary folder");
        let error = write(&config, folder.path())
            .expect_err("refused")
            .to_string();
        let left = fs::read_dir(folder.path()).expect("folder").count();
        assert_eq!(left, 0, "a refusal leaves nothing behind");
        error
    };
    for kind in ["alibi", "sinusoidal", "nope_scaled"] {
        let mut config = gemma();
        config.layers.get_mut("global").expect("kind").encoding = EncodingConfig::new(kind);
        let expected = format!(
            "no Hugging Face architecture computes this model: `{kind}` adds to logits or embeddings, or scales queries; \
             these architectures only rotate"
        );
        assert_eq!(refused(config), expected);
    }
    let changed = |mut config: DecoderConfig, change: fn(&mut DecoderConfig)| {
        change(&mut config);
        refused(config)
    };
    for (error, words) in [
        (changed(gemma(), |c| c.qk_norm = true), "is none of Gemma 1"),
        (
            changed(gemma(), |c| c.scale_embeddings = false),
            "computes `scale_embeddings` otherwise",
        ),
        (
            changed(gemma(), |c| c.query_scale = Some(0.3)),
            "computes `query_scale` otherwise",
        ),
        (
            changed(gemma2(), |c| c.query_scale = Some(0.3)),
            "computes `query_scale` otherwise",
        ),
        (
            changed(gemma(), |c| c.final_logit_softcapping = Some(3.0)),
            "`final_logit_softcapping`",
        ),
        (
            changed(gemma3(), |c| c.attn_logit_softcapping = Some(3.0)),
            "`attn_logit_softcapping`",
        ),
        (
            changed(llama(), |c| c.layer_scalar = true),
            "`layer_scalar`",
        ),
        (
            changed(gemma2(), |c| {
                c.layers.get_mut("local").expect("kind").encoding = rope(7.0);
            }),
            "has one encoding for all layers",
        ),
        (
            changed(gemma4(), |c| {
                c.pattern = vec!["global".into(), "local".into()];
            }),
            "makes the last layer of a Gemma 4 global",
        ),
        (
            changed(gemma3(), |c| {
                c.layers.get_mut("global").expect("kind").sliding_window = Some(9);
            }),
            "though both are local",
        ),
    ] {
        assert!(error.contains(words), "no `{words}` in: {error}");
    }
}

#[test]
fn the_tokenizer_begins_with_bos() {
    let folder = tempfile::tempdir().expect("temporary folder");
    write(&gemma(), folder.path()).expect("expressible");
    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(folder.path().join(name)).expect(name)).expect(name)
    };
    assert_eq!(read("tokenizer_config.json")["bos_token"], "<bos>");
    let config = read("config.json");
    assert_eq!(
        (&config["bos_token_id"], &config["eos_token_id"]),
        (&json!(BOS), &Value::Null)
    );
    let processors = &read("tokenizer.json")["post_processor"]["processors"];
    assert_eq!(processors[0]["type"], "ByteLevel");
    assert_eq!(processors[1]["single"][0]["SpecialToken"]["id"], "<bos>");
}

#[test]
fn an_export_overwrites_nothing() {
    let folder = tempfile::tempdir().expect("temporary folder");
    fs::write(folder.path().join("notes.txt"), "mine").expect("write");
    let error = write(&gemma(), folder.path())
        .expect_err("refused")
        .to_string();
    assert!(
        error.ends_with("holds files already; name a new folder"),
        "{error}"
    );
}

fn json_of(config: &DecoderConfig, what: &str) -> Value {
    let folder = tempfile::tempdir().expect("temporary folder");
    write(config, folder.path()).expect(what);
    let json = fs::read(folder.path().join("config.json")).expect("config.json");
    serde_json::from_slice(&json).expect("JSON")
}

fn with_encoding(
    mut config: DecoderConfig,
    layers: &str,
    encoding: EncodingConfig,
) -> DecoderConfig {
    config.layers.get_mut(layers).expect("kind").encoding = encoding;
    config
}

#[test]
fn old_rope_keys_say_what_todays_say() {
    for family in [gemma as fn() -> DecoderConfig, llama] {
        let json = |kind: &str| {
            let encoding = EncodingConfig::new(kind).with("theta", 500_000.0);
            json_of(&with_encoding(family(), "global", encoding), kind)
        };
        for kind in [
            "rope",
            "rope_linear",
            "rope_llama3",
            "rope_yarn",
            "rope_partial",
        ] {
            let json = json(kind);
            assert_eq!(json["rope_theta"], 500_000.0, "{kind}");
            let mut today = json["rope_parameters"].clone();
            let parameters = today.as_object_mut().expect("an object");
            parameters.remove("rope_theta");
            if kind == "rope" {
                assert_eq!(json["rope_scaling"], Value::Null);
            } else {
                assert_eq!(json["rope_scaling"], today, "{kind}");
            }
        }
    }
    let gemma3 = json_of(&gemma3(), "gemma3");
    assert_eq!(gemma3["rope_theta"], 1e6);
    assert_eq!(gemma3["rope_local_base_freq"], 100.0);
    assert_eq!(
        gemma3["rope_scaling"],
        json!({ "rope_type": "linear", "factor": 8.0 })
    );
    assert_eq!(gemma3["sliding_window_pattern"], 2);
    let gemma2 = json_of(&gemma2(), "gemma2");
    assert_eq!(
        (&gemma2["rope_theta"], &gemma2["rope_scaling"]),
        (&json!(100.0), &Value::Null)
    );
}

#[test]
fn what_old_readers_cannot_compute_stops_them() {
    for kind in ["prope", "nope"] {
        let encoding = EncodingConfig::new(kind);
        for config in [
            with_encoding(gemma(), "global", encoding.clone()),
            with_encoding(llama(), "global", encoding.clone()),
            with_encoding(gemma3(), "global", encoding.clone()),
        ] {
            let json = json_of(&config, kind);
            // No base for those that know no scaling, no known type for those that do.
            assert_eq!(json["rope_theta"], Value::Null);
            assert_eq!(json["rope_scaling"]["rope_type"], "proportional");
            assert!(json["rope_scaling"]["rope_theta"].is_number(), "{json}");
        }
        let local = json_of(&with_encoding(gemma3(), "local", encoding), kind);
        assert_eq!(local.get("rope_local_base_freq"), Some(&Value::Null));
    }
    let scaled = EncodingConfig::new("rope_linear");
    let local = json_of(&with_encoding(gemma3(), "local", scaled), "linear");
    assert_eq!(local.get("rope_local_base_freq"), Some(&Value::Null));
    let gemma4 = json_of(&gemma4(), "gemma4");
    assert_eq!(gemma4["model_type"], "gemma4_text");
    for key in ["rope_theta", "rope_scaling", "rope_local_base_freq"] {
        assert_eq!(gemma4.get(key), None);
    }
}

#[test]
fn activations_have_both_names_where_readers_differ() {
    let mut config = gemma();
    config.hidden_activation = Activation::Silu;
    let json = json_of(&config, "SwiGLU");
    assert_eq!(
        (&json["hidden_act"], &json["hidden_activation"]),
        (&json!("silu"), &json!("silu"))
    );
}

#[test]
fn exported_files_have_the_mode_that_the_umask_leaves() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let out = folder.path().join("out");
    write(&gemma(), &out).expect("expressible");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions();
    let plain = folder.path().join("plain");
    fs::write(&plain, "").expect("write");
    let mut names = Vec::new();
    for entry in fs::read_dir(&out).expect("folder") {
        let path = entry.expect("entry").path();
        assert_eq!(mode(&path), mode(&plain), "{}", path.display());
        names.push(path.file_name().expect("a name").to_owned());
    }
    names.sort();
    assert_eq!(
        names,
        [
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json"
        ]
    );
}

/// The umask belongs to a whole process, so that another one is for another process.
#[test]
fn exported_files_have_the_mode_that_another_umask_leaves() {
    let test = "exported_files_have_the_mode_that_the_umask_leaves";
    let script = format!("umask 027 && exec \"$0\" --exact {test}");
    let program = std::env::current_exe().expect("this program");
    let output = Command::new("sh")
        .arg("-c")
        .arg(script)
        .arg(program)
        .output();
    let output = output.expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

#[test]
fn what_training_switches_off_is_not_exported() {
    let text = "{ \"truncation\": {\"max_length\": 16}, \"padding\":{\"pad_id\":0},\n \"added_tokens\": [{\"id\":2,\"content\":\"<bos>\"}], \
                \"post_processor\": {\"type\":\"TemplateProcessing\"}, \"model\": {\"dropout\": 0.5, \"vocab\": {\"b\":1, \"a\":0}}}";
    let expected = text
        .replace("{\"max_length\": 16}", "null")
        .replace("{\"pad_id\":0}", "null")
        .replace("0.5", "null");
    let config = gemma();
    let decoder = Decoder::new(config.clone(), 5, &Device::flex()).expect("valid");
    for given in [text, &expected] {
        let folder = tempfile::tempdir().expect("temporary folder");
        let request = Export {
            config: &config,
            parameters: named_tensors(&decoder),
            max_position_embeddings: 64,
            tokenizer_json: given,
            bos: BOS,
        };
        export(request, folder.path()).expect("expressible");
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect(name);
        assert_eq!(read("tokenizer.json"), expected);
        let about = read("tokenizer_config.json");
        for word in ["truncation", "padding", "dropout"] {
            assert!(!about.contains(word), "{about}");
        }
    }
}

#[test]
fn an_exported_safetensors_file_is_as_the_formats_crate_writes_it() {
    let folder = tempfile::tempdir().expect("temporary folder");
    write(&llama(), folder.path()).expect("expressible");
    let bytes = fs::read(folder.path().join("model.safetensors")).expect("weights");
    let read = safetensors::SafeTensors::deserialize(&bytes).expect("sound");
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    let again = safetensors::serialize(read.tensors(), Some(metadata.into_iter().collect()));
    assert!(again.expect("serializes") == bytes);
}
