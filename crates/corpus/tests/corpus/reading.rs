//! Documents from files of every format, and what is said about bad ones.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use corpus::{
    CorpusError, DataConfig, Document, Documents, Format, Split, Splits, read_documents, sha256_hex,
};
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;

use crate::support::{config, folder};

fn read(path: &Path) -> Result<Vec<Document>, CorpusError> {
    Ok(read_documents(&config(path, Path::new("unused")))?.documents)
}

/// The message of reading `path` with this change to the config.
fn error(path: &Path, change: impl FnOnce(&mut DataConfig)) -> String {
    let mut config = config(path, Path::new("unused"));
    change(&mut config);
    read_documents(&config).expect_err("must fail").to_string()
}

fn names_and_texts(documents: &[Document], folder: &Path) -> Vec<(String, String)> {
    let base = folder
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned()
        + "/";
    documents
        .iter()
        .map(|d| (d.name.replacen(&base, "", 1), d.text.clone()))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect()
}

#[test]
fn text_folders_are_read_recursively_and_sorted() {
    let folder = folder(&[
        ("b.txt", "\u{FEFF}second\r\n".as_bytes()),
        ("a/z.txt", b"first"),
        ("notes.md", b"not a text"),
    ]);
    let documents = read(folder.path()).expect("reads");
    // A byte order mark is no text; line ends are left as they are.
    let expected = pairs(&[("a/z.txt", "first"), ("b.txt", "second\r\n")]);
    assert_eq!(names_and_texts(&documents, folder.path()), expected);
    assert!(documents.iter().all(|d| d.split == Split::Train));
}

#[test]
fn paths_keep_their_order() {
    let folder = folder(&[("x.txt", b"x"), ("y.txt", b"y")]);
    let mut config = config(&folder.path().join("y.txt"), Path::new("unused"));
    config.paths.push(folder.path().join("x.txt"));
    let documents = read_documents(&config).expect("reads").documents;
    let names: Vec<&str> = documents.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["y.txt", "x.txt"]);
}

#[test]
fn bad_paths_say_what_is_wrong() {
    let folder = folder(&[
        ("a.txt", b"ab\xFFcd"),
        ("mixed/a.txt", b"a"),
        ("mixed/b.jsonl", b""),
    ]);
    let missing = error(&folder.path().join("no.txt"), |_| {});
    assert!(missing.contains("no.txt"), "{missing}");
    let not_utf8 = error(&folder.path().join("a.txt"), |_| {});
    assert!(
        not_utf8.contains("not UTF-8: bad byte at offset 2"),
        "{not_utf8}"
    );
    let mixed = error(&folder.path().join("mixed"), |_| {});
    assert!(mixed.contains("several formats"), "{mixed}");
    let none = error(&folder.path().join("mixed"), |c| c.format = Format::Parquet);
    assert!(none.contains("no .parquet files"), "{none}");
    fs::create_dir(folder.path().join("empty")).expect("a folder");
    let empty = error(&folder.path().join("empty"), |_| {});
    assert!(empty.contains("holds no manifest.json, .txt"), "{empty}");
    let no_manifest = error(&folder.path().join("empty"), |c| {
        c.format = Format::Manifest;
    });
    assert!(no_manifest.contains("manifest.json"), "{no_manifest}");
}

#[test]
fn lines_of_json_are_documents() {
    let lines = b"{\"text\": \"one\\n1\", \"id\": 1}\n\n{\"id\": 2, \"text\": \"two\"}";
    let folder = folder(&[("x.jsonl", lines)]);
    let documents = read(&folder.path().join("x.jsonl")).expect("reads");
    let expected = pairs(&[("x.jsonl:1", "one\n1"), ("x.jsonl:3", "two")]);
    assert_eq!(names_and_texts(&documents, folder.path()), expected);
}

