//! A loss that is not finite ends the run, before it spoils what is on disk.

use crate::common::{Run, Workspace};

/// A learning rate that makes the loss infinite or NaN within a few steps.
const ABSURD: [(&str, &str); 3] = [
    (
        "learning_rate = 1e-2",
        "learning_rate = 1e36\nmax_grad_norm = inf",
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
    // Large enough to diverge, small enough that the first checkpoints still compute.
    let mut changes = ABSURD;
    changes[0].1 = "learning_rate = 1e4\nmax_grad_norm = inf\nbeta2 = 0.0\nweight_decay = 1000.0";
    let workspace = Workspace::changed(&changes);
    let (run, step) = diverge(&workspace);
    assert!(step > 1, "{step}");
    assert_eq!(
        run.series("loss").len(),
        step - 1,
        "a line of the step that failed"
    );
    assert!(run.series("loss").iter().all(|loss| loss.is_finite()));
    let last = *run.checkpoints().last().expect("a checkpoint");
    let again = workspace.trainer(&["run.toml", "--resume"]).exits(1);
    again
        .complains(&format!("step {step}: the "))
        .complains(&format!(
            "the last good checkpoint is runs/run/checkpoints/step-{last:06}"
        ));
    workspace
        .trainer(&["eval", "runs/run"])
        .exits(0)
        .says(&format!("checkpoint of step {last}"))
        .says("perplexity on the test split");
}

/// Weights can overflow in a step whose own loss was finite; the validation is the first to see it.
#[test]
fn a_validation_loss_that_is_not_finite_is_divergence_too() {
    let mut changes = ABSURD.to_vec();
    changes.push(("evaluate_every = 8", "evaluate_every = 1"));
    let workspace = Workspace::changed(&changes);
    let (run, step) = diverge(&workspace);
    assert!(step <= 2, "{step}");
    assert!(
        !run.text("metrics.jsonl").contains("null"),
        "{}",
        run.text("metrics.jsonl")
    );
    for step in run.checkpoints() {
        let state = std::fs::read_to_string(run.checkpoint(step).join("state.json"));
        let state = state.expect("state.json");
        assert!(!state.contains("\"loss\": null"), "{state}");
    }
}
