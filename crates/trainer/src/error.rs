//! Why the trainer stopped, in words for its user.

use std::path::{Path, PathBuf};

use corpus::CorpusError;
use decoder::{DecoderError, LoadError};
use evaluation::EvaluationError;
use experiment::ConfigError;
use interchange::InterchangeError;
use miette::Diagnostic;
use thiserror::Error;

use crate::checkpoint::CheckpointError;
use crate::device::DeviceError;

/// Exit status of what was stopped and can go on: `EX_TEMPFAIL` of `sysexits.h`, "try again later".
///
/// Not 0, or a scheduler would start what waits for the result. Not 128 + N, by which a shell says that a signal killed
/// the process: nothing is saved then.
pub const STOPPED: u8 = 75;

/// Any failure of the trainer. [`TrainerError::exit_code`] tells what the user's shell sees.
#[derive(Debug, Error, Diagnostic)]
pub enum TrainerError {
    /// Flags, but nothing to run.
    #[error("no config file given")]
    #[diagnostic(help("for example: cargo run -p trainer -- configs/prope_0.75.toml"))]
    NoConfig,
    /// The device is not there.
    #[error(transparent)]
    #[diagnostic(help("{}", .0.help))]
    Device(#[from] DeviceError),
    /// A mistake in the config or on the command line.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(#[from] Box<ConfigError>),
    /// The text cannot be read or is not enough.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// The decoder cannot be built.
    #[error(transparent)]
    Decoder(#[from] DecoderError),
    /// A model from elsewhere cannot be taken in, or one of ours not given out.
    #[error(transparent)]
    Interchange(#[from] InterchangeError),
    /// An argument that does not fit the others.
    #[error("{argument}: {reason}")]
    Argument {
        /// The argument.
        argument: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The evaluation failed.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// A checkpoint could not be written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint does not fit the decoder of its own config.
    #[error("the checkpoint does not fit the config: {0}")]
    Load(#[from] LoadError),
    /// No worker threads.
    #[error("the system gives no threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// The file system refused.
    #[error("{path}: {error}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system said. Not the `source` of the error, which would be printed a second time.
        error: std::io::Error,
    },
    /// The folder holds no run.
    #[error("{0} is not a run directory: it has no config.toml")]
    NotARun(PathBuf),
    /// Another process works in the run directory.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// The run directory holds a run of another config.
    #[error("{path} holds a run of another config:\n  {differences}")]
    #[diagnostic(help(
        "`--name NAME` gives this run another name, `--force` starts anew beside it"
    ))]
    OtherConfig {
        /// The run directory.
        path: PathBuf,
        /// What differs, a line a key.
        differences: String,
    },
    /// The run directory holds an unfinished run of this config.
    #[error("{0} holds an unfinished run of this config")]
    #[diagnostic(help("`--resume` continues it, `--force` starts anew beside it"))]
    Unfinished(PathBuf),
    /// `--resume` without anything to continue.
    #[error("there is nothing to resume: {0} holds no run")]
    NothingToResume(PathBuf),
    /// A run directory without a usable checkpoint where one is needed.
    #[error("{0} has no usable checkpoint")]
    NoCheckpoint(PathBuf),
    /// The text or the tokenizer is not the one the run was trained on.
    #[error("the corpus changed since {path} was started: {expected} then, {found} now")]
    #[diagnostic(help("restore the texts and the tokenizer, or start anew with `--force`"))]
    OtherCorpus {
        /// The run directory.
        path: PathBuf,
        /// Digest the run recorded.
        expected: String,
        /// Digest now.
        found: String,
    },
    /// The weights were trained under other frequencies than the config's.
    #[error(
        "layer kind `{kind}`: the checkpoint was trained under another frequency table than the config's"
    )]
    OtherEncoding {
        /// Layer kind.
        kind: String,
    },
    /// Kernels of a device that compute something else than the CPU's.
    #[error("{count} of {of} results of this device's kernels are wrong")]
    #[diagnostic(help(
        "training leaves wrong kernels out by itself; `train.kernels = \"plain\"` leaves out all of them"
    ))]
    WrongKernels {
        /// How many are wrong.
        count: usize,
        /// Of how many.
        of: usize,
    },
    /// The loss or the gradient is not finite.
    #[error("step {step}: the {what} is {value}; {kept}")]
    #[diagnostic(help(
        "a lower `train.learning_rate`, a longer `train.warmup_steps` or a smaller `train.max_grad_norm` may help"
    ))]
    Diverged {
        /// The step, 1-based.
        step: usize,
        /// `loss` or `gradient norm`.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What is left to continue from.
        kept: String,
    },
    /// Runs of a sweep have no result.
    #[error("{count} runs failed:\n{list}")]
    #[diagnostic(help("the others are done; `--retry` starts the failed ones again"))]
    RunsFailed {
        /// How many.
        count: usize,
        /// Their names, reasons and logs.
        list: String,
    },
    /// A signal, or the dashboard, ended it before its time: no fault. What was done, and how to go on.
    #[error("{0}")]
    Stopped(String),
    /// A model cannot be looked into.
    #[error(transparent)]
    Anatomy(#[from] ::anatomy::AnatomyError),
    /// Runs that do not make a comparison.
    #[error("nothing to compare: {0}")]
    NothingToCompare(String),
    /// An encoding or a context that nothing can be said about.
    #[error(transparent)]
    Theory(#[from] ::theory::TheoryError),
    /// Statements that did not stand.
    #[error("refuted:\n{0}")]
    #[diagnostic(help(
        "a fault of the encoding, or of the statement: docs/theory.md says what each rests on"
    ))]
    Refuted(String),
    /// A scheduler's command failed.
    #[error("{command}: {said}")]
    #[diagnostic(help("is this a machine that submits jobs? `--engine local` needs no scheduler"))]
    Scheduler {
        /// The command.
        command: String,
        /// What it said.
        said: String,
    },
}

impl TrainerError {
    /// Turns an I/O error at `path` into ours.
    pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { path, error }
    }

    /// What the file at `path` holds does not do, for the reason that `error` gives.
    pub fn bad_input(path: &Path, error: impl ToString) -> Self {
        let kind = std::io::ErrorKind::InvalidInput;
        Self::io(path)(std::io::Error::new(kind, error.to_string()))
    }

    /// 2 for what the user must change before trying again, 1 for what went wrong on the way, [`STOPPED`] for what
    /// was stopped and can go on.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Stopped(_) => STOPPED,
            Self::NoConfig
            | Self::Device(_)
            | Self::Config(_)
            | Self::Corpus(_)
            | Self::Decoder(_)
            | Self::Interchange(_)
            | Self::Argument { .. }
            | Self::NotARun(_)
            | Self::InUse(_)
            | Self::OtherConfig { .. }
            | Self::Unfinished(_)
            | Self::NothingToCompare(_)
            | Self::Anatomy(_)
            | Self::NothingToResume(_)
            | Self::Theory(_)
            | Self::OtherCorpus { .. }
            | Self::OtherEncoding { .. } => 2,
            Self::Evaluation(_)
            | Self::Checkpoint(_)
            | Self::Load(_)
            | Self::Io { .. }
            | Self::Threads(_)
            | Self::NoCheckpoint(_)
            | Self::RunsFailed { .. }
            | Self::Refuted(_)
            | Self::WrongKernels { .. }
            | Self::Scheduler { .. }
            | Self::Diverged { .. } => 1,
        }
    }
}

impl From<ConfigError> for TrainerError {
    fn from(error: ConfigError) -> Self {
        Self::Config(Box::new(error))
    }
}
