//! Observing changes nothing; interventions change what they say.

use std::sync::{Arc, Mutex};

use burn::tensor::Tensor;
use decoder::{
    AttentionInputs, Decoder, Effect, Execution, Intervention, InterventionError, Observer,
    Positions, load_parameters, named_tensors,
};
use positional::EncodingConfig;

use crate::common::{assert_close, decoder, everything, fused, plain, small, to_device, tokens};

const LENGTH: usize = 17;

fn rope() -> EncodingConfig {
    EncodingConfig::new("rope").with("theta", 100.0)
}

fn bits(decoder: &Decoder, positions: &Positions, execution: Execution) -> Vec<u32> {
    logits(decoder, positions, execution)
        .iter()
        .map(|x| x.to_bits())
        .collect()
}

fn logits(decoder: &Decoder, positions: &Positions, execution: Execution) -> Vec<f32> {
    let device = decoder.device();
    let tokens = to_device(&tokens(2, LENGTH), &device);
    let hidden = decoder.hidden_states(tokens, positions, execution);
    let logits = decoder.logits(hidden, execution.precision);
    logits.into_data().iter::<f32>().collect()
}

fn base(decoder: &Decoder) -> Positions {
    decoder.positions(LENGTH, &decoder.device())
}

fn all_layers(decoder: &Decoder, effect: Effect) -> Vec<Intervention> {
    let config = decoder.config();
    let of_layer = |layer| Intervention {
        layer,
        heads: None,
        pairs: 0..config.head_dim_of(config.layer(layer).1) / 2,
        effect,
    };
    (0..config.num_hidden_layers).map(of_layer).collect()
}

/// Attention weights `[B, H, T, T]` of every layer, gathered in chunks.
#[derive(Default)]
struct Weights {
    chunk: usize,
    layers: Mutex<Vec<Vec<f32>>>,
}

impl Observer for Weights {
    fn attention(&self, layer: usize, inputs: &AttentionInputs<'_>) {
        let [batch, length, heads, _] = inputs.q.dims();
        let mut all = vec![f32::NAN; batch * heads * length * length];
        for chunk in inputs.weights(self.chunk) {
            let values: Vec<f32> = chunk.weights.into_data().iter::<f32>().collect();
            let (queries, keys) = (chunk.queries.len(), chunk.keys.len());
            for (row, weights) in values.chunks(keys).enumerate() {
                let (of, query) = (row / queries, chunk.queries.start + row % queries);
                let row = &mut all[(of * length + query) * length..][..length];
                row.fill(0.0);
                row[chunk.keys.clone()].copy_from_slice(weights);
            }
        }
        let mut layers = self.layers.lock().expect("no panic elsewhere");
        assert_eq!(layers.len(), layer, "layers come in order");
        layers.push(all);
    }
}

fn weights(decoder: &Decoder, positions: &Positions, chunk: usize) -> Vec<Vec<f32>> {
    let observer = Arc::new(Weights {
        chunk,
        layers: Mutex::default(),
    });
    let shared: Arc<dyn Observer> = observer.clone();
    logits(decoder, &decoder.observed(positions, &shared), plain(5));
    let layers = observer.layers.lock().expect("no panic elsewhere");
    layers.clone()
}

#[test]
fn an_observed_pass_is_the_pass_bit_for_bit() {
    let decoder = decoder(everything());
    for execution in [plain(5), fused()] {
        let plain = bits(&decoder, &base(&decoder), execution);
        let observer: Arc<dyn Observer> = Arc::new(Weights {
            chunk: 4,
            layers: Mutex::default(),
        });
        let observed = decoder.observed(&base(&decoder), &observer);
        assert_eq!(bits(&decoder, &observed, execution), plain);
    }
}

#[test]
fn interventions_without_pairs_or_heads_change_no_bit() {
    let decoder = decoder(everything());
    let nothing = |effect, heads| Intervention {
        layer: 1,
        heads,
        pairs: 2..2,
        effect,
    };
    let no_heads = Intervention {
        pairs: 0..2,
        ..nothing(Effect::Remove, Some(Vec::new()))
    };
    for interventions in [
        vec![],
        vec![
            nothing(Effect::Remove, None),
            nothing(Effect::Identity, None),
        ],
        vec![no_heads],
    ] {
        let positions = decoder
            .intervened(&base(&decoder), &interventions)
            .expect("valid");
        for execution in [plain(5), fused()] {
            let expected = bits(&decoder, &base(&decoder), execution);
            assert_eq!(bits(&decoder, &positions, execution), expected);
        }
    }
}

