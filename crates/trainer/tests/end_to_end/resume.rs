//! A run that is killed and resumed comes to the same numbers, bit for bit, as one that is not.

use std::time::Duration;

use crate::common::{CONFIG, Random, Run, SHORT, Split, TASK, Workspace};

/// Longer than [`CONFIG`], so that kills spread over the run.
const STEPS: usize = 100;

const LONG: [(&str, &str); 2] = [
    ("steps = 40", "steps = 100"),
    ("checkpoint_every = 5", "checkpoint_every = 3"),
];

/// Starts or resumes the run and kills it at a random moment after `from` steps; false if it ended
/// before. Every second time the kill comes while a checkpoint is being written.
fn kill_after(workspace: &Workspace, from: usize, turn: usize, random: &mut Random) -> bool {
    let run = workspace.run("run");
    let started = run.path().exists();
    let arguments: &[&str] = if started {
        &["run.toml", "--resume"]
    } else {
        &["run.toml"]
    };
    let mut process = workspace.background(arguments);
    process.wait_until("steps", || run.step() >= from);
    if turn.is_multiple_of(2) {
        process.wait_until("a checkpoint", || run.is_writing());
    }
    std::thread::sleep(Duration::from_micros(random.below(3000)));
    let killed = process.kill();
    println!(
        "killed: {killed}, at step {}, while writing a checkpoint: {}",
        run.step(),
        run.is_writing()
    );
    killed
}

#[test]
fn killed_and_resumed_runs_give_the_same_bits() {
    assert_kills_leave_no_trace(&LONG);
}

/// The samples go on where they were.
#[test]
fn killed_and_resumed_runs_on_a_task_give_the_same_bits() {
    assert_kills_leave_no_trace(&[LONG, TASK].concat());
}

#[track_caller]
fn assert_kills_leave_no_trace(changes: &[(&str, &str)]) {
    let undisturbed = Workspace::changed(changes).train().results();
    let mut random = Random::new();
    let disturbed = Workspace::changed(changes);
    let parts = 6;
    let kills = (0..parts)
        .filter(|part| {
            let part_length = STEPS / parts;
            let from = part * part_length + random.below(part_length as u64 - 5) as usize;
            kill_after(&disturbed, from, *part, &mut random)
        })
        .count();
    assert!(
        kills >= 4,
        "only {kills} of {parts} kills came before the end"
    );
    disturbed.trainer(&["run.toml", "--resume"]).exits(0);
    disturbed.run("run").results().assert_are(&undisturbed);
    assert!(
        !disturbed.run("run").is_writing(),
        "a killed writer's leftovers remain"
    );
}

/// The warm-up leads to an absurd learning rate: the validation loss is at its best early on.
#[test]
fn the_best_checkpoint_is_remembered() {
    let changes = [
        ("learning_rate = 1e-2", "learning_rate = 8.0"),
        ("warmup_steps = 5", "warmup_steps = 40"),
        (
            "evaluate_every = 8",
            "evaluate_every = 5\nkeep_checkpoints = 1",
        ),
    ];
    let undisturbed = Workspace::changed(&changes).train();
    let losses = undisturbed.series("validation_loss");
    let best = (0..losses.len())
        .min_by(|a, b| losses[*a].total_cmp(&losses[*b]))
        .map_or(0, |index| 5 * (index + 1));
    assert!(
        best < 15,
        "the best of {losses:?} comes too late for this test"
    );
    assert_eq!(undisturbed.checkpoints(), [best, 40]);
    let disturbed = Workspace::changed(&changes);
    let run = disturbed.run("run");
    let mut process = disturbed.background(&["run.toml"]);
    process.wait_until("a later checkpoint", || {
        run.checkpoints().last() >= Some(&20)
    });
    assert!(process.kill(), "the run ended before it could be killed");
    disturbed.trainer(&["run.toml", "--resume"]).exits(0);
    assert_eq!(run.checkpoints(), [best, 40]);
    run.results().assert_are(&undisturbed.results());
}

