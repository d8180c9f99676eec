//! Gradients against finite differences of the loss.

use burn::module::Param;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use decoder::{
    Activations, Decoder, DecoderConfig, Examples, Execution, Kernels, ParameterVisitor,
    for_each_parameter, load_parameters, named_tensors,
};
use positional::{EncodingConfig, families};

use crate::common::{everything, fused, fused_attention, plain, sharing, small, to_device, tokens};

const LENGTH: usize = 11;

/// Two sequences on the decoder's device.
fn examples(decoder: &Decoder) -> Examples {
    let device = decoder.device();
    let batch = tokens(2, LENGTH + 1);
    let inputs: Vec<Vec<usize>> = batch.iter().map(|t| t[..LENGTH].to_vec()).collect();
    let targets: Vec<i32> = batch
        .iter()
        .flat_map(|t| &t[1..])
        .map(|id| *id as i32)
        .collect();
    Examples {
        inputs: to_device(&inputs, &device),
        targets: Tensor::from_data(TensorData::new(targets, [2 * LENGTH]), &device),
        rows: None,
    }
}

/// Of four layers: the norm after the last one takes its scalar out again, so its gradient is rounding noise.
const LAST_SCALAR: &str = "layers.3.layer_scalar";

const MEAN: f64 = 1.0 / (2 * LENGTH) as f64;

fn loss(decoder: &Decoder, execution: Execution) -> Tensor<1> {
    let Examples {
        inputs, targets, ..
    } = examples(decoder);
    let positions = decoder.positions(LENGTH, &decoder.device());
    let hidden = decoder.hidden_states(inputs, &positions, execution);
    decoder.loss(hidden, targets, MEAN, execution)
}

/// Gradients by parameter name.
pub fn gradients(decoder: &Decoder, execution: Execution) -> Vec<(String, Vec<f32>)> {
    loss_and_gradients(decoder, execution, Activations::Kept).1
}

/// Loss, and gradients by parameter name.
fn loss_and_gradients(
    decoder: &Decoder,
    execution: Execution,
    activations: Activations,
) -> (f32, Vec<(String, Vec<f32>)>) {
    let positions = decoder.positions(LENGTH, &decoder.device());
    let (loss, gradients) =
        decoder.gradients(examples(decoder), MEAN, &positions, execution, activations);
    (loss.into_scalar::<f32>(), by_name(decoder, gradients))
}

fn by_name(decoder: &Decoder, gradients: GradientsParams) -> Vec<(String, Vec<f32>)> {
    struct Collect(GradientsParams, Vec<(String, Vec<f32>)>);
    impl ParameterVisitor for Collect {
        fn visit<const R: usize>(&mut self, name: &str, param: &Param<Tensor<R>>) {
            let gradient = self.0.get::<R>(param.id).expect(name);
            self.1.push((
                name.to_owned(),
                gradient.into_data().iter::<f32>().collect(),
            ));
        }
    }
    let mut collect = Collect(gradients, Vec::new());
    for_each_parameter(decoder, &mut collect);
    collect.1
}

/// Along a random direction in one parameter at a time, the slope of the loss is the gradient's.
fn assert_gradients(config: DecoderConfig, execution: Execution) {
    assert_gradients_within(2e-2, config, execution);
}

/// From losses up to `distance` away on either side.
fn assert_gradients_within(distance: f32, config: DecoderConfig, execution: Execution) {
    let autodiff = Device::flex().autodiff();
    let decoder = Decoder::new(config, 3, &autodiff).expect("valid config");
    let values = named_tensors(&decoder);
    for (index, (name, gradient)) in gradients(&decoder, execution).into_iter().enumerate() {
        // Mostly uphill, so that the slope stands out of the rounding noise, but not the gradient.
        let direction: Vec<f32> = gradient
            .iter()
            .enumerate()
            .map(|(i, g)| {
                if (i * 7 + i / 3 + index) % 5 < 4 {
                    g.signum()
                } else {
                    -g.signum()
                }
            })
            .collect();
        let slope: f64 = gradient
            .iter()
            .zip(&direction)
            .map(|(g, d)| f64::from(g * d))
            .sum();
        let at = |step: f32| -> f64 {
            let mut moved = values.clone();
            for (value, d) in moved[index].values.iter_mut().zip(&direction) {
                *value += step * d;
            }
            let decoder = load_parameters(decoder.clone(), moved).expect("same parameters");
            f64::from(loss(&decoder, execution).into_scalar::<f32>())
        };
        let step = distance / (gradient.len() as f32).sqrt();
        let quotient = |step: f32| (at(step) - at(-step)) / (2.0 * f64::from(step));
        // Richardson's extrapolation: the loss's curvature would show in the wide quotient alone.
        let measured = (4.0 * quotient(step / 2.0) - quotient(step)) / 3.0;
        // f32 losses near 4 carry a few 1e-7 of noise; the step turns it into this much slope.
        let noise = 2e-6 / f64::from(step);
        assert!(
            (measured - slope).abs() <= 0.02 * slope.abs() + noise,
            "{name}: gradient {slope}, finite difference {measured}, noise {noise}"
        );
    }
}

