//! The parts of a page, for decoders of several shapes.

use std::collections::BTreeMap;

use anatomy::{Anatomy, Budget, Source, parts};
use burn::tensor::Device;
use decoder::{Decoder, DecoderConfig, LayerKind, preset};
use fused::Workers;
use positional::EncodingConfig;
use report::Page;

use crate::built::{self, VOCABULARY, text, written};

fn look(decoder: &Decoder) -> Anatomy {
    let written = written();
    let ordinary: Vec<u32> = (1..VOCABULARY as u32).collect();
    let source = Source {
        name: "built".to_owned(),
        texts: vec![
            ("main".to_owned(), text(200)),
            ("other".to_owned(), text(50)),
        ],
        bos: 0,
        vocabulary: &written,
        ordinary: &ordinary,
    };
    let budget = Budget::new(decoder.config(), 48, 100_000);
    let workers = Workers::new(2).expect("threads");
    Anatomy::of(decoder, &source, &budget, &workers, &|_, _, _| ()).expect("a look")
}

fn html(anatomy: &Anatomy) -> String {
    let page = parts(anatomy)
        .iter()
        .fold(Page::new("Anatomy"), |page, part| {
            page.section(part.section())
        });
    page.to_html()
}

fn random(layers: &[(&str, LayerKind)]) -> Decoder {
    let config = DecoderConfig {
        vocab_size: VOCABULARY,
        num_hidden_layers: 3,
        pattern: layers.iter().map(|(name, _)| (*name).to_owned()).collect(),
        layers: layers
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), kind.clone()))
            .collect::<BTreeMap<_, _>>(),
        ..preset("micro").expect("a preset")
    };
    Decoder::new(config, 3, &Device::flex()).expect("valid")
}

#[test]
fn a_page_has_every_part_and_names_what_was_built() {
    let anatomy = look(&built::decoder());
    let html = html(&anatomy);
    for text in [
        "Norms of queries by layer and frequency",
        "Norms of keys on other texts",
        "Scores of all heads",
        "Attention of L0H0, the most previous token head",
        "3 back L0H2",
        "Which pairs separate the class",
        "apostrophe",
        "A band removed from the logits of all layers",
        "A band left unrotated in one layer",
        "A band removed in one head of layer 0",
        "A band removed in all layers, by position",
        "Figure 3",
    ] {
        assert!(html.contains(text), "no `{text}`");
    }
    assert!(!html.contains("NaN"));
    assert!(
        anatomy.headline().contains("L0H0"),
        "{}",
        anatomy.headline()
    );
    let names: Vec<String> = parts(&anatomy)
        .iter()
        .flat_map(|part| part.figures().map(|f| f.name.clone()).collect::<Vec<_>>())
        .collect();
    let mut unique = names.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(
        unique.len(),
        names.len(),
        "a file would be written over: {names:?}"
    );
}

#[test]
fn nope_has_pairs_without_wavelengths_and_nothing_to_unrotate() {
    let nope = LayerKind::global(EncodingConfig::new("nope"));
    let anatomy = look(&random(&[("global", nope)]));
    assert!(
        anatomy
            .ablation
            .unrotated
            .iter()
            .all(|damage| damage.loss == 0.0)
    );
    assert!(
        anatomy
            .ablation
            .removed
            .iter()
            .any(|damage| damage.loss != 0.0)
    );
    assert!(
        anatomy
            .headline()
            .contains("No pair of this decoder is rotated")
    );
    assert!(html(&anatomy).contains("none (pair 0)"));
}

#[test]
fn layers_of_different_kinds_have_maps_of_their_own() {
    let local = LayerKind::local(8, EncodingConfig::new("rope").with("theta", 100.0));
    let global = LayerKind {
        head_dim: Some(24),
        ..LayerKind::global(EncodingConfig::new("prope").with("fraction", 0.25))
    };
    let anatomy = look(&random(&[("local", local), ("global", global)]));
    let html = html(&anatomy);
    assert!(html.contains("1 of 8, high to low"), "bands by number");
    let names: Vec<String> = parts(&anatomy)
        .iter()
        .flat_map(|part| part.figures().map(|f| f.name.clone()).collect::<Vec<_>>())
        .collect();
    for name in ["norms_queries_local", "norms_queries_global"] {
        assert!(names.iter().any(|n| n == name), "no {name} in {names:?}");
    }
}

#[test]
fn looking_twice_finds_the_same() {
    let decoder = built::decoder();
    assert_eq!(look(&decoder), look(&decoder));
}
