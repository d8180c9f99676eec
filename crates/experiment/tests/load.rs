//! What a config becomes: precedence, defaults, the resolved form, digests.

mod common;

use std::path::PathBuf;

use common::{BASE, Folder};
use experiment::{Adapter, ConfigError, DeviceRequest, Experiment, Schedule};

fn load(overrides: &[&str]) -> Experiment {
    let folder = Folder::with(&[("base.toml", BASE)]);
    folder
        .load("base.toml", overrides)
        .expect("loads")
        .experiment
}

#[test]
fn defaults_follow_from_what_is_said() {
    let experiment = load(&[]);
    assert_eq!(experiment.name, "base");
    assert_eq!(experiment.seed, 1);
    assert_eq!(
        experiment.model.vocab_size, 257,
        "the tokenizer's, not the preset's"
    );
    assert_eq!(experiment.train.micro_batch_size, 8);
    assert_eq!(experiment.train.warmup_steps, 50);
    assert_eq!(experiment.evaluation.scored_tokens, 64);
    let lengths = experiment
        .evaluation
        .context_lengths(experiment.train.context_length);
    assert_eq!(lengths, [128, 256, 512, 1024, 2048, 4096]);
    assert_eq!(experiment.data.paths, [PathBuf::from("texts")]);
    assert_eq!(experiment.run.device, DeviceRequest::Auto);
}

#[test]
fn whole_numbers_in_every_spelling_are_the_same_experiment() {
    let plain = load(&[
        "train.steps=10000",
        "seed=2000",
        "evaluation.windows_per_document=20",
        "model.num_hidden_layers=3",
        "evaluation.tasks=[{ kind = \"mqar\", pairs = 8 }]",
    ]);
    let scientific = load(&[
        "train.steps=1e4",
        "seed=2.0e3",
        "evaluation.windows_per_document=2_0e0",
        "model.num_hidden_layers=3.0",
        "evaluation.tasks=[{ kind = \"mqar\", pairs = 8.0 }]",
    ]);
    assert_eq!(scientific, plain);
    assert_eq!(scientific.digest(), plain.digest());
    let text = BASE.replace("steps = 1000", "steps = 1e4\nbatch_size = 1.6e1");
    let in_file = Folder::with(&[("run.toml", &text)]).load("run.toml", &[]);
    let train = in_file.expect("loads").experiment.train;
    assert_eq!((train.steps, train.batch_size), (10_000, 16));
}

/// A resolved config has types of its own.
#[test]
fn whole_numbers_in_every_spelling_override_a_resolved_config() {
    let resolved = load(&[]).to_toml();
    let folder = Folder::with(&[("config.toml", &resolved)]);
    let overrides = [
        "evaluation.bootstrap_samples=1e2".to_owned(),
        "evaluation.tasks=[{ kind = \"k_back\", k = 2.0 }]".to_owned(),
    ];
    let loaded = Experiment::load_resolved(&folder.path("config.toml"), &overrides);
    let evaluation = loaded.expect("loads").experiment.evaluation;
    assert_eq!(evaluation.bootstrap_samples, 100);
    assert_eq!(evaluation.tasks.len(), 1);
}

#[test]
fn overrides_win_over_the_file_over_what_it_extends() {
    let files = [
        ("base.toml", BASE),
        (
            "middle.toml",
            "extends = \"base.toml\"\nname = \"middle\"\nseed = 5\n[train]\nbatch_size = 16\n",
        ),
        (
            "top.toml",
            "extends = \"middle.toml\"\n[train]\nbatch_size = 4\n",
        ),
    ];
    let folder = Folder::with(&files);
    let overrides = ["train.steps=7", "train.steps=9", "run.device=wgpu:cpu"];
    let experiment = folder
        .load("top.toml", &overrides)
        .expect("loads")
        .experiment;
    assert_eq!(experiment.name, "top", "names are not inherited");
    assert_eq!(experiment.seed, 5);
    assert_eq!(experiment.train.batch_size, 4);
    assert_eq!(experiment.train.steps, 9, "the last --set wins");
    assert_eq!(
        experiment.run.device,
        DeviceRequest::Wgpu(Some(Adapter::Cpu))
    );
}

