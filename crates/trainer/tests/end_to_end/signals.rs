//! Signals end a run so that it can go on later.

use std::time::Duration;

use crate::common::{
    Background, Finished, Run, SHORT, Split, Workspace, changed, signal, signal_stopped,
};

/// The line that says how to continue, whose beginning says what was done.
fn command_to_continue(finished: &Finished) -> String {
    let mut lines = finished.stdout.lines();
    let told = lines.any(|line| line.starts_with("stopped") && line.ends_with("continue with:"));
    match lines.next() {
        Some(command) if told => command.to_owned(),
        _ => panic!("no command to continue in {finished:?}"),
    }
}

/// Pastes what the screen said into a shell, as a user would.
fn continue_as_told(workspace: &Workspace, finished: &Finished) -> Finished {
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", &command_to_continue(finished)])
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

/// Starts the binary through a shell that runs `before` first.
fn background_after(workspace: &Workspace, before: &str, arguments: &str) -> Background {
    let script = format!("{before}; exec \"$0\" {arguments}");
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", &script, env!("CARGO_BIN_EXE_trainer")])
        .current_dir(workspace.path(""));
    Background::start(command)
}

#[track_caller]
fn assert_stops_and_continues(name: &str) {
    let expected = Workspace::new().train().results();
    let workspace = Workspace::new();
    let run = workspace.run("run");
    let mut process = workspace.background(&["run.toml", "--set", "seed=7", "--device", "cpu"]);
    process.wait_until("some steps", || run.step() >= 12);
    signal(name, process.id());
    let stopped = process.finish().exits(75);
    let step = run.step();
    assert!((12..40).contains(&step), "{step}");
    assert_eq!(
        run.checkpoints().last(),
        Some(&step),
        "no checkpoint where it stopped"
    );
    let said = format!(
        "stopped by SIG{name} after step {step} of 40, saved in runs/run/checkpoints/step-{step:06}"
    );
    let stopped = stopped.says(&said);
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

#[test]
fn sighup_saves_and_tells_how_to_continue() {
    assert_stops_and_continues("HUP");
}

#[test]
fn sigusr1_saves_and_tells_how_to_continue() {
    assert_stops_and_continues("USR1");
}

#[test]
fn sigusr2_saves_and_tells_how_to_continue() {
    assert_stops_and_continues("USR2");
}

/// A limit on the size of files stands for a full disk: what cannot be written is an error, not a stop, and what was
/// saved before goes on.
#[test]
fn a_run_that_cannot_write_fails_and_tells_how_to_continue() {
    let workspace = Workspace::changed(&[
        ("steps = 40", "steps = 20000"),
        ("evaluate_every = 8", "evaluate_every = 0"),
        ("checkpoint_every = 5", "checkpoint_every = 50"),
    ]);
    let run = workspace.run("run");
    let limited = background_after(&workspace, "trap '' XFSZ; ulimit -f 600", "run.toml");
    let failed = limited.finish().exits(1).complains("File too large");
    let step = *run.checkpoints().last().expect("a checkpoint");
    assert!(!run.is_writing());
    let mut lines = failed.stderr.lines();
    let told = format!("step {step} is saved; once this is mended, continue with:");
    assert!(lines.any(|line| line == told), "{failed:?}");
    let command = format!("exec {}", lines.next().expect("a command"));
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &command]).current_dir(workspace.path(""));
    let resumed = stop_after_start(Background::start(shell), &run);
    resumed.says(&format!("step {step} of 20000")).exits(75);
}

/// What `nohup` does, and `trap '' USR1` in a job script.
#[test]
fn a_warning_that_is_ignored_at_the_start_stays_ignored() {
    let workspace = Workspace::new();
    let run = workspace.run("run");
    let before = "trap '' HUP USR1 USR2";
    let mut process = background_after(&workspace, before, "run.toml");
    process.wait_until("some steps", || run.step() >= 3);
    for name in ["HUP", "USR1", "USR2"] {
        signal(name, process.id());
    }
    process.finish().exits(0);
    assert_eq!(run.status(), "finished");
}

/// A shell without job control begins `command &` with SIGINT ignored.
#[test]
fn sigint_stops_a_run_in_the_background_of_a_script() {
    let workspace = Workspace::new();
    let run = workspace.run("run");
    let mut process = background_after(&workspace, "trap '' INT", "run.toml");
    process.wait_until("some steps", || run.step() >= 3);
    signal("INT", process.id());
    process.finish().exits(75);
}

