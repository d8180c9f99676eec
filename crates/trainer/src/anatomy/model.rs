//! The model that is looked at: a decoder, its tokenizer, and where they came from.

use std::path::Path;

use corpus::{DataConfig, Tokenizer};
use decoder::Decoder;
use experiment::DeviceRequest;

use crate::device::{self, Selected};
use crate::error::TrainerError;
use crate::imported::{self, ModelPath};
use crate::run::latest_checkpoint;
use crate::run_directory::RunDirectory;
use crate::training::check_spectra;

/// A decoder with its tokenizer.
pub struct Model {
    /// What to call it.
    pub name: String,
    /// The decoder with its weights.
    pub decoder: Decoder,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Tokens it was trained to read, or says it was made for.
    pub context_length: usize,
    /// Number of parameters.
    pub parameters: usize,
    /// Which weights these are.
    pub weights: String,
    /// The device it is on.
    pub selected: Selected,
}

impl Model {
    /// The newest checkpoint of a run, on `device` or the run's own, or a pretrained model.
    ///
    /// # Errors
    /// If it is not there or cannot be read, or the device is not there.
    pub fn open(model: &ModelPath, device: Option<&DeviceRequest>) -> Result<Self, TrainerError> {
        match model {
            ModelPath::Run(path) => Self::of_run(path, device),
            ModelPath::HuggingFace(path) => {
                Self::pretrained(path, device.unwrap_or(&DeviceRequest::Auto))
            }
        }
    }

    fn pretrained(path: &Path, device: &DeviceRequest) -> Result<Self, TrainerError> {
        let model = imported::open_pretrained(path)?;
        let selected = device::select(device)?;
        let tokenizer = model.tokenizer(&DataConfig::default().cache)?;
        let tokenizer = tokenizer.to_string_lossy();
        let decoder = model.load(selected.device())?;
        Ok(Self {
            name: path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            parameters: decoder.config().num_parameters(),
            decoder,
            tokenizer: Tokenizer::open(&tokenizer, model.bos_token()?.as_deref())?,
            context_length: model.architecture().max_position_embeddings,
            weights: "as they came".to_owned(),
            selected,
        })
    }

    fn of_run(path: &Path, device: Option<&DeviceRequest>) -> Result<Self, TrainerError> {
        let directory = RunDirectory::open(path)?;
        let experiment = directory.experiment()?;
        let selected = device::select(device.unwrap_or(&experiment.run.device))?;
        let checkpoint = latest_checkpoint(&directory)
            .ok_or_else(|| TrainerError::NoCheckpoint(path.to_owned()))?;
        let decoder = Decoder::new(experiment.model.clone(), experiment.seed, selected.device())?;
        check_spectra(&decoder, &checkpoint.state)?;
        let weights = format!("step {}", checkpoint.state.step);
        let decoder = decoder::load_parameters(decoder, checkpoint.weights)?;
        let tokenizer = if experiment.data.tokenizer == "bytes" {
            "bytes".to_owned()
        } else {
            path.join("tokenizer.json").to_string_lossy().into_owned()
        };
        let tokenizer = Tokenizer::open(&tokenizer, experiment.data.bos_token.as_deref())?;
        Ok(Self {
            name: experiment.name.clone(),
            parameters: experiment.model.num_parameters(),
            decoder,
            tokenizer,
            context_length: experiment.train.context_length,
            weights,
            selected,
        })
    }
}
