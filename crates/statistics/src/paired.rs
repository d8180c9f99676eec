//! The measurements of one comparison.

use serde::{Deserialize, Serialize};

use crate::error::StatisticsError;

/// A variant against a baseline: both trained with the same seeds, hence in the same data order, and
/// evaluated on the same documents.
///
/// Taking the difference within each pair of runs removes what the two share, which is most of the
/// spread: how hard the document is, and how lucky the seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Paired {
    /// `[seed][document]`, nats.
    differences: Vec<Vec<f64>>,
    /// `[document]`, whole numbers; as floats because they only ever weight.
    tokens: Vec<f64>,
}

/// How much the variant's loss differs from the baseline's, in nats per token; negative where the
/// variant is the better one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Mean over seeds.
    pub mean: f64,
    /// The effect of each seed, over all documents.
    pub per_seed: Vec<f64>,
}

impl Paired {
    /// The comparison of `differences[seed][document]`, the variant's negative log-likelihood minus
    /// the baseline's, summed over the document's scored tokens, in nats; `tokens[document]` counts
    /// these tokens.
    ///
    /// # Errors
    /// [`StatisticsError::NoSeeds`] and [`StatisticsError::NoDocuments`] for nothing to compare,
    /// [`StatisticsError::NoTokens`] for a document without tokens,
    /// [`StatisticsError::DocumentCount`] when a seed has not one difference per document, and
    /// [`StatisticsError::NotFinite`] when a difference is infinite or not a number.
    pub fn new(differences: Vec<Vec<f64>>, tokens: &[usize]) -> Result<Self, StatisticsError> {
        check_tokens(tokens)?;
        if differences.is_empty() {
            return Err(StatisticsError::NoSeeds);
        }
        for (seed, row) in differences.iter().enumerate() {
            check_row(seed, row, tokens.len())?;
        }
        let tokens = tokens.iter().map(|count| *count as f64).collect();
        Ok(Self {
            differences,
            tokens,
        })
    }

    /// The number of seeds.
    pub fn seeds(&self) -> usize {
        self.differences.len()
    }

    /// The number of documents.
    pub fn documents(&self) -> usize {
        self.tokens.len()
    }

    /// The effect in nats per token. With dₛⱼ the difference of seed s on document j and nⱼ the
    /// document's tokens, seed s has the effect Σⱼ dₛⱼ / Σⱼ nⱼ: documents weigh by their tokens.
    /// The mean is the plain one of the seeds' effects: seeds weigh equally.
    pub fn effect(&self) -> Effect {
        let total: f64 = self.tokens.iter().sum();
        let per_seed: Vec<f64> = self
            .differences
            .iter()
            .map(|row| row.iter().sum::<f64>() / total)
            .collect();
        Effect {
            mean: per_seed.iter().sum::<f64>() / per_seed.len() as f64,
            per_seed,
        }
    }

    /// The effect, were each seed present `seeds[s]` times and each document `documents[j]` times.
    pub(crate) fn weighted_effect(&self, seeds: &[f64], documents: &[f64]) -> f64 {
        let rows = self.differences.iter().map(|row| dot(row, documents));
        let nll: f64 = rows.zip(seeds).map(|(row, weight)| row * weight).sum();
        nll / (seeds.iter().sum::<f64>() * dot(&self.tokens, documents))
    }
}

fn check_tokens(tokens: &[usize]) -> Result<(), StatisticsError> {
    if tokens.is_empty() {
        return Err(StatisticsError::NoDocuments);
    }
    match tokens.iter().position(|count| *count == 0) {
        Some(document) => Err(StatisticsError::NoTokens { document }),
        None => Ok(()),
    }
}

fn check_row(seed: usize, row: &[f64], documents: usize) -> Result<(), StatisticsError> {
    if row.len() != documents {
        return Err(StatisticsError::DocumentCount {
            seed,
            found: row.len(),
            expected: documents,
        });
    }
    match row.iter().position(|value| !value.is_finite()) {
        Some(document) => Err(StatisticsError::NotFinite {
            seed,
            document,
            value: row[document],
        }),
        None => Ok(()),
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}
