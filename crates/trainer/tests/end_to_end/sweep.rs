//! `trainer sweep`: planned, run, killed, extended and broken.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::common::{CONFIG, Run, SHORT, Workspace, signal};

/// Two variants, one of them at two fractions, two seeds: six runs of 10 steps.
const SWEEP: &str = r#"
config = "run.toml"
seeds = [1, 2]
baseline = "nope"
set = { train.steps = 10 }

[[variants]]
name = "nope"
axes = []
set = { model.layers.global.encoding = { kind = "nope" } }

[[variants]]
name = "prope"

[[axes]]
name = "p"
key = "model.layers.global.encoding.fraction"
values = [0.5, 1.0]
"#;

fn workspace(sweep: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.write("grid.toml", sweep);
    workspace
}

/// The sweep's runs by variant and seed, from its manifest.
fn runs(workspace: &Workspace) -> BTreeMap<(String, u64), Run> {
    let manifest: Value =
        serde_json::from_slice(&workspace.read("runs/grid/sweep.json")).expect("sweep.json");
    let runs = manifest["runs"].as_array().expect("runs").iter();
    runs.map(|run| {
        let text = |key: &str| run[key].as_str().expect(key).to_owned();
        let seed = run["seed"].as_u64().expect("seed");
        let directory = format!("grid/{}", text("directory"));
        ((text("variant"), seed), workspace.run(&directory))
    })
    .collect()
}

/// What must be the same however the sweep came to its end.
fn outcome(workspace: &Workspace) -> BTreeMap<(String, u64), (String, String)> {
    let runs = runs(workspace).into_iter();
    runs.map(|(key, run)| (key, (run.weights(), run.text("eval.json"))))
        .collect()
}

#[test]
fn a_plan_lists_every_run_and_starts_none() {
    let workspace = workspace(SWEEP);
    workspace
        .trainer(&["sweep", "grid.toml", "--dry-run"])
        .exits(0)
        .says("prope p=0.5")
        .says("6 runs: 3 variants, 2 seeds; compared with `nope`")
        .says("of training, one run at a time");
    assert!(!workspace.path("runs").exists());
}

#[test]
fn all_runs_finish_pairs_share_seeds_and_a_second_sweep_has_nothing_to_do() {
    let workspace = workspace(SWEEP);
    workspace
        .trainer(&["sweep", "grid.toml", "--jobs", "2"])
        .exits(0)
        .says("6 of 6 runs finished");
    let first = outcome(&workspace);
    assert_eq!(first.len(), 6);
    for ((variant, seed), run) in runs(&workspace) {
        let config: toml::Table = run.text("config.toml").parse().expect("TOML");
        assert_eq!(
            config["seed"].as_integer(),
            Some(seed.cast_signed()),
            "{variant}"
        );
    }
    let before = workspace.snapshot("runs");
    let again = workspace.trainer(&["sweep", "grid.toml"]).exits(0);
    assert!(again.stderr.contains("6 of them done before"), "{again:?}");
    let mut after = workspace.snapshot("runs");
    // The manifest is written anew, with the same content.
    for (path, (digest, time)) in &mut after {
        assert_eq!(*digest, before[path].0, "{}", path.display());
        *time = before[path].1;
    }
    assert_eq!(after, before);
}

#[test]
fn another_value_on_an_axis_starts_only_what_is_new() {
    let workspace = workspace(SWEEP);
    workspace.trainer(&["sweep", "grid.toml"]).exits(0);
    let before = outcome(&workspace);
    workspace.write(
        "grid.toml",
        &SWEEP.replace("[0.5, 1.0]", "[0.25, 0.5, 1.0]"),
    );
    let extended = workspace.trainer(&["sweep", "grid.toml"]).exits(0);
    assert!(
        extended.stderr.contains("6 of them done before"),
        "{extended:?}"
    );
    let after = outcome(&workspace);
    assert_eq!(after.len(), 8);
    for (key, result) in before {
        assert_eq!(after[&key], result, "{key:?}");
    }
}

