//! Models from elsewhere: `trainer eval hf:PATH`, and `trainer logits` of any model.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use burn::tensor::{Device, Int, Tensor, TensorData};
use corpus::{DataConfig, EvaluationText, Format, Split, Splits};
use decoder::{Decoder, Execution, Precision};
use evaluation::Protocol;
use experiment::{DeviceRequest, EvaluationSplit};
use fused::Workers;
use interchange::PretrainedModel;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Deserialize;

use crate::error::TrainerError;
use crate::measurement::with_progress;
use crate::run::{self, latest_checkpoint};
use crate::run_directory::RunDirectory;
use crate::{device, screen, stop, table};

/// Longest context that is evaluated unless asked for, in tokens: what two CPU cores do in minutes.
const LONGEST_CONTEXT: usize = 2048;
/// Queries at a time where attention is written out, as in evaluations of our own.
const QUERY_CHUNK: usize = 256;

/// A model on the command line.
#[derive(Clone, Debug)]
pub enum ModelPath {
    /// A run directory of ours.
    Run(PathBuf),
    /// `hf:PATH`: a Hugging Face folder, or a GGUF file.
    HuggingFace(PathBuf),
}

impl FromStr for ModelPath {
    type Err = String;

    fn from_str(argument: &str) -> Result<Self, String> {
        match argument.strip_prefix("hf:") {
            Some("") => Err(
                "hf: needs the path of a folder or a .gguf file, for example hf:models/SmolLM2"
                    .to_owned(),
            ),
            Some(path) => Ok(Self::HuggingFace(path.into())),
            None => Ok(Self::Run(argument.into())),
        }
    }
}

/// What the command line asks of an evaluation.
pub struct Request {
    /// The model.
    pub model: ModelPath,
    /// `--set` arguments.
    pub overrides: Vec<String>,
    /// `--corpus` arguments.
    pub corpus: Vec<PathBuf>,
    /// `--contexts`, empty for the default.
    pub contexts: Vec<usize>,
    /// Where to write the result.
    pub out: Option<PathBuf>,
}

