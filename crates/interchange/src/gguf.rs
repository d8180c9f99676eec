//! GGUF files of the llama architecture.
//!
//! Three things differ from a Hugging Face folder: names, weights in blocks of few bits (widened to f32 here),
//! and the order of the rows of queries and keys. llama.cpp rotates neighbours, coordinates `2i` and `2i + 1`
//! of a head; Hugging Face rotates `i` and `i + d/2`. Files are written for llama.cpp, so rows are put back.

use std::path::Path;

use ::gguf::GgufFile;
use burn::tensor::Device;
use decoder::Decoder;
use serde_json::{Map, json};

use crate::architecture::Architecture;
use crate::config::HuggingFaceConfig;
use crate::error::InterchangeError;
use crate::gguf_keys;
use crate::import::import;
use crate::tensor_source::TensorSource;

/// Names of a layer's tensors: Hugging Face's, GGUF's.
const LAYER: [(&str, &str); 9] = [
    ("input_layernorm.weight", "attn_norm.weight"),
    ("self_attn.q_proj.weight", "attn_q.weight"),
    ("self_attn.k_proj.weight", "attn_k.weight"),
    ("self_attn.v_proj.weight", "attn_v.weight"),
    ("self_attn.o_proj.weight", "attn_output.weight"),
    ("post_attention_layernorm.weight", "ffn_norm.weight"),
    ("mlp.gate_proj.weight", "ffn_gate.weight"),
    ("mlp.up_proj.weight", "ffn_up.weight"),
    ("mlp.down_proj.weight", "ffn_down.weight"),
];
/// Names outside the layers.
const OUTER: [(&str, &str); 3] = [
    ("model.embed_tokens.weight", "token_embd.weight"),
    ("model.norm.weight", "output_norm.weight"),
    ("lm_head.weight", HEAD),
];
const HEAD: &str = "output.weight";
/// What each frequency is divided by: how files of Llama 3.1 and later carry its scaling.
const FREQUENCY_FACTORS: &str = "rope_freqs.weight";

/// A GGUF file of the llama architecture.
pub struct GgufModel {
    file: GgufFile,
    config: HuggingFaceConfig,
    architecture: Architecture,
}

impl GgufModel {
    /// Maps the file at `path` and reads its header.
    ///
    /// # Errors
    /// If it is damaged, of another architecture, or uses what we do not compute.
    pub fn open(path: &Path) -> Result<Self, InterchangeError> {
        let file = GgufFile::open(path)?;
        let config = config(&file)?;
        let architecture = Architecture::new(&config)?;
        Ok(Self {
            file,
            config,
            architecture,
        })
    }

    /// What the model computes.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The model with its weights on `device`, widened to f32.
    ///
    /// # Errors
    /// See [`import`].
    pub fn load(&self, device: &Device) -> Result<Decoder, InterchangeError> {
        import(&self.architecture, self, device)
    }

    /// The tokenizer inside, as the text of a `tokenizer.json`.
    ///
    /// # Errors
    /// If it is no byte-level BPE, or incomplete.
    pub fn tokenizer_json(&self) -> Result<String, InterchangeError> {
        Ok(self.file.tokenizer_json()?)
    }

    /// The token that the file calls the beginning of a sequence. `None`: it names none.
    ///
    /// # Errors
    /// If it names one that the vocabulary does not have.
    pub fn bos_token(&self) -> Result<Option<String>, InterchangeError> {
        let vocab_size = self.architecture.decoder.vocab_size;
        let Some(id) = self.config.bos_id(vocab_size)? else {
            return Ok(None);
        };
        let tokens = self.file.strings("tokenizer.ggml.tokens")?;
        let token = usize::try_from(id).ok().and_then(|id| tokens.get(id));
        token.map(|token| Some((*token).to_owned())).ok_or_else(|| {
            let reason = format!("bos_token_id is {id}, beyond the {} tokens", tokens.len());
            InterchangeError::file(self.file.path(), reason)
        })
    }

