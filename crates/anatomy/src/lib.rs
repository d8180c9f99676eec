//! What attention heads do with each frequency: in any decoder, on any text.
//!
//! ```text
//! text --Sample--> windows --+--> frequency_use   norms of queries and keys by rotary pair
//! decoder -------------------+--> head_scores     diagonal, previous token, k back, first token, induction
//!                            +--> AttentionMap    weights of a head, token by token
//!                            +--> logit_shares    which pairs make a positional head
//!                            +--> separations     which pairs tell a class of tokens from others
//!                            +--> ablate          which pairs are needed
//! ```
//!
//! [`Anatomy::of`] does all of it, [`parts`] makes charts and words of it. `docs/anatomy.md` defines every
//! measure. Letters of shapes are those of [`decoder`].

mod ablation;
mod anatomy;
mod classes;
mod error;
mod frequency_use;
mod heads;
mod maps;
mod pictures;
mod random_tokens;
mod sample;
mod separation;
mod share;
mod spectra;
mod subject;
mod words;

pub use ablation::{Ablation, AblationPlan, Damage, HeadDamage, Measures, ablate, band};
pub use anatomy::{Anatomy, Budget, Source};
pub use classes::{CLASSES, TokenClasses};
pub use error::AnatomyError;
pub use frequency_use::{FrequencyUse, LayerUse, frequency_use};
pub use heads::{FURTHEST_BACK, HeadScores, Kind, best, head_scores};
pub use maps::{AttentionMap, attention_maps};
pub use pictures::{Figure, Part, Piece, parts};
pub use random_tokens::repeated_segments;
pub use sample::{LEAST_TOKENS, Sample};
pub use separation::{Separation, separations};
pub use share::{LogitShare, logit_shares};
pub use spectra::{LayerSpectrum, spectra};
pub use subject::Subject;