#[test]
fn a_killed_sweep_continues_to_the_results_of_an_undisturbed_one() {
    let sweep = SWEEP.replace("train.steps = 10", "train.steps = 40");
    let undisturbed = workspace(&sweep);
    undisturbed.trainer(&["sweep", "grid.toml"]).exits(0);

    let killed = workspace(&sweep);
    let mut process = killed.background(&["sweep", "grid.toml", "--jobs", "2"]);
    let begun = process.wait_until("a run with steps", || {
        killed.path("runs/grid/sweep.json").exists()
            && runs(&killed).values().any(|run| run.step() > 10)
    });
    assert!(
        begun && process.kill(),
        "the sweep ended before the test began"
    );
    // Its processes are on their own now; some die with it, as on a machine that goes down.
    for run in runs(&killed).values() {
        if let Some(process) = holder(run) {
            signal("KILL", process);
        }
    }
    killed
        .trainer(&["sweep", "grid.toml"])
        .exits(0)
        .says("6 of 6 runs finished");
    assert_eq!(outcome(&killed), outcome(&undisturbed));
    // And so does what is said of it.
    let said = |workspace: &Workspace| {
        let compare = ["compare", "runs/grid", "--files", "files"];
        let said = workspace.trainer(&compare).exits(0).stdout;
        let files = workspace.snapshot("files").into_iter();
        let contents = files.map(|(path, (digest, _))| {
            let name = path.file_name().map(std::ffi::OsStr::to_owned);
            (name.expect("a file"), digest)
        });
        (said, contents.collect::<BTreeMap<_, _>>())
    };
    assert_eq!(said(&killed), said(&undisturbed));
}

/// The process that holds a run's lock, by the list of locks that Linux keeps.
fn holder(run: &Run) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let inode = fs::metadata(run.path().join(".lock")).ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // `1: FLOCK  ADVISORY  WRITE 1234 fd:00:5678 0 EOF`
    let line = locks.lines().find(|line| {
        let mut words = line.split_whitespace();
        words
            .nth(5)
            .is_some_and(|file| file.ends_with(&format!(":{inode}")))
    })?;
    line.split_whitespace().nth(4)?.parse().ok()
}

#[test]
fn runs_that_another_sweep_works_on_are_waited_for() {
    let sweep = SWEEP.replace("train.steps = 10", "train.steps = 40");
    let workspace = workspace(&sweep);
    let mut first = workspace.background(&["sweep", "grid.toml", "--jobs", "1"]);
    first.wait_until("a run", || {
        workspace.path("runs/grid/sweep.json").exists()
            && runs(&workspace).values().any(|run| run.step() > 0)
    });
    let second = workspace.trainer(&["sweep", "grid.toml", "--jobs", "1"]);
    let first = first.finish();
    first.exits(0);
    second.exits(0).says("6 of 6 runs finished");
}

#[test]
fn a_signal_saves_the_runs_and_the_same_command_goes_on() {
    let sweep = SWEEP.replace("train.steps = 10", "train.steps = 400");
    let workspace = workspace(&sweep);
    let mut process = workspace.background(&["sweep", "grid.toml", "--jobs", "2"]);
    process.wait_until("a run with steps", || {
        workspace.path("runs/grid/sweep.json").exists()
            && runs(&workspace).values().any(|run| run.step() > 3)
    });
    signal("INT", process.id());
    let stopped = process.finish().exits(75);
    stopped.says("stopped by SIGINT; the same command continues:");
    assert_saved(&workspace);
}

/// Those that were begun are interrupted, with a checkpoint where they stopped.
#[track_caller]
fn assert_saved(workspace: &Workspace) {
    let begun: Vec<Run> = runs(workspace)
        .into_values()
        .filter(|run| run.path().join("run.json").exists())
        .collect();
    assert!(!begun.is_empty());
    for run in begun {
        assert_eq!(run.status(), "interrupted");
        assert_eq!(run.checkpoints().last(), Some(&run.step()));
    }
}

/// A scheduler that ends a job sends SIGTERM to all of its processes, and the sweep hands it on besides.
#[test]
fn a_signal_to_the_sweep_and_its_runs_at_once_saves_the_runs() {
    let sweep = SWEEP.replace("train.steps = 10", "train.steps = 4000");
    let workspace = workspace(&sweep);
    let mut process = workspace.background(&["sweep", "grid.toml", "--jobs", "2"]);
    process.wait_until("two runs with steps", || {
        workspace.path("runs/grid/sweep.json").exists()
            && runs(&workspace)
                .values()
                .filter(|run| run.step() > 3)
                .count()
                == 2
    });
    for run in runs(&workspace).values() {
        if let Some(process) = holder(run) {
            signal("TERM", process);
        }
    }
    signal("TERM", process.id());
    process.finish().exits(75);
    assert_saved(&workspace);
}

