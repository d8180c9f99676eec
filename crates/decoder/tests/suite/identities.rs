//! Equalities that hold exactly.

use burn::tensor::Device;
use decoder::{Decoder, LayerKind, load_parameters, named_tensors};
use positional::EncodingConfig;

use crate::common::{VOCABULARY, decoder, everything, logits, plain, small, tokens};

fn bits(encoding: EncodingConfig) -> Vec<u32> {
    let logits = logits(&decoder(small(encoding)), &tokens(2, 17), plain(usize::MAX));
    logits.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn p_rope_at_one_is_rope_and_at_zero_is_nope_bit_for_bit() {
    let prope = |fraction| EncodingConfig::new("prope").with("fraction", fraction);
    let (rope, nope) = (
        bits(EncodingConfig::new("rope")),
        bits(EncodingConfig::new("nope")),
    );
    assert_eq!(bits(prope(1.0)), rope);
    assert_eq!(bits(prope(0.0)), nope);
    assert_ne!(rope, nope);
    assert!(![rope, nope].contains(&bits(prope(0.5))));
}

#[test]
fn the_future_does_not_change_the_past() {
    let decoder = decoder(everything());
    let before = tokens(1, 12);
    let mut after = before.clone();
    after[0][8] = (after[0][8] + 1) % VOCABULARY;
    let (a, b) = (
        logits(&decoder, &before, plain(4)),
        logits(&decoder, &after, plain(4)),
    );
    assert_eq!(a[..8 * VOCABULARY], b[..8 * VOCABULARY]);
    assert_ne!(a[8 * VOCABULARY..], b[8 * VOCABULARY..]);
}

#[test]
fn a_window_hides_what_lies_before_it() {
    let mut config = small(EncodingConfig::new("rope"));
    config.num_hidden_layers = 1;
    config.layers.insert(
        "global".to_owned(),
        LayerKind::local(4, EncodingConfig::new("rope")),
    );
    let decoder = decoder(config);
    let before = tokens(1, 12);
    let mut after = before.clone();
    after[0][3] = (after[0][3] + 1) % VOCABULARY;
    let (a, b) = (
        logits(&decoder, &before, plain(5)),
        logits(&decoder, &after, plain(5)),
    );
    let row = |t: usize| t * VOCABULARY..(t + 1) * VOCABULARY;
    for t in 3..7 {
        assert_ne!(a[row(t)], b[row(t)], "position {t} sees position 3");
    }
    for t in 7..12 {
        assert_eq!(a[row(t)], b[row(t)], "position {t} does not see position 3");
    }
}

#[test]
fn weights_are_a_function_of_seed_and_name() {
    let device = Device::flex();
    let config = small(EncodingConfig::new("rope"));
    let tensors =
        |config, seed| named_tensors(&Decoder::new(config, seed, &device).expect("valid"));
    let first = tensors(config.clone(), 1);
    let mut deeper = config.clone();
    deeper.layers.insert(
        "global".to_owned(),
        LayerKind::global(EncodingConfig::new("nope")),
    );
    for (a, b) in first.iter().zip(tensors(deeper, 1)) {
        assert_eq!(
            (&a.name, &a.values),
            (&b.name, &b.values),
            "another encoding, same weights"
        );
    }
    let other = tensors(config, 2);
    assert_ne!(first[0].values, other[0].values);
    let embedding = &first[0];
    let n = embedding.values.len() as f64;
    let mean = embedding.values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let variance = embedding
        .values
        .iter()
        .map(|v| f64::from(*v).powi(2))
        .sum::<f64>()
        / n;
    // Standard deviation 24^-0.5, 1464 values: the standard error of the mean is 0.0053.
    assert!(mean.abs() < 0.02, "{mean}");
    assert!((variance * 24.0 - 0.97).abs() < 0.1, "{variance}");
}

#[test]
fn parameters_are_counted_and_named_as_the_config_says() {
    for config in [small(EncodingConfig::new("rope")), everything()] {
        let decoder = decoder(config);
        let tensors = named_tensors(&decoder);
        let count: usize = tensors.iter().map(|t| t.values.len()).sum();
        assert_eq!(count, decoder.config().num_parameters());
        assert_eq!(tensors[0].name, "embed_tokens");
        assert!(
            tensors
                .iter()
                .any(|t| t.name == "layers.1.self_attn.q_proj")
        );
    }
}

#[test]
fn loading_wrong_parameters_names_them() {
    let make = || decoder(small(EncodingConfig::new("rope")));
    let good = named_tensors(&make());
    let error = |tensors| {
        load_parameters(make(), tensors)
            .expect_err("refused")
            .to_string()
    };
    assert_eq!(error(good[1..].to_vec()), "no tensor named `embed_tokens`");
    let mut renamed = good.clone();
    let mut extra = good[0].clone();
    extra.name = "bogus".to_owned();
    renamed.push(extra);
    assert!(error(renamed).contains("`bogus` belongs to no parameter"));
    let mut reshaped = good.clone();
    reshaped[0].shape = vec![24, VOCABULARY];
    assert!(error(reshaped).contains("has shape [24, 61], the decoder wants [61, 24]"));
    assert!(load_parameters(make(), good).is_ok());
}
