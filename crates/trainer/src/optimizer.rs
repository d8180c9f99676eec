//! `AdamW` over a decoder's parameters, with moments that a checkpoint can hold.
//!
//! The update itself is the crate [`fused`]'s on the CPU and Burn's [`AdamW`] elsewhere. What is ours is the bookkeeping: moments are named tensors
//! instead of an opaque record, the norm is clipped over all gradients together, and decay applies to
//! matrices only.

use std::collections::BTreeMap;

use burn::module::Param;
use burn::optim::{
    AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, GradientsParams, Optimizer as _,
};
use burn::tensor::{Device, Tensor, TensorData};
use decoder::{Decoder, Kernels, LoadError, NamedTensor, ParameterMapper, ParameterVisitor};
use experiment::TrainConfig;

/// `AdamW`'s moments and constants.
pub struct Optimizer {
    decayed: AdamW,
    undecayed: AdamW,
    constants: TrainConfig,
    kernels: Kernels,
    /// First and second moment by parameter name, flattened.
    moments: BTreeMap<String, Moments>,
    /// Updates made so far.
    updates: usize,
}

#[derive(Clone)]
struct Moments {
    first: Tensor<1>,
    second: Tensor<1>,
}

impl Optimizer {
    /// An optimizer that has made no update.
    pub fn new(config: &TrainConfig, kernels: Kernels) -> Self {
        let adamw = |decay: f64| {
            AdamWConfig::new()
                .with_beta_1(config.beta1 as f32)
                .with_beta_2(config.beta2 as f32)
                .with_epsilon(config.epsilon as f32)
                .with_weight_decay(decay as f32)
                .build()
        };
        Self {
            decayed: adamw(config.weight_decay),
            undecayed: adamw(0.0),
            constants: config.clone(),
            kernels,
            moments: BTreeMap::new(),
            updates: 0,
        }
    }

    /// This optimizer with its moments on `device`.
    #[must_use]
    pub fn to_device(&self, device: &Device) -> Self {
        let moments = self.moments.iter().map(|(name, moments)| {
            let moments = Moments {
                first: moments.first.clone().to_device(device),
                second: moments.second.clone().to_device(device),
            };
            (name.clone(), moments)
        });
        Self {
            moments: moments.collect(),
            decayed: self.decayed.clone(),
            undecayed: self.undecayed.clone(),
            constants: self.constants.clone(),
            ..*self
        }
    }

    /// Sums of squares of the gradients, `[1]` each, whose sum is the square of their global norm.
    pub fn squares(&self, decoder: &Decoder, gradients: &GradientsParams) -> Vec<Tensor<1>> {
        struct SumOfSquares<'a> {
            gradients: &'a GradientsParams,
            kernels: Kernels,
            sums: Vec<Tensor<1>>,
        }
        impl ParameterVisitor for SumOfSquares<'_> {
            fn visit<const R: usize>(&mut self, _name: &str, param: &Param<Tensor<R>>) {
                if let Some(gradient) = self.gradients.get::<R>(param.id) {
                    self.sums.push(match self.kernels {
                        Kernels::Fused => fused::sum_of_squares(gradient),
                        Kernels::Plain => (gradient.clone() * gradient).sum(),
                    });
                }
            }
        }
        let mut visitor = SumOfSquares {
            gradients,
            kernels: self.kernels,
            sums: Vec::new(),
        };
        decoder::for_each_parameter(decoder, &mut visitor);
        visitor.sums
    }

    /// One update at learning rate `lr`; `norm` is the gradients' norm, for clipping.
    #[must_use]
    pub fn step(
        &mut self,
        decoder: Decoder,
        gradients: GradientsParams,
        norm: f64,
        lr: f64,
    ) -> Decoder {
        let clip = (self.constants.max_grad_norm / norm.max(f64::MIN_POSITIVE)).min(1.0);
        let mut update = Update {
            gradients,
            clip,
            lr,
            optimizer: self,
        };
        let decoder = decoder::map_parameters(decoder, &mut update);
        self.updates += 1;
        decoder
    }

    /// Copies the moments to the host: `first.<parameter>` and `second.<parameter>`.
    pub fn moments(&self) -> Vec<NamedTensor> {
        self.moments
            .iter()
            .flat_map(|(name, moments)| {
                [("first", &moments.first), ("second", &moments.second)].map(|(prefix, tensor)| {
                    let values: Vec<f32> = tensor.to_data().iter::<f32>().collect();
                    NamedTensor {
                        name: format!("{prefix}.{name}"),
                        shape: vec![values.len()],
                        values,
                    }
                })
            })
            .collect()
    }

    /// Continues after `updates` updates with the moments that [`Self::moments`] copied.
    ///
    /// # Errors
    /// If a moment of some parameter is missing, superfluous or of another length.
    pub fn restore(
        &mut self,
        updates: usize,
        moments: Vec<NamedTensor>,
        device: &Device,
    ) -> Result<(), LoadError> {
        let mut by_name: BTreeMap<String, NamedTensor> =
            moments.into_iter().map(|m| (m.name.clone(), m)).collect();
        let names: Vec<String> = by_name
            .keys()
            .filter_map(|name| name.strip_prefix("first.").map(str::to_owned))
            .collect();
        let mut take = |name: String| {
            let moment = by_name.remove(&name).ok_or(LoadError::Missing(name))?;
            let data = TensorData::new(moment.values, moment.shape);
            Ok(Tensor::<1>::from_data(data, device))
        };
        self.moments = names
            .into_iter()
            .map(|name| {
                let first = take(format!("first.{name}"))?;
                let second = take(format!("second.{name}"))?;
                Ok((name, Moments { first, second }))
            })
            .collect::<Result<_, LoadError>>()?;
        self.updates = updates;
        match by_name.into_keys().next() {
            Some(name) => Err(LoadError::Unknown(name)),
            None => Ok(()),
        }
    }
}

