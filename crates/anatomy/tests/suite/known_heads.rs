//! What is measured of the built decoder.

use anatomy::{
    AblationPlan, Kind, Sample, Subject, TokenClasses, ablate, attention_maps, best, frequency_use,
    head_scores, logit_shares, repeated_segments, separations,
};
use fused::Workers;

use crate::built::{CHANNEL, PAIRS, SQUARED_NORM, decoder, spectrum, text, written};

const LENGTH: usize = 96;

fn sample() -> Sample {
    Sample::new("ids", &text(2 * LENGTH), 0, LENGTH, 2).expect("long enough")
}

fn ordinary() -> Vec<u32> {
    (1..64).collect()
}

#[test]
fn positional_heads_are_found_as_what_they_are() {
    let decoder = decoder();
    let subject = Subject::new(&decoder, LENGTH);
    let classes = TokenClasses::new(&written(), 0);
    // A head that looks three back continues a segment of four as an induction head does.
    let repeated = repeated_segments(&ordinary(), 0, 4, 3, 1).expect("enough tokens");
    let heads = head_scores(&subject, &sample(), &classes, &repeated);
    assert_eq!(heads.len(), 5);
    for (kind, head) in [
        (Kind::Previous, 0),
        (Kind::Diagonal, 1),
        (Kind::KBack, 2),
        (Kind::Induction, 2),
    ] {
        let found = best(&heads, kind, 1)[0];
        assert_eq!((found.layer, found.head), (0, head), "{kind:?}");
        assert!(kind.score(found) > 0.99, "{kind:?}: {found:?}");
        // The other heads do not do this. (In nine tokens a weight of a third is chance.)
        assert!(kind.score(best(&heads, kind, 2)[1]) < 0.5, "{kind:?}");
    }
    assert_eq!(heads[2].back, 3);
    assert!(heads[0].entropy < 0.1);
}

#[test]
fn a_head_without_queries_looks_everywhere_alike() {
    let decoder = decoder();
    let subject = Subject::new(&decoder, LENGTH);
    let classes = TokenClasses::new(&written(), 0);
    let repeated = repeated_segments(&ordinary(), 0, 8, 2, 1).expect("enough tokens");
    let heads = head_scores(&subject, &sample(), &classes, &repeated);
    let queries = 1..LENGTH;
    let count = (LENGTH - 1) as f64;
    let entropy: f64 = queries.clone().map(|i| ((i + 1) as f64).ln()).sum();
    let first: f64 = queries.map(|i| 1.0 / (i + 1) as f64).sum();
    assert!(
        (heads[4].entropy - entropy / count).abs() < 1e-4,
        "{:?}",
        heads[4]
    );
    assert!((heads[4].first - first / count).abs() < 1e-5);
    assert!((heads[4].diagonal - first / count).abs() < 1e-5);
    assert!(
        (heads[4].class_weight[0] - first / count).abs() < 1e-5,
        "<bos> is the first token"
    );
}

#[test]
fn norms_are_those_that_were_built_and_rotation_keeps_them() {
    let decoder = decoder();
    let subject = Subject::new(&decoder, LENGTH);
    let found = frequency_use(&subject, &sample());
    assert_eq!(found.tokens, 2 * (LENGTH - 1));
    assert!(found.rotation_error < 1e-5, "{}", found.rotation_error);
    let each = (SQUARED_NORM / (PAIRS - 1) as f64).sqrt();
    for pair in 0..PAIRS - 1 {
        for head in 0..3 {
            let norm = found.layers[0].queries[head][pair];
            assert!(
                (norm - each).abs() < 1e-3,
                "head {head} pair {pair}: {norm}"
            );
        }
        assert!((found.layers[0].keys[0][pair] - each).abs() < 1e-3);
    }
    assert!((found.layers[0].queries[3][PAIRS - 1] - 1.0).abs() < 1e-3);
    assert!((found.layers[0].keys[0][PAIRS - 1] - CHANNEL).abs() < 1e-3);
    assert!(found.layers[0].queries[4].iter().all(|norm| *norm < 1e-6));
}

/// The margin of a pair in the previous-token head, worked out from its definition.
fn expected_margin(pair: usize) -> f64 {
    if pair == PAIRS - 1 {
        return 0.0;
    }
    let each = SQUARED_NORM / (PAIRS - 1) as f64;
    let frequency = spectrum().frequencies()[pair];
    let part = |i: usize, j: usize| each * ((i as f64 - j as f64 - 1.0) * frequency).cos();
    let margins = (2..LENGTH).map(|i| {
        let others = (1..=i).filter(|j| *j != i - 1).map(|j| part(i, j));
        part(i, i - 1) - others.sum::<f64>() / (i - 1) as f64
    });
    margins.sum::<f64>() / (LENGTH - 2) as f64
}

