//! `trainer compare`: its numbers worked out again from the run directories, and what it refuses.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::common::{Workspace, changed};

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

fn swept() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("grid.toml", SWEEP);
    workspace.trainer(&["sweep", "grid.toml"]).exits(0);
    workspace
}

/// Mean loss at the last context by variant and seed.
fn losses(workspace: &Workspace) -> BTreeMap<(String, u64), f64> {
    let read =
        |path: &str| -> Value { serde_json::from_slice(&workspace.read(path)).expect("JSON") };
    let manifest = read("runs/grid/sweep.json");
    let runs = manifest["runs"].as_array().expect("runs").iter();
    runs.map(|run| {
        let directory = run["directory"].as_str().expect("directory");
        let evaluation = read(&format!("runs/grid/{directory}/eval.json"));
        let contexts = evaluation["contexts"].as_array().expect("contexts");
        let loss = contexts.last().expect("a context")["nll"].as_f64();
        let variant = run["variant"].as_str().expect("variant").to_owned();
        let seed = run["seed"].as_u64().expect("seed");
        ((variant, seed), loss.expect("nll"))
    })
    .collect()
}

#[test]
fn differences_are_paired_by_seed() {
    let workspace = swept();
    workspace
        .trainer(&[
            "compare",
            "runs/grid",
            "--html",
            "page.html",
            "--files",
            "files",
        ])
        .exits(0)
        .says("At the longest context (64 tokens)")
        .says("page in page.html");
    let losses = losses(&workspace);
    let of = |variant: &str, seed: u64| losses[&(variant.to_owned(), seed)];
    let mean = [1, 2, 3].map(|seed| of("nope", seed) - of("rope", seed));
    let mean = mean.iter().sum::<f64>() / 3.0;
    // encoding, estimate, interval.
    let effects = String::from_utf8(workspace.read("files/effects.csv")).expect("UTF-8");
    let row = effects.lines().find(|line| line.starts_with("nope,"));
    let written: f64 = row
        .and_then(|row| row.split(',').nth(1)?.parse().ok())
        .unwrap_or_else(|| panic!("{effects}"));
    assert!((written - mean).abs() < 1e-12, "{written} is not {mean}");
    let losses = [1, 2, 3].map(|seed| of("rope", seed));
    let perplexity = (losses.iter().sum::<f64>() / 3.0).exp();
    let table = String::from_utf8(workspace.read("files/perplexity.csv")).expect("UTF-8");
    let row = table.lines().find(|line| line.starts_with("rope,"));
    // encoding, seeds, and a value with its mark for each context.
    let written: f64 = row
        .and_then(|row| row.split(',').rev().nth(1)?.parse().ok())
        .unwrap_or_else(|| panic!("{table}"));
    assert!(
        (written / perplexity - 1.0).abs() < 1e-12,
        "{written} is not {perplexity}"
    );
    for name in [
        "perplexity.tex",
        "difference.md",
        "training.svg",
        "loss-by-position.png",
    ] {
        assert!(!workspace.read(&format!("files/{name}")).is_empty());
    }
}

#[test]
fn the_page_needs_no_network_and_no_script() {
    let workspace = swept();
    workspace
        .trainer(&["compare", "runs/grid", "--html", "page.html"])
        .exits(0);
    let page = String::from_utf8(workspace.read("page.html")).expect("UTF-8");
    for part in [
        "nope",
        "rope",
        "final-tokens",
        "Holm",
        "wavelength",
        "weights",
    ] {
        assert!(page.contains(part), "no {part}");
    }
    for foreign in ["<script", "<link", "src=\"http", "@import"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn single_runs_are_told_apart_by_their_names_and_seeds() {
    let workspace = Workspace::with(&changed(&[("steps = 40", "steps = 10")]));
    for (name, seed) in [
        ("a-seed1", "seed=1"),
        ("a-seed2", "seed=2"),
        ("b-seed1", "seed=1"),
    ] {
        let lr = if name.starts_with('b') {
            "2e-2"
        } else {
            "1e-2"
        };
        let lr = format!("train.learning_rate={lr}");
        workspace
            .trainer(&["run.toml", "--name", name, "--set", seed, "--set", &lr])
            .exits(0);
    }
    let runs = ["runs/a-seed1", "runs/a-seed2", "runs/b-seed1"];
    let compared = [&["compare"][..], &runs[..], &["--baseline", "b"][..]].concat();
    workspace
        .trainer(&compared)
        .exits(0)
        .says("Loss minus that of b")
        .says("Only 1 seed of a variant");
    workspace
        .trainer(&["compare", "runs/a-seed1", "--baseline", "c"])
        .exits(2)
        .complains("the baseline `c` has no result");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let workspace = Workspace::with(&changed(&[("steps = 40", "steps = 10")]));
    workspace.trainer(&["run.toml", "--name", "a"]).exits(0);
    workspace
        .trainer(&[
            "run.toml",
            "--name",
            "b",
            "--set",
            "evaluation.scored_tokens=4",
        ])
        .exits(0);
    workspace
        .trainer(&["compare", "runs/a", "runs/b"])
        .exits(2)
        .complains("were evaluated with different protocol parameters");
    workspace
        .trainer(&["compare", "runs/a", "runs/a"])
        .exits(2)
        .complains("are both `a` with seed 7");
    workspace
        .trainer(&["compare", "runs"])
        .exits(2)
        .complains("runs is not a run directory");
}
