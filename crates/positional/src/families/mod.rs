//! The registry: one file a family, one line each in the list below.

mod alibi;
mod nope;
mod nope_scaled;
mod prope;
mod prope_reversed;
mod rope;
mod rope_linear;
mod rope_llama3;
mod rope_partial;
mod rope_yarn;
mod sinusoidal;

use crate::nearest::nearest;
use crate::{EncodingError, Family};

static FAMILIES: &[&Family] = &[
    &rope::FAMILY,
    &prope::FAMILY,
    &nope::FAMILY,
    &prope_reversed::FAMILY,
    &rope_partial::FAMILY,
    &rope_linear::FAMILY,
    &rope_llama3::FAMILY,
    &rope_yarn::FAMILY,
    &alibi::FAMILY,
    &sinusoidal::FAMILY,
    &nope_scaled::FAMILY,
];

/// Every family of encodings, in the order to list them.
pub fn families() -> &'static [&'static Family] {
    FAMILIES
}

/// The family of this `kind`.
///
/// # Errors
/// [`EncodingError::UnknownKind`] with the known kinds and the nearest of them.
pub fn family(kind: &str) -> Result<&'static Family, EncodingError> {
    let found = FAMILIES.iter().find(|family| family.kind == kind);
    found.copied().ok_or_else(|| {
        let known: Vec<&str> = FAMILIES.iter().map(|family| family.kind).collect();
        EncodingError::UnknownKind {
            kind: kind.to_owned(),
            suggestion: nearest(kind, &known),
            known,
        }
    })
}
