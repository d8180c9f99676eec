//! The decoder equals the f64 loops of `host`, on every path.

use burn::tensor::Device;
use decoder::{Activation, Decoder, DecoderConfig, DecoderError, Precision, named_tensors};
use positional::{EncodingConfig, families};

use crate::common::{
    assert_close, decoder, everything, fused, fused_attention, logits, plain, sharing, small,
    tokens,
};
use crate::host;

fn assert_equals_host(decoder: &Decoder) {
    let batch = tokens(2, 13);
    let expected: Vec<f32> = batch
        .iter()
        .flat_map(|t| host::logits(decoder, t))
        .collect();
    for query_chunk in [usize::MAX, 13, 5, 1] {
        assert_close(
            &logits(decoder, &batch, plain(query_chunk)),
            &expected,
            2e-5,
        );
    }
    assert_close(&logits(decoder, &batch, fused_attention()), &expected, 2e-5);
    assert_close(&logits(decoder, &batch, fused()), &expected, 2e-5);
}

#[test]
fn every_encoding_equals_the_host() {
    for family in families() {
        let encoding = EncodingConfig::new(family.kind)
            .resolved()
            .expect(family.kind);
        let decoder = decoder(small(encoding));
        if decoder.encodings()["global"].has_absolute() {
            continue; // `host` has no absolute table; `absolute_encodings_are_added_once` has.
        }
        assert_equals_host(&decoder);
    }
}

#[test]
fn every_option_at_once_equals_the_host() {
    assert_equals_host(&decoder(everything()));
    assert_equals_host(&decoder(sharing()));
}

#[test]
fn each_option_alone_equals_the_host() {
    let changes: [fn(&mut DecoderConfig); 13] = [
        |c| c.qk_norm = true,
        |c| c.v_norm = true,
        |c| c.post_norms = true,
        |c| c.attn_logit_softcapping = Some(0.5),
        |c| c.final_logit_softcapping = Some(0.5),
        |c| c.query_scale = Some(2.0),
        |c| c.scale_embeddings = false,
        |c| c.hidden_activation = Activation::Silu,
        |c| c.tie_word_embeddings = false,
        |c| c.layer_scalar = true,
        |c| c.num_kv_shared_layers = 1,
        |c| (c.num_kv_shared_layers, c.use_double_wide_mlp) = (1, true),
        |c| c.hidden_size_per_layer_input = 4,
    ];
    for change in changes {
        let mut config = small(EncodingConfig::new("rope"));
        change(&mut config);
        assert_equals_host(&decoder(config));
    }
}

#[test]
fn bf16_products_are_near_f32() {
    let decoder = decoder(small(EncodingConfig::new("rope")));
    let batch = tokens(1, 13);
    let exact = logits(&decoder, &batch, plain(usize::MAX));
    let mut execution = plain(usize::MAX);
    execution.precision = Precision::Bf16;
    let rounded = logits(&decoder, &batch, execution);
    assert_close(&rounded, &exact, 0.1);
    assert_ne!(rounded, exact, "bf16 must have rounded something");
}

#[test]
fn absolute_encodings_are_added_once() {
    let mut config = small(EncodingConfig::new("nope"));
    config.num_hidden_layers = 1;
    let bare = decoder(config.clone());
    config.layers.get_mut("global").expect("kind").encoding = EncodingConfig::new("sinusoidal");
    let encoded = decoder(config);
    // With the table subtracted from the embeddings' rows the two agree: one token per position, so
    // each row carries one position.
    let length = 9;
    let batch = vec![(0..length).collect::<Vec<_>>()];
    let mut tensors = named_tensors(&encoded);
    let embedding = tensors
        .iter_mut()
        .find(|t| t.name == "embed_tokens")
        .expect("embedding");
    let width = embedding.shape[1];
    for position in 0..length {
        let table = encoded.encodings()["global"]
            .absolute(position)
            .expect("table");
        for (i, value) in table.iter().enumerate() {
            embedding.values[position * width + i] -= (value / (width as f64).sqrt()) as f32;
        }
    }
    // The head is tied: compare hidden states, not logits.
    let hidden = |decoder: &Decoder| -> Vec<f32> {
        let device = decoder.device();
        let positions = decoder.positions(length, &device);
        let tokens = crate::common::to_device(&batch, &device);
        let hidden = decoder.hidden_states(tokens, &positions, plain(usize::MAX));
        hidden.into_data().iter::<f32>().collect()
    };
    let expected = hidden(&bare);
    assert!(
        hidden(&encoded)
            .iter()
            .zip(&expected)
            .any(|(a, b)| (a - b).abs() > 1e-2)
    );
    let undone = decoder::load_parameters(encoded, tensors).expect("same parameters");
    assert_close(&hidden(&undone), &expected, 1e-5);
}

#[test]
fn values_that_are_read_make_the_decoder_they_came_from() {
    for config in [everything(), sharing()] {
        let original = decoder(config.clone());
        let mut tensors = named_tensors(&original).into_iter();
        let counted: usize = named_tensors(&original)
            .iter()
            .map(|t| t.values.len())
            .sum();
        assert_eq!(counted, config.num_parameters());
        let device = original.device();
        let read = Decoder::from_values(config, &device, |name, shape| {
            // In the order of the fields and under their names.
            let tensor = tensors.next().expect("as many parameters");
            assert_eq!(
                (tensor.name.as_str(), tensor.shape.as_slice()),
                (name, shape)
            );
            Ok::<_, DecoderError>(tensor.values)
        });
        let batch = tokens(2, 13);
        assert_eq!(
            logits(&read.expect("reads"), &batch, plain(usize::MAX)),
            logits(&original, &batch, plain(usize::MAX))
        );
    }
}

#[test]
fn reading_stops_at_its_first_error() {
    let mut calls = 0;
    let config = small(EncodingConfig::new("rope"));
    let device = Device::flex();
    let read = Decoder::from_values(config, &device, |name, shape| {
        calls += 1;
        if calls == 3 {
            return Err(DecoderError::Invalid {
                key: name.to_owned(),
                reason: "unreadable".to_owned(),
            });
        }
        Ok(vec![0.0; shape.iter().product()])
    });
    let error = read.expect_err("the third fails").to_string();
    assert!(error.ends_with("unreadable"), "{error}");
    assert_eq!(calls, 3);
}

#[test]
fn shared_keys_need_a_layer_that_has_them() {
    let mut config = sharing();
    config.num_kv_shared_layers = 4; // leaves local and global, not alibi
    let error = config.validate().expect_err("orphans").to_string();
    let expected = "num_kv_shared_layers: layer 2 is `alibi`, and no layer below 2 of that kind has keys and values to share";
    assert_eq!(error, expected);
}