#[test]
fn bad_lines_of_json_are_named() {
    let cases: [(&[u8], &str); 4] = [
        (
            b"{\"text\": \"a\"}\n{\"body\": \"b\", \"id\": 1}",
            "line 2: no field `text` (it has: body, id)",
        ),
        (b"\n\n{\"text\": 1}", "line 3: field `text` is not a string"),
        (b"{\"text\": \"a\"", "line 1: not JSON"),
        (b"[\"text\"]", "line 1: not a JSON object"),
    ];
    for (contents, expected) in cases {
        let folder = folder(&[("x.jsonl", contents)]);
        let message = error(&folder.path().join("x.jsonl"), |_| {});
        assert!(message.contains(expected), "{message}");
    }
    let folder = folder(&[("x.jsonl", b"\n")]);
    let message = error(&folder.path().join("x.jsonl"), |_| {});
    assert!(message.contains("holds no records"), "{message}");
}

/// `id` of 1, 2, .. and `text`, in row groups of two rows; `None` is null.
fn write_parquet(path: &Path, compression: Compression, texts: &[Option<&str>]) {
    let schema = "message rows { REQUIRED INT64 id; OPTIONAL BYTE_ARRAY text (UTF8); }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .build();
    let file = File::create(path).expect("a file");
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).expect("opens");
    for rows in texts.chunks(2) {
        let mut group = writer.next_row_group().expect("a group");
        let ids: Vec<i64> = (1..=rows.len() as i64).collect();
        let mut column = group.next_column().expect("opens").expect("a column");
        column
            .typed::<Int64Type>()
            .write_batch(&ids, None, None)
            .expect("writes");
        column.close().expect("closes");
        let levels: Vec<i16> = rows.iter().map(|text| i16::from(text.is_some())).collect();
        let values: Vec<ByteArray> = rows.iter().flatten().map(|t| ByteArray::from(*t)).collect();
        let mut column = group.next_column().expect("opens").expect("a column");
        let typed = column.typed::<ByteArrayType>();
        typed
            .write_batch(&values, Some(&levels), None)
            .expect("writes");
        column.close().expect("closes");
        group.close().expect("closes");
    }
    writer.close().expect("closes");
}

#[test]
fn rows_of_parquet_are_documents_whatever_the_compression() {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, zstd] {
        let folder = folder(&[]);
        let path = folder.path().join("x.parquet");
        write_parquet(&path, compression, &[Some("one"), Some("zwei ä"), Some("")]);
        let documents = read(folder.path()).expect("reads");
        let expected = pairs(&[
            ("x.parquet:1", "one"),
            ("x.parquet:2", "zwei ä"),
            ("x.parquet:3", ""),
        ]);
        assert_eq!(names_and_texts(&documents, folder.path()), expected);
    }
}

#[test]
fn bad_parquet_is_named() {
    let folder = folder(&[("broken.parquet", b"PAR1 no")]);
    let path = folder.path().join("x.parquet");
    write_parquet(
        &path,
        Compression::SNAPPY,
        &[Some("one"), Some("two"), None],
    );
    let null = error(&path, |_| {});
    assert!(null.contains("row 3: column `text` is null"), "{null}");
    let missing = error(&path, |c| c.field = "body".to_owned());
    assert!(
        missing.contains("no column `body` (it has: id, text)"),
        "{missing}"
    );
    let number = error(&path, |c| c.field = "id".to_owned());
    assert!(
        number.contains("row 1: column `id` is not a string"),
        "{number}"
    );
    let broken = error(&folder.path().join("broken.parquet"), |_| {});
    assert!(broken.contains("broken.parquet"), "{broken}");
}

fn manifest(documents: &serde_json::Value) -> String {
    json!({
        "name": "set", "description": "", "licence": "", "attribution": "", "cleaning": "",
        "split_rule": "", "documents": documents
    })
    .to_string()
}

fn entry(file: &str, text: &str, split: &str) -> serde_json::Value {
    json!({
        "file": file, "title": "t", "author": "a", "layout": "prose", "bytes": text.len(),
        "sha256": sha256_hex(text.as_bytes()), "split": split
    })
}