#[test]
fn extends_is_relative_to_its_file() {
    let folder = Folder::with(&[("base.toml", BASE)]);
    std::fs::create_dir(folder.path("inner")).expect("folder");
    let text = "extends = \"../base.toml\"\nseed = 3\n";
    std::fs::write(folder.path("inner/run.toml"), text).expect("file");
    let loaded = folder.load("inner/run.toml", &[]).expect("loads");
    assert_eq!(loaded.experiment.seed, 3);
}

#[test]
fn an_override_is_toml_or_else_a_string() {
    let experiment = load(&[
        "name=run_2",
        "data.path=[\"a\", \"b c\"]",
        "data.field=two words = \"quoted\"",
        "train.learning_rate = 1e-4",
        "model.layers.global.encoding={kind=\"rope\", theta=500_000}",
    ]);
    assert_eq!(experiment.name, "run_2");
    assert_eq!(
        experiment.data.paths,
        [PathBuf::from("a"), PathBuf::from("b c")]
    );
    assert_eq!(experiment.data.field, "two words = \"quoted\"");
    assert_eq!(experiment.train.learning_rate.to_bits(), 1e-4_f64.to_bits());
    let encoding = &experiment.model.layers["global"].encoding;
    assert_eq!(encoding.kind, "rope");
    assert_eq!(
        encoding.parameters.len(),
        1,
        "fraction went with the old kind"
    );
    assert_eq!(
        encoding.parameters["theta"].to_bits(),
        500_000_f64.to_bits()
    );
}

#[test]
fn one_parameter_of_an_encoding_can_be_changed() {
    let experiment = load(&["model.layers.global.encoding.fraction=0.5"]);
    let encoding = &experiment.model.layers["global"].encoding;
    assert_eq!(encoding.kind, "prope");
    assert_eq!(encoding.parameters["fraction"].to_bits(), 0.5_f64.to_bits());
    assert_eq!(encoding.parameters["theta"].to_bits(), 10_000_f64.to_bits());
}

#[test]
fn encodings_record_their_defaults() {
    let experiment = load(&["model.layers.global.encoding={kind=\"prope\"}"]);
    let parameters = &experiment.model.layers["global"].encoding.parameters;
    assert_eq!(parameters.keys().collect::<Vec<_>>(), ["fraction", "theta"]);
}

#[test]
fn presets_are_overridden_field_by_field() {
    let experiment = load(&[
        "model.preset=gemma3-1b",
        "model.num_hidden_layers=3",
        "model.layers.local.sliding_window=64",
        "model.layers.third={encoding={kind=\"nope\"}}",
        "model.pattern=[\"local\", \"third\", \"global\"]",
        "model.vocab_size=300",
    ]);
    let model = &experiment.model;
    assert_eq!(
        (model.num_hidden_layers, model.hidden_size, model.vocab_size),
        (3, 1152, 300)
    );
    assert_eq!(model.layers["local"].sliding_window, Some(64));
    assert_eq!(model.layers["local"].encoding.kind, "rope");
    assert_eq!(model.layer(1).0, "third");
    assert_eq!(model.layers["third"].sliding_window, None);
}

#[test]
fn tokens_round_up_to_whole_steps() {
    for (tokens, steps) in [(1, 1), (2048, 1), (2049, 2), (20_480, 10)] {
        let experiment = load(&[&format!("train.tokens={tokens}")]);
        assert_eq!(experiment.train.steps, steps, "{tokens} tokens");
        assert_eq!(experiment.train.tokens_per_step(), 2048);
    }
}

#[test]
fn a_schedule_takes_its_decay_with_it() {
    let text = format!("{BASE}schedule = \"warmup_stable_decay\"\ndecay_steps = 100\n");
    let folder = Folder::with(&[("run.toml", &text)]);
    let stable = folder
        .load("run.toml", &[])
        .expect("loads")
        .experiment
        .train;
    assert_eq!(
        (stable.schedule, stable.decay_steps),
        (Schedule::WarmupStableDecay, Some(100))
    );
    let cosine = folder
        .load("run.toml", &["train.schedule=cosine"])
        .expect("loads");
    assert_eq!(cosine.experiment.train.decay_steps, None);
}

/// With a token that the byte tokenizer of the base would refuse when loading.
fn with_bos(mut experiment: Experiment) -> Experiment {
    experiment.data.bos_token = Some("<s>".to_owned());
    experiment
}

