//! How often intervals contain the effect that the data was made with.

use statistics::{Paired, power, smallest_detectable, t_interval};

use crate::simulation::{Simulation, Spread};

const EFFECT: f64 = 0.005;
const CASES: u32 = 400;

/// The share of simulated comparisons in which `holds` is true.
fn share(shape: [usize; 2], effect: f64, spread: Spread, holds: impl Fn(&Paired) -> bool) -> f64 {
    let mut simulation = Simulation::new(7);
    let held = (0..CASES)
        .filter(|_| holds(&simulation.paired(shape, effect, spread)))
        .count();
    held as f64 / f64::from(CASES)
}

fn bootstrap_covers(paired: &Paired) -> bool {
    let interval = paired.bootstrap_interval(1000).expect("several pairs");
    interval.low <= EFFECT && EFFECT <= interval.high
}

fn t_covers(paired: &Paired) -> bool {
    let interval = t_interval(&paired.effect().per_seed).expect("several seeds");
    interval.low <= EFFECT && EFFECT <= interval.high
}

#[test]
fn the_bootstrap_covers_crossed_data() {
    let spread = Spread {
        seeds: 0.004,
        documents: 0.01,
        pairs: 0.02,
    };
    let covered = share([8, 40], EFFECT, spread, bootstrap_covers);
    assert!((0.90..=0.995).contains(&covered), "{covered}");
}

#[test]
fn the_bootstrap_is_conservative_where_pairs_are_noisy() {
    let spread = Spread {
        seeds: 0.0,
        documents: 0.0,
        pairs: 0.05,
    };
    let covered = share([8, 40], EFFECT, spread, bootstrap_covers);
    assert!(covered > 0.98, "{covered}");
}

#[test]
fn three_seeds_that_differ_need_the_t_interval() {
    let spread = Spread {
        seeds: 0.01,
        documents: 0.0,
        pairs: 0.001,
    };
    // Exactly 3/4 for pairs without noise: the effect lies outside when all seeds err to one side.
    let by_bootstrap = share([3, 20], EFFECT, spread, bootstrap_covers);
    let by_t = share([3, 20], EFFECT, spread, t_covers);
    assert!((0.68..0.82).contains(&by_bootstrap), "{by_bootstrap}");
    assert!((0.92..=0.98).contains(&by_t), "{by_t}");
}

#[test]
fn the_smallest_detectable_effect_is_detected_as_often_as_asked() {
    let (seeds, sd) = (5, 0.01);
    let effect = smallest_detectable(sd, seeds, 0.05, 0.8).expect("five seeds");
    let spread = Spread {
        seeds: sd,
        documents: 0.0,
        pairs: 0.0,
    };
    let significant = |paired: &Paired| {
        t_interval(&paired.effect().per_seed).is_some_and(|interval| interval.p <= 0.05)
    };
    // A share of 400 has a standard error of 2%.
    let detected = share([seeds, 3], effect, spread, significant);
    assert!((0.74..=0.86).contains(&detected), "{detected}");
    let half = power(effect / 2.0, sd, seeds, 0.05).expect("five seeds");
    let detected = share([seeds, 3], effect / 2.0, spread, significant);
    assert!((detected - half).abs() < 0.08, "{detected} {half}");
}