#[test]
fn manifests_decide_order_and_split() {
    let entries = json!([entry("b.txt", "B", "test"), entry("a.txt", "A", "valid")]);
    let folder = folder(&[
        ("manifest.json", manifest(&entries).as_bytes()),
        ("a.txt", b"A"),
        ("b.txt", b"B"),
    ]);
    let documents = read(folder.path()).expect("reads");
    let found: Vec<_> = documents
        .iter()
        .map(|d| (d.name.as_str(), d.split))
        .collect();
    assert_eq!(
        found,
        [("set/b.txt", Split::Test), ("set/a.txt", Split::Valid)]
    );
}

#[test]
fn a_changed_file_is_noticed() {
    let entries = json!([entry("a.txt", "A", "train")]);
    let folder = folder(&[
        ("manifest.json", manifest(&entries).as_bytes()),
        ("a.txt", b"a"),
    ]);
    let message = error(folder.path(), |_| {});
    assert!(
        message.contains("a.txt` has sha256 ca978112ca1bbd"),
        "{message}"
    );
}

#[test]
fn bad_manifests_are_rejected() {
    let outside = json!([entry("../a.txt", "A", "train")]);
    let absolute = json!([entry("/etc/hosts", "A", "train")]);
    let twice = json!([entry("a.txt", "A", "train"), entry("a.txt", "A", "test")]);
    let cases = [
        (
            manifest(&outside),
            "`../a.txt` is not a path inside the folder",
        ),
        (
            manifest(&absolute),
            "`/etc/hosts` is not a path inside the folder",
        ),
        (manifest(&twice), "lists `a.txt` twice"),
        (manifest(&json!([])), "lists no documents"),
        (
            manifest(&json!([entry("a.txt", "A", "dev")])),
            "unknown variant `dev`",
        ),
        ("{".to_owned(), "manifest.json`: EOF"),
    ];
    for (text, expected) in cases {
        let folder = folder(&[("manifest.json", text.as_bytes()), ("a.txt", b"A")]);
        let message = error(folder.path(), |_| {});
        assert!(message.contains(expected), "{message}");
    }
}

/// The names of the documents below `folder`, without its own, and the notes.
fn names_and_notes(path: &Path, change: impl FnOnce(&mut DataConfig)) -> (Vec<String>, String) {
    let mut config = config(path, Path::new("unused"));
    change(&mut config);
    let Documents { documents, notes } = read_documents(&config).expect("reads");
    let names = names_and_texts(&documents, path);
    let names = names.into_iter().map(|(name, _)| name).collect();
    (names, notes.join("\n"))
}

#[test]
fn a_file_is_read_once_whatever_leads_to_it() {
    let folder = folder(&[("d/a.txt", b"a"), ("d/in/b.txt", b"b"), ("out/c.txt", b"c")]);
    let inside = |name: &str| folder.path().join("d").join(name);
    symlink(".", inside("self")).expect("a link");
    symlink("../..", inside("in/up")).expect("a link");
    symlink("a.txt", inside("0.txt")).expect("a link");
    symlink("../out", inside("elsewhere")).expect("a link");
    fs::hard_link(inside("in/b.txt"), inside("in/hard.txt")).expect("a link");
    let (names, notes) = names_and_notes(&folder.path().join("d"), |_| {});
    // By a link that leads up, the files outside are reached first.
    let mut found = names.clone();
    found.sort();
    assert_eq!(names, found);
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names.contains(&"a.txt".to_owned()) && names.contains(&"in/b.txt".to_owned()));
    assert!(notes.contains("self` is `"), "{notes}");
    assert!(notes.contains("is read once"), "{notes}");
}

#[test]
fn paths_that_overlap_give_a_file_once() {
    let folder = folder(&[("a.txt", b"a"), ("in/b.txt", b"b")]);
    let (names, notes) = names_and_notes(folder.path(), |config| {
        config.paths.push(folder.path().join("in"));
        config.paths.push(folder.path().join("a.txt"));
        config.paths.push(folder.path().join("in/../a.txt"));
    });
    assert_eq!(names, ["a.txt", "in/b.txt"]);
    assert_eq!(notes.matches("is read once").count(), 3, "{notes}");
}