#[test]
fn a_run_that_is_stopped_by_itself_goes_on_and_the_sweep_finishes() {
    let sweep = SWEEP.replace("train.steps = 10", "train.steps = 40");
    let workspace = workspace(&sweep);
    let mut process = workspace.background(&["sweep", "grid.toml", "--jobs", "1"]);
    let mut stopped = None;
    process.wait_until("a run to stop", || {
        if !workspace.path("runs/grid/sweep.json").exists() {
            return false;
        }
        let runs = runs(&workspace);
        let at_work = runs.values().find(|run| (1..30).contains(&run.step()));
        stopped = at_work.and_then(holder);
        stopped.is_some()
    });
    signal("TERM", stopped.expect("a run at work"));
    process.finish().exits(0).says("6 of 6 runs finished");
}

/// With the arguments it was begun with, spaces and all.
#[test]
fn a_stopped_sweep_is_continued_as_told() {
    let workspace = workspace(&SWEEP.replace("seeds = [1, 2]", "seeds = [1e0]"));
    let place = "run.directory=\"my runs\"";
    let steps = "train.steps=6e1";
    let begun = [
        "sweep",
        "grid.toml",
        "--set",
        place,
        "--set",
        steps,
        "--jobs",
        "1",
    ];
    let mut process = workspace.background(&begun);
    process.wait_until("a sweep", || workspace.path("my runs/grid/logs").exists());
    signal("HUP", process.id());
    let stopped = process.finish().exits(75);
    let command = stopped.stdout.trim_end().lines().last().expect("a command");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", command]).current_dir(workspace.path(""));
    let continued: crate::common::Finished = shell.output().expect("sh").into();
    continued
        .exits(0)
        .says("3 of 3 runs finished, in my runs/grid");
    assert!(!workspace.path("runs").exists());
}

#[test]
fn a_failed_run_is_reported_and_the_others_finish() {
    let sweep = SWEEP.replace(
        "name = \"prope\"",
        "name = \"prope\"\nset = { train.learning_rate = 1e30, train.max_grad_norm = 1e30 }",
    );
    let workspace = workspace(&sweep);
    workspace
        .trainer(&["sweep", "grid.toml"])
        .exits(1)
        .says("2 of 6 runs finished")
        .complains("4 runs failed")
        .complains("prope p=0.5, seed 1: its process ended with exit status: 1")
        .complains("train.learning_rate");
    // Not tried again, unless asked to.
    let began = std::time::Instant::now();
    workspace.trainer(&["sweep", "grid.toml"]).exits(1);
    assert!(began.elapsed() < Duration::from_secs(5));
    let again = workspace
        .trainer(&["sweep", "grid.toml", "--retry"])
        .exits(1);
    assert!(again.stderr.contains("2 of them done before"), "{again:?}");
}

#[test]
fn mistakes_of_a_sweep_file_are_shown_where_they_are() {
    for (change, complaint) in [
        (("seeds = [1, 2]", "seeds = []"), "seeds: there are none"),
        (("seeds = [1, 2]", "seeds = [1, 1]"), "one is there twice"),
        (("seeds", "sedes"), "did you mean `seeds`?"),
        (
            ("baseline = \"nope\"", "baseline = \"nop\""),
            "did you mean `nope`?",
        ),
        (("axes = []", "axes = [\"q\"]"), "there is no axis `q`"),
        (("fraction\"", "fractoin\""), "did you mean `fraction`?"),
        (("values = [0.5, 1.0]", "values = []"), "`values` is empty"),
        (
            ("values = [0.5, 1.0]", "values = [0.5, 0.5]"),
            "are the same experiment",
        ),
        (("run.toml", "absent.toml"), "absent.toml"),
    ] {
        let workspace = workspace(&SWEEP.replace(change.0, change.1));
        workspace
            .trainer(&["sweep", "grid.toml"])
            .exits(2)
            .complains(complaint);
        assert!(!workspace.path("runs").exists(), "{complaint}");
    }
    assert!(CONFIG.contains("prope"), "the sweep varies its fraction");
}

#[test]
fn a_sweep_of_seeds_alone_runs() {
    let workspace = Workspace::changed(&SHORT);
    workspace.write("grid.toml", "config = \"run.toml\"\nseeds = [1, 2]\n");
    workspace
        .trainer(&["sweep", "grid.toml"])
        .exits(0)
        .says("2 of 2 runs finished");
    assert!(runs(&workspace).contains_key(&("run".to_owned(), 2)));
}
