//! The header: metadata, then what tensors there are and where.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;

use crate::cursor::{Cursor, ReadError};
use crate::error::shortened;
use crate::ggml_type::unread_type;
use crate::value::{Value, ValueType};
use crate::{GgmlType, GgufError};

/// ggml's limit on the number of dimensions.
const MAX_DIMENSIONS: u32 = 4;
/// Where `general.alignment` does not say.
const DEFAULT_ALIGNMENT: u64 = 32;
/// The fewest bytes of a metadata entry (empty key, type, one byte) and of a tensor's description.
const SMALLEST_ENTRY: u64 = 8 + 4 + 1;
const SMALLEST_TENSOR: u64 = 8 + 4 + 8 + 4 + 8;

/// Where a metadata value is: its type, and the offset of its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub kind: ValueType,
    pub offset: usize,
}

/// A tensor's description, checked.
#[derive(Debug)]
pub(crate) struct TensorInfo {
    pub name: String,
    /// Outermost dimension first.
    pub shape: Vec<usize>,
    pub kind: GgmlType,
    pub elements: usize,
    /// In the file.
    pub bytes: Range<usize>,
}

/// A file's header, all of it checked against the file's length.
#[derive(Debug)]
pub(crate) struct Header {
    pub version: u32,
    pub metadata: BTreeMap<String, Entry>,
    pub tensors: Vec<TensorInfo>,
    pub by_name: HashMap<String, usize>,
}

/// A description as it stands in the file, its offset not yet resolved.
struct Described<'a> {
    name: &'a str,
    dimensions: Vec<u64>,
    code: u32,
    offset: u64,
}

impl Header {
    pub fn read(bytes: &[u8], path: &Path) -> Result<Self, GgufError> {
        let header = |ReadError { offset, problem }| GgufError::Header {
            path: path.to_owned(),
            offset,
            problem,
        };
        let mut cursor = Cursor::new(bytes);
        let version = read_version(&mut cursor).map_err(header)?;
        let tensor_count = cursor
            .count(SMALLEST_TENSOR, "the number of tensors")
            .map_err(header)?;
        let entry_count = cursor
            .count(SMALLEST_ENTRY, "the number of metadata entries")
            .map_err(header)?;
        let metadata = read_metadata(&mut cursor, entry_count).map_err(header)?;
        let alignment = alignment(bytes, &metadata, path)?;
        let mut described = Vec::new();
        for _ in 0..tensor_count {
            described.push(read_description(&mut cursor).map_err(header)?);
        }
        // The tensors' data starts at the next multiple of the alignment.
        let data_start = (cursor.position() as u64).next_multiple_of(alignment);
        let tensors = described
            .iter()
            .map(|tensor| {
                resolve(tensor, data_start, alignment, bytes.len())
                    .map_err(|problem| GgufError::tensor(path, tensor.name, problem))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let by_name = index(&tensors, path)?;
        refuse_overlaps(&tensors, path)?;
        Ok(Self {
            version,
            metadata,
            tensors,
            by_name,
        })
    }
}

fn read_version(cursor: &mut Cursor) -> Result<u32, ReadError> {
    if cursor.take(4, "the magic number")? != b"GGUF" {
        return Err(ReadError {
            offset: 0,
            problem: "not a GGUF file: it does not begin with `GGUF`".into(),
        });
    }
    let version = cursor.u32("the version")?;
    let problem = match version {
        2 | 3 => return Ok(version),
        1 => "GGUF version 1, which llama.cpp no longer writes; convert the model again".to_owned(),
        _ if matches!(version.swap_bytes(), 2 | 3) => {
            "a big-endian GGUF file; only little-endian ones are read".to_owned()
        }
        _ => format!("GGUF version {version}; 2 and 3 can be read"),
    };
    Err(ReadError { offset: 4, problem })
}

fn read_metadata(cursor: &mut Cursor, count: u64) -> Result<BTreeMap<String, Entry>, ReadError> {
    let mut metadata = BTreeMap::new();
    for _ in 0..count {
        let key = cursor.string("a metadata key")?;
        let kind = ValueType::read(cursor)?;
        let offset = cursor.position();
        Value::read(kind, cursor).map_err(|error| ReadError {
            problem: format!("metadata `{}`: {}", shortened(key), error.problem),
            ..error
        })?;
        if metadata
            .insert(key.to_owned(), Entry { kind, offset })
            .is_some()
        {
            return Err(cursor.error(format!("metadata `{}` comes twice", shortened(key))));
        }
    }
    Ok(metadata)
}

fn alignment(
    bytes: &[u8],
    metadata: &BTreeMap<String, Entry>,
    path: &Path,
) -> Result<u64, GgufError> {
    const KEY: &str = "general.alignment";
    let Some(entry) = metadata.get(KEY) else {
        return Ok(DEFAULT_ALIGNMENT);
    };
    match Value::read(entry.kind, &mut Cursor::new(&bytes[entry.offset..])) {
        Ok(Value::U32(alignment)) if alignment.is_power_of_two() => Ok(alignment.into()),
        Ok(Value::U32(alignment)) => Err(GgufError::metadata(
            path,
            KEY,
            format!("is {alignment}, not a power of two"),
        )),
        _ => Err(GgufError::metadata(path, KEY, "is not a u32")),
    }
}

fn read_description<'a>(cursor: &mut Cursor<'a>) -> Result<Described<'a>, ReadError> {
    let name = cursor.string("a tensor's name")?;
    let rank = cursor.u32("a tensor's number of dimensions")?;
    if rank == 0 || rank > MAX_DIMENSIONS {
        return Err(cursor.error(format!(
            "tensor `{}` has {rank} dimensions; 1 to {MAX_DIMENSIONS} are possible",
            shortened(name)
        )));
    }
    let dimensions = (0..rank)
        .map(|_| cursor.u64("a tensor's dimensions"))
        .collect::<Result<_, _>>()?;
    Ok(Described {
        name,
        dimensions,
        code: cursor.u32("a tensor's type")?,
        offset: cursor.u64("a tensor's offset")?,
    })
}

