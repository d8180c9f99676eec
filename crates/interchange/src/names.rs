//! Which tensor of Hugging Face is which parameter of ours.

use crate::architecture::Family;

/// Where a parameter's values are: a tensor, and whether it is stored the other way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Name below the language model's prefix, or in full for the head.
    pub name: String,
    /// Whether the name has no prefix.
    pub is_head: bool,
    /// Hugging Face's projections are `[out, in]`, ours `[in, out]`.
    pub transposed: bool,
}

/// The place of our parameter `ours`, for example `layers.0.self_attn.q_proj`.
pub(crate) fn place(family: Family, ours: &str) -> Place {
    let is_table = matches!(
        ours,
        "embed_tokens" | "lm_head" | "per_layer.embed_tokens_per_layer"
    );
    let is_vector = ours.ends_with(".weight") || ours.ends_with(".layer_scalar");
    let mut name = ours.replacen("per_layer.", "", 1);
    if !family.has_post_norms() {
        // Two norms a layer: the second is before the feed-forward layer and called after what it follows.
        name = name.replace("pre_feedforward_layernorm", "post_attention_layernorm");
    }
    if !is_vector {
        name.push_str(".weight");
    }
    Place {
        name,
        is_head: ours == "lm_head",
        transposed: !is_vector && !is_table,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hugging_faces() {
        for (family, ours, theirs, transposed) in [
            (Family::Llama, "embed_tokens", "embed_tokens.weight", false),
            (Family::Llama, "lm_head", "lm_head.weight", false),
            (Family::Llama, "norm.weight", "norm.weight", false),
            (
                Family::Llama,
                "layers.3.self_attn.q_proj",
                "layers.3.self_attn.q_proj.weight",
                true,
            ),
            (
                Family::Gemma,
                "layers.0.pre_feedforward_layernorm.weight",
                "layers.0.post_attention_layernorm.weight",
                false,
            ),
            (
                Family::Gemma2,
                "layers.0.pre_feedforward_layernorm.weight",
                "layers.0.pre_feedforward_layernorm.weight",
                false,
            ),
            (
                Family::Gemma4,
                "layers.0.layer_scalar",
                "layers.0.layer_scalar",
                false,
            ),
            (
                Family::Gemma4,
                "layers.0.per_layer.per_layer_input_gate",
                "layers.0.per_layer_input_gate.weight",
                true,
            ),
            (
                Family::Gemma4,
                "per_layer.embed_tokens_per_layer",
                "embed_tokens_per_layer.weight",
                false,
            ),
            (
                Family::Gemma4,
                "per_layer.per_layer_projection_norm.weight",
                "per_layer_projection_norm.weight",
                false,
            ),
        ] {
            let place = place(family, ours);
            assert_eq!(
                (place.name.as_str(), place.transposed),
                (theirs, transposed)
            );
        }
    }
}
