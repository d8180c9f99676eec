//! Against files of llama.cpp's Python package (`scripts/parity/gguf_blocks.py`).

use std::path::Path;

use gguf::{GgmlType, GgufFile, Value};

pub fn blocks() -> GgufFile {
    GgufFile::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/blocks.gguf"))
        .unwrap()
}

#[test]
fn every_type_dequantizes_to_the_same_bits() {
    let file = blocks();
    let mut seen = Vec::new();
    for tensor in file
        .tensors()
        .filter(|tensor| !tensor.name().ends_with(".values"))
    {
        let expected = file.read_f32(&format!("{}.values", tensor.name())).unwrap();
        let values = tensor.to_f32();
        assert_eq!(values.len(), tensor.len());
        assert_eq!(values.len(), expected.len(), "{}", tensor.name());
        for (i, (value, expected)) in values.iter().zip(&expected).enumerate() {
            assert_eq!(
                value.to_bits(),
                expected.to_bits(),
                "{}[{i}]: {value} {expected}",
                tensor.name()
            );
        }
        assert!(values.iter().any(|&value| value != 0.0));
        seen.push(tensor.kind());
    }
    for kind in GgmlType::ALL {
        assert!(
            seen.contains(&kind),
            "{} is not in the fixture",
            kind.name()
        );
    }
}

#[test]
fn a_quantized_gaussian_is_near_a_gaussian() {
    let file = blocks();
    for name in [
        "F16.normal",
        "BF16.normal",
        "Q4_0.normal",
        "Q4_1.normal",
        "Q8_0.normal",
    ] {
        let values = file.read_f32(name).unwrap();
        let mean_square =
            values.iter().map(|value| value * value).sum::<f32>() / values.len() as f32;
        assert!((0.8..1.2).contains(&mean_square), "{name}: {mean_square}");
    }
}

#[test]
fn shapes_are_outermost_first() {
    let file = blocks();
    assert_eq!(file.tensor("Q8_0.normal").unwrap().shape(), [2, 256]);
    assert_eq!(file.tensor("Q4_K.random").unwrap().shape(), [4, 256]);
}

#[test]
fn metadata_of_every_type() {
    let file = blocks();
    assert_eq!(file.version(), 3);
    let expected = [
        ("value.u8", Value::U8(200)),
        ("value.i8", Value::I8(-100)),
        ("value.u16", Value::U16(60_000)),
        ("value.i16", Value::I16(-30_000)),
        ("value.u32", Value::U32(4_000_000_000)),
        ("value.i32", Value::I32(-2_000_000_000)),
        ("value.f32", Value::F32(0.1)),
        ("value.bool", Value::Bool(true)),
        ("value.string", Value::String("Ishmael — 鯨")),
        ("value.u64", Value::U64(1 << 63)),
        ("value.i64", Value::I64(-(1 << 62))),
        ("value.f64", Value::F64(1e300)),
    ];
    for (key, value) in expected {
        assert_eq!(file.value(key), Some(value), "{key}");
    }
    assert_eq!(file.strings("value.strings").unwrap(), ["call", "", "me"]);
    assert_eq!(file.integers("value.integers").unwrap(), [1, 2, 3]);
    assert_eq!(file.string("general.architecture").unwrap(), "blocks");
    assert_eq!(file.integer("value.u8").unwrap(), 200);
    assert!((file.float("value.f32").unwrap() - 0.1).abs() < 1e-7);
    assert!(file.flag("value.bool").unwrap());
    assert!(file.keys().any(|key| key == "value.f64"));
}

#[test]
fn questions_without_an_answer_name_the_key() {
    let file = blocks();
    let message = |error: gguf::GgufError| error.to_string();
    assert!(
        message(file.integer("llama.block_count").unwrap_err())
            .contains("`llama.block_count` is missing")
    );
    let negative = message(file.integer("value.i8").unwrap_err());
    assert!(
        negative.contains("`value.i8` is i8, not an integer from 0 on"),
        "{negative}"
    );
    assert!(message(file.string("value.u8").unwrap_err()).contains("is u8, not a string"));
    assert!(message(file.float("value.u8").unwrap_err()).contains("is u8, not a float"));
    assert!(message(file.flag("value.u8").unwrap_err()).contains("is u8, not a truth value"));
    assert!(
        message(file.strings("value.integers").unwrap_err())
            .contains("do not make an array of strings")
    );
    assert!(
        message(file.integers("value.string").unwrap_err()).contains("is a string, not an array")
    );
    assert!(
        message(file.read_f32("output.weight").unwrap_err())
            .contains("tensor `output.weight` is missing")
    );
}
