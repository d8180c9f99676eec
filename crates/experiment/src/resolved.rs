//! An experiment as a resolved config writes it: under the same keys as in a config, and all of them.
//!
//! [`DataConfig`] alone would accept a table with keys left out, and knows no tasks.

use std::path::PathBuf;

use corpus::{DataConfig, Format, Splits};
use decoder::DecoderConfig;
use serde::{Deserialize, Serialize};
use tasks::TaskConfig;

use crate::evaluation::EvaluationConfig;
use crate::experiment::Experiment;
use crate::run::RunConfig;
use crate::task;
use crate::train::TrainConfig;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resolved {
    name: String,
    seed: u64,
    model: DecoderConfig,
    data: ResolvedData,
    train: TrainConfig,
    evaluation: EvaluationConfig,
    run: RunConfig,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResolvedData {
    path: Vec<PathBuf>,
    format: Format,
    field: String,
    tokenizer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bos_token: Option<String>,
    /// Left out where it is [`Splits::Names`]: with a line more, every run of a sweep would get another id.
    #[serde(default, skip_serializing_if = "is_by_names")]
    splits: Splits,
    valid_fraction: f64,
    test_fraction: f64,
    cache: PathBuf,
    #[serde(
        default,
        deserialize_with = "task::one",
        skip_serializing_if = "Option::is_none"
    )]
    task: Option<TaskConfig>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn is_by_names(splits: &Splits) -> bool {
    *splits == Splits::Names
}

impl From<Experiment> for Resolved {
    fn from(experiment: Experiment) -> Self {
        let Experiment {
            name,
            seed,
            model,
            data,
            task,
            train,
            evaluation,
            run,
        } = experiment;
        Self {
            name,
            seed,
            model,
            data: ResolvedData {
                path: data.paths,
                format: data.format,
                field: data.field,
                tokenizer: data.tokenizer,
                bos_token: data.bos_token,
                splits: data.splits,
                valid_fraction: data.valid_fraction,
                test_fraction: data.test_fraction,
                cache: data.cache,
                task,
            },
            train,
            evaluation,
            run,
        }
    }
}

impl From<Resolved> for Experiment {
    fn from(resolved: Resolved) -> Self {
        let Resolved {
            name,
            seed,
            model,
            data,
            train,
            evaluation,
            run,
        } = resolved;
        Self {
            name,
            seed,
            model,
            data: DataConfig {
                paths: data.path,
                format: data.format,
                field: data.field,
                tokenizer: data.tokenizer,
                bos_token: data.bos_token,
                splits: data.splits,
                valid_fraction: data.valid_fraction,
                test_fraction: data.test_fraction,
                cache: data.cache,
            },
            task: data.task,
            train,
            evaluation,
            run,
        }
    }
}
