//! Tasks: trained on, measured, compared.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::common::{Finished, Run, TASK, Workspace, changed};

fn trained() -> (Workspace, Run) {
    let workspace = Workspace::changed(&TASK);
    let run = workspace.train();
    (workspace, run)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

/// Sums of `fields` over the samples of the first task at `length`.
fn sums(tasks: &Value, length: u64, fields: [&str; 3]) -> [f64; 3] {
    let samples = tasks["tasks"][0]["samples"].as_array().expect("samples");
    let at_length = samples.iter().filter(|s| s["length"] == length);
    fields.map(|field| at_length.clone().map(|s| number(&s[field])).sum())
}

#[test]
fn a_run_on_a_task_has_tasks_and_no_perplexity() {
    let workspace = Workspace::changed(&TASK);
    // Nothing is read.
    std::fs::remove_dir_all(workspace.path("corpus")).expect("remove");
    let finished = workspace.trainer(&["run.toml"]).exits(0);
    finished
        .says("task kind = \"mqar\", pairs = 4, power = 0.01, samples of 32 tokens")
        .says("run: mqar (pairs = 4, power = 0.01), 12 samples of each length, version 1");
    let run = workspace.run("run");
    assert!(!run.path().join("eval.json").exists());
    assert!(!workspace.path("cache").exists());
    let tasks = json(&run.text("tasks.json"));
    assert_eq!(tasks["samples"], 12);
    let lengths = tasks["tasks"][0]["lengths"].as_array().expect("lengths");
    assert_eq!(lengths.len(), 3);
    for at in lengths {
        let length = at["length"].as_u64().expect("a length");
        let [answers, nll, right] = sums(&tasks, length, ["targets", "nll", "right"]);
        assert!((answers - 48.0).abs() < 1e-12, "12 samples of 4 answers");
        assert!((number(&at["loss"]) - nll / answers).abs() < 1e-12);
        assert!((number(&at["token_accuracy"]) - right / answers).abs() < 1e-12);
    }
    // A model of 40 small steps knows little more than which tokens are values.
    let losses = run.series("loss");
    assert!(losses[39] < losses[0] && losses[39] > 3.0, "{losses:?}");
    assert_eq!(run.series("validation_loss").len(), 5);
    workspace
        .trainer(&["run.toml"])
        .exits(0)
        .says("is finished")
        .says("12 samples of each length");
}

#[test]
fn fused_and_plain_kernels_and_all_micro_batches_give_the_same_losses() {
    let losses = |old: &str, new: &str| {
        let run = Workspace::changed(&[&TASK[..], &[(old, new)]].concat()).train();
        (run.series("loss"), run.series("gradient_norm"))
    };
    let (expected, expected_norms) = losses("seed = 7", "seed = 7");
    let every = "checkpoint_every = 5";
    for (old, new, same) in [
        (every, "checkpoint_every = 5\nkernels = \"plain\"", false),
        ("micro_batch_size = 2", "micro_batch_size = 4", false),
        ("micro_batch_size = 2", "micro_batch_size = 1", false),
        (
            every,
            "checkpoint_every = 5\nactivation_checkpointing = \"block\"",
            true,
        ),
    ] {
        let (found, norms) = losses(old, new);
        assert_eq!(found == expected, same, "{new}");
        for step in 0..12 {
            let apart = (found[step] - expected[step]).abs();
            assert!(apart < 1e-4, "{new}, step {step}: {apart}");
            let ratio = norms[step] / expected_norms[step];
            assert!((ratio - 1.0).abs() < 1e-3, "{new}, step {step}: {ratio}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn one_worker_and_two_write_the_same_file() {
    let (_, two) = trained();
    let workspace = Workspace::changed(&TASK);
    let mut command = std::process::Command::new("taskset");
    command
        .args(["-c", "0", env!("CARGO_BIN_EXE_trainer"), "run.toml"])
        .current_dir(workspace.path(""));
    let finished: Finished = command.output().expect("run the trainer").into();
    finished.exits(0);
    workspace.run("run").results().assert_are(&two.results());
}

#[test]
fn a_finished_run_is_measured_to_the_same_bytes() {
    let (workspace, run) = trained();
    let expected = run.text("tasks.json");
    std::fs::remove_file(run.path().join("tasks.json")).expect("remove");
    workspace
        .trainer(&["eval", "runs/run"])
        .exits(0)
        .says("run: mqar (pairs = 4");
    assert_eq!(run.text("tasks.json"), expected);
    // Another length is another measurement: shown, not stored.
    workspace
        .trainer(&[
            "eval",
            "runs/run",
            "--set",
            "evaluation.context_factors=[4]",
        ])
        .exits(0)
        .says("\n      128   answer");
    assert_eq!(run.text("tasks.json"), expected);
}

#[test]
fn a_run_on_text_can_be_measured_on_tasks_later() {
    let workspace = Workspace::changed(&[("steps = 40", "steps = 10")]);
    let run = workspace.train();
    let (evaluation, config) = (run.text("eval.json"), run.text("config.toml"));
    assert!(!run.path().join("tasks.json").exists());
    let finished = workspace
        .trainer(&[
            "eval",
            "runs/run",
            "--set",
            "evaluation.tasks=[\"induction\", { kind = \"mqar\", pairs = 2 }]",
            "--set",
            "evaluation.task_samples=6",
        ])
        .exits(0)
        .says("run: induction, 6 samples of each length")
        .says("second copy minus first copy: ")
        .says("run: mqar (pairs = 2");
    assert!(
        !finished.stdout.contains("perplexity"),
        "measured again: {finished:?}"
    );
    assert_eq!(run.text("eval.json"), evaluation);
    assert_eq!(run.text("config.toml"), config);
    let tasks = json(&run.text("tasks.json"));
    assert_eq!(tasks["tasks"][0]["task"]["kind"], "induction");
    assert_eq!(tasks["tasks"][1]["task"]["pairs"], 2);
    workspace
        .trainer(&[
            "eval",
            "runs/run",
            "--set",
            "evaluation.tasks=[\"inductoin\"]",
        ])
        .exits(2)
        .complains("`inductoin` is not a task")
        .complains("did you mean `induction`?");
}

/// With text to hide numbers in, and alternatives to prefer them to.
#[test]
fn needles_are_hidden_in_the_run_s_text() {
    let changes = [
        ("context_length = 32", "context_length = 256"),
        ("steps = 40", "steps = 4"),
        ("warmup_steps = 5", "warmup_steps = 1"),
        (
            "context_factors = [0.5, 1, 2]",
            "context_factors = [0.25, 1]",
        ),
        (
            "bootstrap_samples = 100",
            "bootstrap_samples = 100\ntasks = [\"needle\", { kind = \"passkey\", alternatives = 1 }]\ntask_samples = 4",
        ),
    ];
    let workspace = Workspace::changed(&changes);
    workspace
        .trainer(&["run.toml"])
        .exits(0)
        .says("perplexity on the test split")
        .says("run: needle (")
        .says("ln ratio   preferred")
        .says("no room for it in 64 tokens");
    let tasks = json(&workspace.run("run").text("tasks.json"));
    let needle = &tasks["tasks"][0];
    assert_eq!(needle["too_short"], serde_json::json!([64]));
    assert_eq!(needle["samples"].as_array().expect("samples").len(), 4);
    let depths: Vec<&Value> = needle["cells"]
        .as_array()
        .expect("cells")
        .iter()
        .map(|cell| &cell["cell"]["percent"])
        .collect();
    assert_eq!(depths, [0, 10, 20, 30]);
    for sample in needle["samples"].as_array().expect("samples") {
        assert_eq!(sample["compared"], 1);
        // Right and wrong number share all tokens but digits: neither is sure after four steps.
        assert!(number(&sample["ratio"]).abs() < 20.0, "{sample}");
    }
}

const SWEEP: &str = r#"
config = "run.toml"
seeds = [1, 2, 3]
baseline = "rope"
set = { train.steps = 10 }

[[variants]]
name = "nope"
set.model.layers.global.encoding = { kind = "nope" }

[[variants]]
name = "rope"
set.model.layers.global.encoding = { kind = "rope" }
"#;

/// The file of a task's runs by variant and seed.
fn results(workspace: &Workspace) -> BTreeMap<(String, u64), Value> {
    let read = |path: &str| -> Value { serde_json::from_slice(&workspace.read(path)).expect(path) };
    let manifest = read("runs/grid/sweep.json");
    let runs = manifest["runs"].as_array().expect("runs").iter();
    runs.map(|run| {
        let directory = run["directory"].as_str().expect("directory");
        let variant = run["variant"].as_str().expect("variant").to_owned();
        let seed = run["seed"].as_u64().expect("seed");
        let tasks = read(&format!("runs/grid/{directory}/tasks.json"));
        ((variant, seed), tasks)
    })
    .collect()
}

/// The number of a row and column of a CSV file.
fn cell(workspace: &Workspace, file: &str, row: &str, column: usize) -> f64 {
    let text = String::from_utf8(workspace.read(&format!("files/{file}"))).expect("UTF-8");
    let line = text.lines().find(|line| line.starts_with(row));
    let value = line.and_then(|line| line.split(',').nth(column)?.parse().ok());
    value.unwrap_or_else(|| panic!("{file}: {text}"))
}

#[test]
fn a_comparison_of_tasks_is_worked_out_again() {
    let workspace = Workspace::changed(&TASK);
    workspace.write("grid.toml", SWEEP);
    workspace.trainer(&["sweep", "grid.toml"]).exits(0);
    let finished = workspace
        .trainer(&[
            "compare",
            "runs/grid",
            "--html",
            "page.html",
            "--files",
            "files",
        ])
        .exits(0)
        .says("mqar: token accuracy by length, mean over seeds")
        .says("mqar: loss minus that of rope, nats per token, paired by seed and sample");
    assert!(!finished.stdout.contains("Perplexity"), "{finished:?}");
    let results = results(&workspace);
    let mean = |variant: &str, seed: u64, field: &str| {
        let tasks = &results[&(variant.to_owned(), seed)];
        let [sum, targets, _] = sums(tasks, 64, [field, "targets", "sample"]);
        sum / targets
    };
    for (field, file) in [("right", "mqar-token-accuracy"), ("nll", "mqar-loss")] {
        let of_rope: f64 = [1, 2, 3].map(|seed| mean("rope", seed, field)).iter().sum();
        // encoding, then a point for each length: the last is the longest.
        let written = cell(&workspace, &format!("{file}.csv"), "rope,", 6);
        assert!((written - of_rope / 3.0).abs() < 1e-12, "{file}: {written}");
        let difference = [1, 2, 3].map(|s| mean("nope", s, field) - mean("rope", s, field));
        let difference = difference.iter().sum::<f64>() / 3.0;
        let written = cell(&workspace, &format!("{file}-effects.csv"), "nope,", 1);
        assert!((written - difference).abs() < 1e-12, "{file}: {written}");
    }
    for name in [
        "mqar-token-accuracy-difference.tex",
        "mqar-loss-by-length.png",
        "mqar-token-accuracy-map-nope.svg",
        "training.svg",
    ] {
        assert!(!workspace.read(&format!("files/{name}")).is_empty());
    }
    let page = String::from_utf8(workspace.read("page.html")).expect("UTF-8");
    for part in [
        "mqar: token accuracy, rope",
        "Distance in tokens",
        "12 samples of each",
    ] {
        assert!(page.contains(part), "no {part}");
    }
}

#[test]
fn text_and_tasks_stand_side_by_side_and_do_not_mix() {
    let measured = [
        ("steps = 40", "steps = 10"),
        (
            "bootstrap_samples = 100",
            "bootstrap_samples = 100\ntasks = [\"induction\"]\ntask_samples = 5",
        ),
    ];
    let workspace = Workspace::changed(&measured);
    for seed in ["1", "2"] {
        for (variant, lr) in [("a", "1e-2"), ("b", "2e-2")] {
            let name = format!("{variant}-seed{seed}");
            let seed = format!("seed={seed}");
            let lr = format!("train.learning_rate={lr}");
            workspace
                .trainer(&["run.toml", "--name", &name, "--set", &seed, "--set", &lr])
                .exits(0);
        }
    }
    let runs = [
        "runs/a-seed1",
        "runs/a-seed2",
        "runs/b-seed1",
        "runs/b-seed2",
    ];
    workspace
        .trainer(&[&["compare"][..], &runs].concat())
        .exits(0)
        .says("Perplexity by context length")
        .says("induction: second copy minus first by length");
    let one_seed = workspace
        .trainer(&["compare", runs[0], runs[2]])
        .exits(0)
        .says("Only 1 seed of a variant");
    assert!(!one_seed.stdout.contains("NaN"), "{one_seed:?}");
    // One of them was measured on other samples.
    workspace
        .trainer(&["eval", runs[3], "--set", "evaluation.task_samples=4"])
        .exits(0);
    let finished = workspace
        .trainer(&[&["compare"][..], &runs].concat())
        .exits(0)
        .says("Left out, because not all runs have them of the same samples: induction");
    assert!(
        !finished.stdout.contains("induction: second"),
        "{finished:?}"
    );
    workspace.write("task.toml", &changed(&TASK));
    workspace
        .trainer(&["task.toml", "--set", "train.steps=10"])
        .exits(0);
    workspace
        .trainer(&["compare", "runs/a-seed1", "runs/task"])
        .exits(2)
        .complains("were evaluated with different corpora or tokenizers");
}

#[test]
fn a_task_without_room_is_refused_before_training() {
    let workspace = Workspace::changed(&TASK);
    workspace
        .trainer(&["run.toml", "--set", "data.task.pairs=9"])
        .exits(2)
        .complains("train.context_length: `mqar` does not fit into a length of 32 tokens; it needs at least 36");
    workspace
        .trainer(&[
            "run.toml",
            "--set",
            "evaluation.tasks=[{ kind = \"k_back\", k = 40 }]",
        ])
        .exits(2)
        .complains("evaluation.tasks: `k_back` does not fit into a length of 64 tokens");
    workspace
        .trainer(&["run.toml", "--set", "evaluation.tasks=[\"needle\"]"])
        .exits(2)
        .complains("data.path: missing: a task hides its answers in a text");
    assert!(!workspace.path("runs").exists());
    workspace
        .trainer(&["run.toml", "--dry-run"])
        .exits(0)
        .says("[data.task]\nkind = \"mqar\"\npairs = 4")
        .says("# learnt                  answers of the task `mqar`");
}