    /// The name in the file.
    fn file_name(name: &str) -> String {
        if let Some((_, theirs)) = OUTER.iter().find(|(ours, _)| *ours == name) {
            return (*theirs).to_owned();
        }
        let layer = name
            .strip_prefix("model.layers.")
            .and_then(|rest| rest.split_once('.'));
        let known = layer.and_then(|(number, rest)| {
            let (_, theirs) = LAYER.iter().find(|(ours, _)| *ours == rest)?;
            Some(format!("blk.{number}.{theirs}"))
        });
        known.unwrap_or_else(|| name.to_owned())
    }

    /// Heads whose rows are interleaved: of queries and keys.
    fn rotated_heads(&self, name: &str) -> Option<usize> {
        let decoder = &self.architecture.decoder;
        if name.ends_with("self_attn.q_proj.weight") {
            Some(decoder.num_attention_heads)
        } else if name.ends_with("self_attn.k_proj.weight") {
            Some(decoder.num_key_value_heads)
        } else {
            None
        }
    }
}

impl TensorSource for GgufModel {
    fn names(&self) -> Vec<String> {
        let names = self
            .file
            .tensors()
            .map(|tensor| hugging_face_name(tensor.name()));
        names.collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let tensor = self.file.tensor(&Self::file_name(name)).ok()?;
        Some(tensor.shape().to_vec())
    }

    fn location(&self, name: &str) -> String {
        format!(
            "{} (there `{}`)",
            self.file.path().display(),
            Self::file_name(name)
        )
    }

    fn read(&self, name: &str) -> Result<Vec<f32>, InterchangeError> {
        let tensor = self.file.tensor(&Self::file_name(name))?;
        let values = tensor.to_f32();
        let Some(heads) = self.rotated_heads(name) else {
            return Ok(values);
        };
        let &[rows, columns] = tensor.shape() else {
            return Err(self.error(name, "has not two dimensions"));
        };
        if !rows.is_multiple_of(2 * heads) {
            let reason = format!("has {rows} rows, which do not make pairs of {heads} heads");
            return Err(self.error(name, &reason));
        }
        Ok(half_split(&values, rows / heads, columns))
    }
}

/// Rows of heads of `head_dim`, pairs side by side, put into Hugging Face's order: first members, then second.
fn half_split(values: &[f32], head_dim: usize, columns: usize) -> Vec<f32> {
    let mut ordered = Vec::with_capacity(values.len());
    for head in values.chunks_exact(head_dim * columns) {
        for member in [0, 1] {
            for pair in head.chunks_exact(2 * columns) {
                ordered.extend_from_slice(&pair[member * columns..][..columns]);
            }
        }
    }
    ordered
}

/// A tensor of the file under Hugging Face's name. What has none but stands in a layer is named as of that
/// layer, so that [`import`] refuses it: a bias would change the numbers.
fn hugging_face_name(name: &str) -> String {
    if let Some((ours, _)) = OUTER.iter().find(|(_, theirs)| *theirs == name) {
        return (*ours).to_owned();
    }
    let Some((number, rest)) = name
        .strip_prefix("blk.")
        .and_then(|rest| rest.split_once('.'))
    else {
        return name.to_owned();
    };
    let known = LAYER.iter().find(|(_, theirs)| *theirs == rest);
    format!(
        "model.layers.{number}.{}",
        known.map_or(rest, |(ours, _)| ours)
    )
}

/// The file's metadata as the `config.json` that transformers would have.
fn config(file: &GgufFile) -> Result<HuggingFaceConfig, InterchangeError> {
    let architecture = file.string("general.architecture")?;
    if architecture != "llama" {
        let reason =
            format!("is of the architecture `{architecture}`; of GGUF files, `llama` is supported");
        return Err(InterchangeError::file(file.path(), reason));
    }
    let required = |key: &str| size(file, key);
    let optional = |key: &str| file.value(&full(key)).map(|_| size(file, key)).transpose();
    let hidden_size = required("embedding_length")?;
    let heads = required("attention.head_count")?;
    let head_dim = match optional("attention.key_length")? {
        Some(length) => length,
        None => hidden_size / heads.max(1),
    };
    refuse_other_lengths(file, head_dim)?;
    let rope_theta = match file.value(&full("rope.freq_base")) {
        Some(_) => file.float(&full("rope.freq_base"))?,
        None => 10_000.0,
    };
    let vocab_size = file.tensor("token_embd.weight")?.shape()[0];
    let config = HuggingFaceConfig {
        model_type: Some("llama".to_owned()),
        vocab_size: Some(vocab_size),
        hidden_size: Some(hidden_size),
        intermediate_size: Some(required("feed_forward_length")?),
        num_hidden_layers: Some(required("block_count")?),
        num_attention_heads: Some(heads),
        num_key_value_heads: Some(optional("attention.head_count_kv")?.unwrap_or(heads)),
        head_dim: Some(head_dim),
        max_position_embeddings: Some(required("context_length")?),
        rms_norm_eps: Some(file.float(&full("attention.layer_norm_rms_epsilon"))?),
        tie_word_embeddings: Some(!file.has_tensor(HEAD)),
        bos_token_id: bos(file, vocab_size)?.map(Into::into),
        rope_theta: Some(rope_theta),
        rope_scaling: scaling(file, rope_theta, head_dim)?,
        ..HuggingFaceConfig::default()
    };
    gguf_keys::refuse_unknown(file)?;
    Ok(config)
}