#[test]
fn names_that_begin_with_a_dot_are_left_out() {
    let folder = folder(&[
        ("a.jsonl", b"{\"text\": \"a\"}"),
        ("._a.jsonl", b"\0\x05\x16\x07"),
        (
            ".ipynb_checkpoints/a-checkpoint.jsonl",
            b"{\"text\": \"a\"}",
        ),
        (".DS_Store", b"\0"),
        ("in/.cache/x.txt", b"x"),
        ("in/.hidden.txt", b"x"),
    ]);
    symlink("a.jsonl", folder.path().join(".#a.jsonl")).expect("a link");
    let (names, notes) = names_and_notes(folder.path(), |_| {});
    assert_eq!(names, ["a.jsonl:1"]);
    assert!(notes.contains("and 4 more are left out"), "{notes}");
    // Whoever names one means it.
    let hidden = folder.path().join(".ipynb_checkpoints");
    let (names, notes) = names_and_notes(&hidden, |_| {});
    assert_eq!((names.len(), notes.as_str()), (1, ""));
}

#[test]
fn what_is_no_regular_file_is_left_out_and_a_link_to_nothing_is_an_error() {
    let folder = folder(&[("a.txt", b"a"), ("folder.txt/b.txt", b"b")]);
    let fifo = folder.path().join("pipe.txt");
    let made = Command::new("mkfifo").arg(&fifo).status().expect("runs");
    assert!(made.success());
    symlink("gone.md", folder.path().join("link.md")).expect("a link");
    let (names, notes) = names_and_notes(folder.path(), |_| {});
    assert_eq!(names, ["a.txt", "folder.txt/b.txt"]);
    assert!(notes.contains("pipe.txt` is left out"), "{notes}");
    symlink("gone.txt", folder.path().join("link.txt")).expect("a link");
    let message = error(folder.path(), |_| {});
    assert!(message.contains("link.txt"), "{message}");
}

/// The splits of these file names, each of one document, and the notes.
fn splits(files: &[&str], change: impl FnOnce(&mut DataConfig)) -> (Vec<(String, Split)>, String) {
    let contents: Vec<(&str, &[u8])> = files.iter().map(|name| (*name, &b"text"[..])).collect();
    let folder = folder(&contents);
    let mut config = config(folder.path(), Path::new("unused"));
    change(&mut config);
    let Documents { documents, notes } = read_documents(&config).expect("reads");
    let names = names_and_texts(&documents, folder.path());
    let names = names.into_iter().map(|(name, _)| name);
    let splits = documents.iter().map(|document| document.split);
    (names.zip(splits).collect(), notes.join("\n"))
}

#[test]
fn published_splits_are_kept() {
    use Split::{Test, Train, Valid};
    let owned = |pairs: &[(&str, Split)]| -> Vec<(String, Split)> {
        pairs
            .iter()
            .map(|(name, split)| ((*name).to_owned(), *split))
            .collect()
    };
    let (found, notes) = splits(
        &[
            "data/test-00000-of-00001.txt",
            "data/train-00000-of-00002.txt",
            "data/train-00001-of-00002.txt",
            "data/validation-00000-of-00001.txt",
        ],
        |_| {},
    );
    let expected = [Test, Train, Train, Valid];
    let kinds: Vec<Split> = found.iter().map(|(_, split)| *split).collect();
    assert_eq!(kinds, expected);
    assert!(
        notes.contains("the valid and test splits are the files whose names say so"),
        "{notes}"
    );
    let files = ["dev/a.txt", "eval/b.txt", "training/c.txt", "more.txt"];
    let (found, _) = splits(&files, |_| {});
    let expected = [
        ("dev/a.txt", Valid),
        ("eval/b.txt", Test),
        ("more.txt", Train),
        ("training/c.txt", Train),
    ];
    assert_eq!(found, owned(&expected));
    // The way of before, if it is asked for.
    let (found, notes) = splits(&files, |config| config.splits = Splits::Fractions);
    assert!(found.iter().all(|(_, split)| *split == Train), "{found:?}");
    assert_eq!(notes, "");
}