#[test]
fn rope_with_every_pair_unrotated_is_nope_bit_for_bit() {
    let (rope, nope) = (
        decoder(small(rope())),
        decoder(small(EncodingConfig::new("nope"))),
    );
    let identity = all_layers(&rope, Effect::Identity);
    for execution in [plain(5), fused()] {
        let expected = bits(&nope, &base(&nope), execution);
        let unrotated = rope.intervened(&base(&rope), &identity).expect("valid");
        assert_eq!(bits(&rope, &unrotated, execution), expected);
        let still = nope.intervened(&base(&nope), &identity).expect("valid");
        assert_eq!(bits(&nope, &still, execution), expected);
        assert_ne!(bits(&rope, &base(&rope), execution), expected);
    }
}

#[test]
fn p_rope_is_rope_with_its_lowest_frequencies_unrotated() {
    let prope = rope_with_fraction(0.5);
    let (rope, prope) = (decoder(small(rope())), decoder(small(prope)));
    let mut lowest = all_layers(&rope, Effect::Identity);
    for intervention in &mut lowest {
        intervention.pairs = 2..4;
    }
    let positions = rope.intervened(&base(&rope), &lowest).expect("valid");
    assert_eq!(
        bits(&rope, &positions, plain(5)),
        bits(&prope, &base(&prope), plain(5))
    );
}

fn rope_with_fraction(fraction: f64) -> EncodingConfig {
    EncodingConfig::new("prope")
        .with("theta", 100.0)
        .with("fraction", fraction)
}

#[test]
fn removing_pairs_is_zeroing_columns_of_the_query_projection() {
    let original = decoder(small(rope()));
    let intervention = Intervention {
        layer: 1,
        heads: Some(vec![2]),
        pairs: 1..3,
        effect: Effect::Remove,
    };
    let positions = original
        .intervened(&base(&original), &[intervention])
        .expect("valid");
    let removed = logits(&original, &positions, plain(5));
    let mut tensors = named_tensors(&original);
    let q_proj = tensors
        .iter_mut()
        .find(|t| t.name == "layers.1.self_attn.q_proj");
    let q_proj = q_proj.expect("a query projection");
    // Head 2 of width 8: pairs 1 and 2 are its coordinates 1, 2, 5, 6.
    for row in q_proj.values.chunks_mut(4 * 8) {
        for coordinate in [1, 2, 5, 6] {
            row[2 * 8 + coordinate] = 0.0;
        }
    }
    let before = logits(&original, &base(&original), plain(5));
    let zeroed = load_parameters(original, tensors).expect("same shapes");
    let expected = logits(&zeroed, &base(&zeroed), plain(5));
    assert_close(&removed, &expected, 1e-5);
    assert!(
        before
            .iter()
            .zip(&removed)
            .any(|(a, b)| (a - b).abs() > 1e-3)
    );
}

#[test]
fn without_any_pairs_attention_is_uniform() {
    let decoder = decoder(small(rope()));
    let nothing_left = all_layers(&decoder, Effect::Remove);
    let positions = decoder
        .intervened(&base(&decoder), &nothing_left)
        .expect("valid");
    for layer in weights(&decoder, &positions, 4) {
        for (row, weights) in layer.chunks(LENGTH).enumerate() {
            let query = row % LENGTH;
            for (key, weight) in weights.iter().enumerate() {
                let expected = if key <= query {
                    1.0 / (query + 1) as f32
                } else {
                    0.0
                };
                assert!((weight - expected).abs() < 1e-6, "{query} {key}: {weight}");
            }
        }
    }
}

#[test]
fn weights_do_not_depend_on_the_chunk_and_respect_mask_and_window() {
    let decoder = decoder(everything());
    let whole = weights(&decoder, &base(&decoder), LENGTH);
    assert_eq!(whole.len(), 4);
    for (a, b) in whole.iter().zip(weights(&decoder, &base(&decoder), 5)) {
        assert_close(a, &b, 1e-6);
    }
    for (layer, weights) in whole.iter().enumerate() {
        let window = decoder.config().layer(layer).1.sliding_window;
        for (row, weights) in weights.chunks(LENGTH).enumerate() {
            let query = row % LENGTH;
            let first = window.map_or(0, |w| (query + 1).saturating_sub(w));
            let sum: f32 = weights[first..=query].iter().sum();
            assert!(
                (sum - 1.0).abs() < 1e-5,
                "layer {layer} query {query}: {sum}"
            );
        }
    }
}

