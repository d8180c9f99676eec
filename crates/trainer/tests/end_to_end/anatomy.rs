//! `trainer anatomy`: a page, files, and what it refuses.

use serde_json::Value;

use crate::common::{SHORT, Workspace};

#[test]
fn a_run_s_page_and_files_and_what_is_refused() {
    let workspace = Workspace::changed(&SHORT);
    workspace.train();
    let finished = workspace
        .trainer(&[
            "anatomy",
            "runs/run",
            "--html",
            "page.html",
            "--files",
            "files",
            "--length",
            "64",
            "--windows",
            "2",
            "--layers",
            "1",
        ])
        .exits(0);
    assert!(finished.stdout.contains("previous token"), "{finished:?}");
    let page = String::from_utf8(workspace.read("page.html")).expect("UTF-8");
    for text in [
        "Anatomy of run",
        "0.75-RoPE",
        "arithmetic",
        "Which frequencies are needed",
    ] {
        assert!(page.contains(text), "no `{text}`");
    }
    assert!(!page.contains("<script"));
    let json: Value = serde_json::from_slice(&workspace.read("files/anatomy.json")).expect("JSON");
    assert_eq!(json["budget"]["layers"], serde_json::json!([1]));
    assert_eq!(json["frequency_use"].as_array().map(Vec::len), Some(6));
    for extension in ["svg", "png", "csv"] {
        assert!(
            !workspace
                .read(&format!("files/removed.{extension}"))
                .is_empty()
        );
    }

    workspace.write("short.txt", "Too short.");
    workspace
        .trainer(&["anatomy", "runs/run", "--text", "short.txt"])
        .exits(2)
        .complains("the text `short` has 10 tokens; at least 32 are needed");
    workspace
        .trainer(&["anatomy", "runs/run", "--layers", "0,7"])
        .exits(2)
        .complains("there is no layer 7: the decoder has layers 0 to 1");
    workspace
        .trainer(&["anatomy", "nowhere"])
        .exits(2)
        .complains("nowhere is not a run directory");
}
