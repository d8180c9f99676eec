//! `trainer export RUN OUT`, and `trainer eval` and `logits` of what came out.

use serde_json::Value;

use crate::common::Workspace;

#[test]
fn an_exported_run_evaluates_as_the_run() {
    let workspace = Workspace::new();
    let run = workspace.train();
    workspace
        .trainer(&["export", "runs/run", "out"])
        .exits(0)
        .says("as Gemma; in Python: AutoModelForCausalLM.from_pretrained(\"out\")");
    let expected: Value = serde_json::from_str(&run.text("eval.json")).expect("JSON");
    let parameters = &expected["parameters"];
    let contexts: Vec<String> = parameters["contexts"]
        .as_array()
        .expect("contexts")
        .iter()
        .map(Value::to_string)
        .collect();
    let set = |key: &str| format!("evaluation.{key}={}", parameters[key]);
    workspace
        .trainer(&[
            "eval",
            "hf:out",
            "--corpus",
            "corpus",
            "--device",
            "cpu",
            "--contexts",
            &contexts.join(","),
            "--set",
            &set("scored_tokens"),
            "--set",
            &set("windows_per_document"),
            "--set",
            &set("bootstrap_samples"),
            "--out",
            "eval.json",
        ])
        .exits(0)
        .says("every window begins with token 256, `<bos>`")
        .says("out: perplexity on the test split, protocol final-tokens/1");
    let path = workspace.path("eval.json");
    let found: Value =
        serde_json::from_slice(&std::fs::read(path).expect("eval.json")).expect("JSON");
    assert_eq!(found["contexts"], expected["contexts"]);
    assert_eq!(found["positions"], expected["positions"]);
}

#[test]
fn logits_of_a_run_and_of_its_export_are_the_same_bytes() {
    let workspace = Workspace::new();
    workspace.train();
    workspace.trainer(&["export", "runs/run", "out"]).exits(0);
    std::fs::write(workspace.path("ids.txt"), "256 1 2 3\n\n256 7\n").expect("write");
    let logits = |model: &str| {
        let arguments = ["logits", model, "--tokens", "ids.txt", "--out", "logits"];
        workspace.trainer(&arguments).exits(0);
        std::fs::read(workspace.path("logits")).expect("logits")
    };
    let bytes = logits("runs/run");
    assert_eq!(bytes, logits("hf:out"));
    // Six rows of 257 f32 and a header.
    assert!(bytes.len() > 6 * 257 * 4);
}

#[test]
fn keys_of_a_model_that_are_not_known_are_named() {
    let workspace = Workspace::new();
    workspace.train();
    workspace.trainer(&["export", "runs/run", "out"]).exits(0);
    std::fs::write(workspace.path("ids.txt"), "256 1 2 3\n").expect("write");
    let logits = || workspace.trainer(&["logits", "hf:out", "--tokens", "ids.txt", "--out", "x"]);
    assert!(!logits().exits(0).stderr.contains("not known"));
    let path = workspace.path("out/config.json");
    let text = std::fs::read_to_string(&path).expect("config.json");
    let text = text.replacen('{', "{ \"frobnication\": 2,", 1);
    std::fs::write(&path, text).expect("write");
    logits()
        .exits(0)
        .complains("keys that are not known and not read: `frobnication`");
}

#[test]
fn what_does_not_fit_is_said() {
    let workspace = Workspace::new();
    workspace.train();
    workspace
        .trainer(&["eval", "hf:nowhere", "--corpus", "corpus"])
        .exits(2)
        .complains("nowhere/config.json");
    workspace
        .trainer(&["eval", "runs/run", "--contexts", "8"])
        .exits(2)
        .complains("--contexts: a run has its own text, contexts and eval.json");
    workspace.trainer(&["export", "runs/run", "out"]).exits(0);
    workspace
        .trainer(&["eval", "hf:out"])
        .exits(2)
        .complains("--corpus: missing");
    workspace
        .trainer(&["export", "runs/run", "out"])
        .exits(2)
        .complains("holds files already; name a new folder");
    std::fs::write(workspace.path("ids.txt"), "1 2\n300\n").expect("write");
    workspace
        .trainer(&["logits", "hf:out", "--tokens", "ids.txt", "--out", "logits"])
        .exits(2)
        .complains("ids.txt, line 2: `300` is not a token id below 257");
}
