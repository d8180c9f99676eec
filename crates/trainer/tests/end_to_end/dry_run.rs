//! `--dry-run` tells everything and does nothing.

use std::path::Path;
use std::process::Command;

use experiment::Experiment;

use crate::common::{Finished, Workspace};

/// Parameters of the `micro` preset with the byte tokenizer, by hand: embedding, then per block
/// query and output (2 heads of 16), key and value (1 head of 16), three feed-forward matrices, two norms;
/// then the final norm.
const MICRO_PARAMETERS: usize = 257 * 32 + 2 * (32 * (2 * 32 + 2 * 16) + 3 * 32 * 64 + 2 * 32) + 32;

#[test]
fn a_dry_run_prints_the_config_and_writes_nothing() {
    let workspace = Workspace::new();
    let before = workspace.snapshot("");
    let dry = workspace.trainer(&["run.toml", "--dry-run"]).exits(0);
    assert_eq!(workspace.snapshot(""), before);
    assert_eq!(dry.stderr, "");
    let experiment = Experiment::from_resolved(&dry.stdout).expect("the output is a config");
    assert_eq!(experiment.name, "run");
    let dry = dry
        .says(&format!("# parameters              {MICRO_PARAMETERS}\n"))
        .says("# training tokens         5120 (40 steps of 128)\n")
        .says("# layers `global`: 0.75-RoPE");
    // What it prints is what a run writes.
    let run = workspace.train();
    let (printed, _) = dry
        .stdout
        .split_once("\n# parameters")
        .expect("the summary");
    assert_eq!(run.text("config.toml"), printed);
}

#[test]
fn the_number_of_parameters_is_that_of_the_weights() {
    let run = Workspace::new().train();
    let bytes = std::fs::read(run.checkpoint(40).join("model.safetensors")).expect("weights");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let count: usize = file
        .iter()
        .map(|(_, view)| view.shape().iter().product::<usize>())
        .sum();
    assert_eq!(count, MICRO_PARAMETERS);
}

#[test]
fn a_dry_run_needs_no_data_and_no_device() {
    let workspace = Workspace::changed(&[
        ("path = \"corpus\"", "path = \"nowhere\""),
        ("device = \"cpu\"", "device = \"wgpu:99\""),
    ]);
    workspace
        .trainer(&["run.toml", "--dry-run"])
        .exits(0)
        .says("device = \"wgpu:99\"");
}

#[test]
fn every_config_of_the_repository_can_be_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut configs: Vec<_> = std::fs::read_dir(root.join("configs"))
        .expect("configs")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    configs.sort();
    assert!(configs.len() >= 7, "{configs:?}");
    for config in configs {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
        let relative = Path::new("configs").join(config.file_name().expect("name"));
        command.arg(&relative).arg("--dry-run").current_dir(&root);
        let finished: Finished = command.output().expect("run the trainer").into();
        let finished = finished.exits(0);
        let experiment = Experiment::from_resolved(&finished.stdout).expect("a config");
        assert_eq!(
            Some(experiment.name.as_str()),
            relative.file_stem().and_then(|s| s.to_str())
        );
    }
}
