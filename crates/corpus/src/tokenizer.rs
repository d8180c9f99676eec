//! Text to token ids and back.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tokenizers::Tokenizer as HuggingFace;

use crate::byte_level;
use crate::byte_order_mark;
use crate::error::CorpusError;
use crate::hash::sha256_hex;
use crate::special_names::{self, AsText};

/// How the config asks for [`Tokenizer::open`]'s byte tokenizer.
const BYTES_SPEC: &str = "bytes";
/// What the byte tokenizer's fingerprint is the digest of.
const BYTES_IDENTITY: &[u8] = b"bytes: ids 0-255 are the bytes, 256 is <bos>";
/// Names of a beginning-of-sequence token in published vocabularies, most specific first:
/// Gemma, Llama 1-2 and T5-like, Llama 3, GPT-2 (which has one token for begin and end), BERT.
const BOS_NAMES: [&str; 5] = [
    "<bos>",
    "<s>",
    "<|begin_of_text|>",
    "<|endoftext|>",
    "[CLS]",
];

/// A tokenizer: bytes, or a Hugging Face `tokenizer.json`.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    kind: Kind,
    /// `bytes`, or the path, for error messages.
    name: String,
    json: String,
    fingerprint: String,
    bos: u32,
    /// Bytes of text each id stands for; its length is the vocabulary size.
    token_bytes: Vec<u32>,
}

#[derive(Clone, Debug)]
enum Kind {
    Bytes,
    HuggingFace(Box<Both>),
}

/// Text becomes ids by one tokenizer and is told from ids by the other.
#[derive(Clone, Debug)]
struct Both {
    /// Takes names of special tokens for the characters they are.
    encoder: HuggingFace,
    /// As the file says, if that is not the encoder.
    decoder: Option<HuggingFace>,
    /// Names that only this encoder takes for characters.
    names: Vec<String>,
}

impl Tokenizer {
    /// Opens `bytes` (ids 0..=255 are the bytes, 256 is `<bos>`), or the `tokenizer.json` at the
    /// path `spec`.
    ///
    /// The beginning-of-sequence token is `bos` where given, else the first of `<bos>`, `<s>`,
    /// `<|begin_of_text|>`, `<|endoftext|>`, `[CLS]` in the vocabulary. Truncation, padding and BPE
    /// dropout in the file are switched off: a corpus is encoded whole and always alike.
    ///
    /// # Errors
    /// [`CorpusError::Io`] when the file cannot be read, [`CorpusError::Tokenizer`] when it is not
    /// a tokenizer, [`CorpusError::NoBos`] when no beginning-of-sequence token is found.
    pub fn open(spec: &str, bos: Option<&str>) -> Result<Self, CorpusError> {
        if spec == BYTES_SPEC {
            return Self::bytes(bos);
        }
        let path = Path::new(spec);
        let json = fs::read_to_string(path).map_err(CorpusError::io("read", path))?;
        Self::hugging_face(spec, byte_order_mark::without(&json), bos)
    }

    fn bytes(bos: Option<&str>) -> Result<Self, CorpusError> {
        if let Some(name) = bos.filter(|name| *name != byte_level::BOS) {
            return Err(no_bos(BYTES_SPEC, &[name]));
        }
        let mut token_bytes = vec![1; byte_level::BYTES as usize];
        token_bytes.push(0);
        Ok(Self {
            kind: Kind::Bytes,
            name: BYTES_SPEC.to_owned(),
            json: byte_level::tokenizer_json(),
            fingerprint: sha256_hex(BYTES_IDENTITY),
            bos: byte_level::BYTES,
            token_bytes,
        })
    }