/// Configs that use every optional key.
fn varied() -> Vec<Experiment> {
    vec![
        load(&[]),
        load(&[
            "train.max_grad_norm=inf",
            "train.epsilon=1e-300",
            "seed=9223372036854775807",
        ]),
        with_bos(load(&["data.path=[\"a\", \"b\"]", "run.device=cuda:2"])),
        load(&[
            "model.preset=gemma4-e2b-like",
            "model.attn_logit_softcapping=50",
        ]),
        load(&["train.schedule=warmup_stable_decay", "train.decay_steps=3"]),
    ]
}

#[test]
fn the_resolved_config_reads_back_the_same() {
    for experiment in varied() {
        let text = experiment.to_toml();
        let back = Experiment::from_resolved(&text).expect(&text);
        assert_eq!(back, experiment);
        assert_eq!(back.to_toml(), text);
        assert_eq!(back.digest(), experiment.digest());
    }
}

#[test]
fn the_resolved_config_leaves_nothing_out() {
    let text = load(&[]).to_toml();
    let optional = ["[", "encoding", "kind", "theta", "fraction"];
    for line in text.lines().filter(|line| line.contains(" = ")) {
        if optional.iter().any(|word| line.starts_with(word)) {
            continue;
        }
        // The decoder's own type lets the first be left out; runs from before the others have none, and no number
        // depends on them.
        let later = ["keys_are_values", "activation_checkpointing", "tensorboard"];
        if later.iter().any(|key| line.starts_with(key)) {
            assert!(Experiment::from_resolved(&text.replace(line, "")).is_ok());
            continue;
        }
        let without: String = text
            .split_inclusive('\n')
            .filter(|l| l.trim_end() != line)
            .collect();
        let error = Experiment::from_resolved(&without).expect_err(line);
        assert!(
            matches!(error, ConfigError::WrongType { .. }),
            "{line}: {error}"
        );
    }
}

#[test]
fn a_resolved_config_is_checked() {
    let text = load(&[]).to_toml();
    let broken = text.replace("warmup_steps = 50", "warmup_steps = 5000");
    let error = Experiment::from_resolved(&broken).expect_err("5000 of 1000 steps");
    let at = error.location().expect("it is written there");
    assert_eq!(at.name, "resolved config");
    assert_eq!(broken.lines().nth(at.line - 1), Some("warmup_steps = 5000"));
    assert_eq!(
        error.to_string(),
        "train.warmup_steps: 5000 is more than the 1000 steps of the run"
    );
    assert!(Experiment::from_resolved(&format!("extends = \"x\"\n{text}")).is_err());
}

#[test]
fn the_digest_is_of_what_decides_the_result() {
    let base = load(&[]);
    for same in [
        "name=other",
        "run.device=cpu",
        "run.directory=elsewhere",
        "data.cache=tmp",
        "train.activation_checkpointing=block",
        "train.tokens=2048000",
    ] {
        let other = load(&[same]);
        assert_eq!(other.digest(), base.digest(), "{same}");
        assert!(base.differences(&other).is_empty(), "{same}");
    }
    for different in [
        "seed=2",
        "train.micro_batch_size=4",
        "model.layers.global.encoding.fraction=0.7500000000000001",
        "evaluation.split=valid",
        "data.path=other",
    ] {
        let other = load(&[different]);
        assert_ne!(other.digest(), base.digest(), "{different}");
        assert_eq!(base.differences(&other).len(), 1, "{different}");
    }
}

/// Checkpoints carry digests: a change of this value makes old runs unresumable and must be meant.
#[test]
fn the_digest_is_stable() {
    let expected = "c461f1674157071f34b16218ee56b0d9ecbdc7dd2547d2eb0fb70e2c49361682";
    assert_eq!(load(&[]).digest(), expected);
}

#[test]
fn differences_name_key_and_values() {
    let other = with_bos(load(&["train.steps=2000", "train.warmup_steps=50"]));
    assert_eq!(
        load(&[]).differences(&other),
        [
            "data.bos_token: absent -> \"<s>\"",
            "train.steps: 1000 -> 2000"
        ]
    );
    assert_eq!(
        other.differences(&load(&[]))[1],
        "train.steps: 2000 -> 1000"
    );
}