/// SLURM warns, and sends SIGTERM when the time is up; a terminal that closes is often followed by one.
#[test]
fn sigterm_after_a_warning_does_not_cost_the_checkpoint() {
    for warning in ["USR1", "USR2", "HUP"] {
        let workspace = Workspace::changed(&[("steps = 40", "steps = 5000")]);
        let run = workspace.run("run");
        let mut process = workspace.background(&["run.toml"]);
        process.wait_until("a step", || run.step() >= 6);
        signal_stopped(&[warning, "TERM"], process.id());
        process.finish().exits(75);
        assert_eq!(run.status(), "interrupted", "{warning}");
        assert_eq!(run.checkpoints().last(), Some(&run.step()), "{warning}");
    }
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
    let stopped = process.finish().exits(75);
    assert_eq!(second.status(), "interrupted");
    continue_as_told(&workspace, &stopped).exits(0);
    assert_eq!(workspace.snapshot("runs/run"), before);
    assert_eq!(second.weights(), first.weights());
    assert_eq!(second.text("eval.json"), first.text("eval.json"));
}

/// However the run was called and wherever it is, the line is a command that works, and it names the run once.
#[test]
fn a_stopped_run_of_any_name_and_place_is_continued_as_told() {
    let place = "run.directory=\"runs/my runs\"";
    for named in [
        &["--name", "it"][..],
        &["--set", "name=it"],
        &["--set", "name='it'"],
    ] {
        let workspace = Workspace::changed(&SHORT);
        std::fs::create_dir(workspace.path("it's here")).expect("folder");
        std::fs::rename(
            workspace.path("run.toml"),
            workspace.path("it's here/a b.toml"),
        )
        .expect("rename");
        let begun = [
            "it's here/a b.toml",
            "--set",
            "train.steps=400",
            "--set",
            place,
        ];
        let run = workspace.run("my runs/it");
        let mut process = workspace.background(&[&begun[..], named].concat());
        process.wait_until("a step", || run.step() >= 1);
        signal("TERM", process.id());
        let stopped = process.finish().exits(75);
        let command = command_to_continue(&stopped);
        assert_eq!(command.matches("name").count(), 1, "{command}");
        let step = run.step();
        let mut shell = std::process::Command::new("sh");
        shell
            .args(["-c", &format!("exec {command}")])
            .current_dir(workspace.path(""));
        let resumed = stop_after_start(Background::start(shell), &run);
        resumed.says(&format!("step {step} of 400")).exits(75);
    }
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
    let stopped = process.finish().exits(75);
    assert_eq!(run.status(), "interrupted");
    assert!(!run.path().join("eval.json").exists());
    let trained = run.record()["weights_sha256"].clone();
    // An evaluation by itself leaves nothing behind.
    let before = workspace.snapshot("runs");
    let mut evaluation = background_after(&workspace, "exec >evaluation.txt", "eval runs/run");
    let printed = workspace.path("evaluation.txt");
    evaluation.wait_until("the evaluation to begin", || {
        std::fs::read_to_string(&printed).is_ok_and(|text| text.contains("checkpoint of step"))
    });
    signal("HUP", evaluation.id());
    evaluation.finish().exits(75);
    let printed = std::fs::read_to_string(&printed).expect("what it printed");
    assert!(
        printed.contains("stopped by SIGHUP; nothing was written"),
        "{printed}"
    );
    assert_eq!(workspace.snapshot("runs"), before);
    continue_as_told(&workspace, &stopped).exits(0);
    assert_eq!(run.status(), "finished");
    assert_eq!(run.record()["weights_sha256"], trained);
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    // A step of many seconds.
    let changes = [
        ("steps = 40", "steps = 5000"),
        ("\nbatch_size = 4", "\nbatch_size = 20000"),
    ];
    let workspace = Workspace::changed(&changes);
    let run = workspace.run("run");
    let mut process = workspace.background(&["run.toml"]);
    process.wait_until("its start", || {
        run.path().join("run.json").exists() && run.status() == "running"
    });
    signal("INT", process.id());
    std::thread::sleep(Duration::from_millis(1200));
    signal("TERM", process.id());
    let ended = process.finish();
    assert_eq!(ended.signal, Some(15), "{ended:?}");
    assert_eq!(run.status(), "running");
}

/// `timeout` signals the process, then its group.
#[test]
fn one_request_that_arrives_twice_does_not_cost_the_checkpoint() {
    let workspace = Workspace::changed(&[("steps = 40", "steps = 5000")]);
    let run = workspace.run("run");
    let mut process = workspace.background(&["run.toml"]);
    process.wait_until("a checkpoint", || run.step() >= 6);
    signal_stopped(&["INT", "TERM"], process.id());
    process.finish().exits(75);
    assert_eq!(run.status(), "interrupted");
}
