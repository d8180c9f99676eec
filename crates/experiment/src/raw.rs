//! What a config file may say: every key optional, no other key allowed.
//!
//! Each file is read into these types on its own, before merging, so that an unknown key or a value of
//! the wrong type is reported at its line of that file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use corpus::{Format, Splits};
use decoder::{Activation, NormGain};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use toml::{Table, Value};

use crate::evaluation::EvaluationSplit;
use crate::run::DeviceRequest;
use crate::train::{ActivationCheckpointing, Kernels, Precision, Schedule};
use crate::whole;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawExperiment {
    pub(crate) extends: Option<PathBuf>,
    pub(crate) name: Option<String>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) seed: Option<u64>,
    pub(crate) model: RawModel,
    pub(crate) data: RawData,
    pub(crate) train: RawTrain,
    pub(crate) evaluation: RawEvaluation,
    pub(crate) run: RawRun,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawModel {
    pub(crate) preset: Option<String>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) vocab_size: Option<usize>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) hidden_size: Option<usize>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) num_hidden_layers: Option<usize>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) num_attention_heads: Option<usize>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) num_key_value_heads: Option<usize>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) head_dim: Option<usize>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) intermediate_size: Option<usize>,
    pub(crate) norm_gain: Option<NormGain>,
    pub(crate) rms_norm_eps: Option<f64>,
    pub(crate) qk_norm: Option<bool>,
    pub(crate) v_norm: Option<bool>,
    pub(crate) post_norms: Option<bool>,
    pub(crate) query_scale: Option<f64>,
    pub(crate) attn_logit_softcapping: Option<f64>,
    pub(crate) final_logit_softcapping: Option<f64>,
    pub(crate) scale_embeddings: Option<bool>,
    pub(crate) hidden_activation: Option<Activation>,
    pub(crate) tie_word_embeddings: Option<bool>,
    pub(crate) pattern: Option<Vec<String>>,
    pub(crate) layers: Option<BTreeMap<String, RawLayerKind>>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawLayerKind {
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) sliding_window: Option<usize>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) head_dim: Option<usize>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) num_key_value_heads: Option<usize>,
    pub(crate) keys_are_values: Option<bool>,
    pub(crate) encoding: Option<RawEncoding>,
}

/// A string under `kind`, numbers under every other key; which ones is for `positional` to say.
#[derive(Debug, Default, Serialize)]
pub(crate) struct RawEncoding {
    pub(crate) kind: Option<String>,
    #[serde(flatten)]
    pub(crate) parameters: BTreeMap<String, f64>,
}

/// By hand because a derived `flatten` forgets where in the file a value stood.
impl<'de> Deserialize<'de> for RawEncoding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EncodingVisitor)
    }
}

struct EncodingVisitor;

impl<'de> Visitor<'de> for EncodingVisitor {
    type Value = RawEncoding;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a table such as { kind = \"rope\", theta = 10_000 }")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawEncoding, A::Error> {
        let mut encoding = RawEncoding::default();
        while let Some(key) = map.next_key::<String>()? {
            if key == "kind" {
                encoding.kind = Some(map.next_value()?);
            } else {
                encoding.parameters.insert(key, map.next_value()?);
            }
        }
        Ok(encoding)
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawData {
    pub(crate) task: Option<RawTask>,
    pub(crate) path: Option<Paths>,
    pub(crate) format: Option<Format>,
    pub(crate) field: Option<String>,
    pub(crate) tokenizer: Option<String>,
    pub(crate) bos_token: Option<String>,
    pub(crate) splits: Option<Splits>,
    pub(crate) valid_fraction: Option<f64>,
    pub(crate) test_fraction: Option<f64>,
    pub(crate) cache: Option<PathBuf>,
}

/// The name of a task, or a table of its kind and parameters; which ones is for `tasks` to say.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct RawTask(pub(crate) Value);

/// By hand because a derived untagged enum forgets where in the file a value stood.
impl<'de> Deserialize<'de> for RawTask {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TaskVisitor)
    }
}

struct TaskVisitor;

impl<'de> Visitor<'de> for TaskVisitor {
    type Value = RawTask;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the name of a task or a table such as { kind = \"mqar\", pairs = 8 }")
    }

    fn visit_str<E>(self, name: &str) -> Result<RawTask, E> {
        Ok(RawTask(Value::String(name.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawTask, A::Error> {
        let mut table = Table::new();
        while let Some((key, value)) = map.next_entry()? {
            table.insert(key, value);
        }
        Ok(RawTask(Value::Table(table)))
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a path or a list of paths")]
pub(crate) enum Paths {
    One(PathBuf),
    Many(Vec<PathBuf>),
}

impl From<Paths> for Vec<PathBuf> {
    fn from(paths: Paths) -> Self {
        match paths {
            Paths::One(path) => vec![path],
            Paths::Many(paths) => paths,
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawTrain {
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) context_length: Option<usize>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) batch_size: Option<usize>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) micro_batch_size: Option<usize>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) steps: Option<usize>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) tokens: Option<usize>,
    pub(crate) learning_rate: Option<f64>,
    pub(crate) schedule: Option<Schedule>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) warmup_steps: Option<usize>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) decay_steps: Option<usize>,
    pub(crate) final_learning_rate_ratio: Option<f64>,
    pub(crate) beta1: Option<f64>,
    pub(crate) beta2: Option<f64>,
    pub(crate) epsilon: Option<f64>,
    pub(crate) weight_decay: Option<f64>,
    pub(crate) max_grad_norm: Option<f64>,
    pub(crate) precision: Option<Precision>,
    pub(crate) kernels: Option<Kernels>,
    pub(crate) activation_checkpointing: Option<ActivationCheckpointing>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) evaluate_every: Option<usize>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) evaluation_windows: Option<usize>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) checkpoint_every: Option<usize>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) keep_checkpoints: Option<usize>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawEvaluation {
    pub(crate) split: Option<EvaluationSplit>,
    pub(crate) context_factors: Option<Vec<f64>>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) scored_tokens: Option<usize>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) windows_per_document: Option<usize>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) bootstrap_samples: Option<usize>,
    pub(crate) tasks: Option<Vec<RawTask>>,
    #[serde(deserialize_with = "whole::optional")]
    pub(crate) task_samples: Option<usize>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawRun {
    pub(crate) directory: Option<PathBuf>,
    pub(crate) device: Option<DeviceRequest>,
    pub(crate) tensorboard: Option<bool>,
}
