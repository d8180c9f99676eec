//! One safetensors file, memory-mapped.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};

use crate::element::Element;
use crate::error::InterchangeError;
use crate::json::require_regular;

/// Largest header that is parsed: each tensor takes about 120 bytes of it.
const MAX_HEADER: u64 = 16 << 20;
/// Bytes before the header, which say how long it is.
const LENGTH_BYTES: usize = 8;

/// Where a tensor lies.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its format in the file.
    dtype: Dtype,
    /// Lengths of its dimensions, slowest first.
    pub shape: Vec<usize>,
    /// Its bytes in the file.
    bytes: Range<usize>,
}

/// A mapped file, its header read and checked.
#[derive(Debug)]
pub(crate) struct SafetensorsFile {
    pub path: PathBuf,
    map: Mmap,
    pub tensors: BTreeMap<String, Entry>,
}

impl SafetensorsFile {
    /// Maps the file at `path` and reads its header.
    ///
    /// # Errors
    /// If it is no safetensors file: a header longer than the file or than any real one, offsets that
    /// overlap, leave gaps or point outside, sizes that do not follow from shape and type.
    pub fn open(path: &Path) -> Result<Self, InterchangeError> {
        require_regular(path)?;
        let file = File::open(path).map_err(InterchangeError::io(path))?;
        // SAFETY: the map is read-only. Another process that shortens the file while it is mapped would
        // end this one with SIGBUS; model files are written once.
        let map = unsafe { Mmap::map(&file) }.map_err(InterchangeError::io(path))?;
        let tensors = read_header(&map).map_err(|reason| InterchangeError::file(path, reason))?;
        Ok(Self {
            path: path.to_owned(),
            map,
            tensors,
        })
    }

    /// The values of a tensor of this file, row-major.
    ///
    /// # Errors
    /// If they are not f32, f16 or bf16: what they are.
    pub fn read(&self, entry: &Entry) -> Result<Vec<f32>, String> {
        let element = element(entry.dtype)?;
        let bytes = self.bytes(entry)?;
        Ok(bytes
            .chunks_exact(element.size())
            .map(|number| element.widen(number))
            .collect())
    }

    /// The values of the transpose of a tensor with two dimensions, without a copy in between.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_transposed(&self, entry: &Entry) -> Result<Vec<f32>, String> {
        let element = element(entry.dtype)?;
        let &[rows, columns] = entry.shape.as_slice() else {
            return Err(format!("shape {:?} cannot be transposed", entry.shape));
        };
        let bytes = self.bytes(entry)?;
        let mut transposed = vec![0.0; rows * columns];
        let row_bytes = (columns * element.size()).max(1);
        // A strip of rows at a time: their columns lie side by side in the transpose.
        for (strip, strip_bytes) in bytes.chunks(STRIP * row_bytes).enumerate() {
            for (within, row) in strip_bytes.chunks_exact(row_bytes).enumerate() {
                let numbers = row.chunks_exact(element.size());
                for (number, to) in
                    numbers.zip(transposed[strip * STRIP + within..].chunks_mut(rows))
                {
                    to[0] = element.widen(number);
                }
            }
        }
        Ok(transposed)
    }

    fn bytes(&self, entry: &Entry) -> Result<&[u8], String> {
        self.map
            .get(entry.bytes.clone())
            .ok_or_else(|| "lies outside the file".to_owned())
    }
}

/// Rows that are transposed together: 16 f32 are a cache line of the result.
const STRIP: usize = 16;

fn element(dtype: Dtype) -> Result<Element, String> {
    match dtype {
        Dtype::F32 => Ok(Element::F32),
        Dtype::F16 => Ok(Element::F16),
        Dtype::BF16 => Ok(Element::Bf16),
        other => Err(format!(
            "stored as {other:?}; weights must be F32, F16 or BF16 (quantized models are not supported)"
        )),
    }
}

/// The tensors of a file whose content is `bytes`.
fn read_header(bytes: &[u8]) -> Result<BTreeMap<String, Entry>, String> {
    let length = bytes.first_chunk::<LENGTH_BYTES>();
    let length = length.ok_or("shorter than the 8 bytes that every safetensors file has")?;
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER {
        return Err(format!(
            "says that its header has {length} bytes; real ones have less than {} MiB",
            MAX_HEADER >> 20
        ));
    }
    let (header, metadata) = SafeTensors::read_metadata(bytes)
        .map_err(|error| format!("not a sound safetensors file: {error}"))?;
    let begin = LENGTH_BYTES + header;
    metadata
        .tensors()
        .into_iter()
        .map(|(name, info)| {
            let (from, to) = info.data_offsets;
            let end = begin.checked_add(to).filter(|end| *end <= bytes.len());
            let end = end.ok_or_else(|| format!("tensor `{name}` lies outside the file"))?;
            let entry = Entry {
                dtype: info.dtype,
                shape: info.shape.clone(),
                bytes: begin + from..end,
            };
            Ok((name, entry))
        })
        .collect()
}
