//! From a [`DataConfig`] to token files.

use std::path::Path;
use std::sync::{Arc, mpsc};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::config::DataConfig;
use crate::document::{Document, Split};
use crate::error::CorpusError;
use crate::hash::{sha256_hex, to_hex};
use crate::source::{Documents, read_documents, read_held_out};
use crate::token_file::{FORMAT_VERSION, TokenFile, TokenFileKey, TokenizedDocument};
use crate::tokenizer::Tokenizer;

/// A corpus ready to be trained and evaluated on.
#[derive(Debug)]
pub struct Corpus {
    /// Tokens to train on; shared with the [`crate::Windows`] made of it.
    pub train: Arc<TokenFile>,
    /// Tokens to look at while training; may hold no documents.
    pub valid: TokenFile,
    /// Tokens for the final numbers; may hold no documents.
    pub test: TokenFile,
    /// What made them.
    pub tokenizer: Tokenizer,
    /// SHA-256 over the format version, the tokenizer's fingerprint, and every document's split,
    /// name and text, hexadecimal: runs with the same hash saw the same tokens.
    pub content_hash: String,
    /// What the user should know of how the text was read: sentences.
    pub notes: Vec<String>,
}

/// A document has been tokenized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of text tokenized so far.
    pub done_bytes: u64,
    /// Bytes of text to tokenize.
    pub total_bytes: u64,
    /// The document's name.
    pub document: String,
}

/// Reads the documents, tokenizes them unless the cache has their token files, and opens those.
///
/// `progress` is called from this thread after each document, only when there is something to do.
/// Documents are tokenized in parallel; the result does not depend on the number of threads.
/// Several processes may prepare the same corpus at once: each writes its own temporary file, and
/// the last to rename it wins with the same bytes.
///
/// All texts and tokens are held in memory meanwhile, and a Hugging Face tokenizer takes over 100
/// bytes for each byte of the documents it is working on, one per thread.
///
/// # Errors
/// See [`CorpusError`]; [`CorpusError::EmptySplit`] when there is nothing to train on.
pub fn prepare(config: &DataConfig, progress: &dyn Fn(Progress)) -> Result<Corpus, CorpusError> {
    config.validate()?;
    let tokenizer = Tokenizer::open(&config.tokenizer, config.bos_token.as_deref())?;
    let Documents {
        documents,
        mut notes,
    } = read_documents(config)?;
    if documents.iter().all(|d| d.split != Split::Train) {
        return Err(CorpusError::EmptySplit {
            split: Split::Train.to_string(),
        });
    }
    let content_hash = content_hash(&tokenizer, &documents);
    let cache = Cache {
        folder: &config.cache,
        tokenizer: &tokenizer,
        content_hash: &content_hash,
    };
    let [train, valid, test] = match cache.open_all() {
        Ok(files) => files,
        Err(reason) => {
            tracing::debug!("tokenizing: {reason}");
            cache.write_all(&documents, progress)?;
            cache.open_all()?
        }
    };
    notes.extend(lossy_note(&tokenizer, &[&train, &valid, &test]));
    Ok(Corpus {
        train: Arc::new(train),
        valid,
        test,
        tokenizer,
        content_hash,
        notes,
    })
}

/// Text to evaluate on, and what made its tokens.
#[derive(Debug)]
pub struct EvaluationText {
    /// The tokens.
    pub tokens: TokenFile,
    /// What made them.
    pub tokenizer: Tokenizer,
    /// As [`Corpus::notes`].
    pub notes: Vec<String>,
}

/// Only what an evaluation reads: the documents of `split` where a manifest says which those are, all
/// documents elsewhere, since a model from outside was trained on none of them as far as their names can
/// tell. `progress` and the cache as in [`prepare`].
///
/// # Errors
/// See [`CorpusError`]; [`CorpusError::EmptySplit`] when there is nothing to evaluate on.
pub fn prepare_evaluation(
    config: &DataConfig,
    split: Split,
    progress: &dyn Fn(Progress),
) -> Result<EvaluationText, CorpusError> {
    config.validate()?;
    let tokenizer = Tokenizer::open(&config.tokenizer, config.bos_token.as_deref())?;
    let Documents {
        documents,
        mut notes,
    } = read_held_out(config, split)?;
    if documents.is_empty() {
        return Err(CorpusError::EmptySplit {
            split: split.to_string(),
        });
    }
    let content_hash = content_hash(&tokenizer, &documents);
    let cache = Cache {
        folder: &config.cache,
        tokenizer: &tokenizer,
        content_hash: &content_hash,
    };
    let tokens = match cache.open(split) {
        Ok(file) => file,
        Err(reason) => {
            tracing::debug!("tokenizing: {reason}");
            cache.write_all(&documents, progress)?;
            cache.open(split)?
        }
    };
    notes.extend(lossy_note(&tokenizer, &[&tokens]));
    Ok(EvaluationText {
        tokens,
        tokenizer,
        notes,
    })
}

