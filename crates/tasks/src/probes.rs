//! Probes of position: which token stood where.

use serde::{Deserialize, Serialize};

use crate::error::at_least_one;
use crate::generate::Generate;
use crate::random::Random;
use crate::{Answer, Cell, Marker, Sample, TaskError, Vocabulary};

/// Behind a marker comes the token that stood before it (previous-token heads: Olsson et al. 2022,
/// arXiv:2209.11895; Barbero et al. 2024, arXiv:2410.06205).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PreviousToken {
    /// Markers in a sample.
    pub queries: usize,
}

/// Behind a marker comes the token that stood k before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KBack {
    /// Tokens from the marker back to the answer.
    pub k: usize,
    /// Markers in a sample.
    pub queries: usize,
}

/// Behind a marker comes the first token after BOS. One query a sample: a second could repeat the
/// first one's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FirstToken {}

impl Default for PreviousToken {
    fn default() -> Self {
        Self { queries: 8 }
    }
}

impl Default for KBack {
    fn default() -> Self {
        Self { k: 4, queries: 8 }
    }
}

impl PreviousToken {
    pub(crate) const KIND: &'static str = "previous_token";

    pub(crate) fn check(&self) -> Result<(), TaskError> {
        at_least_one(Self::KIND, "queries", self.queries)
    }

    pub(crate) fn build(&self, vocabulary: Vocabulary) -> Result<Box<dyn Generate>, TaskError> {
        vocabulary.check(Self::KIND, 2)?;
        Ok(Box::new(Relative {
            kind: Self::KIND,
            marker: Marker::PreviousToken,
            k: 1,
            queries: self.queries,
            vocabulary,
        }))
    }
}

impl KBack {
    pub(crate) const KIND: &'static str = "k_back";

    pub(crate) fn check(&self) -> Result<(), TaskError> {
        at_least_one(Self::KIND, "k", self.k)?;
        at_least_one(Self::KIND, "queries", self.queries)
    }

    pub(crate) fn build(&self, vocabulary: Vocabulary) -> Result<Box<dyn Generate>, TaskError> {
        vocabulary.check(Self::KIND, 2)?;
        Ok(Box::new(Relative {
            kind: Self::KIND,
            marker: Marker::KBack,
            k: self.k,
            queries: self.queries,
            vocabulary,
        }))
    }
}

impl FirstToken {
    pub(crate) const KIND: &'static str = "first_token";

    pub(crate) fn build(vocabulary: Vocabulary) -> Result<Box<dyn Generate>, TaskError> {
        vocabulary.check(Self::KIND, 2)?;
        Ok(Box::new(Absolute { vocabulary }))
    }
}

/// The answer is a fixed number of tokens back.
#[derive(Debug)]
struct Relative {
    kind: &'static str,
    marker: Marker,
    k: usize,
    queries: usize,
    vocabulary: Vocabulary,
}

impl Relative {
    /// Places of the markers: before each stand at least k random tokens that are neither marker nor
    /// answer, behind each is room for its answer; all such arrangements are equally likely.
    fn markers(&self, random: &mut Random, length: usize) -> Vec<usize> {
        let block = self.k + 2;
        let spare = length - self.queries * block;
        // Choosing which of (spare tokens and blocks, mixed) are blocks is choosing the arrangement.
        let blocks = random.choose_sorted(spare + self.queries, self.queries);
        let with_earlier_blocks = |(earlier, place): (usize, usize)| place + earlier * (block - 1);
        blocks
            .into_iter()
            .enumerate()
            .map(|block| 1 + with_earlier_blocks(block) + self.k)
            .collect()
    }
}

impl Generate for Relative {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn least_length(&self) -> usize {
        self.queries.saturating_mul(self.k.saturating_add(2))
    }

    fn token_chance(&self) -> Option<f64> {
        Some(1.0 / self.vocabulary.content_ids() as f64)
    }

    fn generate(&self, random: &mut Random, _: u64, length: usize) -> Sample {
        let mut tokens = vec![self.vocabulary.bos];
        tokens.extend(self.vocabulary.draws(random, length));
        let cell = Some(Cell::Back { k: self.k });
        let mut answers = Vec::new();
        for marker in self.markers(random, length) {
            tokens[marker] = self.vocabulary.marker(self.marker);
            tokens[marker + 1] = tokens[marker - self.k];
            answers.push(Answer::at(marker + 1..marker + 2, cell));
        }
        Sample { tokens, answers }
    }
}

/// The answer is the first token.
#[derive(Debug)]
struct Absolute {
    vocabulary: Vocabulary,
}

impl Generate for Absolute {
    fn kind(&self) -> &'static str {
        FirstToken::KIND
    }

    fn least_length(&self) -> usize {
        3
    }

    fn token_chance(&self) -> Option<f64> {
        Some(1.0 / self.vocabulary.content_ids() as f64)
    }

    fn generate(&self, random: &mut Random, _: u64, length: usize) -> Sample {
        let mut tokens = vec![self.vocabulary.bos];
        tokens.extend(self.vocabulary.draws(random, length));
        let marker = 2 + random.below(length - 2);
        tokens[marker] = self.vocabulary.marker(Marker::FirstToken);
        tokens[marker + 1] = tokens[1];
        let cell = Some(Cell::Distance { distance: marker });
        Sample {
            tokens,
            answers: vec![Answer::at(marker + 1..marker + 2, cell)],
        }
    }
}
