//! Names of special tokens that a text spells.

use std::collections::BTreeSet;

use serde_json::Value;

/// Names that vocabularies give to tokens that stand for no text, whether or not the file marks them so.
const NAMES: [&str; 19] = [
    "<s>",
    "</s>",
    "<unk>",
    "<pad>",
    "<mask>",
    "<bos>",
    "<eos>",
    "<cls>",
    "<sep>",
    "[CLS]",
    "[SEP]",
    "[PAD]",
    "[UNK]",
    "[MASK]",
    "[BOS]",
    "[EOS]",
    "<|endoftext|>",
    "<|begin_of_text|>",
    "<|end_of_text|>",
];

/// A `tokenizer.json` under which no text becomes a special token, and the names that are text now.
#[derive(Debug)]
pub(crate) struct AsText {
    /// The file: the same ids, but pieces that no text spells.
    pub file: Value,
    /// Names that were tokens in a text before.
    pub names: Vec<String>,
}

/// What [`AsText`] says, or nothing where no text can spell a special token anyway.
///
/// `encode_special_tokens` of the Hugging Face library only keeps special tokens from being cut out of a
/// text first. Where the vocabulary of the model holds their names as well, the model finds them there:
/// Unigram as any other piece, `WordLevel` and `WordPiece` as a word, BPE as a word if it ignores merges. So
/// the names are replaced in the vocabulary by strings that no text holds, at the same ids. An added token
/// that is special by its name alone, and not marked so, is marked.
pub(crate) fn as_text(file: &Value, bos: &str) -> Option<AsText> {
    let specials = specials(file, bos);
    let unmarked = added_tokens(file)
        .filter(|token| token["special"] != true)
        .filter_map(content)
        .filter(|name| specials.contains(*name))
        .map(str::to_owned);
    let unmarked: BTreeSet<String> = unmarked.collect();
    let spelt = spelt_pieces(&file["model"], &specials);
    let names: Vec<String> = unmarked.union(&spelt).cloned().collect();
    if names.is_empty() {
        return None;
    }
    // A vocabulary may have tens of megabytes.
    let mut file = file.clone();
    let added = file.get_mut("added_tokens").and_then(Value::as_array_mut);
    for token in added.into_iter().flatten() {
        let name = content(token).unwrap_or_default().to_owned();
        if unmarked.contains(&name) {
            token["special"] = Value::Bool(true);
        }
        if spelt.contains(&name) {
            token["content"] = Value::String(unspelt(&name));
        }
    }
    if let Some(model) = file.get_mut("model") {
        rename_pieces(model, &spelt);
    }
    Some(AsText { file, names })
}

/// All names of special tokens, of the file and of the field.
fn specials(file: &Value, bos: &str) -> BTreeSet<String> {
    let marked = added_tokens(file)
        .filter(|token| token["special"] == true)
        .filter_map(content);
    let unknown = file["model"]["unk_token"].as_str();
    let names = NAMES.into_iter().chain([bos]).chain(unknown);
    names.chain(marked).map(str::to_owned).collect()
}

fn added_tokens(file: &Value) -> impl Iterator<Item = &Value> {
    file["added_tokens"].as_array().into_iter().flatten()
}

fn content(token: &Value) -> Option<&str> {
    token["content"].as_str()
}

/// The names in the model's vocabulary that a text could spell.
fn spelt_pieces(model: &Value, specials: &BTreeSet<String>) -> BTreeSet<String> {
    let vocabulary = &model["vocab"];
    let is_piece: Box<dyn Fn(&String) -> bool> = match model["type"].as_str() {
        Some("Unigram") => {
            let pieces = vocabulary.as_array().into_iter().flatten();
            let pieces: BTreeSet<&str> = pieces.filter_map(|piece| piece[0].as_str()).collect();
            Box::new(move |name| pieces.contains(name.as_str()))
        }
        Some("WordLevel" | "WordPiece") => Box::new(|name| vocabulary.get(name).is_some()),
        // A piece that merges make or use cannot be renamed; no trainer makes one out of a special token.
        Some("BPE") if model["ignore_merges"] == true => {
            let merged = merged(&model["merges"]);
            Box::new(move |name| vocabulary.get(name).is_some() && !merged.contains(name))
        }
        _ => return BTreeSet::new(),
    };
    specials
        .iter()
        .filter(|name| is_piece(name))
        .cloned()
        .collect()
}

/// Parts and results of merges, which are written `"a b"` or `["a", "b"]`.
fn merged(merges: &Value) -> BTreeSet<String> {
    let merges = merges.as_array().into_iter().flatten();
    merges
        .filter_map(|merge| match merge {
            Value::String(pair) => pair.split_once(' '),
            pair => Some((pair[0].as_str()?, pair[1].as_str()?)),
        })
        .flat_map(|(a, b)| [a.to_owned(), b.to_owned(), format!("{a}{b}")])
        .collect()
}

fn rename_pieces(model: &mut Value, spelt: &BTreeSet<String>) {
    match model.get_mut("vocab") {
        Some(Value::Array(pieces)) => {
            for piece in pieces {
                if let Some(name) = piece[0].as_str().filter(|name| spelt.contains(*name)) {
                    piece[0] = Value::String(unspelt(name));
                }
            }
        }
        Some(Value::Object(pieces)) => {
            for name in spelt {
                if let Some(id) = pieces.remove(name) {
                    pieces.insert(unspelt(name), id);
                }
            }
        }
        _ => {}
    }
    if let Some(name) = model["unk_token"]
        .as_str()
        .filter(|name| spelt.contains(*name))
    {
        model["unk_token"] = Value::String(unspelt(name));
    }
}

/// A string that stands for `name` and that no text holds: U+FDD0 is no character, for programs' own use.
fn unspelt(name: &str) -> String {
    format!("\u{FDD0}{name}\u{FDD0}")
}
