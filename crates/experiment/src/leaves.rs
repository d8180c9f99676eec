//! A table as a flat list of dotted keys and values.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// Every value that is not a table, by its dotted key, sorted.
pub(crate) fn leaves(table: &Table) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    collect("", table, &mut found);
    found
}

fn collect(prefix: &str, table: &Table, found: &mut BTreeMap<String, Value>) {
    for (key, value) in table {
        let path = join(prefix, key);
        match value {
            Value::Table(inner) => collect(&path, inner, found),
            value => {
                found.insert(path, value.clone());
            }
        }
    }
}

/// `prefix.key`, or `key` alone at the root.
pub(crate) fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() {
        key.to_owned()
    } else {
        format!("{prefix}.{key}")
    }
}
