//! What a finished run leaves behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use experiment::Experiment;

use crate::common::{Finished, SHORT, Workspace, sha256};

/// Steps in which the model learns most of the generated sentences.
const LEARNING: [(&str, &str); 4] = [
    ("steps = 40", "steps = 150"),
    ("learning_rate = 1e-2", "learning_rate = 2e-2"),
    ("evaluate_every = 8", "evaluate_every = 50"),
    ("checkpoint_every = 5", "checkpoint_every = 0"),
];

/// Others may read what the umask lets them read: a file under a temporary name must not stay the owner's alone.
#[test]
fn every_file_of_a_run_a_sweep_and_a_comparison_has_the_mode_that_the_umask_allows() {
    let workspace = Workspace::changed(&SHORT);
    workspace.write("grid.toml", "config = 'run.toml'\nseeds = [1, 2]\n");
    let script = "umask 027
        \"$0\" run.toml && \"$0\" sweep grid.toml &&
        \"$0\" compare runs/grid --html runs/page.html --files runs/files &&
        \"$0\" export runs/run runs/exported && : >ordinary && mkdir folder";
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", script, env!("CARGO_BIN_EXE_trainer")])
        .current_dir(workspace.path(""));
    let finished: Finished = shell.output().expect("sh").into();
    finished.exits(0);
    let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o7777;
    let ordinary = [workspace.path("ordinary"), workspace.path("folder")].map(|path| mode(&path));
    assert_eq!(ordinary, [0o640, 0o750]);
    let mut seen = 0;
    let mut waiting = vec![workspace.path("runs"), workspace.path("cache")];
    while let Some(path) = waiting.pop() {
        let is_folder = path.is_dir();
        let expected = ordinary[usize::from(is_folder)];
        assert_eq!(
            mode(&path),
            expected,
            "{} {:o}",
            path.display(),
            mode(&path)
        );
        seen += 1;
        if is_folder {
            let entries = fs::read_dir(&path).expect("folder").flatten();
            waiting.extend(entries.map(|entry| entry.path()));
        }
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn a_finished_run_has_all_its_files() {
    let workspace = Workspace::new();
    let run = workspace.train();
    let names: Vec<String> = {
        let entries = fs::read_dir(run.path()).expect("run directory");
        let mut names: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .filter(|name| name != ".lock")
            .collect();
        names.sort();
        names
    };
    let expected = [
        "checkpoints",
        "config.toml",
        "eval.json",
        "events.out.tfevents.trainer",
        "metrics.jsonl",
        "run.json",
        "tokenizer.json",
        "trainer.log",
    ];
    assert_eq!(names, expected);
    let experiment = Experiment::from_resolved(&run.text("config.toml")).expect("config.toml");
    let record = run.record();
    assert_eq!(record["status"], "finished");
    assert_eq!(record["config_digest"], experiment.digest());
    assert_eq!(record["versions"]["burn"], "0.23.0-pre.1");
    assert!(
        record["device"]
            .as_str()
            .is_some_and(|device| device.starts_with("cpu ("))
    );
    assert!(
        record["training_seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds > 0.0)
    );
    assert_eq!(record["weights_sha256"].as_str().map(str::len), Some(64));
    assert_eq!(record["corpus_digest"].as_str().map(str::len), Some(64));
    assert!(run.text("trainer.log").contains("session begins"));
    let evaluation: serde_json::Value =
        serde_json::from_str(&run.text("eval.json")).expect("eval.json");
    assert_eq!(evaluation["contexts"].as_array().map(Vec::len), Some(3));
}

/// `weights_sha256` in words: SHA-256 over each tensor's name and little-endian bytes, sorted by name.
#[test]
fn the_weights_digest_is_that_of_the_last_checkpoint() {
    let run = Workspace::new().train();
    let bytes = fs::read(run.checkpoint(40).join("model.safetensors")).expect("weights");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let mut names = file.names();
    names.sort_unstable();
    let all: Vec<u8> = names
        .into_iter()
        .flat_map(|name| {
            let data = file.tensor(name).expect("tensor").data().to_vec();
            [name.as_bytes().to_vec(), data].concat()
        })
        .collect();
    assert_eq!(run.weights(), sha256(&all));
}

#[test]
fn metrics_have_one_line_a_step_and_one_a_validation() {
    let run = Workspace::new().train();
    let lines = run.metrics();
    let steps = |validation: bool| -> Vec<f64> {
        lines
            .iter()
            .filter(|line| line.contains("validation_loss") == validation)
            .map(|line| {
                let number = line.strip_prefix("{\"step\":").expect("step comes first");
                let end = number.find(',').expect("more keys");
                number[..end].parse().expect("a number")
            })
            .collect()
    };
    assert_eq!(steps(false), (1..=40).map(f64::from).collect::<Vec<_>>());
    assert_eq!(steps(true), [8.0, 16.0, 24.0, 32.0, 40.0]);
    let tokens: Vec<f64> = (1..=40).map(|step| f64::from(step * 4 * 32)).collect();
    assert_eq!(run.series("tokens"), tokens);
    // Warm-up over five steps to the peak, then a cosine to a tenth of it at the last step.
    let rates = run.series("learning_rate");
    for (step, expected) in [(0, 2e-3), (4, 1e-2), (39, 1e-3)] {
        assert!(
            (rates[step] - expected).abs() < 1e-12,
            "{step}: {}",
            rates[step]
        );
    }
}

#[test]
fn the_loss_falls() {
    let run = Workspace::changed(&LEARNING).train();
    let losses = run.series("loss");
    let last = losses[losses.len() - 10..].iter().sum::<f64>() / 10.0;
    assert!(losses[0] > 4.0, "{}", losses[0]);
    assert!(last < 2.0, "{last}");
    let validations = run.series("validation_loss");
    assert!(validations[validations.len() - 1] < 2.0, "{validations:?}");
    let evaluation: serde_json::Value =
        serde_json::from_str(&run.text("eval.json")).expect("eval.json");
    let trained_length = &evaluation["contexts"][1];
    assert_eq!(trained_length["context"], 32);
    assert!(
        trained_length["nll"].as_f64().is_some_and(|nll| nll < 2.0),
        "{trained_length}"
    );
}

/// A sweep that looks whether a run is at work holds its lock for a moment, as does a program that a killed run was about
/// to start.
#[test]
fn a_lock_that_is_held_for_a_moment_is_waited_for() {
    let workspace = Workspace::new();
    let run = workspace.train();
    let lock = fs::File::open(run.path().join(".lock")).expect("lock");
    lock.lock_shared().expect("free");
    let evaluating = workspace.background(&["eval", "runs/run"]);
    std::thread::sleep(std::time::Duration::from_millis(250));
    drop(lock);
    evaluating.finish().exits(0);
}