#[test]
fn plain_path() {
    assert_gradients(small(EncodingConfig::new("prope")), plain(usize::MAX));
}

#[test]
fn plain_path_in_chunks() {
    assert_gradients(small(EncodingConfig::new("rope")), plain(4));
}

#[test]
fn fused_attention_path() {
    assert_gradients(small(EncodingConfig::new("rope")), fused_attention());
}

/// Few layers and no second norms, which bend the loss. Norms of products of six small numbers still do.
fn shallow_sharing() -> DecoderConfig {
    DecoderConfig {
        num_hidden_layers: 4,
        num_kv_shared_layers: 1,
        post_norms: false,
        ..sharing()
    }
}

#[test]
fn every_option() {
    assert_gradients(everything(), plain(4));
    assert_gradients_within(2e-3, shallow_sharing(), plain(4));
}

#[test]
fn fused_path() {
    assert_gradients(small(EncodingConfig::new("prope")), fused());
}

#[test]
fn every_option_fused() {
    assert_gradients(everything(), fused());
    assert_gradients_within(2e-3, shallow_sharing(), fused());
}

/// Much finer than a difference quotient can tell.
#[test]
fn fused_gradients_equal_those_of_the_plain_path() {
    let autodiff = Device::flex().autodiff();
    for encoding in families().iter().map(|family| family.kind) {
        let encoding = EncodingConfig::new(encoding).resolved().expect(encoding);
        for config in [small(encoding), everything()] {
            let decoder = Decoder::new(config, 3, &autodiff).expect("valid config");
            let expected = gradients(&decoder, plain(usize::MAX));
            for ((name, a), (_, b)) in gradients(&decoder, fused()).into_iter().zip(expected) {
                let size = b.iter().map(|g| g.abs()).fold(0.0f32, f32::max);
                assert!(size > 0.0, "{name}: no gradient");
                let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs());
                let worst = worst.fold(0.0f32, f32::max);
                assert!(
                    worst <= 1e-5 * size + 1e-7,
                    "{name}: off by {worst} of {size}"
                );
            }
        }
    }
}

/// Plain operations add the gradients of a tensor that several of them read, in the order of the graph: there
/// the last digits differ.
#[test]
fn recomputing_the_blocks_changes_no_bit_of_fused_kernels_and_little_of_plain_ones() {
    let autodiff = Device::flex().autodiff();
    for config in [small(EncodingConfig::new("prope")), everything(), sharing()] {
        let decoder = Decoder::new(config, 3, &autodiff).expect("valid config");
        for execution in [plain(4), fused_attention(), fused()] {
            let [(loss, kept), (again, recomputed)] =
                [Activations::Kept, Activations::RecomputedPerBlock]
                    .map(|activations| loss_and_gradients(&decoder, execution, activations));
            match execution.kernels {
                Kernels::Fused => assert_eq!(loss.to_bits(), again.to_bits()),
                Kernels::Plain => assert!((loss - again).abs() <= 1e-6 * loss, "{loss} {again}"),
            }
            let named = kept.into_iter().filter(|(name, _)| name != LAST_SCALAR);
            let recomputed = recomputed
                .into_iter()
                .filter(|(name, _)| name != LAST_SCALAR);
            for ((name, a), (_, b)) in named.zip(recomputed) {
                let size = a.iter().map(|g| g.abs()).fold(0.0f32, f32::max);
                let tolerance = match execution.kernels {
                    Kernels::Fused => 0.0,
                    Kernels::Plain => 1e-5 * size,
                };
                let worst = a
                    .iter()
                    .zip(&b)
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f32::max);
                assert!(
                    worst <= tolerance,
                    "{name}, {execution:?}: off by {worst} of {size}"
                );
            }
        }
    }
}

