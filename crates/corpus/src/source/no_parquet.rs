//! Stands in for the reader of Parquet files in builds without the feature `parquet`.

use std::path::Path;

use crate::error::CorpusError;

/// Says that this build cannot read the file.
pub(super) fn read(
    file: &Path,
    _name: &str,
    _column: &str,
) -> Result<Vec<(String, String)>, CorpusError> {
    Err(CorpusError::Parquet {
        path: file.to_path_buf(),
        message: "this build cannot read Parquet files: the cargo feature `parquet` is off"
            .to_owned(),
    })
}