/// The description checked against the file's length, or what is wrong with it.
fn resolve(
    tensor: &Described,
    data_start: u64,
    alignment: u64,
    file_length: usize,
) -> Result<TensorInfo, String> {
    let kind = GgmlType::from_code(tensor.code).ok_or_else(|| unread_type(tensor.code))?;
    let innermost = tensor.dimensions[0];
    if tensor.dimensions.contains(&0) {
        return Err("has a dimension of length zero".into());
    }
    if innermost % kind.block_size() as u64 != 0 {
        let (name, size) = (kind.name(), kind.block_size());
        return Err(format!(
            "has rows of {innermost} numbers, not a multiple of {name}'s block of {size}"
        ));
    }
    let elements = tensor
        .dimensions
        .iter()
        .try_fold(1u64, |product, &length| product.checked_mul(length));
    let elements = elements.ok_or("has more elements than a 64-bit number counts")?;
    let blocks = elements / kind.block_size() as u64;
    let bytes = blocks
        .checked_mul(kind.block_bytes() as u64)
        .ok_or("has more bytes than a 64-bit number counts")?;
    if tensor.offset % alignment != 0 {
        return Err(format!(
            "begins at offset {}, not a multiple of the alignment {alignment}",
            tensor.offset
        ));
    }
    let start = data_start.checked_add(tensor.offset);
    let end = start
        .and_then(|start| start.checked_add(bytes))
        .filter(|&end| end <= file_length as u64);
    let (Some(start), Some(end)) = (start, end) else {
        return Err(format!(
            "({bytes} bytes at offset {}) goes beyond the end of the file",
            tensor.offset
        ));
    };
    Ok(TensorInfo {
        name: tensor.name.to_owned(),
        shape: tensor
            .dimensions
            .iter()
            .rev()
            .map(|&length| length as usize)
            .collect(),
        kind,
        elements: elements as usize,
        bytes: start as usize..end as usize,
    })
}

fn index(tensors: &[TensorInfo], path: &Path) -> Result<HashMap<String, usize>, GgufError> {
    let mut by_name = HashMap::new();
    for (position, tensor) in tensors.iter().enumerate() {
        if by_name.insert(tensor.name.clone(), position).is_some() {
            return Err(GgufError::tensor(path, &tensor.name, "comes twice"));
        }
    }
    Ok(by_name)
}

fn refuse_overlaps(tensors: &[TensorInfo], path: &Path) -> Result<(), GgufError> {
    let mut in_order: Vec<&TensorInfo> = tensors.iter().collect();
    in_order.sort_by_key(|tensor| tensor.bytes.start);
    for pair in in_order.windows(2) {
        if pair[0].bytes.end > pair[1].bytes.start {
            let problem = format!("overlaps tensor `{}`", shortened(&pair[1].name));
            return Err(GgufError::tensor(path, &pair[0].name, problem));
        }
    }
    Ok(())
}
