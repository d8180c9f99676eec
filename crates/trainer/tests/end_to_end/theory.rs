//! `trainer theory`: an encoding by its name, a config, a run; what it writes and what it refuses.

use crate::common::{Workspace, changed};

#[test]
fn an_encoding_by_its_name() {
    let workspace = Workspace::new();
    let small = ["theory", "--head-dim", "64", "--context", "512"];
    workspace
        .trainer(&small)
        .exits(0)
        .says("0.75-RoPE, θ=10000: head_dim 64, context 512 tokens")
        .says("24, 8")
        .says("holds    Proposition 3.1");
    let written = ["--kind", "rope", "--html", "page.html", "--files", "files"];
    workspace
        .trainer(&[&small[..], &written].concat())
        .exits(0)
        .says("page in page.html")
        .says("tables and charts in files");
    let logits = String::from_utf8(workspace.read("files/logits.csv")).expect("UTF-8");
    assert_eq!(logits.lines().count(), 513);
    assert!(
        logits
            .lines()
            .nth(1)
            .is_some_and(|line| line.starts_with("0,1,")),
        "{logits}"
    );
    for name in [
        "statements.tex",
        "decay.md",
        "decay-constant.png",
        "decay-repeated.svg",
    ] {
        assert!(!workspace.read(&format!("files/{name}")).is_empty());
    }
    let page = String::from_utf8(workspace.read("page.html")).expect("UTF-8");
    for part in ["RoPE, θ=10000", "Theorem 6.1", "Lemma A.2", "Men et al."] {
        assert!(page.contains(part), "no {part}");
    }
    for foreign in ["<script", "<link", "src=\"http", "@import"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn a_config_has_every_kind_of_layer_once() {
    let workspace = Workspace::with(&changed(&[(
        "[data]",
        "[model.layers.local]\nencoding = { kind = \"rope\" }\nsliding_window = 16\n\n[data]",
    )]));
    workspace
        .trainer(&["theory", "run.toml", "--files", "files"])
        .exits(0)
        .says("0.75-RoPE, θ=10000: head_dim 16, context 32 tokens")
        .says("RoPE, θ=10000: head_dim 16, context 16 tokens");
    assert!(!workspace.read("files/local/decay.csv").is_empty());
    assert!(!workspace.read("files/global/decay.csv").is_empty());
}

#[test]
fn what_cannot_be_asked_is_said() {
    let workspace = Workspace::new();
    let refused = |arguments: &[&str], message: &str| {
        workspace
            .trainer(&[&["theory"], arguments].concat())
            .exits(2)
            .complains(message);
    };
    refused(
        &["--kind", "rop"],
        "unknown encoding kind `rop`, did you mean `rope`?",
    );
    refused(
        &["--context", "0"],
        "the context is 0 tokens; it must be from 2 to 1048576",
    );
    refused(
        &["--head-dim", "63"],
        "`head_dim` is 63; the encoding pairs its coordinates",
    );
    refused(
        &["--head-dim", "0"],
        "`head_dim` is 0; it must be from 1 to 16384",
    );
    refused(
        &["--kind", "rope", "--fraction", "0.5"],
        "`rope` takes no `fraction`",
    );
    refused(&["--fraction", "2"], "`fraction` of `prope` is 2");
    refused(&["run.toml", "--kind", "rope"], "cannot be used with");
    refused(&["corpus"], "corpus is not a run directory");
}
