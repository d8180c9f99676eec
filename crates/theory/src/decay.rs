//! Logits against distance (Figures 2 and 9 of the paper).

use crate::{Gaussian, Query, Subject};

/// What queries and keys are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// All ones: Figure 2, left, and what the claim of a decay rests on.
    Constant,
    /// A new standard normal query and key at each distance: Figure 2, right.
    Independent,
    /// One standard normal query, and one key repeated at all distances: Figure 9.
    Repeated,
}

impl Content {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Constant, Self::Independent, Self::Repeated];
}

/// Where the draws of the Gaussian contents begin.
const SEED: u64 = 0xDECA;

/// One head's logits against distance.
#[derive(Clone, Debug, PartialEq)]
pub struct Decay {
    /// What queries and keys are.
    pub content: Content,
    /// The head, which matters to a bias only.
    pub head: usize,
    /// By distance from 0 on: the logit over √`head_dim`, which is 1 for all-ones vectors without any encoding.
    pub values: Vec<f64>,
}

impl Decay {
    /// A query at the last position of the context, and a key at every distance before it.
    pub fn of(subject: &Subject, content: Content, head: usize) -> Self {
        let (encoding, size) = (subject.encoding(), subject.head_dim());
        let mut gaussian = Gaussian::new(SEED);
        let mut draw = || match content {
            Content::Constant => vec![1.0; size],
            Content::Independent | Content::Repeated => gaussian.vector(size),
        };
        let root = (size as f64).sqrt();
        let (vector, key) = (draw(), draw());
        let repeated = Query::new(encoding, head, &vector, subject.last());
        let values = (0..subject.context()).map(|distance| {
            let logit = if content == Content::Independent {
                let query = Query::new(encoding, head, &draw(), subject.last());
                query.logit(&draw(), distance)
            } else {
                repeated.logit(&key, distance)
            };
            logit / root
        });
        Self {
            content,
            head,
            values: values.collect(),
        }
    }
}
