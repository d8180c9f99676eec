//! Where labels go so that none covers another.

/// Centres of labels of the given heights, in the order of their targets, as near to the targets as the
/// sum of squares allows, at least `gap` apart and within `top..bottom`. Where they cannot all fit, they
/// go on below `bottom`.
///
/// With the room taken by the labels before it subtracted from each target, the question is isotonic
/// regression, which pooling adjacent violators answers exactly (Barlow et al. 1972).
pub(crate) fn stack(targets: &[f64], heights: &[f64], gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut offsets = Vec::with_capacity(targets.len());
    let mut taken = 0.0;
    for height in heights {
        offsets.push(taken + height / 2.0);
        taken += height + gap;
    }
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (target, offset) in targets.iter().zip(&offsets) {
        let mut pool = (target - offset, 1);
        while let Some(last) = pools.pop_if(|last| last.0 > pool.0) {
            let count = last.1 + pool.1;
            let sum = last.0 * last.1 as f64 + pool.0 * pool.1 as f64;
            pool = (sum / count as f64, count);
        }
        pools.push(pool);
    }
    let highest = (bottom - (taken - gap)).max(top);
    pools
        .into_iter()
        .flat_map(|(mean, count)| std::iter::repeat_n(mean.clamp(top, highest), count))
        .zip(offsets)
        .map(|(shift, offset)| shift + offset)
        .collect()
}

/// The height that labels of the given heights need.
pub(crate) fn stack_height(heights: &[f64], gap: f64) -> f64 {
    heights.iter().sum::<f64>() + gap * heights.len().saturating_sub(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(centres: &[f64], targets: &[f64]) -> f64 {
        centres
            .iter()
            .zip(targets)
            .map(|(c, t)| (c - t).powi(2))
            .sum()
    }

    #[test]
    fn labels_with_room_stay_where_they_are() {
        assert_eq!(
            stack(&[20.0, 60.0], &[10.0, 10.0], 2.0, 0.0, 100.0),
            [20.0, 60.0]
        );
        assert!(stack(&[], &[], 2.0, 0.0, 100.0).is_empty());
    }

    #[test]
    fn no_other_arrangement_is_nearer() {
        let mut state = 7_u64;
        let mut uniform = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / 2_f64.powi(53)
        };
        for round in 0..200 {
            let count = 1 + round % 9;
            let mut targets: Vec<f64> = (0..count).map(|_| uniform() * 80.0 + 10.0).collect();
            targets.sort_by(f64::total_cmp);
            let heights: Vec<f64> = (0..count).map(|_| 5.0 + uniform() * 4.0).collect();
            let centres = stack(&targets, &heights, 1.0, 0.0, 100.0);
            for i in 0..count {
                assert!(centres[i] - heights[i] / 2.0 >= -1e-9);
                assert!(centres[i] + heights[i] / 2.0 <= 100.0 + 1e-9);
                if i > 0 {
                    let room = f64::midpoint(heights[i - 1], heights[i]) + 1.0;
                    assert!(centres[i] - centres[i - 1] >= room - 1e-9);
                }
            }
            // Moving any run of labels together a little either breaks a rule or is no nearer.
            for first in 0..count {
                for last in first..count {
                    for step in [-0.01, 0.01] {
                        let mut other = centres.clone();
                        other[first..=last].iter_mut().for_each(|c| *c += step);
                        let is_valid = (0..count).all(|i| {
                            let bottom_ok = other[i] + heights[i] / 2.0 <= 100.0;
                            let top_ok = other[i] >= heights[i] / 2.0;
                            let room = if i == 0 {
                                f64::NEG_INFINITY
                            } else {
                                f64::midpoint(heights[i - 1], heights[i]) + 1.0
                            };
                            let apart = i == 0 || other[i] - other[i - 1] >= room;
                            bottom_ok && top_ok && apart
                        });
                        if is_valid {
                            assert!(cost(&other, &targets) >= cost(&centres, &targets) - 1e-9);
                        }
                    }
                }
            }
        }
    }
}
