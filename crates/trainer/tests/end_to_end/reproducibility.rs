//! On the CPU the same config and seed give the same bits, in whatever process.

use crate::common::{Finished, Results, SHORT, Workspace};

/// Trains under a program such as `env` or `taskset`.
fn under(program: &[&str]) -> Results {
    let workspace = Workspace::new();
    let mut command = std::process::Command::new(program[0]);
    command
        .args(&program[1..])
        .args([env!("CARGO_BIN_EXE_trainer"), "run.toml"])
        .current_dir(workspace.path(""));
    let finished: Finished = command.output().expect("run the trainer").into();
    finished.exits(0);
    workspace.run("run").results()
}

#[test]
fn two_processes_give_the_same_bits() {
    let first = Workspace::new().train().results();
    Workspace::new().train().results().assert_are(&first);
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let expected = Workspace::new().train().results();
    for threads in ["RAYON_NUM_THREADS=1", "RAYON_NUM_THREADS=3"] {
        under(&["env", threads]).assert_are(&expected);
    }
}

/// On one core there is one worker, which takes the micro-batches one after the other.
#[cfg(target_os = "linux")]
#[test]
fn the_number_of_cores_does_not_change_a_bit() {
    let expected = Workspace::new().train().results();
    under(&["taskset", "-c", "0"]).assert_are(&expected);
}

#[test]
fn another_seed_gives_other_weights() {
    let other = Workspace::changed(&[("seed = 7", "seed = 8")]).train();
    assert_ne!(other.weights(), Workspace::new().train().weights());
}

/// How often and how long it looks at itself must not change what is learnt.
#[test]
fn checkpoints_and_validations_do_not_change_the_weights() {
    let rare = Workspace::changed(&[
        ("evaluate_every = 8", "evaluate_every = 0"),
        ("checkpoint_every = 5", "checkpoint_every = 0"),
    ]);
    let (rare, often) = (rare.train(), Workspace::new().train());
    assert_eq!(rare.weights(), often.weights());
    assert_eq!(rare.series("loss"), often.series("loss"));
    assert_eq!(rare.text("eval.json"), often.text("eval.json"));
}

/// Token files are a cache: whatever happens to them, the run is the same.
#[test]
fn a_damaged_cache_is_made_anew() {
    let workspace = Workspace::changed(&SHORT);
    let expected = workspace.train().weights();
    for (turn, path) in workspace.snapshot("cache").into_keys().enumerate() {
        let mut bytes = std::fs::read(&path).expect("token file");
        if turn == 0 {
            bytes.truncate(bytes.len() / 2);
        } else {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
        std::fs::write(&path, bytes).expect("token file");
        workspace.trainer(&["run.toml", "--force"]).exits(0);
    }
    assert_eq!(workspace.snapshot("cache").len(), 3);
    for name in ["run-2", "run-3", "run-4"] {
        assert_eq!(workspace.run(name).weights(), expected, "{name}");
    }
}