#[test]
fn margins_are_those_of_the_definition_and_come_from_high_frequencies() {
    let decoder = decoder();
    let subject = Subject::new(&decoder, LENGTH);
    let found = &logit_shares(&subject, &sample(), &[(0, 0, 1)])[0];
    for (pair, margin) in found.margins.iter().enumerate() {
        let expected = expected_margin(pair);
        assert!(
            (margin - expected).abs() < 1e-3,
            "pair {pair}: {margin}, not {expected}"
        );
    }
    let faster: f64 = found.margins[..PAIRS / 2].iter().sum();
    assert!(
        faster > 0.9 * found.margin(),
        "{faster} of {}",
        found.margin()
    );
}

#[test]
fn a_channel_of_the_slowest_pair_is_found() {
    let decoder = decoder();
    let subject = Subject::new(&decoder, LENGTH);
    let classes = TokenClasses::new(&written(), 0);
    let all = separations(&subject, &sample(), &classes);
    let found = all
        .iter()
        .find(|one| one.head == 3 && one.class == "apostrophe")
        .expect("half of the tokens are");
    // The slowest pair turns by 0.013 radians over the window.
    assert!(
        (found.total() - 2.0 * CHANNEL).abs() < 0.01,
        "{}",
        found.total()
    );
    assert!((found.by_pair[PAIRS - 1] - found.total()).abs() < 1e-3);
    assert!(
        all.iter().all(|one| one.class != "digits"),
        "there are none"
    );
}

#[test]
fn a_map_shows_the_previous_token() {
    let decoder = decoder();
    let subject = Subject::new(&decoder, LENGTH);
    let tokens = &sample().windows[0][..12];
    let names: Vec<String> = tokens.iter().map(ToString::to_string).collect();
    let maps = attention_maps(&subject, &[(0, 0), (0, 1)], tokens, &names);
    assert_eq!(maps.len(), 2);
    for (map, back) in maps.iter().zip([1, 0]) {
        assert_eq!(map.weights.len(), 12);
        for (query, row) in map.weights.iter().enumerate().skip(2) {
            assert_eq!(row.len(), 12);
            assert!(row[query - back] > 0.99, "{query}: {row:?}");
        }
    }
}

#[test]
fn a_previous_token_head_loses_most_with_the_highest_frequencies() {
    let decoder = decoder();
    let subject = Subject::new(&decoder, LENGTH);
    let repeated = repeated_segments(&ordinary(), 0, 40, 2, 1).expect("enough tokens");
    let sample = sample();
    let plan = AblationPlan {
        sample: &sample,
        layer_windows: 2,
        repeated: &repeated,
        bands: 4,
        head_layers: &[0],
        previous_head: (0, 0),
    };
    let workers = Workers::new(2).expect("threads");
    let found = ablate(&subject, &plan, &workers, &|_, _| ()).expect("valid");
    assert!(found.baseline.previous > 0.99, "{:?}", found.baseline);
    assert_eq!(found.removed.len(), 4);
    assert_eq!(found.removed_by_layer.len(), 1);
    assert_eq!(found.heads[0].removed.len(), 5);
    // One layer: all layers are this one.
    assert_eq!(found.removed, found.removed_by_layer[0]);
    assert_eq!(found.unrotated, found.unrotated_by_layer[0]);
    let damage: Vec<f64> = found.removed.iter().map(|d| d.previous).collect();
    assert!(damage[0] < -0.3, "{damage:?}");
    assert!(damage[0] < damage[1] && damage[1] < damage[3], "{damage:?}");
    assert!(damage[3].abs() < 0.02, "{damage:?}");
    // The head followed is head 0: taking a band out of another one changes nothing for it.
    assert!(found.heads[0].removed[1].iter().all(|d| d.previous == 0.0));
    assert!((found.heads[0].removed[0][0].previous - damage[0]).abs() < 1e-6);
    // Wavelengths of thousands of tokens hardly turn within ninety-six.
    assert!(
        found.unrotated[3].loss.abs() < 1e-3,
        "{:?}",
        found.unrotated[3]
    );
    let mean = f64::midpoint(found.baseline.windows[0], found.baseline.windows[1]);
    assert!((found.baseline.loss - mean).abs() < 1e-12);
}

#[test]
fn random_segments_come_twice() {
    let sequences = repeated_segments(&ordinary(), 0, 10, 3, 1).expect("enough tokens");
    assert_eq!(sequences.len(), 3);
    for sequence in &sequences {
        assert_eq!(sequence.len(), 21);
        assert_eq!(sequence[0], 0);
        assert_eq!(sequence[1..11], sequence[11..]);
        assert!(sequence[1..].iter().all(|id| (1..64).contains(id)));
    }
    assert_ne!(sequences[0], sequences[1]);
    let again = repeated_segments(&ordinary(), 0, 10, 3, 1).expect("enough tokens");
    assert_eq!(again, sequences);
}
