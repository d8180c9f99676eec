"""Small random models of every family that we read, made by transformers itself."""

import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    Gemma4ForCausalLM,
    Gemma4TextConfig,
    GemmaConfig,
    GemmaForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
)

# Odd sizes where nothing forbids them: a mix-up of two dimensions must not go unnoticed.
SHAPE = {
    "vocab_size": 61,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 5e5,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
YARN = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 16}


def proportional(p):
    return {"rope_type": "proportional", "rope_theta": 1e4, "partial_rotary_factor": p}


# name: (configuration, model, what differs from SHAPE). Windows are shorter than the sequences compared.
MODELS = {
    "gemma": (GemmaConfig, GemmaForCausalLM, {}),
    "gemma_mqa": (GemmaConfig, GemmaForCausalLM, {"num_key_value_heads": 1}),
    "gemma_prope": (GemmaConfig, GemmaForCausalLM, {"rope_parameters": proportional(0.75)}),
    "gemma_nope": (GemmaConfig, GemmaForCausalLM, {"rope_parameters": proportional(0.0)}),
    "gemma2": (
        Gemma2Config,
        Gemma2ForCausalLM,
        {"sliding_window": 5, "query_pre_attn_scalar": 6, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0},
    ),
    "gemma3": (
        Gemma3TextConfig,
        Gemma3ForCausalLM,
        {
            "sliding_window": 5,
            "query_pre_attn_scalar": 8,
            "num_hidden_layers": 4,
            "layer_types": ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
            "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        },
    ),
    "gemma4": (
        Gemma4TextConfig,
        Gemma4ForCausalLM,
        {
            "sliding_window": 5,
            "global_head_dim": 16,
            "hidden_size_per_layer_input": 0,
            "final_logit_softcapping": 3.0,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
    "gemma4_k_eq_v": (
        Gemma4TextConfig,
        Gemma4ForCausalLM,
        {
            "sliding_window": 5,
            "global_head_dim": 16,
            "num_global_key_value_heads": 1,
            "attention_k_eq_v": True,
            "hidden_size_per_layer_input": 0,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
    "gemma4_shared": (
        Gemma4TextConfig,
        Gemma4ForCausalLM,
        {
            "sliding_window": 5,
            "global_head_dim": 16,
            "hidden_size_per_layer_input": 6,
            "vocab_size_per_layer_input": SHAPE["vocab_size"],
            "num_hidden_layers": 4,
            "num_kv_shared_layers": 2,
            "use_double_wide_mlp": True,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
        },
    ),
    "llama": (LlamaConfig, LlamaForCausalLM, {}),
    "llama_tied": (LlamaConfig, LlamaForCausalLM, {"tie_word_embeddings": True, "num_key_value_heads": 4}),
    "llama3": (LlamaConfig, LlamaForCausalLM, {"rope_parameters": LLAMA3}),
    "llama_linear": (LlamaConfig, LlamaForCausalLM, {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}}),
    "llama_yarn": (LlamaConfig, LlamaForCausalLM, {"rope_parameters": YARN}),
}


def make(name, seed=0):
    """The model `name` with random weights, its norms and scalars too: fresh ones hide mistakes."""
    config, model, changes = MODELS[name]
    torch.manual_seed(seed)
    model = model(config(**{**SHAPE, **changes})).float().eval()
    with torch.no_grad():
        for tensor_name, tensor in list(model.named_parameters()) + list(model.named_buffers()):
            if "inv_freq" in tensor_name or "embed_scale" in tensor_name:
                continue
            if tensor.dim() == 1:
                tensor.add_(0.3 * torch.randn_like(tensor))
            else:
                tensor.copy_(torch.randn_like(tensor) * tensor.shape[1] ** -0.5)
    model.tie_weights()
    return model
