//! What is there already decides what happens: finished, unfinished, another config, in use.

use std::fs;

use crate::common::{SHORT, Workspace, changed};

#[test]
fn a_finished_run_is_left_alone() {
    let workspace = Workspace::new();
    workspace.train();
    let before = workspace.snapshot("runs");
    for arguments in [&["run.toml"][..], &["run.toml", "--resume"]] {
        workspace
            .trainer(arguments)
            .exits(0)
            .says("runs/run is finished; nothing to do (`--force` starts anew beside it)")
            .says("run: perplexity on the test split, protocol final-tokens/1");
        assert_eq!(workspace.snapshot("runs"), before);
    }
}

#[test]
fn force_starts_anew_beside_what_is_there() {
    let workspace = Workspace::changed(&SHORT);
    let first = workspace.train();
    let before = workspace.snapshot("runs/run");
    for name in ["run-2", "run-3"] {
        workspace
            .trainer(&["run.toml", "--force"])
            .exits(0)
            .says(&format!("results in runs/{name}"));
        assert_eq!(workspace.run(name).weights(), first.weights());
    }
    assert_eq!(workspace.snapshot("runs/run"), before);
}

#[test]
fn another_config_under_the_same_name_is_refused_with_the_differences() {
    let workspace = Workspace::new();
    workspace.train();
    let before = workspace.snapshot("runs");
    for arguments in [&["run.toml"][..], &["run.toml", "--resume"]] {
        let other = [
            "--set",
            "train.steps=50",
            "--set",
            "model.layers.global.encoding.fraction=0.5",
        ];
        workspace
            .trainer(&[arguments, &other].concat())
            .exits(2)
            .complains("runs/run holds a run of another config:")
            .complains("train.steps: 40 -> 50")
            .complains("model.layers.global.encoding.fraction: 0.75 -> 0.5")
            .complains(
                "`--name NAME` gives this run another name, `--force` starts anew beside it",
            );
        assert_eq!(workspace.snapshot("runs"), before);
    }
}

#[test]
fn another_name_is_another_run() {
    let workspace = Workspace::new();
    workspace
        .trainer(&["run.toml", "--name", "other"])
        .exits(0)
        .says("results in runs/other");
    assert!(!workspace.path("runs/run").exists());
    assert!(
        workspace
            .run("other")
            .text("config.toml")
            .starts_with("name = \"other\"\n")
    );
}

#[test]
fn an_unfinished_run_must_be_asked_for() {
    let workspace = Workspace::new();
    let run = workspace.run("run");
    let mut process = workspace.background(&["run.toml"]);
    process.wait_until("a checkpoint", || !run.checkpoints().is_empty());
    assert!(process.kill(), "the run ended before it could be killed");
    let before = workspace.snapshot("runs");
    workspace
        .trainer(&["run.toml"])
        .exits(2)
        .complains("runs/run holds an unfinished run of this config")
        .complains("`--resume` continues it, `--force` starts anew beside it");
    assert_eq!(workspace.snapshot("runs"), before);
}

#[test]
fn there_must_be_something_to_resume() {
    let workspace = Workspace::new();
    workspace
        .trainer(&["run.toml", "--resume"])
        .exits(2)
        .complains("there is nothing to resume: runs/run holds no run");
    assert!(!workspace.path("runs").exists());
}

#[test]
fn a_folder_that_is_no_run_is_not_touched() {
    let workspace = Workspace::new();
    fs::create_dir_all(workspace.path("runs/run")).expect("folder");
    workspace.write("runs/run/thesis.txt", "precious");
    workspace
        .trainer(&["run.toml"])
        .exits(2)
        .complains("runs/run is not a run directory: it has no config.toml");
    assert_eq!(workspace.read("runs/run/thesis.txt"), b"precious");
    assert!(!workspace.path("runs/run/config.toml").exists());
}

#[test]
fn one_process_works_on_a_run() {
    let workspace = Workspace::with(&changed(&[("steps = 40", "steps = 100000")]));
    let run = workspace.run("run");
    let mut first = workspace.background(&["run.toml"]);
    first.wait_until("a checkpoint", || run.step() >= 6);
    for arguments in [
        &["run.toml"][..],
        &["run.toml", "--resume"],
        &["eval", "runs/run", "--device", "cpu"],
    ] {
        workspace
            .trainer(arguments)
            .exits(2)
            .complains("runs/run is in use by another process");
    }
    let step = run.step();
    first.wait_until("further steps", || run.step() > step + 3);
    assert!(first.kill(), "the first process was disturbed");
    // The lock dies with its owner.
    workspace
        .trainer(&["run.toml"])
        .exits(2)
        .complains("runs/run holds an unfinished run of this config");
}

#[test]
fn help_and_a_missing_config() {
    let workspace = Workspace::new();
    workspace
        .trainer(&["--help"])
        .exits(0)
        .says("--resume")
        .says("eval");
    workspace.trainer(&["--version"]).exits(0).says("trainer ");
    workspace.trainer(&[]).exits(2).complains("Usage: trainer");
    workspace
        .trainer(&["--resume"])
        .exits(2)
        .complains("no config file given")
        .complains("for example: cargo run -p trainer -- configs/prope_0.75.toml");
    workspace
        .trainer(&["run.toml", "--resume", "--force"])
        .exits(2)
        .complains("cannot be used with");
}

/// `trainer run.toml --dry-run | head -1`: whoever reads the output may stop reading.
#[test]
fn a_closed_pipe_is_no_panic() {
    let workspace = Workspace::new();
    let script = format!(
        "\"{}\" run.toml --dry-run 2>errors | true",
        env!("CARGO_BIN_EXE_trainer")
    );
    for _ in 0..3 {
        let mut command = std::process::Command::new("sh");
        command
            .args(["-c", &script])
            .current_dir(workspace.path(""));
        assert!(command.status().expect("sh").success());
        let errors = String::from_utf8_lossy(&workspace.read("errors")).into_owned();
        assert!(!errors.contains("panicked"), "{errors}");
    }
}
