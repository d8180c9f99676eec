//! Metadata values, read out of the file's bytes when asked for.

use crate::cursor::{Cursor, ReadError};

/// A metadata value.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "each is the type it is named after")]
pub enum Value<'a> {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(&'a str),
    Array(Array<'a>),
    U64(u64),
    I64(i64),
    F64(f64),
}

/// An array of values of one type. Kept as the file's bytes, which were checked on opening.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Array<'a> {
    element: ValueType,
    count: usize,
    bytes: &'a [u8],
}

/// The type of a value, by its number in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    String,
    Array,
    U64,
    I64,
    F64,
}

impl ValueType {
    const BY_CODE: [Self; 13] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::F32,
        Self::Bool,
        Self::String,
        Self::Array,
        Self::U64,
        Self::I64,
        Self::F64,
    ];

    pub fn read(cursor: &mut Cursor) -> Result<Self, ReadError> {
        let code = cursor.u32("a value's type")?;
        let kind = Self::BY_CODE.get(code as usize).copied();
        kind.ok_or_else(|| cursor.error(format!("{code} is no type of a metadata value")))
    }

    /// The fewest bytes a value takes.
    fn smallest(self) -> u64 {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::String => 8,
            Self::Array => 12,
        }
    }
}

impl<'a> Value<'a> {
    /// The value at the cursor.
    pub(crate) fn read(kind: ValueType, cursor: &mut Cursor<'a>) -> Result<Self, ReadError> {
        if kind == ValueType::String {
            return cursor.string("a string").map(Self::String);
        }
        if kind == ValueType::Array {
            return Array::read(cursor).map(Self::Array);
        }
        let size = kind.smallest();
        let bytes = cursor.take(size, "a value")?;
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let bits = u64::from_le_bytes(wide);
        Ok(match kind {
            ValueType::U8 => Self::U8(bits as u8),
            ValueType::I8 => Self::I8(bits as i8),
            ValueType::U16 => Self::U16(bits as u16),
            ValueType::I16 => Self::I16(bits as i16),
            ValueType::U32 => Self::U32(bits as u32),
            ValueType::I32 => Self::I32(bits as i32),
            ValueType::F32 => Self::F32(f32::from_bits(bits as u32)),
            ValueType::I64 => Self::I64(bits as i64),
            ValueType::F64 => Self::F64(f64::from_bits(bits)),
            ValueType::Bool if bits > 1 => {
                return Err(cursor.error(format!("{bits} is neither true (1) nor false (0)")));
            }
            ValueType::Bool => Self::Bool(bits == 1),
            ValueType::U64 | ValueType::String | ValueType::Array => Self::U64(bits),
        })
    }

    /// What an error calls its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::U8(_) => "u8",
            Self::I8(_) => "i8",
            Self::U16(_) => "u16",
            Self::I16(_) => "i16",
            Self::U32(_) => "u32",
            Self::I32(_) => "i32",
            Self::F32(_) => "f32",
            Self::Bool(_) => "a truth value",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::U64(_) => "u64",
            Self::I64(_) => "i64",
            Self::F64(_) => "f64",
        }
    }

    /// An integer of any width that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(value) => Some(value.into()),
            Self::U16(value) => Some(value.into()),
            Self::U32(value) => Some(value.into()),
            Self::U64(value) => Some(value),
            Self::I8(value) => value.try_into().ok(),
            Self::I16(value) => value.try_into().ok(),
            Self::I32(value) => value.try_into().ok(),
            Self::I64(value) => value.try_into().ok(),
            _ => None,
        }
    }

    /// A float of either width.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F32(value) => Some(value.into()),
            Self::F64(value) => Some(value),
            _ => None,
        }
    }
}

impl<'a> Array<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, ReadError> {
        let element = ValueType::read(cursor)?;
        if element == ValueType::Array {
            return Err(cursor.error(
                "an array of arrays; no key of a model needs one, and llama.cpp reads none either",
            ));
        }
        let count = cursor.count(element.smallest(), "an array's length")?;
        let start = cursor.position();
        let rest = cursor.rest();
        if element == ValueType::String || element == ValueType::Bool {
            for _ in 0..count {
                Value::read(element, cursor)?;
            }
        } else {
            cursor.take(count * element.smallest(), "an array")?;
        }
        Ok(Self {
            element,
            count: count as usize,
            bytes: &rest[..cursor.position() - start],
        })
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let (element, mut cursor) = (self.element, Cursor::new(self.bytes));
        // Checked on opening: a failure cannot happen, and would end the iteration.
        (0..self.count).map_while(move |_| Value::read(element, &mut cursor).ok())
    }
}