fn content_hash(tokenizer: &Tokenizer, documents: &[Document]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!(
        "tokens {FORMAT_VERSION} {}\n",
        tokenizer.fingerprint()
    ));
    for document in documents {
        let Document { name, text, split } = document;
        // The text's digest has a fixed length, so only the name could be ambiguous: its length says.
        let digest = sha256_hex(text.as_bytes());
        hasher.update(format!("{split} {digest} {} {name}\n", name.len()));
        // Before, such a name was taken for the token: these are other tokens.
        if tokenizer.spells_special(text) {
            hasher.update("names of special tokens are text\n");
        }
    }
    to_hex(&hasher.finalize())
}

struct Cache<'a> {
    folder: &'a Path,
    tokenizer: &'a Tokenizer,
    content_hash: &'a str,
}

impl Cache<'_> {
    fn path(&self, split: Split) -> std::path::PathBuf {
        let key = &self.content_hash[..16];
        self.folder.join(format!("{split}-{key}.tokens"))
    }

    fn open_all(&self) -> Result<[TokenFile; 3], CorpusError> {
        let [train, valid, test] = Split::ALL.map(|split| self.open(split));
        Ok([train?, valid?, test?])
    }

    fn open(&self, split: Split) -> Result<TokenFile, CorpusError> {
        let path = self.path(split);
        let file = TokenFile::open(&path)?;
        if file.content_hash() != self.content_hash || file.split() != split {
            return Err(CorpusError::TokenFile {
                path,
                message: "belongs to another corpus than its name says".to_owned(),
            });
        }
        if !file.is_compared() {
            return Err(CorpusError::TokenFile {
                path,
                message: "does not say whether its tokens are all of the text".to_owned(),
            });
        }
        Ok(file)
    }

    fn write_all(
        &self,
        documents: &[Document],
        progress: &dyn Fn(Progress),
    ) -> Result<(), CorpusError> {
        let mut tokenized = tokenize(self.tokenizer, documents, progress)?;
        for split in Split::ALL {
            let of_split: Vec<TokenizedDocument<'_>> = documents
                .iter()
                .zip(&mut tokenized)
                .filter(|(document, _)| document.split == split)
                .map(|(document, tokenized)| TokenizedDocument {
                    name: &document.name,
                    bytes: document.text.len(),
                    lossy: tokenized.lossy,
                    tokens: std::mem::take(&mut tokenized.tokens),
                })
                .collect();
            let key = TokenFileKey {
                split,
                content_hash: self.content_hash,
                tokenizer_fingerprint: self.tokenizer.fingerprint(),
                vocab_size: self.tokenizer.vocab_size(),
            };
            TokenFile::write(&self.path(split), &key, &of_split)?;
        }
        Ok(())
    }
}

/// The tokens of a document, and whether they are not all of its text.
struct Tokens {
    tokens: Vec<u32>,
    lossy: bool,
}

/// The tokens of every document, in the documents' order.
fn tokenize(
    tokenizer: &Tokenizer,
    documents: &[Document],
    progress: &dyn Fn(Progress),
) -> Result<Vec<Tokens>, CorpusError> {
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let worker = scope.spawn(move || {
            documents
                .par_iter()
                .map_with(sender, |sender, document| {
                    let tokens = tokenizer.encode(&document.text)?;
                    // Nobody listening means the caller is unwinding already.
                    let _ = sender.send(document);
                    Ok(Tokens {
                        lossy: !tokenizer.is_lossless(&document.text, &tokens),
                        tokens,
                    })
                })
                .collect()
        });
        report(&receiver, documents, progress);
        worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Calls `progress` for every document that comes in, until all senders are gone.
fn report(
    receiver: &mpsc::Receiver<&Document>,
    documents: &[Document],
    progress: &dyn Fn(Progress),
) {
    let total_bytes = documents.iter().map(|d| d.text.len() as u64).sum();
    let mut done_bytes = 0;
    for document in receiver {
        done_bytes += document.text.len() as u64;
        progress(Progress {
            done_bytes,
            total_bytes,
            document: document.name.clone(),
        });
    }
}

/// What is said of documents whose tokens are not all of their text.
fn lossy_note(tokenizer: &Tokenizer, files: &[&TokenFile]) -> Option<String> {
    let documents = files.iter().flat_map(|file| file.documents());
    let all = documents.clone().count();
    let mut lossy = documents.filter(|document| document.lossy);
    let first = &lossy.next()?.name;
    let count = 1 + lossy.count();
    Some(format!(
        "the tokenizer `{}` loses text: of {all} documents {count} do not come back from their tokens as they \
         were, `{first}` the first; a split with one of them has no bits per byte",
        tokenizer.name(),
    ))
}