fn full(key: &str) -> String {
    format!("llama.{key}")
}

fn size(file: &GgufFile, key: &str) -> Result<usize, InterchangeError> {
    let value = file.integer(&full(key))?;
    usize::try_from(value)
        .map_err(|_| InterchangeError::file(file.path(), format!("llama.{key} is {value}")))
}

/// The id of the token that begins every sequence. `None`: the file names none.
fn bos(file: &GgufFile, vocab_size: usize) -> Result<Option<u64>, InterchangeError> {
    const KEY: &str = "tokenizer.ggml.bos_token_id";
    /// What llama.cpp writes for a token that there is not.
    const NONE: u64 = u32::MAX as u64;
    if file.value(KEY).is_none() {
        return Ok(None);
    }
    match file.integer(KEY)? {
        NONE => Ok(None),
        id if id < vocab_size as u64 => Ok(Some(id)),
        id => {
            let reason = format!("{KEY} is {id}, beyond the {vocab_size} tokens");
            Err(InterchangeError::file(file.path(), reason))
        }
    }
}

/// That values, and the coordinates that rotate, are as many as a head's.
fn refuse_other_lengths(file: &GgufFile, head_dim: usize) -> Result<(), InterchangeError> {
    for (key, what) in [
        ("attention.value_length", "values"),
        ("rope.dimension_count", "rotated coordinates"),
    ] {
        if file.value(&full(key)).is_none() {
            continue;
        }
        let length = size(file, key)?;
        if length != head_dim {
            let reason = format!(
                "llama.{key} is {length}, but heads have {head_dim} coordinates: that many {what} are supported only"
            );
            return Err(InterchangeError::file(file.path(), reason));
        }
    }
    Ok(())
}

/// The scaling of frequencies, as Hugging Face writes it.
fn scaling(
    file: &GgufFile,
    theta: f64,
    head_dim: usize,
) -> Result<Option<Map<String, serde_json::Value>>, InterchangeError> {
    let object = |value: serde_json::Value| value.as_object().cloned();
    let linear = linear_factor(file)?;
    if !file.has_tensor(FREQUENCY_FACTORS) {
        return Ok(linear
            .and_then(|(_, factor)| object(json!({ "rope_type": "linear", "factor": factor }))));
    }
    if let Some((key, factor)) = linear {
        let reason = format!(
            "{key} is {factor}, and {FREQUENCY_FACTORS} scales frequencies too: both at once are not supported"
        );
        return Err(InterchangeError::file(file.path(), reason));
    }
    let factors = file.read_f32(FREQUENCY_FACTORS)?;
    let Some(factor) = llama3_factor(&factors, theta, head_dim) else {
        let reason = format!(
            "{FREQUENCY_FACTORS} is not the table of a Llama 3 model; others are not supported"
        );
        return Err(InterchangeError::file(file.path(), reason));
    };
    Ok(object(json!({
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": LLAMA_3_CONTEXT,
    })))
}

