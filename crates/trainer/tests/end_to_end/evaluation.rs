//! `trainer eval RUN`: the same numbers again, or others that are only shown.

use crate::common::{Run, Workspace, signal};

fn finished() -> (Workspace, Run) {
    let workspace = Workspace::new();
    let run = workspace.train();
    (workspace, run)
}

#[test]
fn a_finished_run_evaluates_to_the_same_bytes() {
    let (workspace, run) = finished();
    let expected = run.text("eval.json");
    std::fs::remove_file(run.path().join("eval.json")).expect("remove");
    workspace
        .trainer(&["eval", "runs/run"])
        .exits(0)
        .says("checkpoint of step 40")
        .says("run: perplexity on the test split, protocol final-tokens/1");
    assert_eq!(run.text("eval.json"), expected);
    assert_eq!(run.status(), "finished");
}

#[test]
fn the_tables_of_training_and_of_eval_agree() {
    let workspace = Workspace::new();
    let table = |stdout: &str| {
        let from = stdout.find("run: perplexity").expect("a table");
        let end = stdout.find("results in").or(stdout.find("peak memory"));
        stdout[from..end.unwrap_or(stdout.len())]
            .trim_end()
            .to_owned()
    };
    let trained = table(&workspace.trainer(&["run.toml"]).exits(0).stdout);
    assert_eq!(
        table(&workspace.trainer(&["eval", "runs/run"]).exits(0).stdout),
        trained
    );
    assert_eq!(
        table(&workspace.trainer(&["run.toml"]).exits(0).stdout),
        trained
    );
}

/// `--set` that changes a number: shown, not stored.
#[track_caller]
fn assert_only_shown(set: &str, shown: &str) {
    let (workspace, run) = finished();
    let before = workspace.snapshot("runs/run");
    let default = workspace.trainer(&["eval", "runs/run"]).exits(0);
    assert!(!default.stdout.contains(shown), "{shown} is shown anyway");
    let evaluation = run.text("eval.json");
    workspace
        .trainer(&["eval", "runs/run", "--set", set])
        .exits(0)
        .says(shown);
    assert_eq!(run.text("eval.json"), evaluation, "{set}");
    let after = workspace.snapshot("runs/run");
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>()
    );
}

#[test]
fn another_protocol_is_shown_but_not_stored() {
    assert_only_shown(
        "evaluation.windows_per_document=1",
        "2 windows of 2 documents",
    );
    assert_only_shown("evaluation.split=valid", "perplexity on the valid split");
    assert_only_shown("evaluation.scored_tokens=4", "the same 4 final tokens");
}

/// The context lengths are factors of the training length.
#[test]
fn another_training_length_is_another_protocol() {
    assert_only_shown("train.context_length=64", "\n      128   ");
}

#[test]
fn eval_refuses_what_the_weights_were_not_trained_under() {
    let (workspace, run) = finished();
    let expected = run.text("eval.json");
    workspace
        .trainer(&[
            "eval",
            "runs/run",
            "--set",
            "model.layers.global.encoding.fraction=0.5",
        ])
        .exits(2)
        .complains("layer kind `global`: the checkpoint was trained under another frequency table");
    workspace.write("corpus/extra.txt", "more");
    workspace
        .trainer(&["eval", "runs/run", "--set", "data.format=text"])
        .exits(2)
        .complains("the corpus changed since runs/run was started");
    assert_eq!(run.text("eval.json"), expected);
}

/// The numbers of an older checkpoint must not take the place of the run's own.
#[test]
fn a_damaged_final_checkpoint_does_not_replace_the_result() {
    let (workspace, run) = finished();
    let expected = run.text("eval.json");
    let model = run.checkpoint(40).join("model.safetensors");
    let mut bytes = std::fs::read(&model).expect("read");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&model, bytes).expect("write");
    workspace
        .trainer(&["eval", "runs/run"])
        .exits(0)
        .complains("warning: runs/run/checkpoints/step-000040/model.safetensors")
        .says("checkpoint of step 35");
    assert_eq!(run.text("eval.json"), expected);
}

#[test]
fn a_run_carries_its_tokenizer_with_it() {
    let (_, bytes) = finished();
    let workspace =
        Workspace::changed(&[("tokenizer = \"bytes\"", "tokenizer = \"tokenizer.json\"")]);
    workspace.write("tokenizer.json", &bytes.text("tokenizer.json"));
    let run = workspace.train();
    let expected = run.text("eval.json");
    std::fs::remove_file(workspace.path("tokenizer.json")).expect("remove");
    std::fs::remove_dir_all(workspace.path("cache")).expect("remove");
    workspace.trainer(&["eval", "runs/run"]).exits(0);
    assert_eq!(run.text("eval.json"), expected);
    // Bytes are bytes, whichever way they are asked for.
    assert_eq!(run.weights(), bytes.weights());
    assert_eq!(run.text("eval.json"), bytes.text("eval.json"));
}

#[test]
fn eval_needs_a_run_with_a_checkpoint() {
    let workspace = Workspace::changed(&[
        ("steps = 40", "steps = 100000"),
        ("checkpoint_every = 5", "checkpoint_every = 0"),
        ("evaluate_every = 8", "evaluate_every = 0"),
    ]);
    workspace
        .trainer(&["eval", "nowhere"])
        .exits(2)
        .complains("nowhere is not a run directory: it has no config.toml");
    assert!(!workspace.path("nowhere").exists());
    let run = workspace.run("run");
    let mut process = workspace.background(&["run.toml"]);
    process.wait_until("a step", || run.step() > 0);
    assert!(process.kill(), "the run ended before it could be killed");
    workspace
        .trainer(&["eval", "runs/run"])
        .exits(1)
        .complains("runs/run has no usable checkpoint");
}

/// An unfinished run can be looked at; the look is not mistaken for its result.
#[test]
fn an_unfinished_run_can_be_evaluated() {
    let expected = finished().1.results();
    let workspace = Workspace::new();
    let run = workspace.run("run");
    let mut process = workspace.background(&["run.toml"]);
    process.wait_until("steps", || run.step() >= 10);
    signal("INT", process.id());
    process.finish().exits(75);
    let step = run.checkpoints().last().copied().expect("a checkpoint");
    workspace
        .trainer(&["eval", "runs/run"])
        .exits(0)
        .says(&format!("checkpoint of step {step}"));
    assert_eq!(run.status(), "interrupted");
    workspace.trainer(&["run.toml", "--resume"]).exits(0);
    run.results().assert_are(&expected);
}
