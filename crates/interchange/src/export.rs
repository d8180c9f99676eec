//! A decoder of ours as a Hugging Face folder.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use decoder::{DecoderConfig, NamedTensor};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

use crate::architecture::Family;
use crate::error::InterchangeError;
use crate::export_config::{Context, config_json, family};
use crate::names::place;

/// What is given out.
pub struct Export<'a> {
    /// The decoder's shape.
    pub config: &'a DecoderConfig,
    /// Its parameters.
    pub parameters: Vec<NamedTensor>,
    /// Longest sequence that it was trained on, in tokens.
    pub max_position_embeddings: usize,
    /// Its `tokenizer.json`.
    pub tokenizer_json: &'a str,
    /// Id of the token that begins every sequence.
    pub bos: u32,
}

/// Writes `config.json`, `model.safetensors` (f32), `tokenizer.json` and `tokenizer_config.json` into the
/// new or empty folder `out`; returns the family that it became.
///
/// `AutoModelForCausalLM.from_pretrained` and `AutoTokenizer.from_pretrained` of transformers open it. The
/// tokenizer puts the beginning-of-sequence token first, as in training.
///
/// # Errors
/// If no architecture of Hugging Face computes the decoder, `out` holds files, or cannot be written.
pub fn export(export: Export<'_>, out: &Path) -> Result<Family, InterchangeError> {
    let family = family(export.config)?;
    let context = Context {
        max_position_embeddings: export.max_position_embeddings,
        bos: export.bos,
    };
    let config = config_json(family, export.config, &context)?;
    let tokenizer = tokenizer(export.tokenizer_json, export.bos)?;
    make_empty(out)?;
    write_json(&out.join("config.json"), &config)?;
    write_json(&out.join("tokenizer.json"), &tokenizer.file)?;
    let about = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokenizer.bos,
        "model_max_length": export.max_position_embeddings,
        "clean_up_tokenization_spaces": false,
    });
    write_json(&out.join("tokenizer_config.json"), &about)?;
    write_weights(
        family,
        export.config,
        export.parameters,
        &out.join("model.safetensors"),
    )?;
    Ok(family)
}

fn make_empty(out: &Path) -> Result<(), InterchangeError> {
    fs::create_dir_all(out).map_err(InterchangeError::io(out))?;
    let mut entries = fs::read_dir(out).map_err(InterchangeError::io(out))?;
    if entries.next().is_some() {
        return Err(InterchangeError::file(
            out,
            "holds files already; name a new folder",
        ));
    }
    Ok(())
}

fn write_json(path: &Path, value: &Value) -> Result<(), InterchangeError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| InterchangeError::file(path, error.to_string()))?;
    fs::write(path, text + "\n").map_err(InterchangeError::io(path))
}

fn write_weights(
    family: Family,
    config: &DecoderConfig,
    parameters: Vec<NamedTensor>,
    path: &Path,
) -> Result<(), InterchangeError> {
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = parameters
        .into_iter()
        .map(|parameter| stored(family, parameter))
        .collect();
    if family == Family::Gemma4 && !config.layer_scalar {
        let scalar = |layer| format!("model.layers.{layer}.layer_scalar");
        let one = 1.0f32.to_le_bytes().to_vec();
        let ones = (0..config.num_hidden_layers).map(|layer| (scalar(layer), vec![1], one.clone()));
        tensors.extend(ones);
    }
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes)?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    views
        .and_then(|views| safetensors::serialize_to_file(views, Some(metadata), path))
        .map_err(|error| InterchangeError::file(path, error))
}

/// A parameter under Hugging Face's name, the other way round if it is a projection.
fn stored(family: Family, parameter: NamedTensor) -> (String, Vec<usize>, Vec<u8>) {
    let place = place(family, &parameter.name);
    let name = if place.is_head {
        place.name
    } else {
        format!("model.{}", place.name)
    };
    let NamedTensor {
        mut shape, values, ..
    } = parameter;
    let bytes = match (place.transposed, shape.as_slice()) {
        (true, &[inputs, outputs]) => {
            shape.reverse();
            (0..outputs)
                .flat_map(|output| (0..inputs).map(move |input| input * outputs + output))
                .flat_map(|at| values[at].to_le_bytes())
                .collect()
        }
        _ => values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
    };
    (name, shape, bytes)
}

struct Tokenizer {
    file: Value,
    /// The beginning-of-sequence token.
    bos: String,
}

/// The tokenizer's file with a last step that puts the token `bos` first.
fn tokenizer(json: &str, bos: u32) -> Result<Tokenizer, InterchangeError> {
    let path = Path::new("tokenizer.json");
    let mut file: Value = serde_json::from_str(json)
        .map_err(|error| InterchangeError::file(path, error.to_string()))?;
    let Some(token) = token_of(&file, bos) else {
        return Err(InterchangeError::file(
            path,
            format!("has no token of id {bos}"),
        ));
    };
    let template = json!({
        "type": "TemplateProcessing",
        "single": [{ "SpecialToken": { "id": token, "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
        "pair": [
            { "SpecialToken": { "id": token, "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } },
            { "SpecialToken": { "id": token, "type_id": 1 } }, { "Sequence": { "id": "B", "type_id": 1 } },
        ],
        "special_tokens": { token.clone(): { "id": token, "ids": [bos], "tokens": [token] } },
    });
    let processor = file["post_processor"].take();
    file["post_processor"] = match processor["type"].as_str() {
        None => template,
        Some("ByteLevel") => json!({ "type": "Sequence", "processors": [processor, template] }),
        // It puts special tokens itself, as its makers wanted.
        Some(_) => processor,
    };
    Ok(Tokenizer { file, bos: token })
}

fn token_of(file: &Value, id: u32) -> Option<String> {
    let has_id = |value: &Value| value.as_u64() == Some(u64::from(id));
    let added = file["added_tokens"].as_array().into_iter().flatten();
    let added = added.filter(|token| has_id(&token["id"]));
    let mut names = added.filter_map(|token| token["content"].as_str());
    let in_vocabulary = || {
        let mut entries = file.pointer("/model/vocab")?.as_object()?.iter();
        entries
            .find(|(_, value)| has_id(value))
            .map(|(token, _)| token.clone())
    };
    names.next().map(str::to_owned).or_else(in_vocabulary)
}
