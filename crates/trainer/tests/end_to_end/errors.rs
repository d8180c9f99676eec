//! Mistakes: exit code 2, the place, what to do, and nothing left on disk.

use std::fs;

use crate::common::{CONFIG, Finished, Workspace, changed, sha256};

/// `[run.toml:LINE:COLUMN]` of the first `needle` in `text`, as the label of an error shows it.
#[track_caller]
fn place(text: &str, needle: &str) -> String {
    let at = text.find(needle).unwrap_or_else(|| panic!("no `{needle}`"));
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[..at].matches('\n').count() + 1;
    format!("[run.toml:{line}:{}]", at - line_start + 1)
}

/// That training with `arguments` ends with exit code 2 before a run directory is made.
#[track_caller]
fn refused(workspace: &Workspace, arguments: &[&str]) -> Finished {
    let finished = workspace
        .trainer(&[&["run.toml"], arguments].concat())
        .exits(2);
    assert!(
        !workspace.path("runs").exists(),
        "a run directory was made: {finished:?}"
    );
    finished
}

/// A change of the config, the start of what the label points at, and what must be said.
#[track_caller]
fn assert_refused(old: &str, new: &str, pointed_at: &str, messages: &[&str]) {
    let text = changed(&[(old, new)]);
    let mut finished = refused(&Workspace::with(&text), &[]).complains(&place(&text, pointed_at));
    for message in messages {
        finished = finished.complains(message);
    }
}

#[test]
fn text_that_is_not_toml() {
    assert_refused("steps = 40", "steps = = 40", "= 40", &["not TOML"]);
}

#[test]
fn an_unknown_key() {
    assert_refused(
        "steps = 40",
        "stpes = 40",
        "stpes",
        &["unknown key `train.stpes`", "did you mean `steps`?"],
    );
}

#[test]
fn a_wrong_type() {
    assert_refused(
        "steps = 40",
        "steps = \"many\"",
        "\"many\"",
        &["train.steps: invalid type: string \"many\", expected a whole number, 0 or more"],
    );
}

#[test]
fn values_out_of_range() {
    assert_refused(
        "learning_rate = 1e-2",
        "learning_rate = -1.0",
        "-1.0",
        &["train.learning_rate: must be a number above 0"],
    );
    assert_refused(
        "micro_batch_size = 2",
        "micro_batch_size = 3",
        "3\nsteps",
        &[
            "train.micro_batch_size: 3 does not divide batch_size = 4",
            "2 does",
        ],
    );
    assert_refused(
        "fraction = 0.75",
        "fraction = 1.5",
        "1.5",
        &["model.layers.global.encoding.fraction"],
    );
}

#[test]
fn names_that_do_not_exist() {
    assert_refused(
        "\"micro\"",
        "\"mirco\"",
        "\"mirco\"",
        &["did you mean `micro`?"],
    );
    assert_refused(
        "device = \"cpu\"",
        "device = \"gpu\"",
        "\"gpu\"",
        &["`gpu` is not a device"],
    );
}

#[test]
fn a_config_that_does_not_exist() {
    Workspace::new()
        .trainer(&["absent.toml"])
        .exits(2)
        .complains("cannot read config `absent.toml`: No such file or directory");
    let text = format!("extends = \"absent.toml\"\n{CONFIG}");
    refused(&Workspace::with(&text), &[])
        .complains("absent.toml`: No such file or directory")
        .complains(&place(&text, "\"absent.toml\""))
        .complains("the path of `extends` is relative to the file that says it");
}

#[test]
fn a_data_folder_that_does_not_exist() {
    assert_refused(
        "path = \"corpus\"",
        "path = \"nowhere\"",
        "\"nowhere\"",
        &["cannot read `nowhere`: No such file or directory"],
    );
}

#[test]
fn an_empty_data_folder() {
    let text = changed(&[("path = \"corpus\"", "path = \"empty\"")]);
    let workspace = Workspace::with(&text);
    fs::create_dir(workspace.path("empty")).expect("folder");
    refused(&workspace, &[])
        .complains(&place(&text, "\"empty\""))
        .complains("`empty` holds no manifest.json, .txt, .jsonl or .parquet files");
}

#[test]
fn a_document_that_changed_since_its_manifest() {
    let workspace = Workspace::new();
    workspace.write("corpus/02.txt", "something else");
    let found = sha256(b"something else");
    refused(&workspace, &[])
        .complains(&place(CONFIG, "\"corpus\""))
        .complains(&format!(
            "`corpus/02.txt` has sha256 {found}, its manifest says"
        ));
}

#[test]
fn a_text_that_is_not_utf8() {
    let text = changed(&[("path = \"corpus\"", "path = \"latin1.txt\"")]);
    let workspace = Workspace::with(&text);
    fs::write(workspace.path("latin1.txt"), b"caf\xE9").expect("write");
    refused(&workspace, &[])
        .complains(&place(&text, "\"latin1.txt\""))
        .complains("`latin1.txt` is not UTF-8: bad byte at offset 3");
}

#[test]
fn windows_longer_than_every_document() {
    assert_refused(
        "context_length = 32",
        "context_length = 4096",
        "4096",
        &[
            "no document of the train split has 4096 tokens: the longest, `generated/00.txt`, has 3000",
            "use a shorter length or longer documents",
        ],
    );
}

