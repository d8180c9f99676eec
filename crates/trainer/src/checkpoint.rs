//! Checkpoints: a folder a step, written whole or not at all, verified before use.
//!
//! ```text
//! checkpoints/step-000400/
//!     model.safetensors        every parameter, f32
//!     optimizer.safetensors    AdamW's moments, f32
//!     state.json               where the run stood
//!     SHA256SUMS               of the three files; `sha256sum -c` reads it too
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use decoder::NamedTensor;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

const MODEL: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const STATE: &str = "state.json";
const SUMS: &str = "SHA256SUMS";

/// Where a run stood when a checkpoint was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Optimizer steps done.
    pub step: usize,
    /// Best validation loss so far and the step it was measured after.
    pub best: Option<Best>,
    /// Fingerprint of each layer kind's frequencies: weights are bound to the encoding they were
    /// trained under.
    pub spectra: BTreeMap<String, String>,
}

/// The best validation loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Optimizer steps done when it was measured.
    pub step: usize,
    /// Nats per token.
    pub loss: f64,
}

/// Everything that continues a run.
pub struct Checkpoint {
    /// The decoder's parameters.
    pub weights: Vec<NamedTensor>,
    /// The optimizer's moments.
    pub moments: Vec<NamedTensor>,
    /// Where the run stood.
    pub state: State,
}

/// Why a checkpoint could not be written or read.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("{path}: {error}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system said. Not the `source` of the error, which would be printed a second time.
        error: std::io::Error,
    },
    /// A file is not what was written.
    #[error("{path}: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> CheckpointError {
    let path = path.to_owned();
    move |error| CheckpointError::Io { path, error }
}

