//! Laws that hold for all inputs.

use proptest::prelude::*;
use statistics::{
    Interval, Paired, holm, mean, power, smallest_detectable, standard_deviation, t_interval,
};

const RESAMPLES: usize = 200;

prop_compose! {
    /// Differences of 2 to 5 seeds on 1 to 7 documents, and token counts.
    fn comparison()(seeds in 2_usize..6, documents in 1_usize..8)(
        differences in prop::collection::vec(
            prop::collection::vec(-50.0_f64..50.0, documents),
            seeds,
        ),
        tokens in prop::collection::vec(1_usize..5000, documents),
    ) -> (Vec<Vec<f64>>, Vec<usize>) {
        (differences, tokens)
    }
}

fn interval(differences: Vec<Vec<f64>>, tokens: &[usize]) -> Interval {
    Paired::new(differences, tokens)
        .expect("shapes agree")
        .bootstrap_interval(RESAMPLES)
        .expect("several seeds")
}

fn map(differences: &[Vec<f64>], f: impl Fn(usize, f64) -> f64) -> Vec<Vec<f64>> {
    let row = |row: &Vec<f64>| row.iter().enumerate().map(|(j, d)| f(j, *d)).collect();
    differences.iter().map(row).collect()
}

fn close(x: f64, y: f64) -> bool {
    (x - y).abs() <= 1e-9 * (1.0 + x.abs().max(y.abs()))
}

/// What Holm multiplies `q` with is the number of hypotheses not yet rejected before it.
fn step_down(p: &[f64], q: f64) -> f64 {
    let left = p.iter().filter(|other| **other >= q).count();
    (left as f64 * q).min(1.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // Also shows that variants have the same draws: with others the ends would not move in step.
    #[test]
    fn a_shift_of_every_token_shifts_effect_and_interval(
        (differences, tokens) in comparison(),
        shift in -2.0_f64..2.0,
    ) {
        let shifted = map(&differences, |j, d| d + shift * tokens[j] as f64);
        let before = Paired::new(differences.clone(), &tokens).expect("paired").effect();
        let after = Paired::new(shifted.clone(), &tokens).expect("paired").effect();
        prop_assert!(close(before.mean + shift, after.mean));
        let (before, after) = (interval(differences, &tokens), interval(shifted, &tokens));
        prop_assert!(close(before.low + shift, after.low), "{before:?} {after:?}");
        prop_assert!(close(before.high + shift, after.high), "{before:?} {after:?}");
    }

    #[test]
    fn swapping_variant_and_baseline_flips_effect_and_interval(
        (differences, tokens) in comparison(),
    ) {
        let negated = map(&differences, |_, d| -d);
        let before = Paired::new(differences.clone(), &tokens).expect("paired").effect();
        let after = Paired::new(negated.clone(), &tokens).expect("paired").effect();
        prop_assert!(close(before.mean, -after.mean));
        let (before, after) = (interval(differences, &tokens), interval(negated, &tokens));
        prop_assert!(close(before.low, -after.high), "{before:?} {after:?}");
        prop_assert!(close(before.high, -after.low), "{before:?} {after:?}");
    }

    #[test]
    fn a_document_cut_in_two_leaves_the_effect(
        (mut differences, mut tokens) in comparison(),
        share in 0.0_f64..1.0,
        rest in 1_usize..5000,
    ) {
        tokens[0] += rest;
        let whole = Paired::new(differences.clone(), &tokens).expect("paired").effect();
        tokens[0] -= rest;
        tokens.push(rest);
        for row in &mut differences {
            row.push(row[0] * (1.0 - share));
            row[0] *= share;
        }
        let cut = Paired::new(differences, &tokens).expect("paired").effect();
        prop_assert!(close(whole.mean, cut.mean), "{whole:?} {cut:?}");
    }

    #[test]
    fn the_mean_is_that_of_the_seeds((differences, tokens) in comparison()) {
        let effect = Paired::new(differences, &tokens).expect("paired").effect();
        prop_assert!(close(effect.mean, mean(&effect.per_seed).expect("seeds")));
    }

    #[test]
    fn the_t_interval_holds_zero_exactly_when_p_exceeds_a_twentieth(
        effects in prop::collection::vec(-1.0_f64..1.5, 2..9),
    ) {
        let Some(interval) = t_interval(&effects) else { return Ok(()) };
        prop_assert_eq!(interval.p > 0.05, interval.low < 0.0 && 0.0 < interval.high);
        prop_assert!(close(interval.low + interval.high, 2.0 * interval.mean));
        let negated: Vec<f64> = effects.iter().map(|effect| -effect).collect();
        let flipped = t_interval(&negated).expect("the same spread");
        prop_assert!(close(interval.low, -flipped.high) && close(interval.p, flipped.p));
        let shifted: Vec<f64> = effects.iter().map(|effect| effect + 3.0).collect();
        let shifted = t_interval(&shifted).expect("the same spread");
        prop_assert!(close(interval.low + 3.0, shifted.low));
        prop_assert!(close(interval.high + 3.0, shifted.high));
    }

    #[test]
    fn holm_never_lowers_and_keeps_the_order(p in prop::collection::vec(0.0_f64..=1.0, 0..12)) {
        let adjusted = holm(&p).expect("probabilities");
        prop_assert_eq!(adjusted.len(), p.len());
        for (raw, found) in p.iter().zip(&adjusted) {
            prop_assert!(found >= raw && *found <= 1.0);
            let at_most = |q: &&f64| *q <= raw;
            let expected = p.iter().filter(at_most).map(|q| step_down(&p, *q)).fold(0.0, f64::max);
            prop_assert!(close(*found, expected), "{found} {expected}");
        }
    }

    #[test]
    fn power_and_smallest_detectable_are_inverse(
        sd in 1e-4_f64..2.0,
        n in 2_usize..60,
        alpha in 0.001_f64..0.1,
        asked in 0.2_f64..0.99,
    ) {
        let effect = smallest_detectable(sd, n, alpha, asked).expect("in range");
        let reached = power(effect, sd, n, alpha).expect("in range");
        prop_assert!((reached - asked).abs() < 1e-9, "{reached}");
        let negative = power(-effect, sd, n, alpha).expect("in range");
        prop_assert!(close(reached, negative));
        prop_assert!(power(effect * 0.9, sd, n, alpha).expect("in range") < reached);
        prop_assert!(smallest_detectable(sd, n + 1, alpha, asked).expect("in range") < effect);
        let none = power(0.0, sd, n, alpha).expect("in range");
        prop_assert!((none - alpha).abs() < 1e-10, "{none}");
    }

    #[test]
    fn moments_follow_shift_and_scale(
        values in prop::collection::vec(-5.0_f64..5.0, 2..20),
        shift in -3.0_f64..3.0,
        scale in 0.1_f64..4.0,
    ) {
        let moved: Vec<f64> = values.iter().map(|value| value * scale + shift).collect();
        let (before, after) = (mean(&values).expect("values"), mean(&moved).expect("values"));
        prop_assert!(close(before * scale + shift, after));
        let spread = |values: &[f64]| standard_deviation(values).expect("two values");
        prop_assert!(close(spread(&values) * scale, spread(&moved)));
    }
}