#[test]
fn evaluation_windows_longer_than_every_test_document() {
    assert_refused(
        "context_factors = [0.5, 1, 2]",
        "context_factors = [0.5, 64]",
        "[0.5, 64]",
        &[
            "no document of the test split has 2048 tokens: the longest, `generated/06.txt`, has 1500",
            "lower the largest of `evaluation.context_factors` or evaluate longer documents",
        ],
    );
}

#[test]
fn windows_longer_than_every_validation_document() {
    let changes = [
        ("context_length = 32", "context_length = 2000"),
        ("context_factors = [0.5, 1, 2]", "context_factors = [0.5]"),
    ];
    let text = changed(&changes);
    refused(&Workspace::with(&text), &[])
        .complains(&place(&text, "2000"))
        .complains("no document of the valid split has 2000 tokens");
}

#[test]
fn a_device_that_is_not_there() {
    assert_refused(
        "device = \"cpu\"",
        "device = \"wgpu:99\"",
        "\"wgpu:99\"",
        &[
            "run.device: there is no GPU 99: wgpu finds",
            "`--device cpu` always works",
        ],
    );
    refused(&Workspace::new(), &["--device", "wgpu:99"])
        .complains("[--set:1:12]")
        .complains("run.device: there is no GPU 99");
    refused(&Workspace::new(), &["--device", "gpu"])
        .complains("[--set:1:12]")
        .complains("`gpu` is not a device; write auto, cpu,");
}

#[cfg(not(feature = "cuda"))]
#[test]
fn cuda_that_was_not_compiled_in() {
    assert_refused(
        "device = \"cpu\"",
        "device = \"cuda\"",
        "\"cuda\"",
        &[
            "run.device: this binary was built without CUDA",
            "build with `--features cuda`",
        ],
    );
}

#[test]
fn bad_set_arguments() {
    for (argument, label, messages) in [
        (
            "train.steps",
            "[--set:1:1]",
            ["there is no `=`", "write it as `--set train.steps=2000`"],
        ),
        (
            "=3",
            "[--set:1:1]",
            ["the left side is not a dotted key", "`--set =3`"],
        ),
        (
            "train.stpes=3",
            "[--set:1:7]",
            ["unknown key `train.stpes`", "did you mean `steps`?"],
        ),
        (
            "train.steps=0",
            "[--set:1:13]",
            ["train.steps: must be at least 1", "train.steps=0"],
        ),
        (
            "train=3",
            "[--set:1:7]",
            ["train: invalid type: integer `3`", "expected a table"],
        ),
    ] {
        let mut finished = refused(&Workspace::new(), &["--set", argument]).complains(label);
        for message in messages {
            finished = finished.complains(message);
        }
    }
}

#[test]
fn bad_names() {
    refused(&Workspace::new(), &["--name", "../elsewhere"])
        .complains("[--set:1:6]")
        .complains("`../elsewhere` cannot name a run directory");
}

#[test]
fn a_tokenizer_that_is_damaged_or_missing() {
    let text = changed(&[("tokenizer = \"bytes\"", "tokenizer = \"tokenizer.json\"")]);
    let workspace = Workspace::with(&text);
    let label = place(&text, "\"tokenizer.json\"");
    refused(&workspace, &[])
        .complains(&label)
        .complains("data.tokenizer: cannot read `tokenizer.json`: No such file or directory")
        .complains("`bytes`, or the path of a Hugging Face tokenizer.json");
    for (content, message) in [
        (
            "{\"version\": \"1.0\", ",
            "data.tokenizer: tokenizer `tokenizer.json`: not JSON",
        ),
        (
            "{\"version\": \"1.0\"}",
            "data.tokenizer: tokenizer `tokenizer.json`: not a tokenizer.json",
        ),
        (
            "\u{0}\u{1}",
            "data.tokenizer: tokenizer `tokenizer.json`: not JSON",
        ),
        (
            "[]",
            "data.tokenizer: tokenizer `tokenizer.json`: not a tokenizer.json",
        ),
    ] {
        workspace.write("tokenizer.json", content);
        refused(&workspace, &[])
            .complains(&label)
            .complains(message);
    }
}

#[test]
fn a_vocabulary_too_small_for_the_tokenizer() {
    assert_refused(
        "preset = \"micro\"",
        "preset = \"micro\"\nvocab_size = 100",
        "100",
        &["model.vocab_size: 100 is too small: the tokenizer `bytes` has 257 tokens"],
    );
}

#[test]
fn a_run_directory_that_cannot_be_made() {
    let workspace =
        Workspace::changed(&[("directory = \"runs\"", "directory = \"corpus/00.txt\"")]);
    workspace
        .trainer(&["run.toml"])
        .exits(1)
        .complains("corpus/00.txt/run: Not a directory");
}

#[test]
fn a_run_directory_changed_by_hand() {
    let workspace = Workspace::new();
    let run = workspace.train();
    let config = run.text("config.toml");
    for (text, message) in [
        (
            config.replace("steps = 40", "steps = \"x\""),
            "train.steps: invalid type",
        ),
        (config.replace("seed = 7\n", ""), "missing field `seed`"),
        (String::new(), "missing field"),
    ] {
        workspace.write("runs/run/config.toml", &text);
        workspace.trainer(&["run.toml"]).exits(2).complains(message);
        workspace
            .trainer(&["eval", "runs/run"])
            .exits(2)
            .complains(message);
    }
}
