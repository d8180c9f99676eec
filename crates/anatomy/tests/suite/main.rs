//! Heads of known behaviour are found as what they are, and every number as it was built.

mod built;
mod known_heads;
mod page;
mod refusals;
