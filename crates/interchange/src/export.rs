//! A decoder of ours as a Hugging Face folder.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use decoder::{DecoderConfig, NamedTensor};
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError};
use serde_json::{Value, json};

use crate::architecture::Family;
use crate::error::InterchangeError;
use crate::export_config::{Context, config_json, family};
use crate::exported_tokenizer::ExportedTokenizer;
use crate::names::place;

/// Of a safetensors file's numbers, in bytes.
const ALIGNMENT: usize = 8;

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
    let tokenizer = ExportedTokenizer::new(export.tokenizer_json, export.bos)?;
    make_empty(out)?;
    write_json(&out.join("config.json"), &config)?;
    write_text(&out.join("tokenizer.json"), &tokenizer.json)?;
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
    write_text(path, &(text + "\n"))
}

fn write_text(path: &Path, text: &str) -> Result<(), InterchangeError> {
    whole_file::write(path, |file| file.write_all(text.as_bytes()))
        .map_err(InterchangeError::io(path))
}

/// A tensor under Hugging Face's name: its shape and its bytes.
type Stored = (String, Vec<usize>, Vec<u8>);

fn write_weights(
    family: Family,
    config: &DecoderConfig,
    parameters: Vec<NamedTensor>,
    path: &Path,
) -> Result<(), InterchangeError> {
    let mut tensors: Vec<Stored> = parameters
        .into_iter()
        .map(|parameter| stored(family, parameter))
        .collect();
    if family == Family::Gemma4 && !config.layer_scalar {
        let scalar = |layer| format!("model.layers.{layer}.layer_scalar");
        let one = 1.0f32.to_le_bytes().to_vec();
        let ones = (0..config.num_hidden_layers).map(|layer| (scalar(layer), vec![1], one.clone()));
        tensors.extend(ones);
    }
    tensors.sort_by(|(first, ..), (second, ..)| first.cmp(second));
    let header = header(&tensors).map_err(|error| InterchangeError::file(path, error))?;
    // The format's own crate makes a file for its owner alone.
    whole_file::write(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        tensors
            .iter()
            .try_for_each(|(_, _, bytes)| file.write_all(bytes))
    })
    .map_err(InterchangeError::io(path))
}

/// The header of a safetensors file of `tensors`, one after another in f32.
fn header(tensors: &[Stored]) -> Result<Vec<u8>, SafeTensorError> {
    let mut end = 0;
    let described = tensors.iter().map(|(name, shape, bytes)| {
        let begin = end;
        end += bytes.len();
        let info = TensorInfo {
            dtype: Dtype::F32,
            shape: shape.clone(),
            data_offsets: (begin, end),
        };
        (name.clone(), info)
    });
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let metadata = Metadata::new(Some(format), described.collect())?;
    let mut header = serde_json::to_vec(&metadata)?;
    // Spaces, so that the numbers behind it are aligned.
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    Ok(header)
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
