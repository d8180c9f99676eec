//! The tokenizer inside a file, as a Hugging Face `tokenizer.json`.
//!
//! Byte-level BPE only (`tokenizer.ggml.model = "gpt2"`). How text is cut before merging is not stored; the
//! file has a name for it, `tokenizer.ggml.pre`, and the regular expressions behind the names are in llama.cpp
//! (`src/llama-vocab.cpp`). The ones of llama-architecture models are here.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use crate::error::shortened;
use crate::{GgufError, GgufFile, Value, tokenizer_keys};

/// The name of how text is cut before merging.
const PRE: &str = "tokenizer.ggml.pre";
/// What to do about a tokenizer that cannot be rebuilt.
pub(crate) const ADVICE: &str = "put the model's tokenizer.json beside the file";

/// `tokenizer.ggml.token_type` of special tokens such as `<|endoftext|>`, and of tokens that users added.
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

/// The cut of Llama 3, which GPT-4's tokenizer introduced.
const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen 2's: the same with digits alone.
const QWEN_2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

impl GgufFile {
    /// The tokenizer as the text of a Hugging Face `tokenizer.json`.
    ///
    /// # Errors
    /// [`GgufError::Metadata`] when its keys are missing or of wrong types; [`GgufError::Tokenizer`] when it is
    /// not byte-level BPE, a key changes how text becomes tokens in a way that is not known here, its pre-tokenizer is
    /// missing or not known, or its parts do not fit together.
    pub fn tokenizer_json(&self) -> Result<String, GgufError> {
        let model = self.string("tokenizer.ggml.model")?;
        if model != "gpt2" {
            let problem = format!(
                "`{}` is not read, only byte-level BPE (`gpt2`) is; {ADVICE}",
                shortened(model)
            );
            return Err(GgufError::tokenizer(self.path(), problem));
        }
        tokenizer_keys::refuse_unknown(self)?;
        let cut = self.pre_tokenizer()?;
        let tokens = self.strings("tokenizer.ggml.tokens")?;
        let ids = self.token_ids(&tokens)?;
        let added_tokens = self.added_tokens(&tokens)?;
        let merges = self.merges(&ids)?;
        let post_processor = self.post_processor(&tokens)?;
        // Such files were made before llama.cpp told cuts apart; it warns, and takes one that few models were trained with.
        let (pre_tokenizer, ignore_merges) = cut.ok_or_else(|| {
            let problem = format!("`{PRE}` is missing, so how text is cut is not known; {ADVICE}");
            GgufError::tokenizer(self.path(), problem)
        })?;
        let tokenizer = json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added_tokens,
            "normalizer": null,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": post_processor,
            "decoder": byte_level(true),
            "model": {
                "type": "BPE",
                "dropout": null,
                "unk_token": null,
                "continuing_subword_prefix": null,
                "end_of_word_suffix": null,
                "fuse_unk": false,
                "byte_fallback": false,
                "ignore_merges": ignore_merges,
                "merges": merges,
                "vocab": ids.iter().map(|(&token, &id)| (token.to_owned(), id.into())).collect::<Map<String, Json>>(),
            },
        });
        Ok(tokenizer.to_string())
    }

    /// How text is cut. `None`: the file does not say.
    fn pre_tokenizer(&self) -> Result<Option<(Json, bool)>, GgufError> {
        if self.value(PRE).is_none() {
            return Ok(None);
        }
        let pre = self.string(PRE)?;
        pre_tokenizer(pre).map(Some).ok_or_else(|| {
            let problem = format!(
                "the pre-tokenizer `{}` is not known; {ADVICE}",
                shortened(pre)
            );
            GgufError::tokenizer(self.path(), problem)
        })
    }

    fn token_ids<'a>(&self, tokens: &[&'a str]) -> Result<HashMap<&'a str, usize>, GgufError> {
        let mut ids = HashMap::new();
        for (id, &token) in tokens.iter().enumerate() {
            if let Some(first) = ids.insert(token, id) {
                let problem = format!("tokens {first} and {id} are both `{}`", shortened(token));
                return Err(GgufError::tokenizer(self.path(), problem));
            }
        }
        Ok(ids)
    }

    /// Tokens matched in text before anything else: special ones, and those that users added.
    fn added_tokens(&self, tokens: &[&str]) -> Result<Vec<Json>, GgufError> {
        const KEY: &str = "tokenizer.ggml.token_type";
        if self.value(KEY).is_none() {
            return Ok(Vec::new());
        }
        let kinds = self.integers(KEY)?;
        if kinds.len() != tokens.len() {
            let problem = format!("{} tokens, but {} token types", tokens.len(), kinds.len());
            return Err(GgufError::tokenizer(self.path(), problem));
        }
        let added = kinds.iter().zip(tokens).enumerate();
        let added = added.filter(|(_, (kind, token))| {
            matches!(**kind, CONTROL | USER_DEFINED) && !token.is_empty()
        });
        Ok(added
            .map(|(id, (kind, token))| {
                json!({
                    "id": id,
                    "content": token,
                    "single_word": false,
                    "lstrip": false,
                    "rstrip": false,
                    "normalized": false,
                    "special": *kind == CONTROL,
                })
            })
            .collect())
    }

    /// Pairs of tokens, earlier ones merged first.
    fn merges(&self, ids: &HashMap<&str, usize>) -> Result<Vec<Json>, GgufError> {
        let merges = self.strings("tokenizer.ggml.merges")?;
        let pairs = merges.iter().enumerate().map(|(rank, &merge)| {
            let wrong = |problem: &str| {
                let problem = format!("merge {rank}, `{}`, {problem}", shortened(merge));
                GgufError::tokenizer(self.path(), problem)
            };
            let (left, right) = merge
                .split_once(' ')
                .ok_or_else(|| wrong("is not two tokens with a space between"))?;
            let known = [left, right, &format!("{left}{right}")]
                .iter()
                .all(|part| ids.contains_key(part));
            if known {
                Ok(json!([left, right]))
            } else {
                Err(wrong("has parts or a result that are no tokens"))
            }
        });
        pairs.collect()
    }

    /// What is added around a text: the tokens of its beginning and its end, where the model wants them.
    fn post_processor(&self, tokens: &[&str]) -> Result<Json, GgufError> {
        // llama.cpp's default for this pre-tokenizer.
        let is_llama_3 = matches!(
            self.value(PRE),
            Some(Value::String("llama3" | "llama-v3" | "llama-bpe"))
        );
        let bos = self.added("bos", is_llama_3, tokens)?;
        let eos = self.added("eos", false, tokens)?;
        if bos.is_none() && eos.is_none() {
            return Ok(byte_level(true));
        }
        let around = |name: &str, type_id: u32| {
            let special = |token: Option<(u64, &str)>| {
                let (_, token) = token?;
                Some(json!({ "SpecialToken": { "id": token, "type_id": 0 } }))
            };
            let text = json!({ "Sequence": { "id": name, "type_id": type_id } });
            let steps = [special(bos), Some(text), special(eos)];
            steps.into_iter().flatten().collect::<Vec<Json>>()
        };
        let pair = [around("A", 0), around("B", 1)].concat();
        let added = [bos, eos].into_iter().flatten().map(|(id, token)| {
            let description = json!({ "id": token, "ids": [id], "tokens": [token] });
            (token.to_owned(), description)
        });
        Ok(json!({
            "type": "TemplateProcessing",
            "single": around("A", 0),
            "pair": pair,
            "special_tokens": added.collect::<Map<String, Json>>(),
        }))
    }

    /// The token `which`, `bos` or `eos`, if the file says that it is added, or does not say and `by_default`.
    fn added<'a>(
        &self,
        which: &str,
        by_default: bool,
        tokens: &[&'a str],
    ) -> Result<Option<(u64, &'a str)>, GgufError> {
        let add = format!("tokenizer.ggml.add_{which}_token");
        let adds = match self.value(&add) {
            Some(_) => self.flag(&add)?,
            None => by_default,
        };
        if !adds {
            return Ok(None);
        }
        let key = format!("tokenizer.ggml.{which}_token_id");
        let id = self.integer(&key)?;
        let token = usize::try_from(id).ok().and_then(|id| tokens.get(id));
        token.map(|token| Some((id, *token))).ok_or_else(|| {
            let problem = format!("{key} is {id}, beyond the {} tokens", tokens.len());
            GgufError::tokenizer(self.path(), problem)
        })
    }
}

