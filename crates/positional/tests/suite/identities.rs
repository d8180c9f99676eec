//! The ends of the range: p = 1 is `RoPE` and p = 0 is `NoPE`, bit for bit.

use positional::Spectrum;

use crate::support::spectrum;

const HEAD_DIMS: [usize; 6] = [2, 10, 32, 64, 256, 512];

#[track_caller]
fn assert_bitwise_equal(a: &Spectrum, b: &Spectrum) {
    let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let single_bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(a.frequencies()), bits(b.frequencies()));
    assert_eq!(a.amplitude().to_bits(), b.amplitude().to_bits());
    for positions in [0..40, 99_990..100_000] {
        let (a, b) = (a.tables(positions.clone()), b.tables(positions));
        assert_eq!(single_bits(&a.cos), single_bits(&b.cos));
        assert_eq!(single_bits(&a.sin), single_bits(&b.sin));
    }
    assert_eq!(a.fingerprint(), b.fingerprint());
}

#[test]
fn the_whole_fraction_is_rope() {
    for head_dim in HEAD_DIMS {
        for theta in [1.5, 500.0, 1e4, 5e5, 1e6] {
            let rope = spectrum("rope", &[("theta", theta)], head_dim);
            for kind in ["prope", "prope_reversed", "rope_partial"] {
                let whole = spectrum(kind, &[("theta", theta), ("fraction", 1.0)], head_dim);
                assert_bitwise_equal(&whole, &rope);
            }
        }
    }
}

#[test]
fn the_empty_fraction_is_nope() {
    for head_dim in HEAD_DIMS {
        let nope = spectrum("nope", &[], head_dim);
        for kind in ["prope", "prope_reversed", "rope_partial"] {
            assert_bitwise_equal(&spectrum(kind, &[("fraction", 0.0)], head_dim), &nope);
        }
        assert_bitwise_equal(&spectrum("nope_scaled", &[], head_dim), &nope);
    }
}

#[test]
fn a_fraction_keeps_the_frequencies_of_rope_to_the_bit() {
    let rope = spectrum("rope", &[], 64);
    let kept = spectrum("prope", &[("fraction", 0.75)], 64);
    let reversed = spectrum("prope_reversed", &[("fraction", 0.75)], 64);
    for pair in 0..32 {
        let of_rope = rope.frequencies()[pair];
        let expected = |rotates: bool| if rotates { of_rope } else { 0.0 }.to_bits();
        assert_eq!(kept.frequencies()[pair].to_bits(), expected(pair < 24));
        assert_eq!(reversed.frequencies()[pair].to_bits(), expected(pair >= 8));
    }
}

#[test]
fn nope_rotates_nothing_at_all() {
    let nope = spectrum("nope", &[], 6);
    let x = [1.5, -2.0, 1e-300, 7.25, -1e300, 0.1];
    assert!(nope.is_identity());
    assert_eq!(nope.num_rotated(), 0);
    assert_eq!(nope.longest_wavelength(), None);
    assert_eq!(nope.shortest_wavelength(), None);
    for position in [0, 1, 100_000, usize::MAX] {
        assert_eq!(nope.rotate(&x, position), x);
    }
    let tables = nope.tables(1000..1010);
    assert!(
        tables
            .cos
            .iter()
            .all(|cos| cos.to_bits() == 1.0_f32.to_bits())
    );
    assert!(tables.sin.iter().all(|sin| sin.to_bits() == 0));
}

#[test]
fn only_zero_frequencies_and_unit_amplitude_are_the_identity() {
    let identity = |frequencies: &[f64], amplitude| {
        Spectrum::new(frequencies.to_vec(), amplitude)
            .unwrap()
            .is_identity()
    };
    assert!(identity(&[0.0, 0.0], 1.0));
    assert!(identity(&[-0.0, 0.0], 1.0));
    assert!(!identity(&[0.0, 1e-9], 1.0));
    assert!(!identity(&[0.0, 0.0], 1.1));
}

#[test]
fn fingerprints_tell_spectra_apart() {
    let prints = [
        spectrum("rope", &[], 64),
        spectrum("rope", &[("theta", 10_001.0)], 64),
        spectrum("rope", &[], 128),
        spectrum("nope", &[], 64),
        spectrum("nope", &[], 128),
        spectrum("prope", &[], 64),
        spectrum("prope_reversed", &[], 64),
        spectrum("rope_partial", &[], 64),
        Spectrum::new(vec![0.0; 32], 1.5).unwrap(),
    ]
    .map(|spectrum| spectrum.fingerprint());
    let distinct: std::collections::BTreeSet<u64> = prints.into_iter().collect();
    assert_eq!(distinct.len(), prints.len());
}

#[test]
fn negative_zero_is_the_zero_of_nope() {
    let negative = Spectrum::new(vec![-0.0; 32], 1.0).unwrap();
    assert_bitwise_equal(&negative, &spectrum("nope", &[], 64));
}
