//! `[data]` as a resolved config writes it: under the same keys as in a config, and all of them.
//!
//! [`DataConfig`] alone would accept a table with keys left out.

use std::path::PathBuf;

use corpus::{DataConfig, Format};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResolvedData {
    path: Vec<PathBuf>,
    format: Format,
    field: String,
    tokenizer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bos_token: Option<String>,
    valid_fraction: f64,
    test_fraction: f64,
    cache: PathBuf,
}

pub(crate) fn serialize<S: Serializer>(data: &DataConfig, to: S) -> Result<S::Ok, S::Error> {
    let data = data.clone();
    ResolvedData {
        path: data.paths,
        format: data.format,
        field: data.field,
        tokenizer: data.tokenizer,
        bos_token: data.bos_token,
        valid_fraction: data.valid_fraction,
        test_fraction: data.test_fraction,
        cache: data.cache,
    }
    .serialize(to)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DataConfig, D::Error> {
    let data = ResolvedData::deserialize(from)?;
    Ok(DataConfig {
        paths: data.path,
        format: data.format,
        field: data.field,
        tokenizer: data.tokenizer,
        bos_token: data.bos_token,
        valid_fraction: data.valid_fraction,
        test_fraction: data.test_fraction,
        cache: data.cache,
    })
}
