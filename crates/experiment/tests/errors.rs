//! Every mistake is reported with a message, its line and column, and what to do about it.

mod common;

use common::{BASE, Folder};
use experiment::ConfigError;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

#[track_caller]
fn error_of(files: &[(&str, &str)], overrides: &[&str]) -> ConfigError {
    match Folder::with(files).load("run.toml", overrides) {
        Err(error) => error,
        Ok(loaded) => panic!("accepted: {:#?}", loaded.experiment),
    }
}

/// `FILE:LINE:COLUMN: MESSAGE | HELP`, with `-` for what is absent and without temporary folders.
fn shown(error: &ConfigError) -> String {
    let place = error.location().map_or("-".to_owned(), |at| {
        let file = at.name.rsplit('/').next().unwrap_or_default();
        format!("{file}:{}:{}", at.line, at.column)
    });
    let help = error.help().map_or("-".to_owned(), |help| help.to_string());
    format!("{place}: {error} | {help}")
}

/// The least config with `old` replaced by `new`.
#[track_caller]
fn assert_changed(old: &str, new: &str, expected: &str) {
    assert!(BASE.contains(old), "{old}");
    let text = BASE.replace(old, new);
    assert_eq!(shown(&error_of(&[("run.toml", &text)], &[])), expected);
}

/// The least config with these lines at its end, which is in `[train]` from line 13.
#[track_caller]
fn assert_appended(lines: &str, expected: &str) {
    let text = format!("{BASE}{lines}\n");
    assert_eq!(shown(&error_of(&[("run.toml", &text)], &[])), expected);
}

#[track_caller]
fn assert_set(overrides: &[&str], expected: &str) {
    assert_eq!(shown(&error_of(&[("run.toml", BASE)], overrides)), expected);
}

#[test]
fn text_that_is_not_toml() {
    assert_changed(
        "steps = 1000",
        "steps = = 1000",
        "run.toml:12:9: not TOML: extra `=`, expected nothing | -",
    );
    assert_appended("steps = 3", "run.toml:13:1: not TOML: duplicate key | -");
}

#[test]
fn unknown_keys() {
    assert_changed(
        "steps = 1000",
        "stpes = 1000",
        "run.toml:12:1: unknown key `train.stpes` | did you mean `steps`?",
    );
    assert_changed(
        "encoding = {",
        "encodin = {",
        "run.toml:5:1: unknown key `model.layers.global.encodin` | did you mean `encoding`?",
    );
    assert_changed(
        "[model]\n",
        "steps = 3\n[model]\n",
        "run.toml:1:1: unknown key `steps` | did you mean `train.steps`?",
    );
    assert_appended(
        "[run]\nmomentum = 3",
        "run.toml:14:1: unknown key `run.momentum` | the keys of this table are directory, device, tensorboard",
    );
}

#[test]
fn wrong_types() {
    for (value, found) in [
        ("\"many\"", "invalid type: string \"many\""),
        ("-1", "invalid value: integer `-1`"),
        ("1.5", "invalid type: number `1.5`"),
        ("1e300", "invalid type: number `1e300`"),
        ("-1e3", "invalid value: integer `-1000`"),
    ] {
        let expected =
            format!("run.toml:12:9: train.steps: {found}, expected a whole number, 0 or more | -");
        assert_changed("steps = 1000", &format!("steps = {value}"), &expected);
    }
    assert_changed(
        "fraction = 0.75",
        "fraction = \"all\"",
        "run.toml:5:57: model.layers.global.encoding.fraction: invalid type: string \"all\", expected a number | -",
    );
    assert_changed(
        "kind = \"prope\"",
        "kind = 3",
        "run.toml:5:21: model.layers.global.encoding.kind: invalid type: integer `3`, expected a string | -",
    );
    assert_changed(
        "path = \"texts\"",
        "path = 3",
        "run.toml:8:8: data.path: expected a path or a list of paths | -",
    );
    assert_set(
        &["train=3"],
        "--set:1:7: train: invalid type: integer `3`, expected a table | -",
    );
}