fn damaged(path: &Path, reason: impl ToString) -> CheckpointError {
    CheckpointError::Damaged {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// The checkpoints of one run.
pub struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    /// The checkpoints in `folder`, which need not exist yet. Leftovers of a killed writer are removed.
    pub fn new(folder: PathBuf) -> Self {
        if let Ok(entries) = fs::read_dir(&folder) {
            for path in entries.flatten().map(|entry| entry.path()) {
                if name_of(&path).starts_with(".writing-") {
                    let _ = fs::remove_dir_all(path);
                }
            }
        }
        Self { folder }
    }

    /// Writes `checkpoint` and returns its folder.
    ///
    /// # Errors
    /// If the file system refuses; nothing half-written is then left under a checkpoint's name.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<PathBuf, CheckpointError> {
        let step = checkpoint.state.step;
        let target = self.path(step);
        let temporary = self
            .folder
            .join(format!(".writing-{step:06}-{}", std::process::id()));
        let written = Self::write(checkpoint, &temporary).and_then(|()| {
            if target.exists() {
                fs::remove_dir_all(&target).map_err(io(&target))?;
            }
            fs::rename(&temporary, &target).map_err(io(&target))
        });
        if written.is_err() {
            // On a full disk its part would be in the way of whoever makes room.
            let _ = fs::remove_dir_all(&temporary);
        }
        written?;
        sync_folder(&self.folder);
        Ok(target)
    }

    /// Writes the files of `checkpoint` into the folder `temporary`, which is made.
    fn write(checkpoint: &Checkpoint, temporary: &Path) -> Result<(), CheckpointError> {
        fs::create_dir_all(temporary).map_err(io(temporary))?;
        let state = serde_json::to_vec_pretty(&checkpoint.state)
            .map_err(|error| damaged(&temporary.join(STATE), error))?;
        let mut sums = String::new();
        for (name, bytes) in [
            (MODEL, to_safetensors(&checkpoint.weights)),
            (OPTIMIZER, to_safetensors(&checkpoint.moments)),
            (STATE, Ok(state)),
        ] {
            let path = temporary.join(name);
            let bytes = bytes.map_err(|error| damaged(&path, error))?;
            write_synced(&path, &bytes)?;
            sums.push_str(&format!("{}  {name}\n", hex_sha256(&bytes)));
        }
        write_synced(&temporary.join(SUMS), sums.as_bytes())
    }

    /// Removes all but the last `keep` checkpoints up to step `newest` and the one of step `best`.
    ///
    /// Later ones are damaged, or the run would not have gone back to `newest`: they must not count.
    pub fn prune(&self, newest: usize, keep: usize, best: Option<usize>) {
        let mut steps = self.steps();
        steps.retain(|step| *step <= newest);
        let old = steps.len().saturating_sub(keep.max(1));
        for step in &steps[..old] {
            if Some(*step) != best {
                self.remove(*step);
            }
        }
    }

    /// Removes the checkpoint after `step` steps, if there is one.
    pub fn remove(&self, step: usize) {
        let path = self.path(step);
        if path.exists()
            && let Err(error) = fs::remove_dir_all(path)
        {
            // A checkpoint too many is no reason to stop a run.
            tracing::warn!(step, %error, "could not remove a checkpoint");
        }
    }

    /// The newest checkpoint that verifies, and what is wrong with the newer ones.
    pub fn load_latest(&self) -> (Option<Checkpoint>, Vec<CheckpointError>) {
        let mut errors = Vec::new();
        for step in self.steps().into_iter().rev() {
            match self.load(step) {
                Ok(checkpoint) => return (Some(checkpoint), errors),
                Err(error) => errors.push(error),
            }
        }
        (None, errors)
    }

    /// The checkpoint after `step` steps.
    ///
    /// # Errors
    /// If a file is missing, unreadable, or differs from its checksum.
    pub fn load(&self, step: usize) -> Result<Checkpoint, CheckpointError> {
        let folder = self.path(step);
        let sums_path = folder.join(SUMS);
        let sums = fs::read_to_string(&sums_path).map_err(io(&sums_path))?;
        let read = |name: &str| {
            let path = folder.join(name);
            let bytes = fs::read(&path).map_err(io(&path))?;
            let listed = sums
                .lines()
                .any(|line| line == format!("{}  {name}", hex_sha256(&bytes)));
            if listed {
                Ok(bytes)
            } else {
                Err(damaged(&path, "differs from its checksum"))
            }
        };
        let weights = from_safetensors(&folder.join(MODEL), &read(MODEL)?)?;
        let moments = from_safetensors(&folder.join(OPTIMIZER), &read(OPTIMIZER)?)?;
        let state_path = folder.join(STATE);
        let state =
            serde_json::from_slice(&read(STATE)?).map_err(|error| damaged(&state_path, error))?;
        Ok(Checkpoint {
            weights,
            moments,
            state,
        })
    }

    /// Steps of the checkpoints on disk, rising.
    pub fn steps(&self) -> Vec<usize> {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let mut steps: Vec<usize> = entries
            .flatten()
            .filter_map(|entry| name_of(&entry.path()).strip_prefix("step-")?.parse().ok())
            .collect();
        steps.sort_unstable();
        steps
    }

    /// Folder of the checkpoint after `step` steps.
    pub fn path(&self, step: usize) -> PathBuf {
        self.folder.join(format!("step-{step:06}"))
    }
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn to_safetensors(tensors: &[NamedTensor]) -> Result<Vec<u8>, safetensors::SafeTensorError> {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|tensor| tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|(tensor, bytes)| {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?;
            Ok((tensor.name.as_str(), view))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(views, Some(metadata))
}

/// The f32 tensors of a safetensors file whose content is `bytes`.
///
/// # Errors
/// If it is not one, or holds another type.
pub fn from_safetensors(path: &Path, bytes: &[u8]) -> Result<Vec<NamedTensor>, CheckpointError> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(path, error))?;
    file.tensors()
        .into_iter()
        .map(|(name, view)| {
            if view.dtype() != Dtype::F32 {
                return Err(damaged(path, format!("tensor `{name}` is not f32")));
            }
            let values = view
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            Ok(NamedTensor {
                name,
                shape: view.shape().to_vec(),
                values,
            })
        })
        .collect()
}

/// Hex SHA-256 of the weights alone, in the order of their names: what two equal runs share.
pub fn weights_digest(weights: &[NamedTensor]) -> String {
    let mut sorted: Vec<&NamedTensor> = weights.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut hasher = Sha256::new();
    for tensor in sorted {
        hasher.update(tensor.name.as_bytes());
        for value in &tensor.values {
            hasher.update(value.to_le_bytes());
        }
    }
    hex(&hasher.finalize())
}

fn hex_sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let mut file = File::create(path).map_err(io(path))?;
    file.write_all(bytes).map_err(io(path))?;
    file.sync_all().map_err(io(path))
}

