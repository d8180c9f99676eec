//! A family of encodings: what the registry knows about one kind.

use std::collections::BTreeMap;

use crate::nearest::nearest;
use crate::{AttentionShape, BuildResult, EncodingError, Interval};

/// One kind of encoding: its name in configs, its parameters, and how to build it.
///
/// Each file of `src/families` holds one constant of this type.
#[derive(Debug)]
pub struct Family {
    /// Name in configs, for example `prope`.
    pub kind: &'static str,
    /// One line for listings.
    pub summary: &'static str,
    /// Where it was published.
    pub source: &'static str,
    /// Its parameters, in the order to print them.
    pub parameters: &'static [Parameter],
    /// Builds the encoding for one shape of attention, from checked values.
    pub build: fn(&Parameters, AttentionShape) -> BuildResult,
}

impl Family {
    /// Checks the `given` values and fills in the defaults of the rest.
    ///
    /// # Errors
    /// [`EncodingError::UnknownParameter`] for a name this family does not take,
    /// [`EncodingError::OutOfRange`] for a value it does not allow.
    pub fn resolve(&self, given: &BTreeMap<String, f64>) -> Result<Parameters, EncodingError> {
        for name in given.keys() {
            self.check_name(name)?;
        }
        let values = self
            .parameters
            .iter()
            .map(|parameter| {
                let value = given.get(parameter.name).copied();
                let value = value.unwrap_or(parameter.default);
                self.check_range(parameter, value)?;
                Ok((parameter.name.to_owned(), value))
            })
            .collect::<Result<_, _>>()?;
        Ok(Parameters(values))
    }

    fn check_name(&self, name: &str) -> Result<(), EncodingError> {
        let known: Vec<&str> = self.parameters.iter().map(|known| known.name).collect();
        if known.contains(&name) {
            return Ok(());
        }
        Err(EncodingError::UnknownParameter {
            kind: self.kind,
            name: name.to_owned(),
            suggestion: nearest(name, &known),
            known,
        })
    }

    fn check_range(&self, parameter: &Parameter, value: f64) -> Result<(), EncodingError> {
        if parameter.range.contains(value) {
            return Ok(());
        }
        Err(EncodingError::OutOfRange {
            kind: self.kind,
            name: parameter.name,
            value,
            range: parameter.range,
        })
    }
}

/// One numeric parameter of a [`Family`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Name in configs, for example `theta`.
    pub name: &'static str,
    /// The value when the config does not give one.
    pub default: f64,
    /// Unit of the value; empty for a plain number.
    pub unit: &'static str,
    /// One line for listings.
    pub summary: &'static str,
    /// The values allowed.
    pub range: Interval,
}

/// The checked values of a family's parameters, one for each it declares.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters(BTreeMap<String, f64>);

impl Parameters {
    /// The value of `parameter`, its default when the family does not declare it.
    pub fn get(&self, parameter: &Parameter) -> f64 {
        let value = self.0.get(parameter.name).copied();
        value.unwrap_or(parameter.default)
    }
}

impl From<Parameters> for BTreeMap<String, f64> {
    fn from(parameters: Parameters) -> Self {
        parameters.0
    }
}
