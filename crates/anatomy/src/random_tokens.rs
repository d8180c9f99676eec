//! Sequences that no text foretells.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::AnatomyError;

/// Different tokens that a segment should be able to have.
const LEAST_CANDIDATES: usize = 16;

/// `count` sequences of `<bos>`, a segment of `size` tokens drawn uniformly from `candidates`, and the segment
/// again: `2 * size + 1` tokens each (Olsson et al. 2022, arXiv:2209.11895). A function of the seed.
///
/// # Errors
/// [`AnatomyError::SmallVocabulary`] for fewer than 16 candidates.
pub fn repeated_segments(
    candidates: &[u32],
    bos: u32,
    size: usize,
    count: usize,
    seed: u64,
) -> Result<Vec<Vec<u32>>, AnatomyError> {
    if candidates.len() < LEAST_CANDIDATES {
        return Err(AnatomyError::SmallVocabulary {
            found: candidates.len(),
            least: LEAST_CANDIDATES,
        });
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = || {
        // Multiply and shift: its bias of n / 2^64 is nothing here.
        let place = (u128::from(random.next_u64()) * candidates.len() as u128) >> 64;
        candidates[place as usize]
    };
    let sequences = (0..count).map(|_| {
        let segment: Vec<u32> = (0..size).map(|_| draw()).collect();
        let twice = segment.iter().chain(&segment).copied();
        std::iter::once(bos).chain(twice).collect()
    });
    Ok(sequences.collect())
}