/// Norms of queries and keys by pair, before and after rotation.
#[derive(Default)]
struct Norms(Mutex<Vec<(Vec<f32>, Vec<f32>)>>);

impl Norms {
    fn keep(&self, before: &Tensor<4>, after: &Tensor<4>) {
        let norms = |x: &Tensor<4>| -> Vec<f32> {
            let half = x.dims()[3] / 2;
            let (a, b) = (
                x.clone().narrow(3, 0, half),
                x.clone().narrow(3, half, half),
            );
            let norms = (a.clone() * a + b.clone() * b).sqrt();
            norms.into_data().iter::<f32>().collect()
        };
        assert!(before.dims() == after.dims());
        let mut kept = self.0.lock().expect("no panic elsewhere");
        kept.push((norms(before), norms(after)));
    }
}

impl Observer for Norms {
    fn queries(&self, _: usize, before: &Tensor<4>, after: &Tensor<4>) {
        self.keep(before, after);
    }

    fn keys(&self, _: usize, before: &Tensor<4>, after: &Tensor<4>) {
        self.keep(before, after);
    }
}

#[test]
fn rotation_keeps_the_norm_of_every_pair() {
    let decoder = decoder(everything());
    let observer = Arc::new(Norms::default());
    let shared: Arc<dyn Observer> = observer.clone();
    logits(
        &decoder,
        &decoder.observed(&base(&decoder), &shared),
        plain(5),
    );
    let kept = observer.0.lock().expect("no panic elsewhere");
    assert_eq!(kept.len(), 2 * 4);
    for (before, after) in kept.iter() {
        assert_close(before, after, 1e-5);
    }
}

#[test]
fn what_is_not_there_is_refused() {
    let decoder = decoder(small(rope()));
    let valid = Intervention {
        layer: 0,
        heads: None,
        pairs: 0..4,
        effect: Effect::Remove,
    };
    let refused = |intervention: Intervention| -> InterventionError {
        decoder
            .intervened(&base(&decoder), &[intervention])
            .expect_err("not there")
    };
    let layer = refused(Intervention {
        layer: 2,
        ..valid.clone()
    });
    assert_eq!(
        layer.to_string(),
        "there is no layer 2: the decoder has layers 0 to 1"
    );
    let head = refused(Intervention {
        heads: Some(vec![0, 4]),
        ..valid.clone()
    });
    assert_eq!(
        head.to_string(),
        "there is no head 4: a layer has heads 0 to 3"
    );
    let pairs = refused(Intervention {
        pairs: 3..5,
        ..valid.clone()
    });
    assert_eq!(
        pairs.to_string(),
        "there are no rotary pairs 3..5 in layer 0: it has 4"
    );
    let heads = refused(Intervention {
        heads: Some(vec![0]),
        effect: Effect::Identity,
        ..valid
    });
    assert_eq!(heads, InterventionError::IdentityOfHeads);
}

#[test]
fn a_pass_goes_on_from_any_layer_bit_for_bit() {
    let decoder = decoder(everything());
    let positions = base(&decoder);
    let inputs = to_device(&tokens(2, LENGTH), &decoder.device());
    let layer = 2;
    let ablated: Vec<_> = all_layers(&decoder, Effect::Remove);
    let ablated = decoder
        .intervened(&positions, &ablated[layer..=layer])
        .expect("valid");
    for execution in [plain(usize::MAX), fused()] {
        let bits = |hidden: Tensor<2>| -> Vec<u32> {
            let values = hidden.into_data();
            values.iter::<f32>().map(f32::to_bits).collect()
        };
        let whole = |positions: &Positions| {
            bits(decoder.hidden_states(inputs.clone(), positions, execution))
        };
        let start = decoder.begin(inputs.clone(), &positions, execution);
        let start = decoder.advance(start, layer, &positions, execution);
        assert_eq!(start.layer(), layer);
        for positions in [&ablated, &positions] {
            let from_there = decoder.finish(start.clone(), positions, execution);
            assert_eq!(bits(from_there), whole(positions));
        }
        assert_ne!(whole(&ablated), whole(&positions));
    }
}
