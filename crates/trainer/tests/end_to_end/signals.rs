//! SIGINT and SIGTERM end a run so that it can go on later.

use crate::common::{Background, Finished, Run, Split, Workspace, changed, signal, signal_stopped};

/// Words before the arguments in the line that says how to continue.
const CONTINUE: &str = "stopped; continue with: cargo run -p trainer -- ";

/// The arguments of the line that says how to continue.
fn arguments_to_continue(finished: &Finished) -> String {
    let line = finished
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix(CONTINUE));
    line.unwrap_or_else(|| panic!("no `{CONTINUE}` in {finished:?}"))
        .to_owned()
}

/// Runs what the screen said, through a shell as a user would.
fn continue_as_told(workspace: &Workspace, finished: &Finished) -> Finished {
    let script = format!(
        "\"{}\" {}",
        env!("CARGO_BIN_EXE_trainer"),
        arguments_to_continue(finished)
    );
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", &script])
        .current_dir(workspace.path(""));
    command.output().expect("sh").into()
}

/// Waits until the process made a step of its own, then sends SIGINT.
pub fn stop_after_start(mut process: Background, run: &Run) -> Finished {
    let log = run.path().join("trainer.log");
    let sessions = |text: String| text.matches("session begins").count();
    let read = || sessions(std::fs::read_to_string(&log).unwrap_or_default());
    let before = read();
    process.wait_until("the session to begin", || read() > before);
    signal("INT", process.id());
    process.finish()
}

#[track_caller]
fn assert_stops_and_continues(name: &str) {
    let expected = Workspace::new().train().results();
    let workspace = Workspace::new();
    let run = workspace.run("run");
    let mut process = workspace.background(&["run.toml", "--set", "seed=7", "--device", "cpu"]);
    process.wait_until("some steps", || run.step() >= 12);
    signal(name, process.id());
    let stopped = process.finish().exits(0);
    let step = run.step();
    assert!((12..40).contains(&step), "{step}");
    assert_eq!(
        run.checkpoints().last(),
        Some(&step),
        "no checkpoint where it stopped"
    );
    assert_eq!(run.status(), "interrupted");
    let resumed = continue_as_told(&workspace, &stopped).exits(0);
    let resumed = resumed.says(&format!("run runs/run, step {step} of 40"));
    assert!(
        resumed.stdout.contains("results in runs/run"),
        "{resumed:?}"
    );
    run.results().assert_are(&expected);
}

#[test]
fn sigint_saves_and_tells_how_to_continue() {
    assert_stops_and_continues("INT");
}

#[test]
fn sigterm_saves_and_tells_how_to_continue() {
    assert_stops_and_continues("TERM");
}

/// The line must lead to the run that was stopped, not to the one that `--force` left alone.
#[test]
fn a_stopped_run_beside_another_is_continued_as_told() {
    let workspace = Workspace::new();
    let first = workspace.train();
    let before = workspace.snapshot("runs/run");
    let second = workspace.run("run-2");
    let mut process = workspace.background(&["run.toml", "--force"]);
    process.wait_until("some steps", || second.step() >= 12);
    signal("INT", process.id());
    let stopped = process.finish().exits(0);
    assert_eq!(second.status(), "interrupted");
    continue_as_told(&workspace, &stopped).exits(0);
    assert_eq!(workspace.snapshot("runs/run"), before);
    assert_eq!(second.weights(), first.weights());
    assert_eq!(second.text("eval.json"), first.text("eval.json"));
}

#[test]
fn a_signal_during_the_evaluation_stops_it_and_keeps_the_weights() {
    // All windows of long documents: the evaluation takes longer than the training.
    let config = changed(&[
        ("steps = 40", "steps = 10"),
        ("warmup_steps = 5", "warmup_steps = 0"),
        ("windows_per_document = 2", "windows_per_document = 0"),
    ]);
    let documents = [
        (Split::Train, 3000),
        (Split::Valid, 700),
        (Split::Test, 100_000),
    ];
    let workspace = Workspace::with_documents(&config, &documents);
    let run = workspace.run("run");
    let mut process = workspace.background(&["run.toml"]);
    process.wait_until("the end of training", || {
        std::fs::read_to_string(run.path().join("run.json"))
            .is_ok_and(|text| !text.contains("\"weights_sha256\": null"))
    });
    signal("TERM", process.id());
    let stopped = process.finish().exits(0);
    assert_eq!(run.status(), "interrupted");
    assert!(!run.path().join("eval.json").exists());
    let trained = run.record()["weights_sha256"].clone();
    continue_as_told(&workspace, &stopped).exits(0);
    assert_eq!(run.status(), "finished");
    assert_eq!(run.record()["weights_sha256"], trained);
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let workspace = Workspace::changed(&[("steps = 40", "steps = 5000")]);
    let run = workspace.run("run");
    let mut process = workspace.background(&["run.toml"]);
    process.wait_until("a checkpoint", || run.step() >= 6);
    signal_stopped(&["INT", "TERM"], process.id());
    process.finish().exits(130);
    assert_eq!(run.status(), "running");
}
