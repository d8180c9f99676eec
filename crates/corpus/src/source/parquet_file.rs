//! Parquet files, as Hugging Face data sets are distributed.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;

use crate::error::CorpusError;

/// `(name:row, text)` of every row; rows are counted from 1. Snappy, Zstandard or no compression.
pub(super) fn read(
    file: &Path,
    name: &str,
    column: &str,
) -> Result<Vec<(String, String)>, CorpusError> {
    let wrong = |message: String| CorpusError::Parquet {
        path: file.to_path_buf(),
        message,
    };
    let broken = |error: ParquetError| wrong(format!("cannot be read: {error}"));
    let opened = File::open(file).map_err(CorpusError::io("open", file))?;
    let reader = SerializedFileReader::new(opened).map_err(broken)?;
    let schema = reader.metadata().file_metadata().schema();
    let projection = only_column(schema, column).map_err(wrong)?;
    let rows = reader.get_row_iter(Some(projection)).map_err(broken)?;
    let mut texts = Vec::new();
    for (index, row) in rows.enumerate() {
        let number = index + 1;
        let field = row.map_err(broken)?.into_columns().pop();
        let text = text_of(field.map(|(_, field)| field))
            .map_err(|problem| wrong(format!("row {number}: column `{column}` {problem}")))?;
        texts.push((format!("{name}:{number}"), text));
    }
    Ok(texts)
}

/// The schema with nothing but the column: the others are not even decoded.
fn only_column(schema: &Type, column: &str) -> Result<Type, String> {
    let fields = schema.get_fields();
    let Some(field) = fields.iter().find(|field| field.name() == column) else {
        let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
        let names = names.join(", ");
        return Err(format!(
            "no column `{column}` (it has: {names}); set `data.field`"
        ));
    };
    Type::group_type_builder(schema.name())
        .with_fields(vec![Arc::clone(field)])
        .build()
        .map_err(|error| error.to_string())
}

fn text_of(field: Option<Field>) -> Result<String, String> {
    match field {
        Some(Field::Str(text)) => Ok(text),
        // Some writers leave out the annotation that says a column is UTF-8.
        Some(Field::Bytes(bytes)) => {
            String::from_utf8(bytes.data().to_vec()).map_err(|_| "is not UTF-8".to_owned())
        }
        Some(Field::Null) | None => Err("is null".to_owned()),
        Some(other) => Err(format!("is not a string: {other}")),
    }
}