/// Keys that `--set` may give for a model from elsewhere: those of a config that concern an evaluation.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    data: Data,
    evaluation: Evaluation,
    run: Run,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Data {
    format: Format,
    field: Option<String>,
    splits: Splits,
    bos_token: Option<String>,
    cache: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Evaluation {
    split: EvaluationSplit,
    scored_tokens: Option<usize>,
    windows_per_document: usize,
    bootstrap_samples: usize,
}

impl Default for Evaluation {
    /// The defaults of a config (docs/config.md).
    fn default() -> Self {
        Self {
            split: EvaluationSplit::Test,
            scored_tokens: None,
            windows_per_document: 8,
            bootstrap_samples: 1000,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Run {
    device: Option<DeviceRequest>,
}

/// `trainer eval`: a run's checkpoint, or a model from elsewhere by the same protocol.
///
/// # Errors
/// Everything that can go wrong, in the user's words.
pub fn evaluate(request: &Request) -> Result<(), TrainerError> {
    let folder = match &request.model {
        ModelPath::HuggingFace(folder) => folder,
        ModelPath::Run(path) => {
            refuse_for_runs(request)?;
            return run::evaluate_run(path, &request.overrides);
        }
    };
    let settings = settings(&request.overrides)?;
    let model = open_pretrained(folder)?;
    let protocol = protocol(
        request,
        &settings,
        model.architecture().max_position_embeddings,
    )?;
    let selected = device::select(&settings.run.device.clone().unwrap_or(DeviceRequest::Auto))?;
    screen::say(selected.line());
    let text = text(request, &settings, &model)?;
    check_vocabulary(&text, model.architecture().decoder.vocab_size)?;
    let decoder = load(&model, folder, selected.device())?;
    let workers = Workers::new(selected.workers())?;
    let split = match settings.evaluation.split {
        EvaluationSplit::Test => "test",
        EvaluationSplit::Valid => "valid",
    };
    let stop = stop::flag();
    let found = with_progress("evaluating", &stop, |progress| {
        let (file, tokenizer) = (&text.tokens, &text.tokenizer);
        evaluation::evaluate(
            &decoder, file, split, tokenizer, &protocol, &workers, progress,
        )
    })?;
    let Some(result) = found else {
        return Err(run::evaluation_stopped());
    };
    let name = folder.display().to_string();
    screen::say(format_args!("\n{}", table::evaluation(&name, &result)));
    if let Some(path) = &request.out {
        let json = serde_json::to_string_pretty(&result)
            .map_err(|error| TrainerError::io(path)(error.into()))?;
        fs::write(path, json + "\n").map_err(TrainerError::io(path))?;
    }
    Ok(())
}

fn refuse_for_runs(request: &Request) -> Result<(), TrainerError> {
    for (argument, given) in [
        ("--corpus", !request.corpus.is_empty()),
        ("--contexts", !request.contexts.is_empty()),
        ("--out", request.out.is_some()),
    ] {
        if given {
            return Err(TrainerError::Argument {
                argument: argument.to_owned(),
                reason: "a run has its own text, contexts and eval.json; this is for hf:PATH. \
                         `--set evaluation.context_factors=[..]` changes a run's contexts"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

/// The `--set` arguments as settings; a later one wins.
fn settings(overrides: &[String]) -> Result<Settings, TrainerError> {
    let mut merged = toml::Table::new();
    for argument in overrides {
        let wrong = |reason: String| TrainerError::Argument {
            argument: format!("--set {argument}"),
            reason,
        };
        let (key, value) = argument
            .split_once('=')
            .ok_or_else(|| wrong("KEY=VALUE is needed".to_owned()))?;
        // What is no TOML value is a string: no quotes needed on the command line.
        let table = format!("{key} = {value}")
            .parse::<toml::Table>()
            .or_else(|_| format!("{key} = {value:?}").parse::<toml::Table>())
            .map_err(|error| wrong(error.message().to_owned()))?;
        table
            .clone()
            .try_into::<Settings>()
            .map_err(|error| wrong(error.message().to_owned()))?;
        merge(&mut merged, table);
    }
    merged
        .try_into()
        .map_err(|error: toml::de::Error| TrainerError::Argument {
            argument: "--set".to_owned(),
            reason: error.message().to_owned(),
        })
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(over)) => merge(inner, over),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// The protocol at the contexts asked for, or at a quarter, half and all of the model's longest.
fn protocol(
    request: &Request,
    settings: &Settings,
    max_position_embeddings: usize,
) -> Result<Protocol, TrainerError> {
    let wrong = |argument: &str, reason: String| TrainerError::Argument {
        argument: argument.to_owned(),
        reason,
    };
    let mut contexts = request.contexts.clone();
    if contexts.is_empty() {
        let longest = max_position_embeddings.clamp(4, LONGEST_CONTEXT);
        contexts = vec![longest / 4, longest / 2, longest];
    }
    contexts.sort_unstable();
    contexts.dedup();
    let (shortest, longest) = (contexts[0], contexts[contexts.len() - 1]);
    if shortest == 0 {
        return Err(wrong(
            "--contexts",
            "a context has at least 1 token".to_owned(),
        ));
    }
    if longest > max_position_embeddings {
        screen::note(format_args!(
            "note: {longest} tokens are more than the {max_position_embeddings} that the model says it was made for"
        ));
    }
    let evaluation = &settings.evaluation;
    let scored_tokens = evaluation.scored_tokens.unwrap_or((shortest / 4).max(1));
    if scored_tokens == 0 || scored_tokens > shortest {
        let reason = format!("{scored_tokens} is not in 1 to {shortest}, the shortest context");
        return Err(wrong("--set evaluation.scored_tokens", reason));
    }
    Ok(Protocol {
        contexts,
        scored_tokens,
        windows_per_document: Some(evaluation.windows_per_document).filter(|most| *most > 0),
        bootstrap_samples: evaluation.bootstrap_samples,
    })
}

fn text(
    request: &Request,
    settings: &Settings,
    model: &PretrainedModel,
) -> Result<EvaluationText, TrainerError> {
    if request.corpus.is_empty() {
        return Err(TrainerError::Argument {
            argument: "--corpus".to_owned(),
            reason: "missing: the text to evaluate on, for example --corpus datasets/books"
                .to_owned(),
        });
    }
    let data = &settings.data;
    let named = match &data.bos_token {
        Some(token) => Some(token.clone()),
        None => model.bos_token()?,
    };
    let usual = DataConfig::default();
    let cache = data.cache.clone().unwrap_or(usual.cache);
    let config = DataConfig {
        paths: request.corpus.clone(),
        format: data.format,
        field: data.field.clone().unwrap_or(usual.field),
        tokenizer: model.tokenizer(&cache)?.to_string_lossy().into_owned(),
        bos_token: named,
        splits: data.splits,
        cache,
        ..DataConfig::default()
    };
    let split = match settings.evaluation.split {
        EvaluationSplit::Test => Split::Test,
        EvaluationSplit::Valid => Split::Valid,
    };
    let bar = run::bar("tokenizing {bar:24} {bytes}/{total_bytes} {msg} {eta} left");
    let text = corpus::prepare_evaluation(&config, split, &|progress| {
        bar.set_length(progress.total_bytes);
        bar.set_message(progress.document);
        bar.set_position(progress.done_bytes);
    });
    bar.finish_and_clear();
    let text = text?;
    for note in &text.notes {
        screen::note(format_args!("data: {note}"));
    }
    let bos = text.tokenizer.bos();
    screen::say(format_args!(
        "text {} documents, {} tokens; every window begins with token {bos}{}",
        text.tokens.documents().len(),
        text.tokens.num_tokens(),
        config
            .bos_token
            .map_or(String::new(), |token| format!(", `{token}`")),
    ));
    Ok(text)
}

/// A tokenizer may know more tokens than the model has embeddings for, as long as the text has none.
fn check_vocabulary(text: &EvaluationText, vocab_size: usize) -> Result<(), TrainerError> {
    let tokens = text.tokens.tokens(0..text.tokens.num_tokens());
    let largest = tokens.into_iter().chain([text.tokenizer.bos()]).max();
    match largest {
        Some(id) if id as usize >= vocab_size => Err(TrainerError::Argument {
            argument: "tokenizer.json".to_owned(),
            reason: format!(
                "the text has token {id}, the model embeddings for {vocab_size}: is it this model's tokenizer?"
            ),
        }),
        _ => Ok(()),
    }
}

/// The model in `folder`, a Hugging Face folder or a GGUF file. Names the keys of its configuration of which nothing is
/// known: they may or may not change what it computes.
///
/// # Errors
/// If it cannot be read, or computes what a decoder of ours does not.
pub fn open_pretrained(folder: &Path) -> Result<PretrainedModel, TrainerError> {
    let model = PretrainedModel::open(folder)?;
    let keys = &model.architecture().unknown_keys;
    if !keys.is_empty() {
        let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
        screen::note(format_args!(
            "model: config.json has keys that are not known and not read: {}",
            keys.join(", ")
        ));
    }
    Ok(model)
}

fn load(model: &PretrainedModel, folder: &Path, device: &Device) -> Result<Decoder, TrainerError> {
    let began = Instant::now();
    let decoder = model.load(device)?;
    let config = decoder.config();
    screen::say(format_args!(
        "model {}: {:?}, {} layers, {} parameters, read in {:.1} s",
        folder.display(),
        model.architecture().family,
        config.num_hidden_layers,
        config.num_parameters(),
        began.elapsed().as_secs_f64()
    ));
    Ok(decoder)
}

/// The decoder of `model` on `device`.
fn open(model: &ModelPath, device: &Device) -> Result<Decoder, TrainerError> {
    match model {
        ModelPath::HuggingFace(folder) => Ok(open_pretrained(folder)?.load(device)?),
        ModelPath::Run(path) => {
            let directory = RunDirectory::open(path)?;
            let experiment = directory.experiment()?;
            let checkpoint = latest_checkpoint(&directory)
                .ok_or_else(|| TrainerError::NoCheckpoint(path.clone()))?;
            let decoder = Decoder::new(experiment.model, experiment.seed, device)?;
            Ok(decoder::load_parameters(decoder, checkpoint.weights)?)
        }
    }
}

/// `trainer logits`: writes the logits of the sequences in the file `tokens`.
///
/// # Errors
/// Everything that can go wrong, in the user's words.
pub fn write_logits(
    model: &ModelPath,
    tokens: &Path,
    out: &Path,
    request: &DeviceRequest,
) -> Result<(), TrainerError> {
    let selected = device::select(request)?;
    let device = selected.device();
    let decoder = open(model, device)?;
    let vocab_size = decoder.config().vocab_size;
    let sequences = read_sequences(tokens, vocab_size)?;
    let longest = sequences.iter().map(Vec::len).max().unwrap_or(0);
    let positions = decoder.positions(longest, device);
    let execution = Execution::exact(device, QUERY_CHUNK);
    let results: Vec<(String, usize, Vec<u8>)> = sequences
        .into_iter()
        .enumerate()
        .map(|(number, ids)| {
            let length = ids.len();
            let ids: Tensor<2, Int> = Tensor::from_data(TensorData::new(ids, [1, length]), device);
            let hidden = decoder.hidden_states(ids, &positions, execution);
            let logits = decoder.logits(hidden, Precision::F32); // [T, V]
            let data = logits.into_data();
            let bytes = data.iter::<f32>().flat_map(f32::to_le_bytes).collect();
            (format!("logits.{number}"), length, bytes)
        })
        .collect();
    let views = results
        .iter()
        .map(|(name, length, bytes)| {
            let view = TensorView::new(Dtype::F32, vec![*length, vocab_size], bytes)?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
    let file = views.and_then(|views| safetensors::serialize(views, None::<HashMap<_, _>>));
    let file = file.map_err(|error| TrainerError::io(out)(std::io::Error::other(error)))?;
    fs::write(out, file).map_err(TrainerError::io(out))
}

/// Sequences of token ids, one a line.
fn read_sequences(path: &Path, vocab_size: usize) -> Result<Vec<Vec<i32>>, TrainerError> {
    let text = fs::read_to_string(path).map_err(TrainerError::io(path))?;
    let wrong = |line: usize, word: &str| TrainerError::Argument {
        argument: format!("{}, line {}", path.display(), line + 1),
        reason: format!("`{word}` is not a token id below {vocab_size}"),
    };
    let sequences = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| {
            line.split_whitespace()
                .map(|word| {
                    let id = word.parse::<i32>().ok();
                    id.filter(|id| usize::try_from(*id).is_ok_and(|id| id < vocab_size))
                        .ok_or_else(|| wrong(number, word))
                })
                .collect()
        });
    sequences.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(contexts: &[usize]) -> Request {
        Request {
            model: ModelPath::HuggingFace("x".into()),
            overrides: Vec::new(),
            corpus: Vec::new(),
            contexts: contexts.to_vec(),
            out: None,
        }
    }

    #[test]
    fn contexts_follow_the_model_up_to_a_cap() {
        let contexts = |asked: &[usize], max| {
            let settings = Settings::default();
            let protocol = protocol(&request(asked), &settings, max).expect("a protocol");
            (protocol.contexts, protocol.scored_tokens)
        };
        assert_eq!(contexts(&[], 131_072), (vec![512, 1024, 2048], 128));
        assert_eq!(contexts(&[], 128), (vec![32, 64, 128], 8));
        assert_eq!(contexts(&[1024, 256, 256], 512), (vec![256, 1024], 64));
    }

    #[test]
    fn settings_are_those_of_an_evaluation() {
        let set = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            settings(&arguments)
        };
        let good = set(&[
            "evaluation.split=valid",
            "evaluation.windows_per_document=2",
            "data.bos_token=<s>",
            "evaluation.windows_per_document=3",
        ])
        .expect("known keys");
        assert_eq!(good.evaluation.windows_per_document, 3);
        assert_eq!(good.data.bos_token.as_deref(), Some("<s>"));
        let error = |argument| set(&[argument]).err().expect(argument).to_string();
        assert!(error("train.steps=3").starts_with("--set train.steps=3: unknown field `train`"));
        assert_eq!(error("evaluation"), "--set evaluation: KEY=VALUE is needed");
    }

    #[test]
    fn scored_tokens_fit_the_shortest_context() {
        let mut settings = Settings::default();
        settings.evaluation.scored_tokens = Some(100);
        let error = protocol(&request(&[64, 128]), &settings, 128).err();
        let message = error.expect("too many").to_string();
        assert_eq!(
            message,
            "--set evaluation.scored_tokens: 100 is not in 1 to 64, the shortest context"
        );
    }
}
