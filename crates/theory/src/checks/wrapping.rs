//! Lemmas A.1 and A.2: angles never return, and come ever nearer.

use std::f64::consts::TAU;

use crate::Subject;
use crate::check::Finding;
use crate::number::short;

/// How the angles `n g`, `n` from 1 to `count`, lie on the circle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wrapping {
    /// Up to which `n`.
    pub count: usize,
    /// The smallest distance of an angle from a multiple of 2π, in radians.
    pub nearest: f64,
    /// The `n` that has it.
    pub at: usize,
    /// The widest arc without an angle, angle 0 included, in radians.
    pub gap: f64,
}

/// Angles of `frequency` at `n` from 1 to `count`.
pub fn wrapping(frequency: f64, count: usize) -> Wrapping {
    let (mut nearest, mut at) = (f64::INFINITY, 0);
    let mut angles = Vec::with_capacity(count + 2);
    angles.extend([0.0, TAU]);
    for n in 1..=count {
        let angle = n as f64 * frequency;
        let off = angle - TAU * (angle / TAU).round();
        if off.abs() < nearest {
            (nearest, at) = (off.abs(), n);
        }
        angles.push(if off < 0.0 { off + TAU } else { off });
    }
    angles.sort_unstable_by(f64::total_cmp);
    let gap = angles.windows(2).map(|w| w[1] - w[0]).fold(0.0, f64::max);
    Wrapping {
        count,
        nearest,
        at,
        gap,
    }
}

/// Turns of the fastest pair after which the circle is looked at.
const TURNS: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];

/// More angles than this are not computed.
const MOST: f64 = 2e6;

/// The fastest pair after 1, 10, 100, 1000 turns, as far as that can be computed.
fn looks(subject: &Subject) -> Result<Vec<Wrapping>, Finding> {
    let Some(wavelength) = subject
        .rotation()
        .and_then(positional::Spectrum::shortest_wavelength)
    else {
        return Err(Finding::not_applicable("nothing rotates"));
    };
    let counts = TURNS.map(|turns| (turns * wavelength).ceil());
    let looks: Vec<Wrapping> = counts
        .into_iter()
        .filter(|count| *count <= MOST)
        .map(|count| wrapping(TAU / wavelength, count as usize))
        .collect();
    if looks.len() < 2 {
        return Err(Finding::not_applicable(format!(
            "the fastest pair takes {} tokens for a turn",
            short(wavelength)
        )));
    }
    Ok(looks)
}

pub(super) fn find_injective(subject: &Subject) -> Finding {
    let looks = match looks(subject) {
        Ok(looks) => looks,
        Err(finding) => return finding,
    };
    let Some(last) = looks.last() else {
        return Finding::not_applicable("nothing rotates");
    };
    // An angle of 1000 turns is known to half a unit in its last place, and so is its multiple of 2π.
    let rounding = 4.0 * f64::EPSILON * TAU * TURNS[looks.len() - 1];
    Finding::of(
        last.nearest > rounding,
        format!(
            "fastest pair, {} tokens: nearest to a multiple of 2π is {} rad at {} tokens (rounding: {})",
            last.count,
            short(last.nearest),
            last.at,
            short(rounding)
        ),
    )
}

pub(super) fn find_dense(subject: &Subject) -> Finding {
    let looks = match looks(subject) {
        Ok(looks) => looks,
        Err(finding) => return finding,
    };
    let dirichlet = looks
        .iter()
        .all(|look| look.nearest <= TAU / (look.count as f64 + 1.0));
    // By more than rounding: commensurate angles leave the same gaps for ever.
    let closing = looks
        .windows(2)
        .all(|pair| pair[1].gap < 0.99 * pair[0].gap);
    let list = |of: fn(&Wrapping) -> String| looks.iter().map(of).collect::<Vec<_>>().join(", ");
    Finding::of(
        dirichlet && closing,
        format!(
            "fastest pair, {} tokens: nearest return {}, widest gap {} rad",
            list(|look| look.count.to_string()),
            list(|look| short(look.nearest)),
            list(|look| short(look.gap))
        ),
    )
}
