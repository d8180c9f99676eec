//! Tasks in a config: as training data, as measurements, and what is wrong with them.

mod common;

use common::{BASE, Folder};
use experiment::{ConfigError, Experiment};
use miette::Diagnostic;
use tasks::TaskConfig;

/// A run on a task that reads nothing.
const TASK: &str = r#"[model]
preset = "micro"

[model.layers.global]
encoding = { kind = "rope" }

[data]
task = "mqar"
tokenizer = "bytes"

[train]
steps = 1000
"#;

#[track_caller]
fn load(text: &str, overrides: &[&str]) -> Experiment {
    let folder = Folder::with(&[("run.toml", text)]);
    match folder.load("run.toml", overrides) {
        Ok(loaded) => loaded.experiment,
        Err(error) => panic!("{:?}", miette::Report::new(error)),
    }
}

/// `FILE:LINE:COLUMN: MESSAGE | HELP`, with `-` for what is absent.
fn shown(error: &ConfigError) -> String {
    let place = error.location().map_or("-".to_owned(), |at| {
        let file = at.name.rsplit('/').next().unwrap_or_default();
        format!("{file}:{}:{}", at.line, at.column)
    });
    let help = error.help().map_or("-".to_owned(), |help| help.to_string());
    format!("{place}: {error} | {help}")
}

#[track_caller]
fn assert_error(text: &str, overrides: &[&str], expected: &str) {
    let folder = Folder::with(&[("run.toml", text)]);
    match folder.load("run.toml", overrides) {
        Err(error) => assert_eq!(shown(&error), expected),
        Ok(loaded) => panic!("accepted: {:#?}", loaded.experiment),
    }
}

fn mqar(pairs: usize) -> TaskConfig {
    let mut task = TaskConfig::new("mqar").expect("a task");
    if let TaskConfig::Mqar(mqar) = &mut task {
        mqar.pairs = pairs;
    }
    task
}

#[test]
fn a_task_by_its_name_or_as_a_table() {
    let named = load(TASK, &[]);
    assert_eq!(named.task, Some(mqar(8)));
    assert_eq!(named.evaluation.tasks, [mqar(8)], "measured by default");
    assert_eq!(named.evaluation.task_samples, Some(110));
    assert!(named.data.paths.is_empty());
    let table = load(
        &TASK.replace("\"mqar\"", "{ kind = \"mqar\", pairs = 8 }"),
        &[],
    );
    assert_eq!(table, named);
    assert_eq!(table.digest(), named.digest());
    assert_eq!(load(TASK, &["data.task.pairs=4"]).task, Some(mqar(4)));
    let other = load(TASK, &["data.task=k_back", "evaluation.task_samples=7"]);
    assert_eq!(
        other.evaluation.tasks,
        [TaskConfig::new("k_back").expect("a task")]
    );
    assert_eq!(other.evaluation.samples_per_task(), 7);
}

#[test]
fn any_run_can_be_measured_on_tasks() {
    let tasks = "evaluation.tasks=[\"induction\", { kind = \"mqar\", pairs = 2 }]";
    let experiment = load(BASE, &[tasks]);
    assert_eq!(experiment.task, None);
    assert_eq!(
        experiment.evaluation.tasks,
        [TaskConfig::new("induction").expect("a task"), mqar(2)]
    );
    assert!(load(BASE, &[]).evaluation.tasks.is_empty());
    assert!(
        !load(BASE, &[]).to_toml().contains("task"),
        "the digest would change"
    );
}

#[test]
fn a_task_takes_the_place_of_an_inherited_text() {
    let folder = Folder::with(&[
        ("base.toml", BASE),
        (
            "run.toml",
            "extends = \"base.toml\"\n[data]\ntask = \"copy\"\n",
        ),
    ]);
    let experiment = folder.load("run.toml", &[]).expect("loads").experiment;
    assert!(experiment.data.paths.is_empty());
    assert!(!experiment.reads_text());
    let needle = ["data.task=needle", "data.path=texts"];
    assert!(load(TASK, &needle).reads_text());
    let passkey = load(TASK, &["data.task=passkey"]);
    assert!(!passkey.reads_text(), "its filler is made of sentences");
}

#[test]
fn the_resolved_config_reads_back_the_same() {
    for overrides in [
        &[][..],
        &["data.task={ kind = \"copy\", items = 3 }"],
        &[
            "data.task=needle",
            "data.path=texts",
            "evaluation.tasks=[\"passkey\"]",
        ],
    ] {
        let experiment = load(TASK, overrides);
        let text = experiment.to_toml();
        let back = Experiment::from_resolved(&text).expect(&text);
        assert_eq!(back, experiment);
        assert_eq!(back.digest(), experiment.digest());
    }
}

