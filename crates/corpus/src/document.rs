//! A document, and the split it belongs to.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Which use a document is for. Documents are assigned whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Trained on.
    Train,
    /// Looked at while training.
    Valid,
    /// Looked at for the final numbers only.
    Test,
}

impl Split {
    /// All splits, in the order train, valid, test.
    pub const ALL: [Self; 3] = [Self::Train, Self::Valid, Self::Test];

    /// `train`, `valid` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }

    /// The split of a document of a source without a manifest: a pure function of its name, so that
    /// adding documents never moves the others.
    ///
    /// The first 8 bytes of SHA-256(name), read big endian and divided by 2⁶⁴, give a number in
    /// [0, 1): below `test_fraction` is test, below `test_fraction + valid_fraction` is valid.
    pub fn by_name(name: &str, valid_fraction: f64, test_fraction: f64) -> Self {
        let digest = Sha256::digest(name.as_bytes());
        let high = digest[..8]
            .iter()
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let uniform = high as f64 / 2_f64.powi(64);
        if uniform < test_fraction {
            Self::Test
        } else if uniform < test_fraction + valid_fraction {
            Self::Valid
        } else {
            Self::Train
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// One text, never cut or joined before tokenization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Where it comes from, independent of the machine: `books/austen-emma.txt`, `crawl.jsonl:17`.
    pub name: String,
    /// The text.
    pub text: String,
    /// Its split.
    pub split: Split,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_by_name_follows_the_documented_formula() {
        // sha256("abc") starts with ba7816bf: 0xba7816bf / 2^32 = 0.72839...
        assert_eq!(Split::by_name("abc", 0.0, 0.7284), Split::Test);
        assert_eq!(Split::by_name("abc", 0.0, 0.7283), Split::Train);
        assert_eq!(Split::by_name("abc", 0.0002, 0.7283), Split::Valid);
        assert_eq!(Split::by_name("abc", 0.0, 0.0), Split::Train);
    }

    #[test]
    fn fractions_are_met_over_many_names() {
        let mut count = [0_usize; 3];
        for index in 0..10_000 {
            count[Split::by_name(&format!("f.jsonl:{index}"), 0.1, 0.2) as usize] += 1;
        }
        // Five standard deviations of a binomial of 10 000 are 150 (valid) and 200 (test).
        assert!(
            count[Split::Valid as usize].abs_diff(1_000) < 150,
            "{count:?}"
        );
        assert!(
            count[Split::Test as usize].abs_diff(2_000) < 200,
            "{count:?}"
        );
    }
}
