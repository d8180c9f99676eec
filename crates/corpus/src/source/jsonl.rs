//! JSON lines.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

use crate::byte_order_mark;
use crate::error::CorpusError;

/// `(name:line, text)` of every line that is not blank; lines are counted from 1.
pub(super) fn read(
    file: &Path,
    name: &str,
    field: &str,
) -> Result<Vec<(String, String)>, CorpusError> {
    let reader = BufReader::new(File::open(file).map_err(CorpusError::io("open", file))?);
    let mut texts = Vec::new();
    for (index, line) in reader.lines().enumerate() {
        let number = index + 1;
        let wrong = |message: String| CorpusError::Jsonl {
            path: file.to_path_buf(),
            line: number,
            message,
        };
        let line = line.map_err(|e| wrong(e.to_string()))?;
        let line = match index {
            0 => byte_order_mark::without(&line),
            _ => &line,
        };
        if line.trim().is_empty() {
            continue;
        }
        texts.push((
            format!("{name}:{number}"),
            text_of(line, field).map_err(wrong)?,
        ));
    }
    Ok(texts)
}

fn text_of(line: &str, field: &str) -> Result<String, String> {
    let value: Value = serde_json::from_str(line).map_err(|e| format!("not JSON: {e}"))?;
    let Value::Object(mut object) = value else {
        return Err("not a JSON object".to_owned());
    };
    match object.remove(field) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("field `{field}` is not a string")),
        None => {
            let names: Vec<&str> = object.keys().map(String::as_str).collect();
            let names = names.join(", ");
            Err(format!(
                "no field `{field}` (it has: {names}); set `data.field`"
            ))
        }
    }
}