/// By how much positions are divided, where they are, and the key that says so: as llama.cpp reads it, today's key or
/// the one before it, and `linear` where there is no type. A factor of 0 is none.
fn linear_factor(file: &GgufFile) -> Result<Option<(&'static str, f64)>, InterchangeError> {
    const TYPE: &str = "llama.rope.scaling.type";
    const KEYS: [&str; 2] = ["llama.rope.scaling.factor", "llama.rope.scale_linear"];
    let wrong = |reason: String| Err(InterchangeError::file(file.path(), reason));
    let kind = match file.value(TYPE) {
        Some(_) => file.string(TYPE)?,
        None => "linear",
    };
    let mut factors = Vec::new();
    for key in KEYS {
        if file.value(key).is_some() {
            let factor = file.float(key)?;
            if !factor.is_finite() {
                return wrong(format!("{key} is {factor}"));
            }
            factors.push((key, factor));
        }
    }
    match kind {
        "none" => return Ok(None),
        "linear" => {}
        other => {
            return wrong(format!(
                "{TYPE} `{other}` is not supported in a GGUF file; known: none, linear"
            ));
        }
    }
    if let [(new, factor), (old, other)] = factors[..]
        && (factor - other).abs() > 0.0
    {
        return wrong(format!(
            "{old} is {other}, which contradicts {new}, {factor}"
        ));
    }
    let changes = |factor: f64| factor.abs() > 0.0 && (factor - 1.0).abs() > 0.0;
    let found = factors.first().copied();
    match found {
        // Whoever wrote the type meant a factor.
        None if file.value(TYPE).is_some() => {
            wrong(format!("{TYPE} is `linear`, but {} is missing", KEYS[0]))
        }
        found => Ok(found.filter(|(_, factor)| changes(*factor))),
    }
}

/// Context of Llama 3 before it was extended.
const LLAMA_3_CONTEXT: f64 = 8192.0;
/// By how much: Llama 3.1 and 3.3, and 3.2.
const LLAMA_3_FACTORS: [f64; 2] = [8.0, 32.0];

/// Which of Llama 3's extensions a table of factors is: wavelengths up to a quarter of the old context keep their
/// frequency, those beyond it are divided by `factor`, and in between it is interpolated.
fn llama3_factor(factors: &[f32], theta: f64, head_dim: usize) -> Option<f64> {
    if factors.len() != head_dim / 2 {
        return None;
    }
    LLAMA_3_FACTORS.into_iter().find(|factor| {
        factors.iter().enumerate().all(|(i, given)| {
            let wavelength = std::f64::consts::TAU * theta.powf(2.0 * i as f64 / head_dim as f64);
            let smooth = ((LLAMA_3_CONTEXT / wavelength - 1.0) / 3.0).clamp(0.0, 1.0);
            let expected = 1.0 / ((1.0 - smooth) / factor + smooth);
            (f64::from(*given) / expected - 1.0).abs() < 1e-4
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_pairs_become_halves() {
        // Two heads of four rows, two columns; a row is its number twice.
        let rows: Vec<f32> = (0..8u8).flat_map(|row| [f32::from(row); 2]).collect();
        let ordered: Vec<f32> = half_split(&rows, 4, 2).into_iter().step_by(2).collect();
        assert_eq!(ordered, [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
    }

    #[test]
    fn the_table_of_llama_3_is_recognised() {
        // Llama 3.2's: `rope_theta` 500000, factor 32, as transformers' `ROPE_INIT_FUNCTIONS["llama3"]` has it.
        let mut factors = [1.0f32; 32];
        factors[15..18].copy_from_slice(&[1.65133, 3.29226, 9.66673]);
        factors[18..].fill(32.0);
        assert_eq!(llama3_factor(&factors, 500_000.0, 64), Some(32.0));
        factors[16] = 3.3;
        assert_eq!(llama3_factor(&factors, 500_000.0, 64), None);
        assert_eq!(llama3_factor(&factors[..31], 500_000.0, 64), None);
    }

    #[test]
    fn names_go_there_and_back() {
        for (ours, theirs) in [
            (
                "model.layers.12.self_attn.k_proj.weight",
                "blk.12.attn_k.weight",
            ),
            ("model.embed_tokens.weight", "token_embd.weight"),
            ("lm_head.weight", "output.weight"),
        ] {
            assert_eq!(GgufModel::file_name(ours), theirs);
            assert_eq!(hugging_face_name(theirs), ours);
        }
        assert_eq!(
            hugging_face_name("blk.0.attn_q.bias"),
            "model.layers.0.attn_q.bias"
        );
    }
}
