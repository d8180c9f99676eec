//! The model that is looked at: a decoder, its tokenizer, and where they came from.

use std::path::Path;

use corpus::Tokenizer;
use decoder::Decoder;
use experiment::DeviceRequest;

use crate::device::{self, Selected};
use crate::error::TrainerError;
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
    /// Tokens it was trained to read, if that is known.
    pub context_length: Option<usize>,
    /// Number of parameters.
    pub parameters: usize,
    /// Which weights these are.
    pub weights: String,
    /// The device it is on.
    pub selected: Selected,
}

impl Model {
    /// The newest checkpoint of the run in the folder `path`, on `device` or the run's own.
    ///
    /// # Errors
    /// If it is no run, has no checkpoint, or the device is not there.
    pub fn open(path: &str, device: Option<&DeviceRequest>) -> Result<Self, TrainerError> {
        let path = Path::new(path);
        let directory = RunDirectory::open(path)?;
        let experiment = directory.experiment()?;
        let selected = device::select(device.unwrap_or(&experiment.run.device))?;
        let (checkpoint, damaged) = directory.checkpoints().load_latest();
        for error in damaged {
            tracing::warn!(%error, "checkpoint skipped");
        }
        let checkpoint = checkpoint.ok_or_else(|| TrainerError::NoCheckpoint(path.to_owned()))?;
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
            context_length: Some(experiment.train.context_length),
            weights,
            selected,
        })
    }
}
