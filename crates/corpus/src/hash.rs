//! The two hashes of this crate: SHA-256 for contents, `SplitMix64` for reproducible randomness.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    to_hex(&Sha256::digest(bytes))
}

/// `bytes` as lower-case hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The first output of the `SplitMix64` generator seeded with `x` (Steele, Lea and Flood, 2014,
/// with the constants of Vigna's reference implementation). A bijection of 64-bit integers whose
/// output bits all depend on all input bits; wholly defined by this function, on every platform.
pub fn split_mix_64(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// One hash of several numbers: order matters, and no two lists collide by construction of a sum.
pub(crate) fn mix(parts: &[u64]) -> u64 {
    parts
        .iter()
        .fold(0, |state, part| split_mix_64(state ^ split_mix_64(*part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_mix_64_has_the_published_outputs() {
        // Vigna's splitmix64.c seeded with 1234567: the generator adds the increment each step.
        let increment = 0x9E37_79B9_7F4A_7C15_u64;
        let outputs: Vec<u64> = (0..5)
            .map(|i| split_mix_64(1_234_567_u64.wrapping_add(increment.wrapping_mul(i))))
            .collect();
        assert_eq!(
            outputs,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
    }

    #[test]
    fn sha256_has_the_published_digest() {
        // FIPS 180-4 example: "abc".
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn mix_depends_on_order() {
        assert_ne!(mix(&[1, 2]), mix(&[2, 1]));
        assert_ne!(mix(&[0]), mix(&[0, 0]));
    }
}