#[test]
fn a_finished_run_can_be_asked_for_other_tasks() {
    let folder = Folder::with(&[("config.toml", &load(BASE, &[]).to_toml())]);
    let ask = |set: &str| Experiment::load_resolved(&folder.path("config.toml"), &[set.to_owned()]);
    let loaded = ask("evaluation.tasks=[\"induction\"]").expect("loads");
    assert_eq!(loaded.experiment.evaluation.tasks.len(), 1);
    let error = ask("evaluation.tasks=[\"inductoin\"]").expect_err("no such task");
    assert!(shown(&error).starts_with(
        "--set:1:18: evaluation.tasks: `inductoin` is not a task | did you mean `induction`?"
    ));
}

const KNOWN: &str = "the tasks are induction, mqar, copy, reverse, selective_copy, previous_token, k_back, first_token, passkey, needle";

#[test]
fn what_is_no_task() {
    let task = |value: &str| TASK.replace("\"mqar\"", value);
    assert_error(
        &task("\"mqra\""),
        &[],
        &format!("run.toml:8:8: data.task: `mqra` is not a task | did you mean `mqar`? {KNOWN}"),
    );
    assert_error(
        &task("{ kind = \"mqar\", pears = 3 }"),
        &[],
        "run.toml:8:33: data.task.pears: `mqar` has no parameter `pears` | did you mean `pairs`?",
    );
    assert_error(
        &task("{ kind = \"induction\", n = 3 }"),
        &[],
        "run.toml:8:34: data.task.n: `induction` has no parameter `n` | it has none",
    );
    assert_error(
        &task("{ kind = \"mqar\", pairs = \"many\" }"),
        &[],
        "run.toml:8:33: data.task.pairs: `pairs` of `mqar`: invalid type: string \"many\", expected a whole number, 0 or more | -",
    );
    assert_error(
        &task("{ kind = \"mqar\", power = 2 }"),
        &[],
        "run.toml:8:33: data.task.power: `power` of `mqar` is 2; it must be in (0, 1] | -",
    );
    assert_error(
        &task("{ pairs = 2 }"),
        &[],
        "run.toml:8:8: data.task: the task has no `kind` | for example \"mqar\" or { kind = \"mqar\", pairs = 8 }",
    );
    assert_error(
        &task("3"),
        &[],
        "run.toml:8:8: data.task: invalid type: integer `3`, expected the name of a task or a table such as { kind = \"mqar\", pairs = 8 } | -",
    );
    assert_error(
        TASK,
        &["evaluation.tasks=[{ kind = \"k_back\", k = 0 }]"],
        "--set:1:18: evaluation.tasks: `k` of `k_back` is 0; it must be at least 1 | -",
    );
    assert_error(
        TASK,
        &["evaluation.tasks=[\"copy\", \"copy\"]"],
        "--set:1:18: evaluation.tasks: `copy` is there twice | -",
    );
}

#[test]
fn what_contradicts_a_task() {
    assert_error(
        &TASK.replace("tokenizer", "path = \"texts\"\ntokenizer"),
        &[],
        "run.toml:9:8: data.path: not read: the run trains on the task `mqar`, not on text | leave out `path` or `task`",
    );
    assert_error(
        &TASK.replace("tokenizer", "format = \"text\"\ntokenizer"),
        &[],
        "run.toml:9:10: data.format: says how a text is read, but the run trains on the task `mqar` and names no text | leave it out",
    );
    assert_error(
        TASK,
        &["data.task=needle"],
        "-: data.path: missing: a task hides its answers in a text (`filler = \"text\"`) | for example path = \"datasets/books\", or filler = \"sentences\"",
    );
    assert_error(
        BASE,
        &["evaluation.task_samples=3"],
        "--set:1:25: evaluation.task_samples: there are no tasks to measure | name some: tasks = [\"induction\"]",
    );
    assert_error(
        TASK,
        &["evaluation.task_samples=0"],
        "--set:1:25: evaluation.task_samples: must be at least 1 | -",
    );
    assert_error(
        &TASK.replace("task = \"mqar\"\n", ""),
        &[],
        "-: data.path: missing | for example path = \"datasets/books\"; or train on a task: task = \"mqar\"",
    );
}
