//! Damaged checkpoints are noticed, named, and cost nothing but time.

use std::fs;
use std::path::Path;

use crate::common::{Results, Run, Workspace, sha256};

const FILES: [&str; 4] = [
    "model.safetensors",
    "optimizer.safetensors",
    "state.json",
    "SHA256SUMS",
];

/// A run stopped after step 20 or later, with checkpoints of two different steps.
fn stopped() -> (Workspace, Run) {
    let workspace = Workspace::new();
    let run = workspace.run("run");
    let mut process = workspace.background(&["run.toml"]);
    process.wait_until("checkpoints", || {
        run.checkpoints().iter().any(|step| *step >= 20)
    });
    assert!(process.kill(), "the run ended before it could be killed");
    assert!(run.checkpoints().len() >= 2, "{:?}", run.checkpoints());
    (workspace, run)
}

fn undisturbed() -> Results {
    Workspace::new().train().results()
}

fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(path, bytes).expect("write");
}

/// Flips a bit of `file` in every checkpoint; one that was being removed may have lost it already.
fn flip_a_bit_everywhere(run: &Run, file: &str) {
    for step in run.checkpoints() {
        let path = run.checkpoint(step).join(file);
        if path.exists() {
            flip_a_bit(&path);
        }
    }
}

fn truncate(path: &Path) {
    let bytes = fs::read(path).expect("read");
    fs::write(path, &bytes[..bytes.len() * 2 / 3]).expect("write");
}

fn remove(path: &Path) {
    fs::remove_file(path).expect("remove");
}

/// Damages `file` of the newest checkpoint and resumes; the warning must begin with `accused`.
#[track_caller]
fn assert_falls_back(file: &str, damage: fn(&Path), accused: &str, expected: &Results) {
    let (workspace, run) = stopped();
    let steps = run.checkpoints();
    let (newest, before) = (steps[steps.len() - 1], steps[steps.len() - 2]);
    damage(&run.checkpoint(newest).join(file));
    workspace
        .trainer(&["run.toml", "--resume"])
        .exits(0)
        .complains(&format!(
            "warning: runs/run/checkpoints/step-{newest:06}/{accused}"
        ))
        .complains("using the checkpoint before it")
        .says(&format!("run runs/run, step {before} of 40"));
    run.results().assert_are(expected);
}

#[test]
fn damage_of_any_file_falls_back_to_the_checkpoint_before() {
    let expected = undisturbed();
    for file in FILES {
        // A wrong line in the list accuses the file that the line is about.
        let accused = if file == "SHA256SUMS" { "" } else { file };
        assert_falls_back(file, flip_a_bit, accused, &expected);
    }
    for file in ["model.safetensors", "state.json"] {
        assert_falls_back(file, truncate, file, &expected);
    }
    for file in ["optimizer.safetensors", "SHA256SUMS"] {
        assert_falls_back(file, remove, file, &expected);
    }
}

#[test]
fn without_any_good_checkpoint_a_run_starts_from_the_beginning() {
    let (workspace, run) = stopped();
    flip_a_bit_everywhere(&run, "model.safetensors");
    let newest = *run.checkpoints().last().expect("a checkpoint");
    workspace
        .trainer(&["run.toml", "--resume"])
        .exits(0)
        .complains(&format!("checkpoints/step-{newest:06}/model.safetensors"))
        .complains("differs from its checksum")
        .says("run runs/run, step 0 of 40");
    run.results().assert_are(&undisturbed());
}

/// What is written after a fall-back has a lower step than the damaged checkpoint. It must not be
/// taken for the oldest and removed.
#[test]
fn damaged_checkpoints_do_not_push_out_good_ones() {
    let changes = [
        ("steps = 40", "steps = 400"),
        (
            "checkpoint_every = 5",
            "checkpoint_every = 5\nkeep_checkpoints = 1",
        ),
        ("evaluate_every = 8", "evaluate_every = 0"),
    ];
    let workspace = Workspace::changed(&changes);
    let run = workspace.run("run");
    let mut process = workspace.background(&["run.toml"]);
    process.wait_until("a late checkpoint", || {
        run.checkpoints().iter().any(|step| *step >= 50)
    });
    assert!(process.kill(), "the run ended before it could be killed");
    flip_a_bit_everywhere(&run, "state.json");
    // From step 0 again; its checkpoints are all older than the damaged one for a while.
    let mut process = workspace.background(&["run.toml", "--resume"]);
    process.wait_until("the run to go on", || (10..50).contains(&run.step()));
    assert!(process.kill(), "the run ended before it could be killed");
    let resumed = workspace.background(&["run.toml", "--resume"]);
    let out = crate::signals::stop_after_start(resumed, &run).exits(75);
    assert!(!out.stdout.contains("step 0 of 400"), "{out:?}");
}

#[test]
fn only_the_newest_and_the_best_checkpoints_are_kept() {
    let run = Workspace::new().train();
    let steps = run.checkpoints();
    assert!(steps.ends_with(&[35, 40]), "{steps:?}");
    // The best validation was at a multiple of 8.
    let others = &steps[..steps.len() - 2];
    assert!(
        others.len() <= 1 && others.iter().all(|step| step % 8 == 0),
        "{steps:?}"
    );
}

#[test]
fn checksums_are_those_that_sha256sum_reads() {
    let run = Workspace::new().train();
    let folder = run.checkpoint(40);
    let listed = fs::read_to_string(folder.join("SHA256SUMS")).expect("SHA256SUMS");
    let computed = FILES[..3].iter().fold(String::new(), |sums, name| {
        let bytes = fs::read(folder.join(name)).expect("read");
        sums + &format!("{}  {name}\n", sha256(&bytes))
    });
    assert_eq!(listed, computed);
}
