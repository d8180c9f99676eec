//! `trainer export RUN OUT`: a run's newest checkpoint as a Hugging Face folder.

use std::fs;
use std::path::Path;

use corpus::Tokenizer;
use interchange::Export;

use crate::error::TrainerError;
use crate::run::latest_checkpoint;
use crate::run_directory::RunDirectory;
use crate::screen;

/// Writes the folder `out`.
///
/// # Errors
/// Everything that can go wrong, in the user's words.
pub fn export(run: &Path, out: &Path) -> Result<(), TrainerError> {
    let directory = RunDirectory::open(run)?;
    let experiment = directory.experiment()?;
    let checkpoint =
        latest_checkpoint(&directory).ok_or_else(|| TrainerError::NoCheckpoint(run.to_owned()))?;
    let path = directory.path().join("tokenizer.json");
    let tokenizer_json = fs::read_to_string(&path).map_err(TrainerError::io(&path))?;
    let tokenizer = Tokenizer::open(
        &path.to_string_lossy(),
        experiment.data.bos_token.as_deref(),
    )?;
    let family = interchange::export(
        Export {
            config: &experiment.model,
            parameters: checkpoint.weights,
            max_position_embeddings: experiment.train.context_length,
            tokenizer_json: &tokenizer_json,
            bos: tokenizer.bos(),
        },
        out,
    )?;
    screen::say(format_args!(
        "{} at step {} written to {} as {family:?}; in Python: AutoModelForCausalLM.from_pretrained({:?})",
        experiment.name,
        checkpoint.state.step,
        out.display(),
        out.display().to_string()
    ));
    Ok(())
}
