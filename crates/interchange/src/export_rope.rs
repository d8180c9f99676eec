//! A rotary encoding as Hugging Face writes it: today's `rope_parameters`, and the keys before them.
//!
//! transformers 4 reads the old keys only, and takes a wavelength base of 10,000 and no scaling where they are missing;
//! transformers 5 reads both. So both are written, and where the old ones cannot say what a model does they hold what
//! an old reader stops at: a type that it does not know, or `null` in place of a number.

use positional::{AttentionShape, EncodingConfig};
use serde_json::{Map, Value, json};

use crate::error::InterchangeError;

/// Divides a frequency down to where its angle vanishes beside 1 in f32, up to 2^60 tokens.
const STILL: f64 = 1e30;
/// The type that no reader before transformers 5 knows.
const PROPORTIONAL: &str = "proportional";

/// The old keys of a model with `rope`, which is what [`rope_parameters`] gave. `local`: of the layers with a window, where
/// they have an encoding of their own (Gemma 3).
pub(crate) fn old_rope_keys(
    rope: &Map<String, Value>,
    local: Option<&Map<String, Value>>,
) -> Map<String, Value> {
    let is = |rope: &Map<String, Value>, rope_type: &str| rope["rope_type"] == rope_type;
    let mut keys = Map::new();
    let (theta, scaling) = if is(rope, PROPORTIONAL) {
        // The base stands inside for transformers 5, which prefers `rope_scaling`. Readers that do not look for a
        // scaling miss the base outside.
        (Value::Null, Value::Object(rope.clone()))
    } else if is(rope, "default") {
        (rope["rope_theta"].clone(), Value::Null)
    } else {
        let mut scaling = rope.clone();
        let theta = scaling.remove("rope_theta");
        (theta.unwrap_or_default(), Value::Object(scaling))
    };
    keys.insert("rope_theta".to_owned(), theta);
    keys.insert("rope_scaling".to_owned(), scaling);
    if let Some(local) = local {
        // The old key is the base of a plain rotation.
        let theta = Some(&local["rope_theta"]).filter(|_| is(local, "default"));
        let theta = theta.cloned().unwrap_or_default();
        keys.insert("rope_local_base_freq".to_owned(), theta);
    }
    keys
}

/// An encoding as `rope_parameters`, of a model for `context` tokens.
///
/// # Errors
/// If these architectures cannot compute it.
pub(crate) fn rope_parameters(
    encoding: &EncodingConfig,
    shape: AttentionShape,
    context: usize,
) -> Result<Map<String, Value>, InterchangeError> {
    let broken =
        |error: positional::EncodingError| InterchangeError::NotExpressible(error.to_string());
    let encoding = encoding.resolved().map_err(broken)?;
    let fraction = |default| {
        encoding
            .parameters
            .get("fraction")
            .copied()
            .unwrap_or(default)
    };
    match encoding.kind.as_str() {
        "rope" => Ok(scaled(&encoding, "default")),
        "prope" => Ok(proportional(&encoding, fraction(1.0))),
        "nope" => Ok(proportional(&encoding, 0.0)),
        "rope_linear" => Ok(scaled(&encoding, "linear")),
        "rope_llama3" => Ok(scaled(&encoding, "llama3")),
        "rope_yarn" => Ok(scaled(&encoding, "yarn")),
        _ => longrope(&encoding, shape, context),
    }
}

/// The base of the wavelengths; encodings without one do not turn at all.
fn theta(encoding: &EncodingConfig) -> f64 {
    encoding.parameters.get("theta").copied().unwrap_or(1e4)
}

fn object(members: impl IntoIterator<Item = (&'static str, Value)>) -> Map<String, Value> {
    let members = members.into_iter();
    members
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// A type whose parameters have the names that they have here.
fn scaled(encoding: &EncodingConfig, rope_type: &str) -> Map<String, Value> {
    let mut json = object([
        ("rope_type", rope_type.into()),
        ("rope_theta", theta(encoding).into()),
    ]);
    let parameters = encoding.parameters.iter();
    json.extend(
        parameters
            .filter(|(name, _)| *name != "theta")
            .map(|(name, value)| {
                let value = match name.as_str() {
                    "original_max_position_embeddings" => json!(*value as u64),
                    _ => json!(value),
                };
                (name.clone(), value)
            }),
    );
    json
}

fn proportional(encoding: &EncodingConfig, fraction: f64) -> Map<String, Value> {
    object([
        ("rope_type", PROPORTIONAL.into()),
        ("rope_theta", theta(encoding).into()),
        ("partial_rotary_factor", fraction.into()),
    ])
}

/// Any spectrum of frequencies: `longrope` divides each by a factor of its own.
fn longrope(
    encoding: &EncodingConfig,
    shape: AttentionShape,
    context: usize,
) -> Result<Map<String, Value>, InterchangeError> {
    let built = encoding
        .build(shape)
        .map_err(|error| InterchangeError::NotExpressible(error.to_string()))?;
    let rotates_only = !built.has_bias() && !built.has_absolute() && !built.scales_logits();
    let Some(spectrum) = built.spectrum().filter(|_| rotates_only) else {
        return Err(InterchangeError::NotExpressible(format!(
            "`{}` adds to logits or embeddings, or scales queries; these architectures only rotate",
            encoding.kind
        )));
    };
    let theta = theta(encoding);
    let base = |pair: usize| theta.powf(-((2 * pair) as f64) / shape.head_dim as f64);
    let frequencies = spectrum.frequencies().iter().enumerate();
    let factors: Vec<f64> = frequencies
        .map(|(pair, f)| if *f > 0.0 { base(pair) / f } else { STILL })
        .collect();
    Ok(object([
        ("rope_type", "longrope".into()),
        ("rope_theta", theta.into()),
        ("factor", 1.0.into()),
        ("attention_factor", spectrum.amplitude().into()),
        ("original_max_position_embeddings", context.into()),
        ("short_factor", json!(factors)),
        ("long_factor", json!(factors)),
    ]))
}