#[test]
fn numbers_that_are_none_in_toml() {
    let said = |key: &str, text: &str, wanted: &str, number: &str| {
        format!(
            "--set:1:{}: {key}: invalid type: string \"{text}\", expected {wanted} | TOML writes this number as {number}, without quotes",
            key.len() + 2
        )
    };
    let rate = "train.learning_rate";
    for (text, number) in [(".001", "0.001"), ("1.e-3", "0.001"), ("5.", "5.0")] {
        let expected = said(rate, text, "a number", number);
        assert_set(&[&format!("{rate}={text}")], &expected);
    }
    let expected = said("train.steps", "1e4", "a whole number, 0 or more", "10000.0");
    assert_set(&["train.steps='1e4'"], &expected);
}

#[test]
fn names_that_are_not_among_those_allowed() {
    assert_appended(
        "schedule = \"cosin\"",
        "run.toml:13:12: train.schedule: unknown variant `cosin`, expected one of `cosine`, `warmup_stable_decay`, `constant` | did you mean `cosine`?",
    );
    assert_appended(
        "schedule = 3",
        "run.toml:13:12: train.schedule: expected a string | -",
    );
    assert_appended(
        "[run]\ndevice = \"gpu\"",
        "run.toml:14:10: run.device: `gpu` is not a device; write auto, cpu, wgpu, wgpu:N, wgpu:cpu, cuda or cuda:N, N counted from 0; several train together as cuda:0,2 or cuda:0..3 (first to last) | -",
    );
    assert_changed(
        "[model]\n",
        "name = \"a/b\"\n[model]\n",
        "run.toml:1:8: name: `a/b` cannot name a run directory | use letters, digits, `.`, `_` and `-`, and begin with a letter, a digit or `_`",
    );
}

#[test]
fn presets() {
    let known =
        "the presets are micro, tiny, small, gpt2-size, gemma3-1b, gemma-2b, gemma4-e2b-like";
    assert_changed(
        "\"micro\"",
        "\"mirco\"",
        &format!(
            "run.toml:2:10: model.preset: `mirco` is not a preset | did you mean `micro`? {known}"
        ),
    );
    assert_changed(
        "\"micro\"",
        "\"llama-70b\"",
        &format!("run.toml:2:10: model.preset: `llama-70b` is not a preset | {known}"),
    );
}

#[test]
fn encodings() {
    assert_changed(
        "fraction = 0.75",
        "fraction = 1.5",
        "run.toml:5:57: model.layers.global.encoding.fraction: `fraction` of `prope` is 1.5; it must be a finite number in [0, 1] | -",
    );
    assert_changed(
        "fraction = 0.75",
        "fractoin = 0.75",
        "run.toml:5:57: model.layers.global.encoding.fractoin: `prope` takes no `fractoin`, did you mean `fraction`?; it takes `theta`, `fraction` | -",
    );
    assert_changed(
        "kind = \"prope\", theta = 10_000",
        "kind = \"nope\"",
        "run.toml:5:40: model.layers.global.encoding.fraction: `nope` takes no `fraction`; it has no parameters | -",
    );
    let unknown = BASE.replace("\"prope\"", "\"proep\"");
    let unknown = shown(&error_of(&[("run.toml", &unknown)], &[]));
    let expected = "run.toml:5:21: model.layers.global.encoding.kind: unknown encoding kind `proep`, did you mean `prope`?; known kinds: `rope`, ";
    assert!(unknown.starts_with(expected), "{unknown}");
}

#[test]
fn shapes() {
    let changed = |line: &str, expected: &str| {
        assert_changed(
            "preset = \"micro\"",
            &format!("preset = \"micro\"\n{line}"),
            expected,
        );
    };
    changed(
        "head_dim = 15",
        "run.toml:3:12: model.head_dim: `head_dim` is 15; the encoding pairs its coordinates, so it must be even and at least 2 | -",
    );
    changed(
        "hidden_size = 0",
        "run.toml:3:15: model.hidden_size: must be at least 1 | -",
    );
    changed(
        "num_attention_heads = 4\nnum_key_value_heads = 3",
        "run.toml:4:23: model.num_key_value_heads: 3 key-value heads do not divide num_attention_heads = 4 | -",
    );
    changed(
        "pattern = [\"local\", \"global\"]",
        "run.toml:3:11: model.pattern: `local` is not a layer kind; known: global | -",
    );
    changed(
        "vocab_size = 100",
        "run.toml:3:14: model.vocab_size: 100 is too small: the tokenizer `bytes` has 257 tokens | leave it out to take the tokenizer's, or give a larger number to pad",
    );
}

