//! How the layers of a `config.json` know positions, by every place in it that says so.

use positional::EncodingConfig;
use serde_json::{Map, Value};

use crate::architecture::{FULL, Family, SLIDING};
use crate::config::HuggingFaceConfig;
use crate::error::InterchangeError;
use crate::rope::RopeParameters;

/// A `config.json` and what its rotary keys mean with.
pub(crate) struct Rotation<'a> {
    pub config: &'a HuggingFaceConfig,
    pub family: Family,
    pub max_position_embeddings: usize,
}

impl Rotation<'_> {
    /// How layers of `kind` know positions.
    ///
    /// # Errors
    /// If it is nothing that we compute, or two places say different things: the key, or both keys.
    pub fn encoding(&self, kind: &str) -> Result<EncodingConfig, InterchangeError> {
        let places = self.rope_places(kind)?;
        let (theta_key, theta, default) = self.outer_theta(kind);
        let config = self.config;
        let theta = agreed(&places, "rope_theta", (theta_key, theta), |p| p.rope_theta)?;
        let partial = agreed(
            &places,
            "partial_rotary_factor",
            ("partial_rotary_factor", config.partial_rotary_factor),
            |p| p.partial_rotary_factor,
        )?;
        let original = agreed(
            &places,
            "original_max_position_embeddings",
            (
                "original_max_position_embeddings",
                config.original_max_position_embeddings,
            ),
            |p| p.original_max_position_embeddings,
        )?;
        let mut found: Option<(String, EncodingConfig)> = None;
        for (key, parameters) in places {
            let complete = RopeParameters {
                partial_rotary_factor: partial,
                original_max_position_embeddings: original,
                rope_theta: theta,
                ..parameters
            };
            let encoding = complete
                .encoding(&key, default, self.max_position_embeddings)?
                .resolved()
                .map_err(|error| InterchangeError::config(&key, error.to_string()))?;
            match &found {
                Some((first, other)) if *other != encoding => {
                    let reason = format!("contradicts {first}: they are different rotations");
                    return Err(InterchangeError::config(key, reason));
                }
                Some(_) => {}
                None => found = Some((key, encoding)),
            }
        }
        let (_, encoding) =
            found.ok_or_else(|| InterchangeError::config("rope_parameters", "missing"))?;
        Ok(encoding)
    }

    /// The base of wavelengths outside of any parameters, its key, and what stands in for it.
    fn outer_theta(&self, kind: &str) -> (&'static str, Option<f64>, f64) {
        let config = self.config;
        match (self.family, kind) {
            (Family::Gemma3, SLIDING) => ("rope_local_base_freq", config.rope_local_base_freq, 1e4),
            (Family::Gemma3, _) => ("rope_theta", config.rope_theta, 1e6),
            _ => ("rope_theta", config.rope_theta, 1e4),
        }
    }

    /// The rotary parameters of layers of `kind` under each key that has some, at least one.
    fn rope_places(&self, kind: &str) -> Result<Vec<(String, RopeParameters)>, InterchangeError> {
        let config = self.config;
        let new = "rope_parameters";
        if self.family == Family::Gemma4 && config.rope_parameters.is_none() {
            return Ok(vec![(new.to_owned(), gemma4_rope(kind))]);
        }
        let by_kind = matches!(self.family, Family::Gemma3 | Family::Gemma4);
        let given = |map: &'_ Option<Map<String, Value>>| map.clone().filter(|map| !map.is_empty());
        let mut places = Vec::new();
        // Gemma 3's older spelling means its full-attention layers only.
        if let Some(map) = given(&config.rope_scaling)
            && (self.family != Family::Gemma3 || kind == FULL)
        {
            if by_kind && is_nested(&map) {
                let reason =
                    "means the global layers; kinds of layers are told apart in rope_parameters";
                return Err(InterchangeError::config("rope_scaling", reason));
            }
            places.push(place("rope_scaling", &map, kind)?);
        }
        if let Some(map) = given(&config.rope_parameters) {
            if by_kind && !is_nested(&map) {
                let reason =
                    format!("has no {SLIDING} or {FULL}, and this family reads nothing else");
                return Err(InterchangeError::config(new, reason));
            }
            places.push(place(new, &map, kind)?);
        }
        if places.is_empty() {
            places.push((new.to_owned(), RopeParameters::default()));
        }
        Ok(places)
    }
}

/// The parameters of layers of `kind` in `map`, and where they stand.
fn place(
    key: &str,
    map: &Map<String, Value>,
    kind: &str,
) -> Result<(String, RopeParameters), InterchangeError> {
    match map.get(kind) {
        Some(Value::Object(inner)) => {
            let key = format!("{key}.{kind}");
            let parsed = RopeParameters::parse(&key, inner)?;
            Ok((key, parsed))
        }
        Some(Value::Null) | None if is_nested(map) => {
            Ok((key.to_owned(), RopeParameters::default()))
        }
        _ => Ok((key.to_owned(), RopeParameters::parse(key, map)?)),
    }
}

/// The value of a parameter that may stand in several places, and outside of them.
fn agreed(
    places: &[(String, RopeParameters)],
    name: &str,
    (outer_key, outer): (&str, Option<f64>),
    of: fn(&RopeParameters) -> Option<f64>,
) -> Result<Option<f64>, InterchangeError> {
    let inner = places
        .iter()
        .filter_map(|(key, parameters)| Some((format!("{key}.{name}"), of(parameters)?)));
    let outer = outer.map(|value| (outer_key.to_owned(), value));
    let mut found: Option<(String, f64)> = None;
    for (key, value) in outer.into_iter().chain(inner) {
        match &found {
            Some((first, other)) if (other - value).abs() > 0.0 => {
                let reason = format!("{value} contradicts {first}, which is {other}");
                return Err(InterchangeError::config(key, reason));
            }
            Some(_) => {}
            None => found = Some((key, value)),
        }
    }
    Ok(found.map(|(_, value)| value))
}

fn is_nested(map: &Map<String, Value>) -> bool {
    map.contains_key(SLIDING) || map.contains_key(FULL)
}

fn gemma4_rope(kind: &str) -> RopeParameters {
    if kind == SLIDING {
        return RopeParameters::default();
    }
    RopeParameters {
        rope_type: Some("proportional".to_owned()),
        partial_rotary_factor: Some(0.25),
        rope_theta: Some(1e6),
        ..RopeParameters::default()
    }
}
