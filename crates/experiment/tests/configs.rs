//! Every file of `configs/` loads, and the rows of Table 2 differ in nothing but the encoding.

use std::path::{Path, PathBuf};

use experiment::Experiment;

const TABLE_2: [&str; 7] = [
    "nope",
    "rope_10k",
    "rope_500k",
    "prope_0.75_reversed",
    "prope_0.75_partial",
    "prope_0.25",
    "prope_0.75",
];

/// Loads `configs/NAME.toml` from the repository's root, which its paths are relative to.
fn load(name: &str) -> Experiment {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // Every test of this file sets the same directory, so their order does not matter.
    std::env::set_current_dir(root).expect("the repository's root");
    let path = PathBuf::from(format!("configs/{name}.toml"));
    match Experiment::load(&path, &[]) {
        Ok(loaded) => loaded.experiment,
        Err(error) => panic!("{:?}", miette::Report::new(error)),
    }
}

#[test]
fn every_config_loads_and_is_named_after_its_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("configs/") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        assert_eq!(load(&name).name, name);
        count += 1;
    }
    assert!(count >= 9, "{count} configs");
}

#[test]
fn the_rows_of_table_2_differ_in_the_encoding_only() {
    let base = load("rope_10k");
    for name in TABLE_2 {
        let differences = base.differences(&load(name));
        let encoding = "model.layers.global.encoding.";
        assert!(
            differences.iter().all(|line| line.starts_with(encoding)),
            "{name}: {differences:#?}"
        );
        assert_eq!(differences.is_empty(), name == "rope_10k", "{name}");
    }
}

#[test]
fn no_two_rows_are_the_same_experiment() {
    let mut digests: Vec<String> = TABLE_2.iter().map(|name| load(name).digest()).collect();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), TABLE_2.len());
}

#[test]
fn the_paper_s_numbers() {
    let paper = load("gemma2b_paper");
    assert_eq!(paper.model.num_parameters(), 2_506_434_560);
    assert_eq!(
        paper.train.tokens_per_step() * paper.train.steps,
        41_943_040_000
    );
}
