//! Encodings as configs write and read them.

use positional::EncodingConfig;
use serde::{Deserialize, Serialize};

use crate::support::shape;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Document {
    encoding: EncodingConfig,
}

fn parse(text: &str) -> Document {
    toml::from_str(text).expect("well-formed TOML")
}

#[test]
fn reads_integers_and_floats() {
    let document = parse("encoding = { kind = \"prope\", theta = 10_000, fraction = 0.75 }");
    let expected = EncodingConfig::new("prope")
        .with("theta", 10_000.0)
        .with("fraction", 0.75);
    assert_eq!(document.encoding, expected);
}

#[test]
fn refuses_what_is_not_a_number_or_has_no_kind() {
    for text in [
        "encoding = { kind = \"rope\", theta = \"large\" }",
        "encoding = { kind = \"rope\", theta = [10_000] }",
        "encoding = { theta = 10_000 }",
        "encoding = { kind = 3 }",
    ] {
        assert!(toml::from_str::<Document>(text).is_err(), "{text}");
    }
}

#[test]
fn toml_and_json_give_back_what_was_written() {
    let encoding = EncodingConfig::new("prope")
        .with("theta", 5e5)
        .with("fraction", 1.0 / 3.0);
    let document = Document { encoding };
    let toml = toml::to_string(&document).unwrap();
    assert_eq!(parse(&toml), document);
    let json = serde_json::to_string(&document).unwrap();
    assert_eq!(serde_json::from_str::<Document>(&json).unwrap(), document);
}

#[test]
fn resolving_writes_the_defaults_out_once() {
    let resolved = EncodingConfig::new("prope").resolved().unwrap();
    let expected = EncodingConfig::new("prope")
        .with("theta", 10_000.0)
        .with("fraction", 0.75);
    assert_eq!(resolved, expected);
    assert_eq!(resolved.resolved().unwrap(), resolved);

    let given = EncodingConfig::new("prope").with("fraction", 0.25);
    let expected = EncodingConfig::new("prope")
        .with("theta", 10_000.0)
        .with("fraction", 0.25);
    assert_eq!(given.resolved().unwrap(), expected);
}

#[test]
fn a_resolved_config_builds_the_same_encoding() {
    let config = EncodingConfig::new("rope_partial").with("fraction", 0.5);
    let (as_written, resolved) = (
        config.build(shape(64)).unwrap(),
        config.resolved().unwrap().build(shape(64)).unwrap(),
    );
    assert_eq!(as_written.label(), resolved.label());
    assert_eq!(as_written.spectrum(), resolved.spectrum());
}