/// How text is cut, by llama.cpp's name, and whether a piece that is a token is taken whole before any merge.
fn pre_tokenizer(name: &str) -> Option<(Json, bool)> {
    let sequence = |steps: Vec<Json>| json!({ "type": "Sequence", "pretokenizers": steps });
    Some(match name {
        "gpt-2" | "phi-2" | "mpt" | "olmo" | "jais" | "trillion" | "granite-docling"
        | "exaone4" => (byte_level(true), false),
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b" => {
            let digits = json!({ "type": "Digits", "individual_digits": true });
            (sequence(vec![digits, byte_level(true)]), false)
        }
        "llama3" | "llama-v3" | "llama-bpe" => {
            (sequence(vec![split(LLAMA_3), byte_level(false)]), true)
        }
        "qwen2" | "deepseek-r1-qwen" => (sequence(vec![split(QWEN_2), byte_level(false)]), false),
        "default" => {
            let punctuation = split(r"[\p{P}\$\+<=>\^~\|]+");
            // Runs of digits are cut from a piece's start into threes.
            let digits = [split(r"\p{N}+"), split("[0-9][0-9][0-9]")];
            let gpt_2 = split(
                r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            );
            let steps = [punctuation, gpt_2]
                .into_iter()
                .chain(digits)
                .chain([byte_level(false)]);
            (sequence(steps.collect()), false)
        }
        _ => return None,
    })
}

/// Matches and what is between them become pieces.
fn split(regex: &str) -> Json {
    json!({ "type": "Split", "pattern": { "Regex": regex }, "behavior": "Isolated", "invert": false })
}

/// Bytes as printable characters; with `use_regex`, text is cut as GPT-2 cuts it first.
fn byte_level(use_regex: bool) -> Json {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex })
}