/// Before, while and after the run directory is made.
#[test]
fn a_run_killed_at_its_very_beginning_can_be_started_again() {
    let undisturbed = Workspace::changed(&SHORT).train().results();
    let mut random = Random::new();
    for turn in 0..6 {
        let disturbed = Workspace::changed(&SHORT);
        let run = disturbed.run("run");
        let mut process = disturbed.background(&["run.toml"]);
        if turn % 2 == 0 {
            process.wait_until("the run directory", || run.path().exists());
            std::thread::sleep(Duration::from_micros(random.below(2000)));
        } else {
            std::thread::sleep(Duration::from_millis(random.below(60)));
        }
        process.kill();
        let again = disturbed.trainer(&["run.toml"]);
        if again.code == Some(2) {
            again.complains("holds an unfinished run of this config");
            disturbed.trainer(&["run.toml", "--resume"]).exits(0);
        } else {
            again.exits(0);
        }
        run.results().assert_are(&undisturbed);
    }
}

/// A process killed between making the folder and writing the config into it.
#[test]
fn an_empty_run_directory_is_no_obstacle() {
    let workspace = Workspace::new();
    std::fs::create_dir_all(workspace.path("runs/run")).expect("folder");
    workspace.write("runs/run/.lock", "");
    workspace.write("runs/run/.config.toml.writing", "seed = ");
    workspace.train();
}

/// The batch is the same, cut otherwise: sums are rounded in another order, nothing else differs.
#[test]
fn the_micro_batch_size_does_not_change_the_losses() {
    let losses = |micro: usize| {
        let size = format!("micro_batch_size = {micro}");
        let changes = [
            ("micro_batch_size = 2", size.as_str()),
            ("steps = 40", "steps = 12"),
        ];
        let run = Workspace::changed(&changes).train();
        (run.series("loss"), run.series("gradient_norm"))
    };
    let (whole, whole_norms) = losses(4);
    assert_eq!(whole.len(), 12);
    for micro in [1, 2] {
        let (parts, norms) = losses(micro);
        for step in 0..whole.len() {
            let difference = (whole[step] - parts[step]).abs();
            assert!(
                difference < 1e-5,
                "micro-batches of {micro}, step {step}: {difference}"
            );
            let ratio = norms[step] / whole_norms[step];
            assert!(
                (ratio - 1.0).abs() < 1e-3,
                "micro-batches of {micro}, step {step}: {ratio}"
            );
        }
    }
}

#[test]
fn resuming_with_other_texts_is_refused_and_changes_nothing() {
    let workspace = Workspace::new();
    let run = interrupted(&workspace);
    let before = run_files(&workspace);
    let other = Workspace::with_documents(
        CONFIG,
        &[
            (Split::Train, 3001),
            (Split::Valid, 1500),
            (Split::Test, 1500),
        ],
    );
    for name in ["00.txt", "01.txt", "02.txt", "manifest.json"] {
        let path = format!("corpus/{name}");
        std::fs::write(workspace.path(&path), other.read(&path)).expect("other corpus");
    }
    workspace
        .trainer(&["run.toml", "--resume"])
        .exits(2)
        .complains("the corpus changed since runs/run was started")
        .complains("restore the texts and the tokenizer, or start anew with `--force`");
    assert_eq!(run_files(&workspace), before, "{}", run.path().display());
}

#[test]
fn resuming_with_another_tokenizer_is_refused_and_keeps_the_runs_own() {
    // The byte tokenizer as a file, as any run with it leaves one.
    let tokenizer = Workspace::new().train().text("tokenizer.json");
    let workspace =
        Workspace::changed(&[("tokenizer = \"bytes\"", "tokenizer = \"tokenizer.json\"")]);
    workspace.write("tokenizer.json", &tokenizer);
    interrupted(&workspace);
    let before = run_files(&workspace);
    // Another text of the same tokenizer has another fingerprint.
    workspace.write("tokenizer.json", &(tokenizer + "\n"));
    workspace
        .trainer(&["run.toml", "--resume"])
        .exits(2)
        .complains("the corpus changed since runs/run was started");
    assert_eq!(run_files(&workspace), before);
}

/// A run killed after its first checkpoint.
fn interrupted(workspace: &Workspace) -> Run {
    let run = workspace.run("run");
    let mut process = workspace.background(&["run.toml"]);
    process.wait_until("a checkpoint", || !run.checkpoints().is_empty());
    assert!(process.kill(), "the run ended before it could be killed");
    run
}

/// Hashes of the run's files by path; its log may grow.
fn run_files(workspace: &Workspace) -> Vec<(std::path::PathBuf, String)> {
    workspace
        .snapshot("runs")
        .into_iter()
        .filter(|(path, _)| !path.ends_with("trainer.log"))
        .map(|(path, (hash, _))| (path, hash))
        .collect()
}
