//! Multi-query associative recall.

use serde::{Deserialize, Serialize};

use crate::error::{at_least_one, check};
use crate::generate::Generate;
use crate::random::Random;
use crate::{Answer, Cell, Sample, TaskError, Vocabulary};

/// Key-value pairs, then each key once more, to be followed by its value (Arora et al. 2024,
/// arXiv:2312.04927, and its code, `zoology/data/multiquery_ar.py`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mqar {
    /// Key-value pairs, each queried once.
    pub pairs: usize,
    /// Exponent a of the power law: a query falls into slot s = 1, 2, .. behind the pairs with a
    /// weight of s^(a - 1). 1 is uniform; small values ask soon.
    pub power: f64,
}

impl Default for Mqar {
    fn default() -> Self {
        Self {
            pairs: 8,
            power: 0.01,
        }
    }
}

impl Mqar {
    pub(crate) const KIND: &'static str = "mqar";

    pub(crate) fn check(&self) -> Result<(), TaskError> {
        at_least_one(Self::KIND, "pairs", self.pairs)?;
        let good = self.power > 0.0 && self.power <= 1.0;
        check(good, Self::KIND, "power", self.power, "in (0, 1]")
    }

    pub(crate) fn build(&self, vocabulary: Vocabulary) -> Result<Box<dyn Generate>, TaskError> {
        // As many keys as values, and never a single value, which would need no recall.
        vocabulary.check(Self::KIND, self.pairs.saturating_mul(2).max(3))?;
        Ok(Box::new(Generator {
            pairs: self.pairs,
            power: self.power,
            vocabulary,
        }))
    }
}

#[derive(Debug)]
struct Generator {
    pairs: usize,
    power: f64,
    vocabulary: Vocabulary,
}

impl Generator {
    /// Keys are the first half of the content ids.
    fn num_keys(&self) -> usize {
        self.vocabulary.content_ids() / 2
    }

    fn num_values(&self) -> usize {
        self.vocabulary.content_ids() - self.num_keys()
    }

    /// A slot for each pair: drawn one after the other without replacement, with weights s^(a - 1),
    /// then dealt out at random. Given to the pairs as drawn, early pairs would have early slots, and
    /// the place of a query would tell something about its answer.
    ///
    /// Efraimidis and Spirakis (2006): the order of exponential waiting times with rates w is the
    /// order of such draws. It takes n log n instead of pairs · n steps.
    fn slots(&self, random: &mut Random, count: usize) -> Vec<usize> {
        let mut waiting: Vec<(f64, usize)> = (0..count)
            .map(|slot| {
                let weight = (slot as f64 + 1.0).powf(self.power - 1.0);
                (-random.unit().ln() / weight, slot)
            })
            .collect();
        waiting.sort_by(|a, b| a.0.total_cmp(&b.0));
        let dealt = random.choose(self.pairs, self.pairs);
        dealt.into_iter().map(|draw| waiting[draw].1).collect()
    }

    /// A content id that is not one of the sample's keys (indices in ascending order), so that
    /// nothing but a query looks like one.
    fn filler(&self, random: &mut Random, sorted_keys: &[usize]) -> u32 {
        let free = self.vocabulary.content_ids() - sorted_keys.len();
        let mut index = random.below(free);
        for key in sorted_keys {
            index += usize::from(index >= *key);
        }
        self.vocabulary.content(index)
    }
}

impl Generate for Generator {
    fn kind(&self) -> &'static str {
        Mqar::KIND
    }

    fn least_length(&self) -> usize {
        self.pairs.saturating_mul(4)
    }

    fn token_chance(&self) -> Option<f64> {
        Some(1.0 / self.num_values() as f64)
    }

    fn generate(&self, random: &mut Random, _: u64, length: usize) -> Sample {
        let keys = random.choose(self.num_keys(), self.pairs);
        let values = random.choose(self.num_values(), self.pairs);
        let first_slot = 1 + 2 * self.pairs;
        let slots = self.slots(random, (length + 1 - first_slot) / 2);
        let mut sorted_keys = keys.clone();
        sorted_keys.sort_unstable();

        let mut tokens: Vec<u32> = (0..=length)
            .map(|_| self.filler(random, &sorted_keys))
            .collect();
        tokens[0] = self.vocabulary.bos;
        let mut answers = Vec::new();
        for pair in 0..self.pairs {
            let key = self.vocabulary.content(keys[pair]);
            let value = self.vocabulary.content(self.num_keys() + values[pair]);
            let (shown, asked) = (1 + 2 * pair, first_slot + 2 * slots[pair]);
            for place in [shown, asked] {
                tokens[place] = key;
                tokens[place + 1] = value;
            }
            let cell = Cell::Pairs {
                pairs: self.pairs,
                distance: asked - shown,
            };
            answers.push(Answer::at(asked + 1..asked + 2, Some(cell)));
        }
        answers.sort_by_key(|answer| answer.targets.start);
        Sample { tokens, answers }
    }
}
