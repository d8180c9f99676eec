//! A sequence of tokens with the places that are scored.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// One sequence of a task, of `length` T.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// T + 1 tokens, BOS first: the inputs are `[..T]`, the targets `[1..]`.
    pub tokens: Vec<u32>,
    /// What is scored, in the order of the tokens; at least one.
    pub answers: Vec<Answer>,
}

/// Successive targets that are right or wrong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Answers of a group are averaged: `answer`, or `first copy` and `second copy`.
    pub group: &'static str,
    /// Indices into the targets, within `0..T`; target j is `tokens[j + 1]`.
    pub targets: Range<usize>,
    /// What else may decide whether it is found; none where the length says it all.
    pub cell: Option<Cell>,
    /// Wrong answers, each of as many tokens as there are targets, to compare the likelihood of.
    pub alternatives: Vec<Vec<u32>>,
}

/// What a result is broken down by, besides the length.
///
/// A distance is counted from a token of the answer back to the token it repeats. In results it is
/// rounded down to a power of two, so 4 stands for 4 to 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Cell {
    /// How much of the filler comes before the fact, 0 to 100 percent.
    Depth {
        /// Percent.
        percent: u8,
    },
    /// Key-value pairs to keep apart, and how far back the right one is.
    Pairs {
        /// Pairs in the sample.
        pairs: usize,
        /// Tokens.
        distance: usize,
    },
    /// The answer is the token k before the marker.
    Back {
        /// Tokens, exactly.
        k: usize,
    },
    /// How far back the answer's source is.
    Distance {
        /// Tokens.
        distance: usize,
    },
}

impl Cell {
    /// The same cell with its distance rounded down to a power of two.
    #[must_use]
    pub fn bucket(self) -> Self {
        match self {
            Self::Pairs { pairs, distance } => Self::Pairs {
                pairs,
                distance: floor_to_power_of_two(distance),
            },
            Self::Distance { distance } => Self::Distance {
                distance: floor_to_power_of_two(distance),
            },
            Self::Depth { .. } | Self::Back { .. } => self,
        }
    }
}

fn floor_to_power_of_two(n: usize) -> usize {
    n.checked_ilog2().map_or(0, |log| 1 << log)
}

impl Sample {
    /// T: the number of inputs, and of targets.
    pub fn length(&self) -> usize {
        self.tokens.len() - 1
    }

    /// What the model reads, T tokens.
    pub fn inputs(&self) -> &[u32] {
        &self.tokens[..self.length()]
    }

    /// What it is to predict, T tokens.
    pub fn targets(&self) -> &[u32] {
        &self.tokens[1..]
    }

    /// For each of the T targets whether an answer contains it: the mask of a loss on answers only.
    pub fn scored(&self) -> Vec<bool> {
        let mut scored = vec![false; self.length()];
        for answer in &self.answers {
            scored[answer.targets.clone()].fill(true);
        }
        scored
    }

    /// The T + 1 tokens with an answer replaced by one of its alternatives. The summed loss of the
    /// same targets in this sequence is the alternative's negative log-likelihood.
    ///
    /// # Panics
    /// When there is no such answer or alternative, as slices do.
    pub fn with_alternative(&self, answer: usize, alternative: usize) -> Vec<u32> {
        let answer = &self.answers[answer];
        let mut tokens = self.tokens.clone();
        tokens[answer.targets.start + 1..=answer.targets.end]
            .copy_from_slice(&answer.alternatives[alternative]);
        tokens
    }
}

impl Answer {
    /// The group of all tasks but `induction`.
    pub(crate) const ANSWER: &'static str = "answer";

    /// An answer whose tokens are `tokens` (indices into [`Sample::tokens`]), in the usual group.
    pub(crate) fn at(tokens: Range<usize>, cell: Option<Cell>) -> Self {
        Self {
            group: Self::ANSWER,
            targets: tokens.start - 1..tokens.end - 1,
            cell,
            alternatives: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_rounded_down_and_the_rest_is_kept() {
        let rounded = |distance| Cell::Distance { distance }.bucket();
        for (distance, expected) in [(0, 0), (1, 1), (2, 2), (3, 2), (4, 4), (7, 4), (1025, 1024)] {
            assert_eq!(rounded(distance), Cell::Distance { distance: expected });
        }
        let pairs = Cell::Pairs {
            pairs: 5,
            distance: 9,
        };
        assert_eq!(
            pairs.bucket(),
            Cell::Pairs {
                pairs: 5,
                distance: 8
            }
        );
        assert_eq!(Cell::Back { k: 7 }.bucket(), Cell::Back { k: 7 });
        assert_eq!(
            Cell::Depth { percent: 33 }.bucket(),
            Cell::Depth { percent: 33 }
        );
    }

    #[test]
    fn an_alternative_replaces_the_answer_and_nothing_else() {
        let sample = Sample {
            tokens: vec![9, 1, 2, 3, 4, 5],
            answers: vec![Answer {
                alternatives: vec![vec![7, 8]],
                ..Answer::at(3..5, None)
            }],
        };
        assert_eq!(sample.inputs(), [9, 1, 2, 3, 4]);
        assert_eq!(sample.targets(), [1, 2, 3, 4, 5]);
        assert_eq!(sample.answers[0].targets, 2..4);
        assert_eq!(sample.scored(), [false, false, true, true, false]);
        assert_eq!(sample.with_alternative(0, 0), [9, 1, 2, 7, 8, 5]);
    }
}