#[test]
fn the_folder_of_all_files_says_nothing() {
    use Split::{Test, Train, Valid};
    let files = ["test.txt", "train.txt", "valid.txt"];
    for folder in ["training-data", "eval/corpus", "my test"] {
        let files = files.map(|file| format!("{folder}/{file}"));
        let (found, _) = splits(&files.each_ref().map(String::as_str), |_| {});
        let kinds: Vec<Split> = found.iter().map(|(_, split)| *split).collect();
        assert_eq!(kinds, [Test, Train, Valid], "{folder}");
    }
    let (found, notes) = splits(&["test/a.txt", "test/b.txt"], |_| {});
    assert!(found.iter().all(|(_, split)| *split == Train), "{found:?}");
    assert_eq!(notes, "");
}

/// `huggingface/datasets` issue 6764: folders of links to files that lie elsewhere.
#[test]
fn a_link_says_a_split_as_a_file_does() {
    let folder = folder(&[
        ("all/0.txt", b"0"),
        ("all/1.txt", b"1"),
        ("all/part/2.txt", b"2"),
    ]);
    let inside = |name: &str| folder.path().join(name);
    fs::create_dir(inside("test")).expect("a folder");
    symlink("../all/1.txt", inside("test/1.txt")).expect("a link");
    symlink("all/part", inside("validation")).expect("a link");
    let documents = read(folder.path()).expect("reads");
    let splits: Vec<Split> = documents.iter().map(|document| document.split).collect();
    assert_eq!(splits, [Split::Train, Split::Test, Split::Valid]);
}

#[test]
fn extensions_in_capitals_are_extensions() {
    let folder = folder(&[("A.TXT", b"a"), ("b.Txt", b"b")]);
    assert_eq!(read(folder.path()).expect("reads").len(), 2);
}

#[test]
fn a_split_that_is_not_published_is_dealt_from_the_rest_alone() {
    let lines: Vec<String> = (0..200)
        .map(|i| json!({ "text": format!("{i}") }).to_string())
        .collect();
    let lines = lines.join("\n");
    let folder = folder(&[
        ("train.jsonl", lines.as_bytes()),
        ("test.jsonl", lines.as_bytes()),
    ]);
    let mut config = config(folder.path(), Path::new("unused"));
    (config.valid_fraction, config.test_fraction) = (0.3, 0.3);
    let Documents { documents, notes } = read_documents(&config).expect("reads");
    for document in &documents {
        let is_test = document.name.contains("test.jsonl");
        assert_eq!(document.split == Split::Test, is_test, "{}", document.name);
    }
    let valid = documents.iter().filter(|d| d.split == Split::Valid).count();
    assert!((20..=100).contains(&valid), "{valid}");
    assert!(
        notes.join("").contains("`data.valid_fraction`"),
        "{notes:?}"
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_json() {
    let folder = folder(&[(
        "x.jsonl",
        b"\xEF\xBB\xBF{\"text\": \"one\"}\r\n{\"text\": \"two\"}",
    )]);
    let documents = read(&folder.path().join("x.jsonl")).expect("reads");
    let expected = pairs(&[("x.jsonl:1", "one"), ("x.jsonl:2", "two")]);
    assert_eq!(names_and_texts(&documents, folder.path()), expected);
    let entries = json!([entry("a.txt", "A", "train")]);
    let marked = format!("\u{FEFF}{}", manifest(&entries));
    let folder = crate::support::folder(&[("manifest.json", marked.as_bytes()), ("a.txt", b"A")]);
    assert_eq!(read(folder.path()).expect("reads").len(), 1);
}
