//! Blocks of quantized numbers to f32.
//!
//! The layouts are ggml's (`ggml-common.h`, `ggml-quants.c`), the order of the operations that of its
//! reference functions `dequantize_row_*`, so that values agree to the bit.

use half::{bf16, f16};

use crate::GgmlType;

/// Writes the numbers in `blocks` to `values`.
///
/// The two lengths must fit: `values` a whole number of blocks, `blocks` as many of them.
pub(crate) fn dequantize(kind: GgmlType, blocks: &[u8], values: &mut [f32]) {
    debug_assert_eq!(
        blocks.len() / kind.block_bytes(),
        values.len() / kind.block_size()
    );
    let block = match kind {
        GgmlType::F32 => f32_block,
        GgmlType::F16 => f16_block,
        GgmlType::BF16 => bf16_block,
        GgmlType::Q4_0 => q4_0_block,
        GgmlType::Q4_1 => q4_1_block,
        GgmlType::Q8_0 => q8_0_block,
        GgmlType::Q4_K => q4_k_block,
        GgmlType::Q6_K => q6_k_block,
    };
    let blocks = blocks.chunks_exact(kind.block_bytes());
    for (bytes, values) in blocks.zip(values.chunks_exact_mut(kind.block_size())) {
        block(bytes, values);
    }
}

fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

fn f32_block(bytes: &[u8], values: &mut [f32]) {
    values[0] = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
}

fn f16_block(bytes: &[u8], values: &mut [f32]) {
    values[0] = half_at(bytes, 0);
}

fn bf16_block(bytes: &[u8], values: &mut [f32]) {
    values[0] = bf16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
}

/// `d`; 16 bytes: low halves are numbers 0 to 15, high halves 16 to 31.
fn q4_0_block(bytes: &[u8], values: &mut [f32]) {
    let d = half_at(bytes, 0);
    let (low, high) = values.split_at_mut(16);
    for (j, &byte) in bytes[2..18].iter().enumerate() {
        low[j] = f32::from((byte & 15) as i8 - 8) * d;
        high[j] = f32::from((byte >> 4) as i8 - 8) * d;
    }
}

/// `d`, `m`; 16 bytes as in [`q4_0_block`].
fn q4_1_block(bytes: &[u8], values: &mut [f32]) {
    let (d, m) = (half_at(bytes, 0), half_at(bytes, 2));
    let (low, high) = values.split_at_mut(16);
    for (j, &byte) in bytes[4..20].iter().enumerate() {
        low[j] = f32::from(byte & 15) * d + m;
        high[j] = f32::from(byte >> 4) * d + m;
    }
}

/// `d`; 32 signed bytes.
fn q8_0_block(bytes: &[u8], values: &mut [f32]) {
    let d = half_at(bytes, 0);
    for (value, &byte) in values.iter_mut().zip(&bytes[2..34]) {
        *value = f32::from(byte as i8) * d;
    }
}

/// `d`, `dmin`; 12 bytes of packed 6-bit scales and mins; 128 bytes. Of each 32 bytes the low halves are
/// one group, the high halves the next.
fn q4_k_block(bytes: &[u8], values: &mut [f32]) {
    let (d, dmin) = (half_at(bytes, 0), half_at(bytes, 2));
    let packed = &bytes[4..16];
    for (pair, quants) in bytes[16..144].chunks_exact(32).enumerate() {
        for (half, shift) in [0, 4].into_iter().enumerate() {
            let group = 2 * pair + half;
            let (scale, min) = six_bit_scale_and_min(packed, group);
            let (scale, min) = (d * f32::from(scale), dmin * f32::from(min));
            for (value, &byte) in values[32 * group..][..32].iter_mut().zip(quants) {
                *value = scale * f32::from((byte >> shift) & 15) - min;
            }
        }
    }
}

/// Groups 0 to 3 have their six bits in bytes 0 to 3 (scales) and 4 to 7 (mins). Groups 4 to 7 have the lower
/// four bits in bytes 8 to 11 and the upper two on top of the bytes of groups 0 to 3.
fn six_bit_scale_and_min(packed: &[u8], group: usize) -> (u8, u8) {
    if group < 4 {
        (packed[group] & 63, packed[group + 4] & 63)
    } else {
        let low = packed[group + 4];
        (
            (low & 15) | ((packed[group - 4] >> 6) << 4),
            (low >> 4) | ((packed[group] >> 6) << 4),
        )
    }
}

/// 128 bytes of lower four bits, 64 of upper two, 16 signed scales, `d`. Each half of the block is four runs
/// of 32 numbers that share the bytes at their index.
fn q6_k_block(bytes: &[u8], values: &mut [f32]) {
    let (low, high, scales) = (&bytes[..128], &bytes[128..192], &bytes[192..208]);
    let d = half_at(bytes, 208);
    for (i, value) in values.iter_mut().enumerate() {
        let (half, run, l) = (i / 128, i % 128 / 32, i % 32);
        let low = low[64 * half + 32 * (run % 2) + l] >> (4 * (run / 2)) & 15;
        let high = high[32 * half + l] >> (2 * run) & 3;
        let q = (low | high << 4) as i8 - 32;
        *value = d * f32::from(scales[i / 16] as i8) * f32::from(q);
    }
}