    fn hugging_face(name: &str, json: &str, bos: Option<&str>) -> Result<Self, CorpusError> {
        let wrong = |message: String| CorpusError::Tokenizer {
            tokenizer: name.to_owned(),
            message,
        };
        let mut file: Value =
            serde_json::from_str(json).map_err(|e| wrong(format!("not JSON: {e}")))?;
        make_deterministic(&mut file);
        let inner = parse(&file).map_err(wrong)?;
        let (bos_name, bos) = find_bos(&inner, name, bos)?;
        Ok(Self {
            name: name.to_owned(),
            fingerprint: sha256_hex(json.as_bytes()),
            bos,
            token_bytes: token_bytes(&inner, is_byte_level(&file)),
            kind: Kind::HuggingFace(Box::new(both(inner, &file, bos_name).map_err(wrong)?)),
            json: json.to_owned(),
        })
    }

    /// The ids of `text`; no special tokens are added, and names of special tokens in the text are
    /// encoded as the characters they are.
    ///
    /// # Errors
    /// [`CorpusError::Tokenizer`] when the vocabulary cannot express the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, CorpusError> {
        match &self.kind {
            Kind::Bytes => Ok(text.bytes().map(u32::from).collect()),
            Kind::HuggingFace(both) => both
                .encoder
                .encode_fast(text, false)
                .map(|encoding| encoding.get_ids().to_vec())
                .map_err(|e| self.wrong(format!("cannot encode: {e}"))),
        }
    }

    /// The text of `ids`, special tokens left out. Incomplete UTF-8 becomes U+FFFD.
    ///
    /// # Errors
    /// [`CorpusError::Tokenizer`] when an id is outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String, CorpusError> {
        let size = self.vocab_size();
        if let Some(id) = ids.iter().find(|id| **id as usize >= size) {
            return Err(self.wrong(format!("id {id} is outside the vocabulary of {size}")));
        }
        match &self.kind {
            Kind::Bytes => {
                let bytes: Vec<u8> = ids.iter().filter_map(|id| (*id).try_into().ok()).collect();
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            Kind::HuggingFace(both) => both
                .decoder
                .as_ref()
                .unwrap_or(&both.encoder)
                .decode(ids, true)
                .map_err(|e| self.wrong(format!("cannot decode: {e}"))),
        }
    }

    /// Whether `ids` are all that there is of `text`: their bytes add up to its length and, decoded, they
    /// are it again. A space before the first word, which some tokenizers put there, is allowed for.
    pub(crate) fn is_lossless(&self, text: &str, ids: &[u32]) -> bool {
        let bytes: usize = ids.iter().map(|id| self.token_bytes(*id)).sum();
        bytes.abs_diff(text.len()) <= 1
            && self.decode(ids).is_ok_and(|decoded| {
                decoded == text || decoded.strip_prefix(' ').is_some_and(|rest| rest == text)
            })
    }

    /// Whether `text` spells the name of a special token that the tokenizer's library, left alone, would
    /// take for the token.
    pub(crate) fn spells_special(&self, text: &str) -> bool {
        match &self.kind {
            Kind::Bytes => false,
            Kind::HuggingFace(both) => both.names.iter().any(|name| text.contains(name)),
        }
    }

    /// `bytes`, or the path it was opened from.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Rows an embedding table needs: the largest id + 1 (some vocabularies have gaps).
    pub fn vocab_size(&self) -> usize {
        self.token_bytes.len()
    }

    /// The id of the beginning-of-sequence token.
    pub fn bos(&self) -> u32 {
        self.bos
    }

    /// Bytes of UTF-8 text the token stands for; 0 for special tokens and for ids without a token.
    ///
    /// Exact for bytes and byte-level BPE: over a document they sum to its length in bytes. For
    /// others it is the length of the decoded token, which counts a leading space that some
    /// tokenizers put before the first word.
    pub fn token_bytes(&self, id: u32) -> usize {
        self.token_bytes
            .get(id as usize)
            .map_or(0, |bytes| *bytes as usize)
    }

    /// SHA-256 of the `tokenizer.json`, hexadecimal: two tokenizers with the same fingerprint give
    /// the same ids.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The text of the `tokenizer.json`, to be kept beside a model. The byte tokenizer gives an
    /// equivalent one.
    pub fn json(&self) -> &str {
        &self.json
    }

    fn wrong(&self, message: String) -> CorpusError {
        CorpusError::Tokenizer {
            tokenizer: self.name.clone(),
            message,
        }
    }
}