/// Makes a rename durable. Best effort: some file systems refuse to sync folders.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(step: usize) -> Checkpoint {
        let tensor = |name: &str, values: Vec<f32>| NamedTensor {
            name: name.to_owned(),
            shape: vec![values.len()],
            values,
        };
        Checkpoint {
            weights: vec![tensor("a", vec![step as f32, f32::MIN_POSITIVE, -0.0])],
            moments: vec![tensor("first.a", vec![1.5]), tensor("second.a", vec![2.5])],
            state: State {
                step,
                best: Some(Best {
                    step,
                    loss: 0.1 + 0.2,
                }),
                spectra: BTreeMap::new(),
            },
        }
    }

    fn three() -> (tempfile::TempDir, Checkpoints) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let checkpoints = Checkpoints::new(folder.path().join("checkpoints"));
        for step in [10, 20, 30] {
            checkpoints.save(&checkpoint(step)).expect("save");
        }
        (folder, checkpoints)
    }

    fn latest_step(checkpoints: &Checkpoints) -> (Option<usize>, usize) {
        let (found, errors) = checkpoints.load_latest();
        (found.map(|c| c.state.step), errors.len())
    }

    #[test]
    fn what_is_saved_comes_back_bit_for_bit() {
        let (_folder, checkpoints) = three();
        let loaded = checkpoints.load(20).expect("load");
        let saved = checkpoint(20);
        assert_eq!(loaded.state, saved.state);
        let bits = |t: &NamedTensor| t.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&loaded.weights[0]), bits(&saved.weights[0]));
        assert_eq!(
            weights_digest(&loaded.weights),
            weights_digest(&saved.weights)
        );
    }

    #[test]
    fn every_flipped_bit_of_every_file_is_detected() {
        let (_folder, checkpoints) = three();
        for name in [MODEL, OPTIMIZER, STATE, SUMS] {
            let path = checkpoints.path(30).join(name);
            let good = fs::read(&path).expect("read");
            for at in [0, good.len() / 2, good.len() - 2] {
                let mut bad = good.clone();
                bad[at] ^= 1;
                fs::write(&path, bad).expect("write");
                assert_eq!(latest_step(&checkpoints), (Some(20), 1), "{name} at {at}");
            }
            fs::write(&path, good).expect("write");
        }
        assert_eq!(latest_step(&checkpoints), (Some(30), 0));
    }

    #[test]
    fn truncated_or_missing_files_fall_back() {
        let (_folder, checkpoints) = three();
        let path = checkpoints.path(30).join(MODEL);
        let bytes = fs::read(&path).expect("read");
        fs::write(&path, &bytes[..bytes.len() - 1]).expect("truncate");
        fs::remove_file(checkpoints.path(20).join(STATE)).expect("remove");
        assert_eq!(latest_step(&checkpoints), (Some(10), 2));
    }

    #[test]
    fn pruning_keeps_the_last_and_the_best() {
        let (_folder, checkpoints) = three();
        checkpoints.save(&checkpoint(40)).expect("save");
        checkpoints.prune(40, 2, Some(10));
        assert_eq!(checkpoints.steps(), vec![10, 30, 40]);
        checkpoints.prune(30, 1, None);
        assert_eq!(checkpoints.steps(), vec![30, 40]);
    }

    #[test]
    fn a_checkpoint_that_cannot_be_written_leaves_no_part_of_it() {
        let (folder, checkpoints) = three();
        let temporary = format!("checkpoints/.writing-000050-{}", std::process::id());
        let temporary = folder.path().join(temporary);
        // In the way of the last file.
        fs::create_dir_all(temporary.join(SUMS)).expect("obstacle");
        let saved = checkpoints.save(&checkpoint(50));
        assert!(saved.is_err(), "{saved:?}");
        assert!(!temporary.exists());
        assert_eq!(latest_step(&checkpoints), (Some(30), 0));
    }

    #[test]
    fn leftovers_of_a_killed_writer_are_swept() {
        let (folder, _) = three();
        let leftover = folder.path().join("checkpoints/.writing-000050-1");
        fs::create_dir(&leftover).expect("leftover");
        let checkpoints = Checkpoints::new(folder.path().join("checkpoints"));
        assert!(!leftover.exists());
        assert_eq!(checkpoints.steps(), vec![10, 20, 30]);
    }
}
