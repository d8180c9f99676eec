//! On the CPU the same config and seed give the same bits, in whatever process.

use crate::common::{Results, Workspace};

fn with_threads(threads: &str) -> Results {
    let workspace = Workspace::new();
    let mut command = workspace.command(&["run.toml"]);
    command.env("RAYON_NUM_THREADS", threads);
    let output = command.output().expect("run the trainer");
    assert!(output.status.success(), "{output:?}");
    workspace.run("run").results()
}

#[test]
fn two_processes_give_the_same_bits() {
    let first = Workspace::new().train().results();
    Workspace::new().train().results().assert_are(&first);
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let one = with_threads("1");
    with_threads("2").assert_are(&one);
    with_threads("3").assert_are(&one);
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
    let workspace = Workspace::new();
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
