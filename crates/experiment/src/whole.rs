//! Whole numbers, as a person writes them: `10000`, `10_000`, and also `1e4` or `10000.0`.
//!
//! TOML calls everything with a point or an exponent a float. A float that is a whole number, and that an f64
//! holds exactly, stands for that number wherever a key wants one; every other float stays an error.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

/// Above it neighbouring whole numbers are the same f64: 2^53.
const LARGEST: f64 = 9_007_199_254_740_992.0;

/// The whole number that `float` is, if it is one without doubt.
fn whole(float: f64) -> Option<i64> {
    (float.fract() == 0.0 && float.abs() <= LARGEST).then_some(float as i64)
}

/// The value of a key that takes a whole number, 0 or more.
pub(crate) fn number<'de, D, N>(from: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<u64>,
{
    Number::deserialize(from).map(|Number(number)| number)
}

/// The same of a key that may be left out.
pub(crate) fn optional<'de, D, N>(from: D) -> Result<Option<N>, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<u64>,
{
    number(from).map(Some)
}

/// The value of a key that takes a list of them.
pub(crate) fn list<'de, D, N>(from: D) -> Result<Vec<N>, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<u64>,
{
    let numbers = Vec::<Number<N>>::deserialize(from)?;
    Ok(numbers.into_iter().map(|Number(number)| number).collect())
}

/// `table` with every whole float as an integer, for tables whose types another crate knows: keys of theirs
/// that take any number take an integer too.
pub(crate) fn integers(table: Table) -> Table {
    let entries = table.into_iter();
    entries.map(|(key, value)| (key, integer(value))).collect()
}

fn integer(value: Value) -> Value {
    match value {
        Value::Float(float) => whole(float).map_or(Value::Float(float), Value::Integer),
        Value::Array(values) => Value::Array(values.into_iter().map(integer).collect()),
        Value::Table(table) => Value::Table(integers(table)),
        other => other,
    }
}

struct Number<N>(N);

impl<'de, N: TryFrom<u64>> Deserialize<'de> for Number<N> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = from.deserialize_u64(WholeVisitor)?;
        N::try_from(number)
            .map(Self)
            .map_err(|_| Error::invalid_value(Unexpected::Unsigned(number), &WholeVisitor))
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a whole number, 0 or more")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: Error>(self, float: f64) -> Result<u64, E> {
        match whole(float) {
            Some(number) => self.visit_i64(number),
            // Written out, 1e300 would fill lines.
            None if float.abs() > LARGEST => {
                let found = format!("number `{float:e}`");
                Err(E::invalid_type(Unexpected::Other(&found), &self))
            }
            None => Err(E::invalid_type(Unexpected::Float(float), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        #[serde(deserialize_with = "number")]
        n: usize,
    }

    #[test]
    fn whole_numbers_are_read_in_every_spelling() {
        for (text, expected) in [
            ("10000", 10_000),
            ("10_000", 10_000),
            ("1e4", 10_000),
            ("1E+4", 10_000),
            ("2.0e3", 2000),
            ("1_000e1", 10_000),
            ("10000.0", 10_000),
            ("2500e-2", 25),
            ("0.0", 0),
            ("-0.0", 0),
            ("9007199254740992.0", 1 << 53),
        ] {
            let found: Row = toml::from_str(&format!("n = {text}")).expect(text);
            assert_eq!(found.n, expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_exactly_a_whole_number_is_refused() {
        for (text, found) in [
            ("1.5", "invalid type: floating point `1.5`"),
            ("1e-3", "invalid type: floating point `0.001`"),
            ("1e300", "invalid type: number `1e300`"),
            ("1e16", "invalid type: number `1e16`"),
            ("-1e3", "invalid value: integer `-1000`"),
            ("inf", "invalid type: number `inf`"),
            ("nan", "invalid type: floating point `NaN`"),
            ("\"1e4\"", "invalid type: string \"1e4\""),
        ] {
            let error = toml::from_str::<Row>(&format!("n = {text}")).expect_err(text);
            let expected = format!("{found}, expected a whole number, 0 or more");
            assert_eq!(error.message(), expected, "{text}");
        }
    }
}