#[test]
fn layer_kinds() {
    let example = "for example encoding = { kind = \"rope\", theta = 10_000 }";
    assert_changed(
        "[data]",
        "[model.layers.local]\nsliding_window = 8\n[data]",
        &format!("run.toml:7:1: model.layers.local: the layer kind has no `encoding` | {example}"),
    );
    assert_changed(
        "[data]",
        "[model.layers.local]\nencoding.theta = 8\n[data]",
        &format!(
            "run.toml:8:1: model.layers.local.encoding: the encoding has no `kind` | {example}"
        ),
    );
    assert_changed(
        "[data]",
        "[model.layers.own]\nhead_dim = 7\nencoding.kind = \"rope\"\n[data]",
        "run.toml:8:12: model.layers.own.head_dim: `head_dim` is 7; the encoding pairs its coordinates, so it must be even and at least 2 | -",
    );
    let text = BASE.replace(
        "[data]",
        "[model.layers.\"a b\"]\nencoding.kind = \"nope\"\n[data]",
    );
    let error = shown(&error_of(&[("run.toml", &text)], &[]));
    let expected =
        "model.layers: `a b` cannot name a layer kind | use letters, digits, `_` and `-`";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn data() {
    assert_changed(
        "path = \"texts\"",
        "path = []",
        "run.toml:8:8: data.path: name at least one file or folder | -",
    );
    let text = BASE.replace("\"bytes\"", "\"missing.json\"");
    let error = shown(&error_of(&[("run.toml", &text)], &[]));
    assert!(
        error.starts_with("run.toml:9:13: data.tokenizer: "),
        "{error}"
    );
    assert!(error.contains("`missing.json`"), "{error}");
    let error = shown(&error_of(&[("run.toml", BASE)], &["data.bos_token=<s>"]));
    assert!(error.starts_with("--set:1:16: data.bos_token: "), "{error}");
}

#[test]
fn the_length_of_a_run() {
    assert_appended(
        "tokens = 50_000",
        "run.toml:13:10: train.tokens: `steps` is given too | keep one of `steps` and `tokens`",
    );
    assert_changed(
        "steps = 1000",
        "tokens = 0",
        "run.toml:12:10: train.tokens: must be at least 1 | -",
    );
    assert_changed(
        "steps = 1000",
        "steps = 0",
        "run.toml:12:9: train.steps: must be at least 1 | -",
    );
}

#[test]
fn what_nobody_wrote_has_no_place() {
    for (line, expected) in [
        (
            "steps = 1000\n",
            "-: train.steps: missing | give `steps`, or `tokens` to train on",
        ),
        (
            "path = \"texts\"\n",
            "-: data.path: missing | for example path = \"datasets/books\"; or train on a task: task = \"mqar\"",
        ),
        (
            "tokenizer = \"bytes\"\n",
            "-: data.tokenizer: missing | `bytes`, or the path of a tokenizer.json",
        ),
        (
            "preset = \"micro\"\n",
            "-: model.preset: missing: it names the shape to start from | one of micro, tiny, small, gpt2-size, gemma3-1b, gemma-2b, gemma4-e2b-like",
        ),
    ] {
        assert_changed(line, "", expected);
    }
    assert_appended(
        "context_length = 7",
        "-: evaluation.context_factors: 0.5 times context_length = 7 is 3.5, not a whole number of tokens | -",
    );
}

#[test]
fn batches() {
    assert_appended(
        "batch_size = 8\nmicro_batch_size = 3",
        "run.toml:14:20: train.micro_batch_size: 3 does not divide batch_size = 8 | 2 does",
    );
    assert_appended(
        "batch_size = 0",
        "run.toml:13:14: train.batch_size: must be at least 1 | -",
    );
    assert_appended(
        "batch_size = 9_000_000_000_000_000_000",
        "run.toml:13:14: train.batch_size: batch_size * context_length is too large to count | -",
    );
}

#[test]
fn schedules() {
    assert_appended(
        "warmup_steps = 2000",
        "run.toml:13:16: train.warmup_steps: 2000 is more than the 1000 steps of the run | -",
    );
    assert_appended(
        "decay_steps = 20",
        "run.toml:13:15: train.decay_steps: only the schedule `warmup_stable_decay` has a decay of its own length | -",
    );
    assert_appended(
        "schedule = \"warmup_stable_decay\"",
        "run.toml:13:12: train.schedule: needs `decay_steps` too | a fifth of the steps is usual",
    );
    assert_appended(
        "schedule = \"warmup_stable_decay\"\ndecay_steps = 951",
        "run.toml:14:15: train.decay_steps: 951 is more than the 950 steps after the warm-up | -",
    );
}

#[test]
fn optimizer_values_out_of_range() {
    for (line, message) in [
        ("beta1 = 1.0", "must be in [0, 1)"),
        ("beta2 = -0.1", "must be in [0, 1)"),
        ("learning_rate = nan", "must be a number above 0"),
        ("learning_rate = 0", "must be a number above 0"),
        ("epsilon = inf", "must be a number above 0"),
        ("weight_decay = -1", "must be a number, 0 or more"),
        (
            "max_grad_norm = 0",
            "must be above 0; `inf` never scales gradients down",
        ),
        ("final_learning_rate_ratio = 1.1", "must be in [0, 1]"),
    ] {
        let (key, _) = line.split_once(" =").expect("an assignment");
        let column = key.len() + 4;
        assert_appended(
            line,
            &format!("run.toml:13:{column}: train.{key}: {message} | -"),
        );
    }
}

#[test]
fn evaluation() {
    let appended =
        |line: &str, expected: &str| assert_appended(&format!("[evaluation]\n{line}"), expected);
    let help = "every context length scores the same final tokens, so the shortest must hold them";
    appended(
        "scored_tokens = 200",
        &format!(
            "run.toml:14:17: evaluation.scored_tokens: 200 is more than the shortest context of 128 tokens | {help}"
        ),
    );
    appended(
        "context_factors = [0.3, 1]",
        "run.toml:14:19: evaluation.context_factors: 0.3 times context_length = 256 is 76.8, not a whole number of tokens | -",
    );
    appended(
        "context_factors = [1, 1]",
        "run.toml:14:19: evaluation.context_factors: must rise from one factor to the next | -",
    );
    appended(
        "context_factors = []",
        "run.toml:14:19: evaluation.context_factors: must have at least one factor | -",
    );
}

#[test]
fn overrides_that_are_not_assignments() {
    let help = "write it as `--set train.steps=2000`";
    assert_set(
        &["train.steps"],
        &format!("--set:1:1: `--set train.steps`: there is no `=` | {help}"),
    );
    for bad in [
        "train..steps=3",
        "=3",
        "a\nb=3",
        "a b=3",
        "#seed=3",
        "[run]#=3",
    ] {
        let expected =
            format!("--set:1:1: `--set {bad}`: the left side is not a dotted key | {help}");
        assert_set(&[bad], &expected);
    }
    assert_set(
        &["extends=x.toml"],
        "--set:1:1: extends: only a file can say what it extends | write the other file on the command line",
    );
}

#[test]
fn overrides_that_say_nonsense() {
    assert_set(
        &["train.stpes=3"],
        "--set:1:7: unknown key `train.stpes` | did you mean `steps`?",
    );
    assert_set(
        &["train.steps=many"],
        "--set:1:13: train.steps: invalid type: string \"many\", expected a whole number, 0 or more | -",
    );
    assert_set(
        &["model.pattern=[\"global\""],
        "--set:1:15: model.pattern: invalid type: string \"[\\\"global\\\"\", expected a list | -",
    );
    assert_set(
        &["seed=2", "train.warmup_steps=5000"],
        "--set:1:20: train.warmup_steps: 5000 is more than the 1000 steps of the run | -",
    );
    assert_set(
        &["train.steps=5", "train.tokens=7"],
        "--set:1:14: train.tokens: `steps` is given too | keep one of `steps` and `tokens`",
    );
    assert_set(
        &["model.layers.global.encoding={kind=\"nope\",fraction=0.5}"],
        "--set:1:52: model.layers.global.encoding.fraction: `nope` takes no `fraction`; it has no parameters | -",
    );
}

#[test]
fn files_that_cannot_be_read() {
    let error = shown(&error_of(&[], &[]));
    assert!(
        error.starts_with("-: cannot read config `") && error.contains("run.toml`: "),
        "{error}"
    );
    let error = shown(&error_of(
        &[("run.toml", "seed = 2\nextends = \"base.toml\"\n")],
        &[],
    ));
    assert!(
        error.starts_with("run.toml:2:11: cannot read config `"),
        "{error}"
    );
    assert!(error.contains("base.toml`: "), "{error}");
    assert!(
        error.ends_with("| the path of `extends` is relative to the file that says it"),
        "{error}"
    );
}

#[test]
fn extends_in_a_circle() {
    let files = [
        ("run.toml", "seed = 2\nextends = \"a.toml\"\n"),
        ("a.toml", "extends = \"./run.toml\"\n"),
    ];
    assert_eq!(
        shown(&error_of(&files, &[])),
        "a.toml:1:11: extends: the files extend each other in a circle: run.toml -> a.toml -> run.toml | one of them must not extend"
    );
    assert_eq!(
        shown(&error_of(&[("run.toml", "extends = \"run.toml\"")], &[])),
        "run.toml:1:11: extends: the files extend each other in a circle: run.toml -> run.toml | one of them must not extend"
    );
}

#[test]
fn the_file_that_gave_the_value_is_the_one_shown() {
    let base = format!("{BASE}warmup_steps = 50\n");
    let child = "extends = \"base.toml\"\n[train]\nsteps = 20\n";
    let files = [("run.toml", child), ("base.toml", &base)];
    assert_eq!(
        shown(&error_of(&files, &[])),
        "base.toml:13:16: train.warmup_steps: 50 is more than the 20 steps of the run | -"
    );
    let typo = [
        ("run.toml", "extends = \"base.toml\"\n"),
        ("base.toml", "sede = 3\n"),
    ];
    assert_eq!(
        shown(&error_of(&typo, &[])),
        "base.toml:1:1: unknown key `sede` | did you mean `seed`?"
    );
}

#[test]
fn a_replaced_encoding_is_not_looked_up_in_the_file_below() {
    // `theta` of the base is gone with its table: what stands there now is the default of `rope`.
    let files = [
        (
            "run.toml",
            "extends = \"base.toml\"\n[model.layers.global]\nencoding.kind = \"rope\"\n",
        ),
        ("base.toml", BASE),
    ];
    let loaded = Folder::with(&files).load("run.toml", &[]).expect("loads");
    let error = loaded
        .sources
        .error("model.layers.global.encoding.theta", "too small", None);
    assert_eq!(
        shown(&error),
        "run.toml:3:17: model.layers.global.encoding.theta: too small | -"
    );
}

#[test]
fn later_stages_point_at_the_value_too() {
    let loaded = Folder::with(&[("run.toml", BASE)])
        .load("run.toml", &[])
        .expect("loads");
    let help = Some("check the path".to_owned());
    let error = loaded.sources.error("data.path", "no such folder", help);
    assert_eq!(
        shown(&error),
        "run.toml:8:8: data.path: no such folder | check the path"
    );
    let default = loaded.sources.error("data.cache", "read-only", None);
    assert_eq!(shown(&default), "-: data.cache: read-only | -");
}

#[test]
fn a_report_shows_the_line() {
    let error = error_of(&[("run.toml", BASE)], &["train.stpes=3"]);
    let mut report = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::none())
        .render_report(&mut report, &error)
        .expect("renders");
    let lines: Vec<&str> = report
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(lines[0], "x unknown key `train.stpes`");
    assert_eq!(lines[1], ",-[--set:1:7]");
    assert_eq!(lines[2], "1 | train.stpes=3");
    assert!(lines[4].ends_with("not a key of this table"), "{report}");
    assert_eq!(lines[6], "help: did you mean `steps`?");
}
