//! What can be wrong with the numbers handed in.

/// Why a comparison could not be made. Seeds, documents and p-values are counted from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StatisticsError {
    /// There is no seed to compare.
    #[error("no seeds; a comparison needs the differences of at least one")]
    NoSeeds,
    /// There is no document to compare on.
    #[error("no documents; a comparison needs the token counts of at least one")]
    NoDocuments,
    /// A seed was not evaluated on the documents that the token counts describe.
    #[error(
        "seed {seed} has the differences of {found} documents, but there are {expected} token \
         counts; all seeds must be evaluated on the same documents"
    )]
    DocumentCount {
        /// Index of the seed.
        seed: usize,
        /// Differences it has.
        found: usize,
        /// Token counts there are.
        expected: usize,
    },
    /// A difference is infinite or not a number.
    #[error(
        "the difference of seed {seed} on document {document} is {value}; it must be a finite \
         number of nats"
    )]
    NotFinite {
        /// Index of the seed.
        seed: usize,
        /// Index of the document.
        document: usize,
        /// The difference given.
        value: f64,
    },
    /// A document without tokens has no nats per token; leave it out.
    #[error("document {document} has no tokens; leave it out")]
    NoTokens {
        /// Index of the document.
        document: usize,
    },
    /// A p-value lies outside [0, 1], or is not a number.
    #[error("p-value {index} is {value}; it must lie in [0, 1]")]
    NotAProbability {
        /// Index of the p-value.
        index: usize,
        /// The value given.
        value: f64,
    },
}