/// Switches off what would cut, fill or randomise an encoding.
fn make_deterministic(file: &mut Value) {
    for key in ["truncation", "padding"] {
        if let Some(value) = file.get_mut(key) {
            *value = Value::Null;
        }
    }
    if let Some(dropout) = file.pointer_mut("/model/dropout") {
        *dropout = Value::Null;
    }
}

/// Whether tokens are written in the byte-level alphabet, one character a byte.
fn is_byte_level(file: &Value) -> bool {
    let is = |step: &Value| step.get("type").and_then(Value::as_str) == Some("ByteLevel");
    let decoder = file.get("decoder").unwrap_or(&Value::Null);
    let steps = decoder.get("decoders").and_then(Value::as_array);
    is(decoder) || steps.is_some_and(|steps| steps.iter().any(is))
}

fn parse(file: &Value) -> Result<HuggingFace, String> {
    let mut tokenizer = HuggingFace::from_bytes(file.to_string())
        .map_err(|e| format!("not a tokenizer.json: {e}"))?;
    // `<bos>` written in a text is text: only this program may put special tokens anywhere.
    tokenizer.set_encode_special_tokens(true);
    Ok(tokenizer)
}

/// `inner`, which is what `file` says, and an encoder beside it where it would find special tokens in texts.
fn both(inner: HuggingFace, file: &Value, bos: &str) -> Result<Both, String> {
    Ok(match special_names::as_text(file, bos) {
        Some(AsText { file, names }) => Both {
            encoder: parse(&file)?,
            decoder: Some(inner),
            names,
        },
        None => Both {
            encoder: inner,
            decoder: None,
            names: Vec::new(),
        },
    })
}

/// Name and id of the beginning-of-sequence token.
fn find_bos<'a>(
    inner: &HuggingFace,
    name: &str,
    bos: Option<&'a str>,
) -> Result<(&'a str, u32), CorpusError> {
    let tried = bos.as_ref().map_or(&BOS_NAMES[..], std::slice::from_ref);
    tried
        .iter()
        .find_map(|token| Some((*token, inner.token_to_id(token)?)))
        .ok_or_else(|| no_bos(name, tried))
}

fn no_bos(name: &str, tried: &[&str]) -> CorpusError {
    CorpusError::NoBos {
        tokenizer: name.to_owned(),
        tried: tried.join(", "),
    }
}

fn token_bytes(inner: &HuggingFace, byte_level: bool) -> Vec<u32> {
    let vocabulary = inner.get_vocab(true);
    let size = vocabulary.values().max().map_or(0, |id| *id as usize + 1);
    let mut table = vec![0; size];
    for (token, id) in &vocabulary {
        table[*id as usize] = if byte_level {
            token.chars().count() as u32
        } else {
            decoded_bytes(token)
        };
    }
    // Added tokens are matched in the text as they are written, not in the byte-level alphabet.
    for (id, token) in inner.get_added_tokens_decoder() {
        table[id as usize] = if token.special {
            0
        } else {
            token.content.len() as u32
        };
    }
    table
}

/// Bytes of a token of a `SentencePiece`-like vocabulary: `▁` is a space, `<0x0A>` a single byte.
fn decoded_bytes(token: &str) -> u32 {
    let is_byte = token
        .strip_prefix("<0x")
        .and_then(|rest| rest.strip_suffix('>'))
        .is_some_and(|digits| digits.len() == 2 && u8::from_str_radix(digits, 16).is_ok());
    if is_byte {
        1
    } else {
        token.replace('▁', " ").len() as u32
    }
}
