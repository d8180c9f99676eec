//! What must hold for every family, those still to be written included.

use std::collections::BTreeSet;
use std::path::Path;

use positional::{EncodingConfig, families, family};

use crate::support::{build, shape};

#[test]
fn kinds_are_distinct_and_found_by_name() {
    let kinds: BTreeSet<&str> = families().iter().map(|family| family.kind).collect();
    assert_eq!(kinds.len(), families().len());
    for kind in kinds {
        assert_eq!(family(kind).unwrap().kind, kind);
    }
}

#[test]
fn every_family_is_described_and_its_defaults_are_in_range() {
    for family in families() {
        assert!(
            !family.summary.is_empty() && !family.source.is_empty(),
            "{}",
            family.kind
        );
        let mut names = BTreeSet::new();
        for parameter in family.parameters {
            assert!(parameter.range.contains(parameter.default));
            assert!(!parameter.summary.is_empty());
            assert_ne!(parameter.name, "kind");
            assert!(
                names.insert(parameter.name),
                "{} twice in {}",
                parameter.name,
                family.kind
            );
        }
    }
}

#[test]
fn every_family_builds_from_its_defaults() {
    let mut labels = BTreeSet::new();
    for family in families() {
        let encoding = build(family.kind, &[], shape(64));
        assert!(labels.insert(encoding.label()), "{}", encoding.label());
    }
}

#[test]
fn every_parameter_changes_what_is_built() {
    // A parameter that is declared and then read under another name would be silently ignored.
    for family in families() {
        for parameter in family.parameters {
            let changed = if parameter.range.contains(parameter.default * 2.0) {
                parameter.default * 2.0
            } else {
                parameter.default / 2.0
            };
            let default = build(family.kind, &[], shape(64));
            let changed = build(family.kind, &[(parameter.name, changed)], shape(64));
            let answers = |encoding: &dyn positional::PositionalEncoding| {
                (
                    encoding.spectrum().cloned(),
                    encoding.bias(0, 999),
                    encoding.absolute(999),
                    encoding.logit_scale(9999).to_bits(),
                )
            };
            let same = answers(&*default) == answers(&*changed);
            assert!(!same, "{} of {}", parameter.name, family.kind);
            assert_ne!(default.label(), changed.label());
        }
    }
}

#[test]
fn cheap_queries_agree_with_the_answers() {
    for family in families() {
        let encoding = build(family.kind, &[], shape(64));
        let positions = [0, 1, 511, 512, 100_000];
        for position in positions {
            assert_eq!(
                encoding.bias(7, position).is_some(),
                encoding.has_bias(),
                "{}",
                family.kind
            );
            let absolute = encoding.absolute(position);
            assert_eq!(
                absolute.is_some(),
                encoding.has_absolute(),
                "{}",
                family.kind
            );
            assert!(absolute.is_none_or(|vector| vector.len() == shape(64).hidden_size));
        }
        let scales = positions.map(|position| encoding.logit_scale(position));
        let scaled = scales
            .iter()
            .any(|scale| scale.to_bits() != 1.0_f64.to_bits());
        assert_eq!(scaled, encoding.scales_logits(), "{}", family.kind);
        assert!(
            encoding
                .spectrum()
                .is_none_or(|spectrum| spectrum.head_dim() == 64)
        );
    }
}

#[test]
fn labels_are_short_names_with_parameters() {
    let label = |kind: &str, parameters: &[(&str, f64)]| build(kind, parameters, shape(64)).label();
    assert_eq!(label("rope", &[]), "RoPE, θ=10000");
    assert_eq!(label("prope", &[]), "0.75-RoPE, θ=10000");
    assert_eq!(
        label("prope_reversed", &[("theta", 5e5)]),
        "0.75-RoPE reversed, θ=500000"
    );
    assert_eq!(
        label("rope_partial", &[("fraction", 0.5)]),
        "0.5-RoPE partial, θ=10000"
    );
    assert_eq!(label("nope", &[]), "NoPE");
    assert_eq!(label("alibi", &[]), "ALiBi");
    assert_eq!(label("sinusoidal", &[]), "Sinusoidal, θ=10000");
    assert_eq!(label("nope_scaled", &[]), "NoPE, log-length scale from 512");
}

#[test]
fn the_guide_has_a_section_for_every_family() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/encodings.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    for family in families() {
        let heading = format!("## `{}`", family.kind);
        let section = guide
            .split("\n## ")
            .find(|section| format!("## {section}").starts_with(&heading));
        let section = section.unwrap_or_else(|| panic!("no section {heading}"));
        for parameter in family.parameters {
            let named = section.contains(&format!("`{}`", parameter.name));
            assert!(named, "{} of {}", parameter.name, family.kind);
        }
        assert!(EncodingConfig::new(family.kind).resolved().is_ok());
    }
}