/// One walk over the parameters.
struct Update<'a> {
    gradients: GradientsParams,
    clip: f64,
    lr: f64,
    optimizer: &'a mut Optimizer,
}

impl ParameterMapper for Update<'_> {
    fn map<const R: usize>(&mut self, name: &str, param: Param<Tensor<R>>) -> Param<Tensor<R>> {
        let Some(gradient) = self.gradients.remove::<R>(param.id) else {
            return param;
        };
        let moments = self.optimizer.moments.remove(name);
        let decays = R >= 2;
        let mut kept = None;
        let param = param.map(|value| {
            let value = value.inner();
            let shape = value.dims();
            let (value, gradient) = (value.reshape([-1]), gradient.reshape([-1]));
            let (value, moments) = match self.optimizer.kernels {
                Kernels::Fused => self.fused(value, gradient, moments, decays),
                Kernels::Plain => self.plain(value, gradient, moments, decays),
            };
            kept = Some(moments);
            Tensor::from_inner(value.reshape(shape)).require_grad()
        });
        if let Some(moments) = kept {
            self.optimizer.moments.insert(name.to_owned(), moments);
        }
        param
    }
}

impl Update<'_> {
    /// In one pass over parameter, gradient and moments.
    fn fused(
        &self,
        value: Tensor<1>,
        gradient: Tensor<1>,
        moments: Option<Moments>,
        decays: bool,
    ) -> (Tensor<1>, Moments) {
        let config = &self.optimizer.constants;
        let moments = moments.unwrap_or_else(|| Moments {
            first: gradient.zeros_like(),
            second: gradient.zeros_like(),
        });
        let constants = fused::AdamW {
            learning_rate: self.lr,
            beta1: config.beta1 as f32,
            beta2: config.beta2 as f32,
            epsilon: config.epsilon as f32,
            weight_decay: if decays {
                config.weight_decay as f32
            } else {
                0.0
            },
            gradient_scale: self.clip as f32,
            step: self.optimizer.updates as u32 + 1,
        };
        let [value, first, second] =
            fused::adamw(value, gradient, moments.first, moments.second, constants);
        (value, Moments { first, second })
    }

    /// By Burn's own operations.
    fn plain(
        &self,
        value: Tensor<1>,
        gradient: Tensor<1>,
        moments: Option<Moments>,
        decays: bool,
    ) -> (Tensor<1>, Moments) {
        let optimizer = &*self.optimizer;
        let adamw = if decays {
            &optimizer.decayed
        } else {
            &optimizer.undecayed
        };
        // Skipped where it would multiply by one: a pass over every gradient saved.
        let gradient = if self.clip < 1.0 {
            gradient * self.clip
        } else {
            gradient
        };
        let state = moments.map(|moments| AdamWState {
            momentum: AdaptiveMomentumState {
                time: optimizer.updates,
                moment_1: moments.first,
                moment_2: moments.second,
                max_moment_2: None,
            },
        });
        let (value, state) = adamw.step(self.lr, value, gradient, state);
        let moments = match state {
            Some(state) => Moments {
                first: state.momentum.moment_1,
                second: state.momentum.moment_2,
            },
            None => unreachable!("AdamW keeps a state"),
        };
        (value, moments)
    }
}
