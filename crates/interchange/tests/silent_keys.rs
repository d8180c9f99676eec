//! Keys of a `config.json` that would change the numbers if they were passed over: read, or refused by name.

use std::fs;

use interchange::{Architecture, HuggingFaceConfig, HuggingFaceFolder};
use positional::EncodingConfig;
use serde_json::{Value, json};

fn llama() -> Value {
    json!({
        "model_type": "llama", "vocab_size": 32, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5
    })
}

fn gemma3() -> Value {
    let mut config = llama();
    config["model_type"] = json!("gemma3_text");
    config["head_dim"] = json!(4);
    config["layer_types"] = json!(["sliding_attention", "full_attention"]);
    config
}

fn with(mut config: Value, changes: &Value) -> Value {
    for (key, value) in changes.as_object().expect("an object") {
        config[key] = value.clone();
    }
    config
}

fn architecture(config: &Value) -> Result<Architecture, String> {
    let config: HuggingFaceConfig =
        serde_json::from_value(config.clone()).map_err(|error| error.to_string())?;
    Architecture::new(&config).map_err(|error| error.to_string())
}

#[track_caller]
fn refusal(config: &Value) -> String {
    architecture(config).expect_err("must be refused")
}

#[track_caller]
fn assert_refused(config: &Value, words: &[&str]) {
    let error = refusal(config);
    for word in words {
        assert!(error.contains(word), "no `{word}` in: {error}");
    }
}

#[track_caller]
fn encoding(config: &Value, kind: &str) -> EncodingConfig {
    let decoder = architecture(config).expect("known").decoder;
    decoder.layers[kind].encoding.clone()
}

const FULL: &str = "full_attention";
const SLIDING: &str = "sliding_attention";