#[test]
fn every_parameter_gets_a_gradient_that_is_not_zero() {
    let autodiff = Device::flex().autodiff();
    let decoder = Decoder::new(everything(), 3, &autodiff).expect("valid config");
    for (name, gradient) in gradients(&decoder, plain(4)) {
        if name == LAST_SCALAR {
            continue;
        }
        let norm: f32 = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        assert!(norm > 1e-6, "{name}: {norm}");
    }
}

/// Rows that are scored, out of the order of the sequences.
const ROWS: [i32; 4] = [3, 20, 4, 11];

/// The examples with targets at [`ROWS`] only.
fn masked(decoder: &Decoder) -> Examples {
    let all = examples(decoder);
    let rows: Tensor<1, Int> = Tensor::from_data(TensorData::from(ROWS), &decoder.device());
    Examples {
        targets: all.targets.select(0, rows.clone()),
        rows: Some(rows),
        ..all
    }
}

fn masked_loss_and_gradients(
    decoder: &Decoder,
    execution: Execution,
    activations: Activations,
) -> (f32, Vec<(String, Vec<f32>)>) {
    let positions = decoder.positions(LENGTH, &decoder.device());
    let share = 1.0 / ROWS.len() as f64;
    let (loss, gradients) =
        decoder.gradients(masked(decoder), share, &positions, execution, activations);
    (loss.into_scalar::<f32>(), by_name(decoder, gradients))
}

#[test]
fn a_masked_loss_is_the_mean_over_the_scored_targets() {
    let autodiff = Device::flex().autodiff();
    for config in [small(EncodingConfig::new("prope")), everything()] {
        let decoder = Decoder::new(config, 3, &autodiff).expect("valid config");
        let Examples {
            inputs, targets, ..
        } = examples(&decoder);
        let positions = decoder.positions(LENGTH, &decoder.device());
        let hidden = decoder.hidden_states(inputs, &positions, plain(4));
        let losses = decoder.token_losses(hidden, targets, plain(4)).into_data();
        let losses: Vec<f32> = losses.iter::<f32>().collect();
        let by_hand = ROWS.map(|row| losses[row as usize]).iter().sum::<f32>() / 4.0;
        let (_, expected) = masked_loss_and_gradients(&decoder, plain(4), Activations::Kept);
        for execution in [plain(4), fused_attention(), fused()] {
            for activations in [Activations::Kept, Activations::RecomputedPerBlock] {
                let (loss, found) = masked_loss_and_gradients(&decoder, execution, activations);
                assert!((loss - by_hand).abs() < 2e-6, "{loss} for {by_hand}");
                for ((name, a), (_, b)) in found.iter().zip(&expected) {
                    let size = b.iter().map(|g| g.abs()).fold(0.0f32, f32::max);
                    let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
                    let worst = apart.fold(0.0f32, f32::max);
                    // A layer's scalar right before the last norm has none: its terms cancel to rounding.
                    assert!(
                        worst <= 1e-5 * size + 1e-6,
                        "{name}, {execution:?}, {activations:?}: off by {worst} of {size}"
                    );
                }
            }
        }
    }
}

/// All rows in their order are no mask at all.
#[test]
fn a_mask_of_all_rows_changes_no_bit() {
    let autodiff = Device::flex().autodiff();
    let config = small(EncodingConfig::new("prope"));
    let decoder = Decoder::new(config, 3, &autodiff).expect("valid config");
    let rows: Vec<i32> = (0..2 * LENGTH as i32).collect();
    let rows = Tensor::from_data(TensorData::new(rows, [2 * LENGTH]), &decoder.device());
    let positions = decoder.positions(LENGTH, &decoder.device());
    let examples = Examples {
        rows: Some(rows),
        ..examples(&decoder)
    };
    let (loss, gradients) =
        decoder.gradients(examples, MEAN, &positions, fused(), Activations::Kept);
    let (expected_loss, expected) = loss_and_gradients(&decoder, fused(), Activations::Kept);
    assert_eq!(loss.into_scalar::<f32>().to_bits(), expected_loss.to_bits());
    assert_eq!(by_name(&decoder, gradients), expected);
}
