//! Number formats of stored weights, widened to f32.

/// A bfloat16, given by its bits: the upper half of an f32.
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// An IEEE 754 binary16, given by its bits.
pub fn f16_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let exponent = u32::from(bits >> 10 & 0x1f);
    let fraction = u32::from(bits & 0x3ff);
    match exponent {
        // Zero and subnormals: fraction * 2^-24, exact in f32.
        0 => f32::from_bits(sign | (fraction as f32 * 2.0f32.powi(-24)).to_bits()),
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// Formats that weights may be stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    F16,
    Bf16,
}

impl Element {
    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// The number in the little-endian `bytes`, [`Self::size`] of them.
    pub fn widen(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Self::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Self::F16, &[a, b]) => f16_to_f32(u16::from_le_bytes([a, b])),
            (Self::Bf16, &[a, b]) => bf16_to_f32(u16::from_le_bytes([a, b])),
            _ => f32::NAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of every binary16 by its definition.
    #[test]
    fn every_half_precision_number() {
        for bits in 0..=u16::MAX {
            let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
            let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
            let expected = match exponent {
                0 => sign * fraction / 1024.0 * 2.0f64.powi(-14),
                31 if fraction == 0.0 => sign * f64::INFINITY,
                31 => f64::NAN,
                _ => sign * (1.0 + fraction / 1024.0) * 2.0f64.powi(exponent - 15),
            };
            let value = f64::from(f16_to_f32(bits));
            let same = value.to_bits() == expected.to_bits() || value.is_nan() && expected.is_nan();
            assert!(same, "{bits:#06x}: {value} {expected}");
        }
    }

    #[test]
    fn brain_floats_are_truncated_floats() {
        assert_eq!(bf16_to_f32(0x3f80).to_bits(), 1.0f32.to_bits());
        assert_eq!(bf16_to_f32(0xc049).to_bits(), (-3.140_625f32).to_bits());
        assert_eq!(
            Element::Bf16.widen(&[0x80, 0x3f]).to_bits(),
            1.0f32.to_bits()
        );
    }
}
