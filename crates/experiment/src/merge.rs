//! How a table lies over the table it inherits from.

use toml::{Table, Value};

/// Lays the config `over` over the config `base`.
///
/// Tables merge key by key, everything else is replaced. A table with a `kind` replaces the inherited
/// table whole, because its other keys mean nothing under another kind. For the same reason the
/// inherited half of a choice goes when the other half is given.
pub(crate) fn overlay(base: &mut Table, over: Table) {
    if let Some(train) = over.get("train").and_then(Value::as_table) {
        drop_inherited_choice(base, train);
    }
    if let Some(data) = over.get("data").and_then(Value::as_table) {
        drop_inherited_text(base, data);
    }
    merge(base, over);
}

/// `steps` or `tokens`; `decay_steps` with its schedule only.
fn drop_inherited_choice(base: &mut Table, over: &Table) {
    let Some(inherited) = base.get_mut("train").and_then(Value::as_table_mut) else {
        return;
    };
    if over.contains_key("steps") {
        inherited.remove("tokens");
    }
    if over.contains_key("tokens") {
        inherited.remove("steps");
    }
    let schedule = over.get("schedule").and_then(Value::as_str);
    if schedule.is_some_and(|name| name != "warmup_stable_decay") {
        inherited.remove("decay_steps");
    }
}

/// What says how a text is read.
const TEXT: [&str; 6] = [
    "path",
    "format",
    "field",
    "splits",
    "valid_fraction",
    "test_fraction",
];

/// A task to train on takes the place of the text, unless it comes with one.
fn drop_inherited_text(base: &mut Table, over: &Table) {
    let chosen = match over.get("task") {
        Some(Value::Table(task)) => has_kind(task),
        Some(_) => true,
        None => false,
    };
    let inherited = base.get_mut("data").and_then(Value::as_table_mut);
    let (true, Some(inherited)) = (chosen && !over.contains_key("path"), inherited) else {
        return;
    };
    for key in TEXT {
        inherited.remove(key);
    }
}

/// Lays `over` over `base` key by key.
pub(crate) fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        if let (Some(Value::String(kind)), true) =
            (base.get(&key), key == "task" && value.is_table())
        {
            // A task by its name is a table of its kind.
            let named = Table::from_iter([("kind".to_owned(), Value::String(kind.clone()))]);
            base.insert(key.clone(), Value::Table(named));
        }
        match (base.get_mut(&key), value) {
            (Some(Value::Table(inherited)), Value::Table(table)) if !has_kind(&table) => {
                merge(inherited, table);
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Whether this table is one of several kinds. (A layer kind that is *called* `kind` is a table.)
fn has_kind(table: &Table) -> bool {
    table.get("kind").is_some_and(Value::is_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_overlay(base: &str, over: &str, expected: &str) {
        let parse = |text: &str| text.parse::<Table>().expect("TOML");
        let mut found = parse(base);
        overlay(&mut found, parse(over));
        assert_eq!(found, parse(expected));
    }

    #[test]
    fn tables_merge_and_arrays_are_replaced() {
        assert_overlay(
            "seed = 1\na = {x = 1, y = [1, 2]}",
            "a = {y = [3], z = {u = 1}}",
            "seed = 1\na = {x = 1, y = [3], z = {u = 1}}",
        );
    }

    #[test]
    fn a_kind_replaces_its_table() {
        let base = "e = {kind = 'prope', theta = 5.0, fraction = 0.5}";
        assert_overlay(base, "e = {kind = 'rope'}", "e = {kind = 'rope'}");
        assert_overlay(
            base,
            "e.fraction = 1.0",
            "e = {kind = 'prope', theta = 5.0, fraction = 1.0}",
        );
        assert_overlay(
            "l.kind = {a = 1}",
            "l.kind = {b = 2}",
            "l.kind = {a = 1, b = 2}",
        );
    }

    #[test]
    fn a_task_takes_the_place_of_the_text() {
        let base = "data = {path = 'x', format = 'text', tokenizer = 'bytes'}";
        let task = "data = {tokenizer = 'bytes', task = 'mqar'}";
        assert_overlay(base, "data.task = 'mqar'", task);
        let with_text =
            "data = {path = 'x', format = 'text', tokenizer = 'bytes', task = {kind = 'needle'}}";
        assert_overlay(
            base,
            "data = {task = {kind = 'needle'}, path = 'x'}",
            with_text,
        );
        let changed = "data = {path = 'x', format = 'text', tokenizer = 'bytes', task = {kind = 'needle', digits = 3}}";
        assert_overlay(with_text, "data.task.digits = 3", changed);
        assert_overlay(
            task,
            "data.task.pairs = 4",
            "data = {tokenizer = 'bytes', task = {kind = 'mqar', pairs = 4}}",
        );
    }

    #[test]
    fn the_other_half_of_a_choice_goes() {
        assert_overlay(
            "train = {steps = 1, x = 1}",
            "train.tokens = 9",
            "train = {tokens = 9, x = 1}",
        );
        assert_overlay("train.tokens = 9", "train.steps = 1", "train.steps = 1");
        let stable = "train = {schedule = 'warmup_stable_decay', decay_steps = 5}";
        assert_overlay(
            stable,
            "train.schedule = 'cosine'",
            "train.schedule = 'cosine'",
        );
        assert_overlay(stable, "train.schedule = 'warmup_stable_decay'", stable);
    }
}
