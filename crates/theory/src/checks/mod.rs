//! The statements, one file each.

pub(crate) mod maximum;
pub(crate) mod positional_head;
pub(crate) mod positionless;
pub(crate) mod semantic_head;
pub(crate) mod wrapping;
pub(crate) mod zero_mean;

use crate::check::{Check, Finding};
use crate::{Subject, Verdict};

pub use positionless::positionless;

/// Every statement about the subject, in the paper's order. Random draws are seeded: the same subject gives the
/// same numbers.
pub fn checks(subject: &Subject) -> Vec<Check> {
    STATEMENTS
        .iter()
        .map(|(statement, find)| {
            let Finding { found, verdict } = find(subject);
            Check {
                found,
                verdict,
                ..statement.clone()
            }
        })
        .collect()
}

type Find = fn(&Subject) -> Finding;

const fn statement(
    name: &'static str,
    source: &'static str,
    statement: &'static str,
    refuted_by: &'static str,
) -> Check {
    Check {
        name,
        statement,
        source,
        refuted_by,
        found: String::new(),
        verdict: Verdict::NotApplicable,
    }
}

static STATEMENTS: [(Check, Find); 9] = [
    (
        statement(
            "Proposition 3.1",
            "Barbero et al. 2025, section 3",
            "For any query and any distance there is a key whose logit is largest at that distance: the query, rotated by it. \
             Rotation does not have to decay.",
            "a larger logit at another distance",
        ),
        maximum::find,
    ),
    (
        statement(
            "Proposition 3.2",
            "Barbero et al. 2025, section 3",
            "Independent standard normal query and key have a logit of mean zero at every distance: no decay.",
            "a mean beyond four standard errors, or a spread that is not √head_dim",
        ),
        zero_mean::find,
    ),
    (
        statement(
            "Proposition 5.2",
            "Barbero et al. 2025, section 5, with definition 5.1",
            "A single head without positions cannot attend to itself or to the previous token: in [bos, x, x] both x get the \
             same weight, below a half.",
            "unequal weights, or a half and more",
        ),
        positionless::find,
    ),
    (
        statement(
            "Theorem 5.3",
            "Barbero et al. 2025, section 5",
            "A single rotary head can attend to itself, or to the previous token, with any weight below 1: a vector long enough, \
             for every token.",
            "no norm that gives the weight 0.99 over the context",
        ),
        positional_head::find,
    ),
    (
        statement(
            "High is cheap",
            "Barbero et al. 2025, section 5",
            "The fastest quarter of the pairs needs shorter vectors for that than the slowest quarter.",
            "the same or the larger norm for the fastest quarter",
        ),
        positional_head::find_cheapest,
    ),
    (
        statement(
            "Theorem 6.1",
            "Barbero et al. 2025, section 6",
            "No rotating pair keeps its preference for what is alike in a long context: even the slowest turns it round beyond a \
             quarter turn.",
            "a positive logit between a quarter and three quarters of a turn",
        ),
        semantic_head::find_rotated,
    ),
    (
        statement(
            "p-RoPE channels",
            "Barbero et al. 2025, section 6",
            "A pair of frequency zero gives what is alike the same logit at every distance, bit for bit.",
            "two distances with different logits",
        ),
        semantic_head::find_unrotated,
    ),
    (
        statement(
            "Lemma A.1",
            "Barbero et al. 2025, appendix A",
            "No two distances turn a pair by the same angle: n g is a multiple of 2π for n = 0 only.",
            "an n > 0 whose angle is a multiple of 2π to rounding",
        ),
        wrapping::find_injective,
    ),
    (
        statement(
            "Lemma A.2",
            "Barbero et al. 2025, appendix A",
            "The angles n g fill the circle: the nearest return to 0 and the widest gap become ever smaller.",
            "a return above Dirichlet's bound 2π/(N + 1), or a gap that does not close",
        ),
        wrapping::find_dense,
    ),
];

/// Why statements about pure rotation say nothing about the subject; `None` where they do.
fn no_pure_rotation(subject: &Subject) -> Option<Finding> {
    let why = if subject.rotation().is_none() {
        "nothing rotates"
    } else if subject.encoding().has_bias() {
        "a bias is added to the logits"
    } else {
        return None;
    };
    Some(Finding::not_applicable(why))
}
