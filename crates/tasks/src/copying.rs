//! Copies of a sequence behind a separator: as it was, backwards, or without the noise.

use serde::{Deserialize, Serialize};

use crate::error::at_least_one;
use crate::generate::Generate;
use crate::random::Random;
use crate::{Answer, Cell, Marker, Sample, TaskError, Vocabulary};

/// Random tokens, a separator, and the same tokens (Graves et al. 2014, arXiv:1410.5401; as a test of
/// positional encodings: Kazemnejad et al. 2023, arXiv:2305.19466).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Copy {
    /// Tokens to copy; as many as fit, ⌊(T - 1)/2⌋, when none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<usize>,
}

/// [`struct@Copy`] with the output in reverse order (Grefenstette et al. 2015, arXiv:1506.02516).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reverse {
    /// Tokens to reverse; as many as fit, ⌊(T - 1)/2⌋, when none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<usize>,
}

/// Data tokens at random places among noise, a separator, and the data tokens in order (Jing et al.
/// 2019, arXiv:1706.02761; Gu and Dao 2023, arXiv:2312.00752, section 3.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SelectiveCopy {
    /// Data tokens.
    pub items: usize,
}

impl Default for SelectiveCopy {
    fn default() -> Self {
        Self { items: 16 }
    }
}

impl Copy {
    pub(crate) const KIND: &'static str = "copy";

    pub(crate) fn check(&self) -> Result<(), TaskError> {
        at_least_one(Self::KIND, "items", self.items.unwrap_or(1))
    }

    pub(crate) fn build(&self, vocabulary: Vocabulary) -> Result<Box<dyn Generate>, TaskError> {
        Generator::build(Self::KIND, Order::Same, self.items, vocabulary)
    }
}

impl Reverse {
    pub(crate) const KIND: &'static str = "reverse";

    pub(crate) fn check(&self) -> Result<(), TaskError> {
        at_least_one(Self::KIND, "items", self.items.unwrap_or(1))
    }

    pub(crate) fn build(&self, vocabulary: Vocabulary) -> Result<Box<dyn Generate>, TaskError> {
        Generator::build(Self::KIND, Order::Reversed, self.items, vocabulary)
    }
}

impl SelectiveCopy {
    pub(crate) const KIND: &'static str = "selective_copy";

    pub(crate) fn check(&self) -> Result<(), TaskError> {
        at_least_one(Self::KIND, "items", self.items)
    }

    pub(crate) fn build(&self, vocabulary: Vocabulary) -> Result<Box<dyn Generate>, TaskError> {
        Generator::build(Self::KIND, Order::Scattered, Some(self.items), vocabulary)
    }
}

/// How the output differs from the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Same,
    Reversed,
    /// The same, the input being scattered among noise.
    Scattered,
}

#[derive(Debug)]
struct Generator {
    kind: &'static str,
    order: Order,
    items: Option<usize>,
    vocabulary: Vocabulary,
}

impl Generator {
    fn build(
        kind: &'static str,
        order: Order,
        items: Option<usize>,
        vocabulary: Vocabulary,
    ) -> Result<Box<dyn Generate>, TaskError> {
        vocabulary.check(kind, 2)?;
        Ok(Box::new(Self {
            kind,
            order,
            items,
            vocabulary,
        }))
    }

    fn separator(&self) -> Marker {
        match self.order {
            Order::Same => Marker::Copy,
            Order::Reversed => Marker::Reverse,
            Order::Scattered => Marker::SelectiveCopy,
        }
    }

    /// What comes before the separator: the data, among noise where the task says so.
    fn input(&self, random: &mut Random, data: &[u32], length: usize) -> Vec<u32> {
        if self.order != Order::Scattered {
            return data.to_vec();
        }
        let room = length - 1 - data.len();
        let mut input = vec![self.vocabulary.marker(Marker::Noise); room];
        let places = random.choose_sorted(room, data.len());
        for (place, token) in places.into_iter().zip(data) {
            input[place] = *token;
        }
        input
    }

    /// One distance for the whole answer, where there is one.
    fn cell(&self, items: usize) -> Option<Cell> {
        (self.order == Order::Same).then_some(Cell::Distance {
            distance: items + 1,
        })
    }
}

impl Generate for Generator {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn least_length(&self) -> usize {
        self.items.unwrap_or(1).saturating_mul(2).saturating_add(1)
    }

    fn token_chance(&self) -> Option<f64> {
        Some(1.0 / self.vocabulary.content_ids() as f64)
    }

    fn generate(&self, random: &mut Random, _: u64, length: usize) -> Sample {
        let items = self.items.unwrap_or((length - 1) / 2);
        let mut data = self.vocabulary.draws(random, items);
        let mut tokens = vec![self.vocabulary.bos];
        tokens.extend(self.input(random, &data, length));
        tokens.push(self.vocabulary.marker(self.separator()));
        if self.order == Order::Reversed {
            data.reverse();
        }
        let answer = Answer::at(tokens.len()..tokens.len() + items, self.cell(items));
        tokens.extend(data);
        tokens.resize(length + 1, self.vocabulary.marker(Marker::Padding));
        Sample {
            tokens,
            answers: vec![answer],
        }
    }
}
