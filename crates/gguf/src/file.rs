//! An open GGUF file.

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::cursor::Cursor;
use crate::dequantize::dequantize;
use crate::header::{Header, TensorInfo};
use crate::{GgmlType, GgufError, Value};

/// A GGUF file whose header has been read and checked. Tensors stay on disk until asked for.
pub struct GgufFile {
    path: PathBuf,
    bytes: Bytes,
    header: Header,
}

enum Bytes {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

/// A tensor of a file: its description and its bytes as stored.
#[derive(Clone, Copy)]
pub struct Tensor<'a> {
    info: &'a TensorInfo,
    bytes: &'a [u8],
}

impl GgufFile {
    /// Maps a file and checks its header.
    ///
    /// # Errors
    /// [`GgufError::Io`] when it cannot be opened; the other kinds name what is wrong with the header.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let io = |action| {
            move |source| GgufError::Io {
                action,
                path: path.to_owned(),
                source,
            }
        };
        let file = File::open(path).map_err(io("open"))?;
        // SAFETY: the map is read-only, and models are not rewritten in place while they are read.
        // Truncation from outside while mapped is the documented misuse that remains.
        let map = unsafe { Mmap::map(&file) }.map_err(io("map"))?;
        Self::new(Bytes::Mapped(map), path)
    }

    /// A file that is in memory; `path` is what errors call it.
    ///
    /// # Errors
    /// As [`GgufFile::open`].
    pub fn from_bytes(bytes: Vec<u8>, path: &Path) -> Result<Self, GgufError> {
        Self::new(Bytes::Owned(bytes), path)
    }

    fn new(bytes: Bytes, path: &Path) -> Result<Self, GgufError> {
        let header = Header::read(bytes.as_slice(), path)?;
        Ok(Self {
            path: path.to_owned(),
            bytes,
            header,
        })
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The format's version, 2 or 3.
    pub fn version(&self) -> u32 {
        self.header.version
    }

    /// All metadata keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.header.metadata.keys().map(String::as_str)
    }

    /// A metadata value.
    pub fn value(&self, key: &str) -> Option<Value<'_>> {
        let entry = self.header.metadata.get(key)?;
        Value::read(
            entry.kind,
            &mut Cursor::new(&self.bytes.as_slice()[entry.offset..]),
        )
        .ok()
    }

    /// A metadata integer of any width, not negative.
    ///
    /// # Errors
    /// When the key is missing or of another type.
    pub fn integer(&self, key: &str) -> Result<u64, GgufError> {
        let value = self.required(key)?;
        value
            .as_u64()
            .ok_or_else(|| self.not(key, "an integer from 0 on", &value))
    }

    /// A metadata float of either width.
    ///
    /// # Errors
    /// When the key is missing or of another type.
    pub fn float(&self, key: &str) -> Result<f64, GgufError> {
        let value = self.required(key)?;
        value
            .as_f64()
            .ok_or_else(|| self.not(key, "a float", &value))
    }

    /// A metadata truth value.
    ///
    /// # Errors
    /// When the key is missing or of another type.
    pub fn flag(&self, key: &str) -> Result<bool, GgufError> {
        match self.required(key)? {
            Value::Bool(flag) => Ok(flag),
            value => Err(self.not(key, "a truth value", &value)),
        }
    }

    /// A metadata string.
    ///
    /// # Errors
    /// When the key is missing or of another type.
    pub fn string(&self, key: &str) -> Result<&str, GgufError> {
        match self.required(key)? {
            Value::String(string) => Ok(string),
            value => Err(self.not(key, "a string", &value)),
        }
    }

    /// A metadata array of strings.
    ///
    /// # Errors
    /// When the key is missing or of another type.
    pub fn strings(&self, key: &str) -> Result<Vec<&str>, GgufError> {
        self.elements(key, "an array of strings", |value| match value {
            Value::String(string) => Some(string),
            _ => None,
        })
    }

    /// A metadata array of integers of any width, not negative.
    ///
    /// # Errors
    /// When the key is missing or of another type.
    pub fn integers(&self, key: &str) -> Result<Vec<u64>, GgufError> {
        self.elements(key, "an array of integers from 0 on", |value| {
            value.as_u64()
        })
    }

    fn elements<'a, T>(
        &'a self,
        key: &str,
        wanted: &str,
        convert: impl Fn(Value<'a>) -> Option<T>,
    ) -> Result<Vec<T>, GgufError> {
        let value = self.required(key)?;
        let Value::Array(array) = value else {
            return Err(self.not(key, wanted, &value));
        };
        let elements: Option<Vec<T>> = array.iter().map(convert).collect();
        elements.ok_or_else(|| self.not(key, wanted, &value))
    }

    fn required(&self, key: &str) -> Result<Value<'_>, GgufError> {
        self.value(key)
            .ok_or_else(|| GgufError::metadata(&self.path, key, "is missing"))
    }

    fn not(&self, key: &str, wanted: &str, value: &Value) -> GgufError {
        let problem = match value {
            Value::Array(_) => format!("is an array whose elements do not make {wanted}"),
            value => format!("is {}, not {wanted}", value.type_name()),
        };
        GgufError::metadata(&self.path, key, problem)
    }

    /// All tensors, in the file's order.
    pub fn tensors(&self) -> impl Iterator<Item = Tensor<'_>> {
        self.header.tensors.iter().map(|info| self.with_bytes(info))
    }

    /// The tensor of this name.
    ///
    /// # Errors
    /// [`GgufError::Tensor`] when there is none.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>, GgufError> {
        let position = self.header.by_name.get(name);
        let position =
            *position.ok_or_else(|| GgufError::tensor(&self.path, name, "is missing"))?;
        Ok(self.with_bytes(&self.header.tensors[position]))
    }

    /// Whether there is a tensor of this name.
    pub fn has_tensor(&self, name: &str) -> bool {
        self.header.by_name.contains_key(name)
    }

    /// A tensor's numbers as f32, row after row.
    ///
    /// # Errors
    /// [`GgufError::Tensor`] when there is none of this name.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, GgufError> {
        self.tensor(name).map(|tensor| tensor.to_f32())
    }

    fn with_bytes<'a>(&'a self, info: &'a TensorInfo) -> Tensor<'a> {
        Tensor {
            info,
            bytes: &self.bytes.as_slice()[info.bytes.clone()],
        }
    }
}

impl<'a> Tensor<'a> {
    /// Its name.
    pub fn name(&self) -> &'a str {
        &self.info.name
    }

    /// Its shape, outermost dimension first as in NumPy and PyTorch: `[rows, columns]` of a matrix that maps
    /// `columns` numbers to `rows`. (The file, and llama.cpp, list the innermost first.)
    pub fn shape(&self) -> &'a [usize] {
        &self.info.shape
    }

    /// How it is stored.
    pub fn kind(&self) -> GgmlType {
        self.info.kind
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.info.elements
    }

    /// Never: a tensor without elements is refused on opening.
    pub fn is_empty(&self) -> bool {
        self.info.elements == 0
    }

    /// Its bytes as stored: blocks of [`Tensor::kind`], row after row.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its numbers, row after row.
    pub fn to_f32(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.info.elements];
        dequantize(self.info.kind, self.bytes, &mut values);
        values
    }
}

impl Bytes {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}
