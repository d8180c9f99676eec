//! Where a value stands in the text of a JSON file: to replace it and leave every other byte as it is.

use std::ops::Range;

/// Where the value of the member `path` stands in `json`, of the last one where a name comes twice, as parsers have it.
/// `None`: there is no such member. `json` is sound, which the caller has had a parser check.
pub(crate) fn span(json: &str, path: &[&str]) -> Option<Range<usize>> {
    let mut value = 0..json.len();
    for name in path {
        let inner = member(&json[value.clone()], name)?;
        value = value.start + inner.start..value.start + inner.end;
    }
    Some(value)
}

/// Where the value of the member `name` stands in `object`.
fn member(object: &str, name: &str) -> Option<Range<usize>> {
    let bytes = object.as_bytes();
    let mut at = after_space(bytes, 0);
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    let mut found = None;
    loop {
        at = after_space(bytes, at + 1); // the brace, or the comma
        if bytes.get(at) != Some(&b'"') {
            return found;
        }
        let key = at..after_value(bytes, at);
        let start = after_space(bytes, after_space(bytes, key.end) + 1); // the colon
        let end = after_value(bytes, start);
        if serde_json::from_str::<String>(&object[key]).is_ok_and(|key| key == name) {
            found = Some(start..end);
        }
        at = after_space(bytes, end);
    }
}

fn after_space(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|b| b.is_ascii_whitespace()).count()
}

/// The end of the value that begins at `at`.
fn after_value(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0;
    let mut next = at;
    while let Some(byte) = bytes.get(next) {
        match byte {
            b'"' => next = after_string(bytes, next),
            b'{' | b'[' => {
                depth += 1;
                next += 1;
            }
            b'}' | b']' if depth > 0 => {
                depth -= 1;
                next += 1;
            }
            // A number or a word ends where its surroundings go on.
            b'}' | b']' | b',' if depth == 0 => return next,
            byte if depth == 0 && byte.is_ascii_whitespace() => return next,
            _ => {
                next += 1;
                continue;
            }
        }
        if depth == 0 {
            return next;
        }
    }
    next
}

/// The end of the string that begins at `at`.
fn after_string(bytes: &[u8], at: usize) -> usize {
    let mut next = at + 1;
    while let Some(byte) = bytes.get(next) {
        match byte {
            b'"' => return next + 1,
            b'\\' => next += 2,
            _ => next += 1,
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_all_kinds_are_found() {
        let json =
            r#" { "a" : -1.5e3 ,"b":[1,{"c":2}], "c":"x\"}", "d":{"e":null,"c":true} , "f":false}"#;
        let value = |path: &[&str]| span(json, path).map(|value| &json[value]);
        for (path, expected) in [
            (&["a"][..], Some("-1.5e3")),
            (&["b"], Some(r#"[1,{"c":2}]"#)),
            (&["c"], Some(r#""x\"}""#)),
            (&["d"], Some(r#"{"e":null,"c":true}"#)),
            (&["d", "e"], Some("null")),
            (&["d", "c"], Some("true")),
            (&["f"], Some("false")),
            (&["e"], None),
            (&["a", "c"], None),
            (&["b", "c"], None),
        ] {
            assert_eq!(value(path), expected, "{path:?}");
        }
    }

    #[test]
    fn the_last_of_two_and_escaped_names_count() {
        let json = r#"{"a":1,"\u0061":[2]}"#;
        assert_eq!(span(json, &["a"]).map(|value| &json[value]), Some("[2]"));
        assert_eq!(span("{}", &["a"]), None);
        assert_eq!(span("[]", &["a"]), None);
    }
}
