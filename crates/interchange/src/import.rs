//! From tensors under Hugging Face's names to a decoder.

use std::collections::BTreeSet;

use burn::tensor::Device;
use decoder::Decoder;

use crate::architecture::{Architecture, Family};
use crate::error::InterchangeError;
use crate::names::{Place, place};
use crate::tensor_source::TensorSource;

/// Where a language model's tensors may stand: alone, inside a model that also sees, in today's and
/// yesterday's spelling, or without its head.
const PREFIXES: [&str; 4] = [
    "model.",
    "model.language_model.",
    "language_model.model.",
    "",
];

/// A decoder on `device` with the weights of `source`, widened to f32, one tensor at a time.
///
/// # Errors
/// If a tensor is missing, has another shape than `architecture` says, holds a NaN or an infinity, or
/// belongs to the language model and to no parameter of ours.
pub fn import(
    architecture: &Architecture,
    source: &dyn TensorSource,
    device: &Device,
) -> Result<Decoder, InterchangeError> {
    let mut tensors = Tensors {
        family: architecture.family,
        source,
        prefix: find_prefix(source)?,
        used: BTreeSet::new(),
    };
    let decoder = Decoder::from_values(architecture.decoder.clone(), device, |ours, shape| {
        tensors.read(ours, shape)
    })?;
    tensors.refuse_leftovers(&architecture.decoder)?;
    Ok(decoder)
}

fn find_prefix(source: &dyn TensorSource) -> Result<&'static str, InterchangeError> {
    let has = |prefix: &&&str| {
        source
            .shape(&format!("{prefix}embed_tokens.weight"))
            .is_some()
    };
    let name = "model.embed_tokens.weight";
    PREFIXES
        .iter()
        .find(has)
        .copied()
        .ok_or_else(|| source.error(name, "there is no such tensor, under no known prefix"))
}

struct Tensors<'a> {
    family: Family,
    source: &'a dyn TensorSource,
    prefix: &'static str,
    used: BTreeSet<String>,
}

impl Tensors<'_> {
    /// The values of our parameter `ours` of `shape`.
    fn read(&mut self, ours: &str, shape: &[usize]) -> Result<Vec<f32>, InterchangeError> {
        let place = place(self.family, ours);
        let name = self.full_name(&place);
        let mut expected = shape.to_vec();
        if place.transposed {
            expected.reverse();
        }
        match self.source.shape(&name) {
            None => return Err(self.source.error(&name, "there is no such tensor")),
            Some(found) if found != expected => {
                let reason = format!("has shape {found:?}, config.json wants {expected:?}");
                return Err(self.source.error(&name, &reason));
            }
            Some(_) => {}
        }
        let values = if place.transposed {
            self.source.read_transposed(&name)?
        } else {
            self.source.read(&name)?
        };
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            let reason = format!("holds {value}: the weights are broken");
            return Err(self.source.error(&name, &reason));
        }
        self.used.insert(name);
        Ok(values)
    }

    fn full_name(&self, place: &Place) -> String {
        if !place.is_head {
            return format!("{}{}", self.prefix, place.name);
        }
        // The head of a model inside another one stands beside it, or outside.
        let inner = "language_model.lm_head.weight".to_owned();
        if self.prefix.starts_with("language_model.") && self.source.shape(&inner).is_some() {
            return inner;
        }
        place.name.clone()
    }

    /// A tensor of the language model that we did not use would change its numbers, a bias for example.
    fn refuse_leftovers(&self, config: &decoder::DecoderConfig) -> Result<(), InterchangeError> {
        let first_shared = config.first_kv_shared_layer();
        let leftover = self.source.names().into_iter().find(|name| {
            let of_model = name.strip_prefix(self.prefix).is_some_and(|rest| {
                rest.starts_with("layers.") || !self.prefix.is_empty() && !rest.contains('.')
            });
            of_model && !self.used.contains(name) && !is_harmless(name, first_shared)
        });
        leftover.map_or(Ok(()), |name| {
            let reason = "belongs to no parameter that config.json describes";
            Err(self.source.error(&name, reason))
        })
    }
}

/// Tensors that old files carry along: frequencies, and keys and values of layers that use others'.
fn is_harmless(name: &str, first_shared: usize) -> bool {
    if name.ends_with("rotary_emb.inv_freq") {
        return true;
    }
    let Some((before, what)) = name.split_once(".self_attn.") else {
        return false;
    };
    let layer = before.rsplit('.').next().and_then(|n| n.parse().ok());
    let is_key_or_value = what.starts_with("k_") || what.starts_with("v_");
    is_key_or_value && layer.is_some_and(|layer: usize| layer >= first_shared)
}
