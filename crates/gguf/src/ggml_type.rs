//! How a tensor's numbers are stored.

/// The storage types this crate reads, with ggml's names. Numbers are kept in blocks along a tensor's
/// innermost dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(non_camel_case_types, reason = "ggml's names")]
pub enum GgmlType {
    /// 32-bit floats.
    F32,
    /// IEEE half-precision floats.
    F16,
    /// bfloat16: the upper half of an f32.
    BF16,
    /// 32 numbers `d * q`, q of 4 bits from -8 to 7.
    Q4_0,
    /// 32 numbers `d * q + m`, q of 4 bits from 0 to 15.
    Q4_1,
    /// 32 numbers `d * q`, q of 8 bits.
    Q8_0,
    /// 256 numbers in eight groups of 32, each `d * scale * q - dmin * min` with 6-bit scale and min.
    Q4_K,
    /// 256 numbers in sixteen groups of 16, each `d * scale * q`, q of 6 bits from -32 to 31.
    Q6_K,
}

impl GgmlType {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q8_0,
        Self::Q4_K,
        Self::Q6_K,
    ];

    /// Its number in a file.
    pub const fn code(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q8_0 => 8,
            Self::Q4_K => 12,
            Self::Q6_K => 14,
            Self::BF16 => 30,
        }
    }

    /// The type of a number in a file.
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// ggml's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q8_0 => "Q8_0",
            Self::Q4_K => "Q4_K",
            Self::Q6_K => "Q6_K",
        }
    }

    /// Numbers in a block.
    pub const fn block_size(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q8_0 => 32,
            Self::Q4_K | Self::Q6_K => 256,
        }
    }

    /// Bytes of a block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 2 + 16,
            Self::Q4_1 => 2 + 2 + 16,
            Self::Q8_0 => 2 + 32,
            Self::Q4_K => 2 + 2 + 12 + 128,
            Self::Q6_K => 128 + 64 + 16 + 2,
        }
    }
}

/// What an error calls a type that is not read.
pub(crate) fn unread_type(code: u32) -> String {
    let name = match code {
        6 => "Q5_0",
        7 => "Q5_1",
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        13 => "Q5_K",
        15 => "Q8_K",
        16..=23 | 29 => "an IQ type",
        24..=27 => "an integer type",
        28 => "F64",
        34 | 35 => "a ternary type",
        39 => "MXFP4",
        _ => "an unknown type",
    };
    let read: Vec<&str> = GgmlType::ALL.iter().map(|kind| kind.name()).collect();
    format!(
        "is stored as {name} (number {code}); these can be read: {}",
        read.join(", ")
    )
}