#[test]
fn old_and_new_rope_keys_that_contradict_are_refused_by_both_names() {
    let linear = json!({ "rope_type": "linear", "factor": 2.0 });
    for (changes, words) in [
        (
            json!({ "rope_theta": 5e5, "rope_parameters": { "rope_type": "default", "rope_theta": 1e4 } }),
            ["rope_parameters.rope_theta", "contradicts rope_theta"],
        ),
        (
            json!({ "rope_scaling": { "type": "linear", "factor": 2.0, "rope_theta": 1e4 }, "rope_theta": 5e5 }),
            ["rope_scaling.rope_theta", "contradicts rope_theta"],
        ),
        (
            json!({ "rope_scaling": linear, "rope_parameters": { "rope_type": "default" } }),
            ["rope_parameters", "contradicts rope_scaling"],
        ),
        (
            json!({ "rope_scaling": linear, "rope_parameters": { "rope_type": "linear", "factor": 4.0 } }),
            ["rope_parameters", "contradicts rope_scaling"],
        ),
        (
            json!({ "rope_scaling": { "rope_type": "linear", "type": "yarn", "factor": 4.0 } }),
            ["rope_scaling.type", "contradicts rope_scaling.rope_type"],
        ),
        (
            json!({
                "original_max_position_embeddings": 16,
                "rope_scaling": { "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32 }
            }),
            [
                "rope_scaling.original_max_position_embeddings",
                "contradicts original_max_position_embeddings",
            ],
        ),
    ] {
        assert_refused(&with(llama(), &changes), &words);
    }
    let nested = json!({
        SLIDING: { "rope_type": "default", "rope_theta": 1e4 },
        FULL: { "rope_type": "default", "rope_theta": 1e6 }
    });
    for (changes, words) in [
        (
            json!({ "rope_theta": 5e5 }),
            [
                "rope_parameters.full_attention.rope_theta",
                "contradicts rope_theta",
            ],
        ),
        (
            json!({ "rope_local_base_freq": 5e5 }),
            [
                "rope_parameters.sliding_attention.rope_theta",
                "contradicts rope_local_base_freq",
            ],
        ),
        (
            json!({ "rope_scaling": linear }),
            ["rope_parameters.full_attention", "contradicts rope_scaling"],
        ),
    ] {
        let changes = with(json!({ "rope_parameters": nested }), &changes);
        assert_refused(&with(gemma3(), &changes), &words);
    }
}

#[test]
fn old_and_new_rope_keys_that_agree_are_read() {
    let linear = EncodingConfig::new("rope_linear")
        .with("theta", 5e5)
        .with("factor", 2.0)
        .resolved()
        .expect("known");
    let scaling = json!({ "type": "linear", "factor": 2 });
    let parameters = json!({ "rope_type": "linear", "rope_theta": 5e5, "factor": 2.0 });
    for changes in [
        json!({ "rope_theta": 5e5, "rope_scaling": scaling }),
        json!({ "rope_parameters": parameters }),
        json!({ "rope_theta": 500_000, "rope_scaling": scaling, "rope_parameters": parameters }),
        // Some published files have the type twice.
        json!({ "rope_theta": 5e5, "rope_scaling": { "type": "linear", "rope_type": "linear", "factor": 2.0 } }),
        // Either place says the base for both.
        json!({ "rope_scaling": scaling, "rope_parameters": parameters }),
        json!({ "rope_theta": 5e5, "rope_scaling": null, "rope_parameters": parameters }),
        json!({ "rope_theta": 5e5, "rope_scaling": {}, "rope_parameters": parameters }),
    ] {
        assert_eq!(
            encoding(&with(llama(), &changes), FULL),
            linear,
            "{changes}"
        );
    }
    let changes = json!({
        "rope_theta": 1e6, "rope_local_base_freq": 1e4, "rope_scaling": { "rope_type": "linear", "factor": 8.0 },
        "rope_parameters": {
            SLIDING: { "rope_type": "default", "rope_theta": 1e4 },
            FULL: { "rope_type": "linear", "rope_theta": 1e6, "factor": 8.0 }
        }
    });
    let config = with(gemma3(), &changes);
    assert_eq!(encoding(&config, SLIDING).kind, "rope");
    assert_eq!(encoding(&config, FULL).parameters.get("factor"), Some(&8.0));
}

#[test]
fn rope_parameters_of_another_shape_than_the_familys_are_refused() {
    let flat = json!({ "rope_parameters": { "rope_type": "linear", "factor": 8.0 } });
    assert_refused(
        &with(gemma3(), &flat),
        &["rope_parameters: has no sliding_attention"],
    );
    let nested = json!({ "rope_scaling": { FULL: { "rope_type": "linear", "factor": 8.0 } } });
    assert_refused(
        &with(gemma3(), &nested),
        &["rope_scaling: means the global layers"],
    );
}

#[test]
fn scalings_that_are_not_computed_are_refused_in_all_places() {
    for rope_type in ["longrope", "dynamic", "su", "ntk"] {
        let factors = json!([1.0, 1.0]);
        let parameters = json!({
            "rope_type": rope_type, "factor": 2.0, "short_factor": factors, "long_factor": factors
        });
        for key in ["rope_scaling", "rope_parameters"] {
            assert_refused(
                &with(llama(), &json!({ key: parameters })),
                &[&format!("{key}.rope_type: `{rope_type}` is not supported")],
            );
        }
    }
}

#[test]
fn a_partial_rotation_is_treated_alike_in_all_places() {
    let half = json!(0.5);
    for changes in [
        json!({ "partial_rotary_factor": half }),
        json!({ "rope_parameters": { "rope_type": "default", "partial_rotary_factor": half } }),
        json!({ "partial_rotary_factor": half, "rope_scaling": { "rope_type": "linear", "factor": 2.0 } }),
        json!({ "rope_scaling": { "rope_type": "linear", "factor": 2.0, "partial_rotary_factor": half } }),
    ] {
        assert_refused(
            &with(llama(), &changes),
            &["partial_rotary_factor: fewer coordinates than the head's rotate"],
        );
    }
    assert_refused(
        &with(
            llama(),
            &json!({ "partial_rotary_factor": half, "rope_parameters": { "rope_type": "proportional", "partial_rotary_factor": 0.25 } }),
        ),
        &[
            "rope_parameters.partial_rotary_factor: 0.25 contradicts partial_rotary_factor, which is 0.5",
        ],
    );
    for changes in [
        json!({ "partial_rotary_factor": half, "rope_parameters": { "rope_type": "proportional" } }),
        json!({ "partial_rotary_factor": half, "rope_parameters": { "rope_type": "proportional", "partial_rotary_factor": half } }),
    ] {
        let encoding = encoding(&with(llama(), &changes), FULL);
        assert_eq!(encoding.parameters.get("fraction"), Some(&0.5));
    }
    let whole = json!({ "partial_rotary_factor": 1.0 });
    assert_eq!(encoding(&with(llama(), &whole), FULL).kind, "rope");
}

fn yarn(changes: &Value) -> Value {
    let yarn =
        json!({ "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16 });
    with(llama(), &json!({ "rope_scaling": with(yarn, changes) }))
}

#[test]
fn yarns_own_attention_factor_is_taken_where_it_is_written_out() {
    let plain = encoding(&yarn(&json!({})), FULL);
    for changes in [
        json!({ "attention_factor": 1.138_629_436_111_989 }),
        json!({ "attention_factor": 1.138_629_4 }),
        json!({ "attention_factor": null }),
        // One without the other, or a zero, does nothing in transformers.
        json!({ "mscale": 0.7 }),
        json!({ "mscale": 1.0, "mscale_all_dim": 0 }),
        // The factor of attention comes first.
        json!({ "attention_factor": 1.138_629_436_111_989, "mscale": 0.7, "mscale_all_dim": 0.7 }),
    ] {
        assert_eq!(encoding(&yarn(&changes), FULL), plain, "{changes}");
    }
    // Olmo 3's.
    let eight = encoding(
        &yarn(&json!({ "factor": 8.0, "attention_factor": 1.207_944_154_167_983_6 })),
        FULL,
    );
    assert_eq!(eight.parameters.get("factor"), Some(&8.0));
    let one = encoding(
        &yarn(&json!({ "factor": 1.0, "attention_factor": 1.0 })),
        FULL,
    );
    assert_eq!(one.parameters.get("factor"), Some(&1.0));
}

#[test]
fn another_attention_factor_than_yarns_own_is_refused_by_name() {
    for (changes, name) in [
        (json!({ "attention_factor": 1.0 }), "attention_factor"),
        (json!({ "attention_factor": 1.1386 }), "attention_factor"),
        (json!({ "attention_factor": 0.0 }), "attention_factor"),
        (json!({ "mscale": 1.0, "mscale_all_dim": 1.0 }), "mscale"),
        (json!({ "mscale": 0.7, "mscale_all_dim": 0.9 }), "mscale"),
        (
            json!({ "factor": 8.0, "attention_factor": 1.138_629_436_111_989 }),
            "attention_factor",
        ),
    ] {
        let key = format!("rope_scaling.{name}: ");
        assert_refused(
            &yarn(&changes),
            &[&key, "only YaRN's own 0.1 ln(factor) + 1"],
        );
    }
}

#[test]
fn unknown_rope_parameters_are_refused_by_name() {
    assert_refused(
        &yarn(&json!({ "attn_factor": 0.5 })),
        &["rope_scaling.attn_factor: is not known"],
    );
    let sections = json!({ "rope_scaling": { "type": "default", "mrope_section": [2, 3, 3] } });
    assert_refused(
        &with(llama(), &sections),
        &["rope_scaling.mrope_section: is not known"],
    );
    encoding(
        &yarn(&json!({ "finetuned": true, "attn_factor": null })),
        FULL,
    );
}

#[test]
fn keys_that_change_numbers_are_refused_by_name_unless_neutral() {
    let neutral = json!({
        "attention_bias": false, "mlp_bias": false, "clip_qkv": null, "use_qk_norm": false, "logit_scale": 1.0,
        "residual_multiplier": 1, "no_rope_layers": [1, 1], "attn_temperature_tuning": false, "is_causal": true,
        "partial_rotary_factor": 1.0, "query_pre_attn_scalar": 4, "pretraining_tp": 2, "num_local_experts": 0,
        "final_logit_softcapping": null, "attn_logit_softcapping": null, "sliding_window": null,
        "use_bidirectional_attention": false, "quantization_config": null, "hidden_activation": "silu"
    });
    let read = architecture(&with(llama(), &neutral)).expect("neutral");
    assert_eq!(read.unknown_keys, Vec::<String>::new());
    for (key, value) in [
        ("attention_bias", json!(true)),
        ("mlp_bias", json!(true)),
        ("clip_qkv", json!(8.0)),
        ("use_qk_norm", json!(true)),
        ("logit_scale", json!(0.0625)),
        ("logits_scaling", json!(8.0)),
        ("residual_multiplier", json!(0.22)),
        ("embedding_multiplier", json!(12.0)),
        ("attention_multiplier", json!(0.015)),
        ("no_rope_layers", json!([1, 0])),
        ("attn_temperature_tuning", json!(true)),
        ("is_causal", json!(false)),
        ("use_bidirectional_attention", json!(true)),
        ("query_pre_attn_scalar", json!(256)),
        ("final_logit_softcapping", json!(30.0)),
        ("attn_logit_softcapping", json!(50.0)),
        ("quantization_config", json!({ "bits": 4 })),
        ("num_local_experts", json!(8)),
        ("sliding_window", json!(32)),
        ("layer_types", json!([SLIDING, FULL])),
        ("attention_k_eq_v", json!(true)),
        ("num_kv_shared_layers", json!(1)),
        ("use_double_wide_mlp", json!(true)),
        ("hidden_size_per_layer_input", json!(8)),
        ("per_layer_config", json!({ "1": { "head_dim": 8 } })),
        ("rope_local_base_freq", json!(1e4)),
    ] {
        let error = refusal(&with(llama(), &json!({ key: value })));
        assert!(
            error.starts_with(&format!("config.json, {key}: ")),
            "{error}"
        );
    }
    assert_refused(
        &with(
            llama(),
            &json!({ "hidden_act": "silu", "hidden_activation": "gelu" }),
        ),
        &["hidden_act: `silu` contradicts hidden_activation, which is `gelu`"],
    );
}

#[test]
fn keys_that_change_numbers_are_refused_inside_and_outside_of_a_text_config() {
    let outer = |inner: Value| json!({ "model_type": "gemma3", "text_config": inner });
    architecture(&outer(gemma3())).expect("known");
    let inner = with(gemma3(), &json!({ "clip_qkv": 8.0 }));
    assert_refused(&outer(inner), &["config.json, clip_qkv: "]);
    let around = with(outer(gemma3()), &json!({ "logit_scale": 0.5 }));
    assert_refused(&around, &["config.json, logit_scale: "]);
}

#[test]
fn unknown_keys_are_told() {
    let changes =
        json!({ "frobnication": 3, "use_cache": true, "torch_dtype": "bfloat16", "frobs": null });
    let read = architecture(&with(llama(), &changes)).expect("known");
    assert_eq!(read.unknown_keys, ["frobnication"]);
}

#[test]
fn a_window_that_no_context_reaches_changes_nothing() {
    for changes in [
        json!({ "sliding_window": 64 }),
        json!({ "sliding_window": 32, "use_sliding_window": false }),
    ] {
        architecture(&with(llama(), &changes)).expect("neutral");
    }
}

#[test]
fn both_spellings_of_a_pattern_may_stand_in_one_file() {
    let mut config = gemma3();
    config
        .as_object_mut()
        .expect("an object")
        .remove("layer_types");
    let pattern = json!({ "sliding_window_pattern": 2, "_sliding_window_pattern": 2 });
    let read = architecture(&with(config.clone(), &pattern)).expect("known");
    assert_eq!(read.decoder.pattern, [SLIDING, FULL]);
    let one = json!({ "_sliding_window_pattern": 1 });
    let read = architecture(&with(config, &one)).expect("known");
    assert_eq!(read.decoder.pattern, [FULL, FULL]);
}

#[test]
fn a_beginning_outside_the_vocabulary_is_refused() {
    for bos in [
        json!(32),
        json!(-1),
        json!("<s>"),
        json!([]),
        json!([40, 1]),
        json!(1.5),
    ] {
        let error = refusal(&with(llama(), &json!({ "bos_token_id": bos })));
        assert!(error.starts_with("config.json, bos_token_id: "), "{error}");
    }
    for bos in [json!(31), json!(null), json!([1, 40])] {
        architecture(&with(llama(), &json!({ "bos_token_id": bos }))).expect("a token");
    }
    // The others are used for nothing here, and published files have all sorts of them.
    let others = json!({ "eos_token_id": 99, "pad_token_id": -1 });
    architecture(&with(llama(), &others)).expect("not used");
}

#[test]
fn a_beginning_that_the_tokenizer_lacks_is_refused() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let write = |name: &str, value: &Value| {
        fs::write(folder.path().join(name), value.to_string()).expect("write");
    };
    write("config.json", &with(llama(), &json!({ "bos_token_id": 7 })));
    let named = || {
        let folder = HuggingFaceFolder::open(folder.path()).expect("known");
        folder.bos_token().map_err(|error| error.to_string())
    };
    for (tokenizer, expected) in [
        (
            json!({ "added_tokens": [{ "id": 7, "content": "<s>" }] }),
            Some("<s>"),
        ),
        (
            json!({ "model": { "vocab": { "a": 0, "<b>": 7 } } }),
            Some("<b>"),
        ),
        (
            json!({ "model": { "vocab": [["a", 0.0], ["b", -1.0]] } }),
            None,
        ),
        (json!({ "model": { "vocab": { "a": 0 } } }), None),
    ] {
        write("tokenizer.json", &tokenizer);
        if let Some(token) = expected {
            assert_eq!(named().expect("there").as_deref(), Some(token));
        } else {
            let error = named().expect_err("refused");
            assert!(
                error.contains("has no token of id 7, the bos_token_id"),
                "{error}"
            );
        }
    }
}

/// What files on the hub look like, shortened by what has no other form elsewhere.
#[test]
fn published_configs_are_read() {
    let llama_3_1 = json!({
        "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 128_000,
        "eos_token_id": [128_001, 128_008, 128_009], "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
        "intermediate_size": 14_336, "max_position_embeddings": 131_072, "mlp_bias": false, "model_type": "llama",
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "pretraining_tp": 1,
        "rms_norm_eps": 1e-5, "rope_scaling": { "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192, "rope_type": "llama3" }, "rope_theta": 500_000.0,
        "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.42.3", "use_cache": true,
        "vocab_size": 128_256
    });
    let llama_2 = json!({
        "_name_or_path": "meta-llama/Llama-2-7b-hf", "architectures": ["LlamaForCausalLM"], "bos_token_id": 1,
        "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 11_008,
        "max_position_embeddings": 4096, "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 32,
        "num_key_value_heads": 32, "pretraining_tp": 2, "rms_norm_eps": 1e-5, "rope_scaling": null,
        "tie_word_embeddings": false, "torch_dtype": "float16", "transformers_version": "4.31.0.dev0", "use_cache": true,
        "vocab_size": 32_000, "pad_token_id": -1
    });
    let smollm2 = json!({
        "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 0,
        "eos_token_id": 0, "hidden_act": "silu", "hidden_size": 576, "initializer_range": 0.041_666_666_666_666_664,
        "intermediate_size": 1536, "is_llama_config": true, "max_position_embeddings": 8192, "model_type": "llama",
        "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3, "pretraining_tp": 1,
        "rms_norm_eps": 1e-5, "rope_interleaved": false, "rope_scaling": null, "rope_theta": 100_000,
        "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_cache": true, "vocab_size": 49_152
    });
    let yarn = with(
        llama_2.clone(),
        &json!({ "rope_scaling": { "factor": 16.0, "original_max_position_embeddings": 4096, "type": "yarn", "finetuned": true } }),
    );
    let gemma_2 = json!({
        "architectures": ["Gemma2ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
        "attn_logit_softcapping": 50.0, "bos_token_id": 2, "cache_implementation": "hybrid", "eos_token_id": 1,
        "final_logit_softcapping": 30.0, "head_dim": 256, "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 2304, "initializer_range": 0.02, "intermediate_size": 9216,
        "max_position_embeddings": 8192, "model_type": "gemma2", "num_attention_heads": 8, "num_hidden_layers": 26,
        "num_key_value_heads": 4, "pad_token_id": 0, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-6,
        "rope_theta": 10_000.0, "sliding_window": 4096, "torch_dtype": "float32", "use_cache": true, "vocab_size": 256_000
    });
    let gemma_1 = json!({
        "architectures": ["GemmaForCausalLM"], "bos_token_id": 2, "eos_token_id": 1, "head_dim": 256, "hidden_act": "gelu",
        "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 2048, "intermediate_size": 16_384,
        "max_position_embeddings": 8192, "model_type": "gemma", "num_attention_heads": 8, "num_hidden_layers": 18,
        "num_key_value_heads": 1, "pad_token_id": 0, "rms_norm_eps": 1e-6, "rope_scaling": null, "rope_theta": 10_000.0,
        "torch_dtype": "bfloat16", "use_cache": true, "vocab_size": 256_000
    });
    let gemma_3 = json!({
        "architectures": ["Gemma3ForConditionalGeneration"], "boi_token_index": 255_999, "eoi_token_index": 256_000,
        "eos_token_id": [1, 106], "image_token_index": 262_144, "initializer_range": 0.02, "mm_tokens_per_image": 256,
        "model_type": "gemma3", "text_config": { "hidden_size": 2560, "intermediate_size": 10_240,
        "model_type": "gemma3_text", "num_hidden_layers": 34, "rope_scaling": { "factor": 8.0, "rope_type": "linear" },
        "sliding_window": 1024 }, "torch_dtype": "bfloat16", "vision_config": { "hidden_size": 1152 }
    });
    for (config, unknown) in [
        (llama_3_1, &[][..]),
        (llama_2, &[]),
        (smollm2, &["is_llama_config"]),
        (yarn, &[]),
        (gemma_1, &[]),
        (gemma_2, &[]),
        (gemma_3, &[]),
    ] {
        let read = architecture(&config).expect("published");
        assert_eq!(read.unknown_keys, unknown);
    }
}
