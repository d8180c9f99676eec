//! A loss that is not finite ends the run, before it spoils what is on disk.

use crate::common::{Run, Workspace};

/// A learning rate that is infinite in f32.
const ABSURD: [(&str, &str); 3] = [
    (
        "learning_rate = 1e-2",
        "learning_rate = 1e39\nmax_grad_norm = inf",
    ),
    (
        "warmup_steps = 5",
        "schedule = \"constant\"\nwarmup_steps = 0",
    ),
    ("checkpoint_every = 5", "checkpoint_every = 1"),
];

/// Trains until it diverges, and returns the step that the message names.
#[track_caller]
fn diverge(workspace: &Workspace) -> (Run, usize) {
    let finished = workspace.trainer(&["run.toml"]).exits(1);
    let finished = finished.complains("a lower `train.learning_rate`");
    let step = finished.stderr.split("step ").find_map(|rest| {
        let (step, rest) = rest.split_once(": the ")?;
        rest.contains(" is ").then(|| step.parse().ok())?
    });
    let run = workspace.run("run");
    assert_eq!(run.status(), "diverged");
    (
        run,
        step.unwrap_or_else(|| panic!("no step in {finished:?}")),
    )
}

#[test]
fn a_diverged_run_names_the_step_and_keeps_a_good_checkpoint() {
    // Decay beyond zero: a step multiplies the matrices by 1 - 0.1 * 1000 = -99.
    let mut changes = ABSURD;
    changes[0].1 = "learning_rate = 0.1\nweight_decay = 1000.0\nmax_grad_norm = inf";
    let workspace = Workspace::changed(&changes);
    let (run, step) = diverge(&workspace);
    assert!(step > 2, "{step}");
    let losses = run.series("loss");
    assert_eq!(losses.len(), step - 1, "a line of the step that failed");
    // The weights after the step before gave no finite loss: what was saved of them is not good.
    let last = *run.checkpoints().last().expect("a checkpoint");
    assert_eq!(last, step - 2);
    let named = format!("the last good checkpoint is runs/run/checkpoints/step-{last:06}");
    assert!(run.text("trainer.log").contains("session begins"));
    workspace
        .trainer(&["eval", "runs/run"])
        .exits(0)
        .says(&format!("checkpoint of step {last}"))
        .says("perplexity on the test split");
    // The same again from there, with the same words.
    workspace
        .trainer(&["run.toml", "--resume"])
        .exits(1)
        .says(&format!("step {last} of 40"))
        .complains(&format!("step {step}: the loss is "))
        .complains(&named);
    assert_eq!(run.series("loss"), losses);
    assert_eq!(run.checkpoints().last(), Some(&last));
}

/// Weights can overflow in a step whose own loss was finite; the validation is the first to see it.
#[test]
fn a_validation_loss_that_is_not_finite_is_divergence_too() {
    let mut changes = ABSURD.to_vec();
    changes.push(("evaluate_every = 8", "evaluate_every = 1"));
    let workspace = Workspace::changed(&changes);
    let finished = workspace.trainer(&["run.toml"]).exits(1);
    finished
        .complains("step 1: the validation loss is ")
        .complains("there is no good checkpoint");
    let run = workspace.run("run");
    assert_eq!(run.status(), "diverged");
    assert_eq!(run.series("loss").len(), 1);
    assert_eq!(run.series("validation_loss").len(), 0);
    assert!(run.checkpoints().is_empty());
}
