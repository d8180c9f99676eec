//! What several tests need.

use tasks::{Task, TaskConfig, Text, Vocabulary};

/// Bytes as a vocabulary: `<bos>` is 256.
pub const BYTES: Vocabulary = Vocabulary {
    bos: 256,
    first_id: 0,
    size: 257,
};

/// Seven symbols besides the markers, with BOS in the middle of them.
pub const SMALL: Vocabulary = Vocabulary {
    bos: 12,
    first_id: 2,
    size: 18,
};

pub fn bytes(text: &str) -> Vec<u32> {
    text.bytes().map(u32::from).collect()
}

/// Letters without a digit among them.
pub fn letters(count: usize) -> Vec<u32> {
    (0..count as u32).map(|i| 97 + (i * i) % 26).collect()
}

/// A task from its TOML, for byte tokens where it is made of text.
pub fn task(toml: &str, vocabulary: Vocabulary) -> Task {
    let config: TaskConfig = toml::from_str(toml).expect("a task");
    build(&config, vocabulary)
}

pub fn build(config: &TaskConfig, vocabulary: Vocabulary) -> Task {
    let filler = letters(4_000);
    let text = Text {
        encode: &bytes,
        filler: &filler,
    };
    config.build(vocabulary, Some(&text)).expect("buildable")
}

/// The ids of a vocabulary by the definition: the range without BOS.
pub fn ids(vocabulary: Vocabulary) -> Vec<u32> {
    (vocabulary.first_id..vocabulary.size)
        .filter(|id| *id != vocabulary.bos)
        .collect()
}
