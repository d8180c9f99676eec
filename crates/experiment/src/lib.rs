//! The TOML schema of one runnable experiment: parsed, merged, validated.
//!
//! The way of a config, one module a step:
//!
//! ```text
//! files, --set --sources--> merged tables --resolve--> Experiment --check--> Loaded
//! ```
//!
//! [`Experiment::load`] goes all the way and reports every mistake as a [`ConfigError`] that points at
//! the line of the file that made it. A later stage that finds a fault in a value, such as a folder
//! without documents, points the same way through [`Sources::error`].
//!
//! Every key with its default and meaning is in `docs/config.md`, which is the output of
//! [`reference()`].

mod check;
mod defaults;
mod error;
mod evaluation;
mod experiment;
mod leaves;
mod merge;
mod nearest;
mod problem;
mod raw;
mod resolve;
mod resolved;
mod run;
mod schema;
mod source;
mod sources;
mod sweep;
mod task;
mod train;
mod whole;

pub use error::{ConfigError, Location, NamedText};
pub use evaluation::{EvaluationConfig, EvaluationSplit};
pub use experiment::{Experiment, Loaded};
pub use run::{Adapter, DeviceRequest, Indices, RunConfig};
pub use schema::reference;
pub use sources::Sources;
pub use sweep::{PlannedRun, Sweep};
pub use train::{ActivationCheckpointing, Kernels, Precision, Schedule, TrainConfig};
