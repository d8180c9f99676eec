//! A random segment, twice.

use serde::{Deserialize, Serialize};

use crate::generate::Generate;
use crate::random::Random;
use crate::{Answer, Cell, Marker, Sample, TaskError, Vocabulary};

/// Repeated random tokens, which an induction head completes (Olsson et al. 2022,
/// arXiv:2209.11895). The segment is as long as fits twice: ⌊T/2⌋ tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Induction {}

impl Induction {
    pub(crate) const KIND: &'static str = "induction";
    pub(crate) const FIRST_COPY: &'static str = "first copy";
    pub(crate) const SECOND_COPY: &'static str = "second copy";

    pub(crate) fn build(vocabulary: Vocabulary) -> Result<Box<dyn Generate>, TaskError> {
        vocabulary.check(Self::KIND, 2)?;
        Ok(Box::new(Generator { vocabulary }))
    }
}

#[derive(Debug)]
struct Generator {
    vocabulary: Vocabulary,
}

impl Generate for Generator {
    fn kind(&self) -> &'static str {
        Induction::KIND
    }

    fn least_length(&self) -> usize {
        4
    }

    fn token_chance(&self) -> Option<f64> {
        Some(1.0 / self.vocabulary.content_ids() as f64)
    }

    fn generate(&self, random: &mut Random, _: u64, length: usize) -> Sample {
        let size = length / 2;
        let segment = self.vocabulary.draws(random, size);
        let mut tokens = vec![self.vocabulary.bos];
        tokens.extend(&segment);
        tokens.extend(&segment);
        tokens.resize(length + 1, self.vocabulary.marker(Marker::Padding));
        // Nothing foretells a copy's first token, so neither copy's is scored.
        let first = Answer {
            group: Induction::FIRST_COPY,
            ..Answer::at(2..size + 1, None)
        };
        let second = Answer {
            group: Induction::SECOND_COPY,
            ..Answer::at(
                size + 2..2 * size + 1,
                Some(Cell::Distance { distance: size }),
            )
        };
        Sample {
            tokens,
            answers: vec![first, second],
        }
    }
}
