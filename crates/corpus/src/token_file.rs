//! A memory-mapped file of the tokens of one split.
//!
//! ```text
//! offset  bytes
//!      0  8   magic "TOKENS\r\n": a text-mode copy damages it, and is noticed
//!      8  4   format version, u32
//!     12  4   length of the header, u32
//!     16  32  SHA-256 of the header
//!     48  n   header: JSON
//!   48+n  m   zeros up to a multiple of 8
//!         ..  tokens: u16 where every id fits, else u32
//! ```
//! All numbers are little endian.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::document::Split;
use crate::error::CorpusError;
use crate::hash::to_hex;

/// Changes whenever files of before can no longer be read, or would hold other tokens.
pub(crate) const FORMAT_VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"TOKENS\r\n";
const HEADER_AT: usize = 48;
/// The largest vocabulary whose ids fit 16 bits.
const U16_VOCABULARY: usize = 1 << 16;

/// Where a document lies in its [`TokenFile`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentSpan {
    /// The document's name.
    pub name: String,
    /// Index of its first token.
    pub start: usize,
    /// Index after its last token.
    pub end: usize,
    /// Length of its text in UTF-8 bytes.
    pub bytes: usize,
    /// Whether its tokens are not all of its text, so that bits per byte mean nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lossy: bool,
}

impl DocumentSpan {
    /// Its length in tokens.
    pub fn num_tokens(&self) -> usize {
        self.end - self.start
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Header {
    split: Split,
    content_hash: String,
    tokenizer_fingerprint: String,
    bytes_per_token: usize,
    num_tokens: usize,
    tokens_sha256: String,
    /// Whether [`DocumentSpan::lossy`] tells; files of before do not know.
    #[serde(default)]
    compared: bool,
    documents: Vec<DocumentSpan>,
}

/// Memory-mapped tokens of one split, with an index of its documents.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    header: Header,
    map: Mmap,
    tokens_at: usize,
}

/// One document of a token file to be written.
pub(crate) struct TokenizedDocument<'a> {
    pub name: &'a str,
    pub bytes: usize,
    pub lossy: bool,
    pub tokens: Vec<u32>,
}

/// What a token file to be written belongs to.
pub(crate) struct TokenFileKey<'a> {
    pub split: Split,
    pub content_hash: &'a str,
    pub tokenizer_fingerprint: &'a str,
    pub vocab_size: usize,
}

impl TokenFile {
    /// Maps the file and checks magic, version, header checksum, document index and length. The
    /// tokens themselves are only read by [`TokenFile::verify`].
    ///
    /// The file must not be changed while it is open; [`crate::prepare()`] only ever replaces whole
    /// files by renaming, which leaves open maps intact.
    ///
    /// # Errors
    /// [`CorpusError::Io`] when it cannot be opened, [`CorpusError::TokenFile`] when it is damaged.
    pub fn open(path: &Path) -> Result<Self, CorpusError> {
        let file = File::open(path).map_err(CorpusError::io("open", path))?;
        // SAFETY: the map is read-only, and token files are replaced by renaming, never written in
        // place. Truncation from outside while mapped is the documented misuse that remains.
        let map = unsafe { Mmap::map(&file) }.map_err(CorpusError::io("map", path))?;
        let (header, tokens_at) = read_header(&map).map_err(|message| CorpusError::TokenFile {
            path: path.to_path_buf(),
            message,
        })?;
        Ok(Self {
            path: path.to_path_buf(),
            header,
            map,
            tokens_at,
        })
    }

    /// Writes the file atomically: to a temporary name in the same folder, synced, then renamed.
    pub(crate) fn write(
        path: &Path,
        key: &TokenFileKey<'_>,
        documents: &[TokenizedDocument<'_>],
    ) -> Result<(), CorpusError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(CorpusError::io("create", folder))?;
        whole_file::write(path, |file| write_file(file, key, documents))
            .map_err(CorpusError::io("write", path))
    }

    /// The path it was opened from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The split it holds.
    pub fn split(&self) -> Split {
        self.header.split
    }

    /// The hash of the corpus it belongs to, see [`crate::Corpus::content_hash`].
    pub fn content_hash(&self) -> &str {
        &self.header.content_hash
    }

    /// The [`crate::Tokenizer::fingerprint`] of the tokenizer that made the tokens.
    pub fn tokenizer_fingerprint(&self) -> &str {
        &self.header.tokenizer_fingerprint
    }

    /// Whether its documents say if their tokens are all of their text.
    pub(crate) fn is_compared(&self) -> bool {
        self.header.compared
    }

    /// The number of tokens of all documents together.
    pub fn num_tokens(&self) -> usize {
        self.header.num_tokens
    }

    /// The documents, in order; their spans follow each other without gaps.
    pub fn documents(&self) -> &[DocumentSpan] {
        &self.header.documents
    }

    /// How many documents have fewer than `length` tokens.
    pub fn documents_shorter_than(&self, length: usize) -> usize {
        let documents = self.documents().iter();
        documents.filter(|d| d.num_tokens() < length).count()
    }

    /// The tokens with these indices, counted from the begin of the file.
    ///
    /// # Panics
    /// When the range is not inside `0..num_tokens()`, as slices do.
    pub fn tokens(&self, range: Range<usize>) -> Vec<u32> {
        let Range { start, end } = range;
        let total = self.num_tokens();
        assert!(
            start <= end && end <= total,
            "tokens {start}..{end} of {total}"
        );
        let width = self.header.bytes_per_token;
        let bytes = &self.map[self.tokens_at + start * width..self.tokens_at + end * width];
        if width == 2 {
            let (pairs, _) = bytes.as_chunks::<2>();
            pairs
                .iter()
                .map(|b| u16::from_le_bytes(*b).into())
                .collect()
        } else {
            let (quads, _) = bytes.as_chunks::<4>();
            quads.iter().map(|b| u32::from_le_bytes(*b)).collect()
        }
    }

    /// Reads all tokens and compares their checksum: finds damage that opening does not look for.
    ///
    /// # Errors
    /// [`CorpusError::TokenFile`] when they are not the tokens that were written.
    pub fn verify(&self) -> Result<(), CorpusError> {
        if to_hex(&Sha256::digest(&self.map[self.tokens_at..])) == self.header.tokens_sha256 {
            return Ok(());
        }
        Err(CorpusError::TokenFile {
            path: self.path.clone(),
            message: "the checksum of its tokens is wrong".to_owned(),
        })
    }
}

fn read_header(map: &[u8]) -> Result<(Header, usize), String> {
    let fixed = map
        .get(..HEADER_AT)
        .ok_or_else(|| format!("has only {} bytes", map.len()))?;
    if &fixed[..8] != MAGIC {
        return Err("is not a token file".to_owned());
    }
    let number =
        |at: usize| u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let version = number(8);
    if version != FORMAT_VERSION {
        return Err(format!(
            "has format version {version}, this program reads {FORMAT_VERSION}"
        ));
    }
    let header_end = HEADER_AT + number(12) as usize;
    let json = map
        .get(HEADER_AT..header_end)
        .ok_or("ends inside its header")?;
    if Sha256::digest(json)[..] != fixed[16..HEADER_AT] {
        return Err("the checksum of its header is wrong".to_owned());
    }
    let header: Header = serde_json::from_slice(json).map_err(|e| format!("bad header: {e}"))?;
    let tokens_at = header_end.next_multiple_of(8);
    check(&header, map.len(), tokens_at)?;
    Ok((header, tokens_at))
}

fn check(header: &Header, file_length: usize, tokens_at: usize) -> Result<(), String> {
    if ![2, 4].contains(&header.bytes_per_token) {
        return Err(format!("has {} bytes per token", header.bytes_per_token));
    }
    let expected = header
        .num_tokens
        .checked_mul(header.bytes_per_token)
        .and_then(|bytes| bytes.checked_add(tokens_at))
        .ok_or("has an impossible number of tokens")?;
    if file_length != expected {
        return Err(format!(
            "has {file_length} bytes, its header says {expected}"
        ));
    }
    let mut end = 0;
    for document in &header.documents {
        if document.start != end || document.end < end {
            return Err(format!("document `{}` is out of order", document.name));
        }
        end = document.end;
    }
    if end != header.num_tokens {
        return Err("its documents do not cover its tokens".to_owned());
    }
    Ok(())
}

fn write_file(
    out: &mut BufWriter<&File>,
    key: &TokenFileKey<'_>,
    documents: &[TokenizedDocument<'_>],
) -> std::io::Result<()> {
    let bytes_per_token = if key.vocab_size <= U16_VOCABULARY {
        2
    } else {
        4
    };
    let spans = spans(documents);
    let header = Header {
        split: key.split,
        content_hash: key.content_hash.to_owned(),
        tokenizer_fingerprint: key.tokenizer_fingerprint.to_owned(),
        bytes_per_token,
        num_tokens: spans.last().map_or(0, |span| span.end),
        tokens_sha256: tokens_sha256(documents, bytes_per_token),
        compared: true,
        documents: spans,
    };
    let json = serde_json::to_vec(&header)?;
    let length = u32::try_from(json.len()).map_err(std::io::Error::other)?;
    let padding = (HEADER_AT + json.len()).next_multiple_of(8) - HEADER_AT - json.len();

    out.write_all(MAGIC)?;
    out.write_all(&FORMAT_VERSION.to_le_bytes())?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&Sha256::digest(&json))?;
    out.write_all(&json)?;
    out.write_all(&[0; 8][..padding])?;
    for document in documents {
        out.write_all(&little_endian(&document.tokens, bytes_per_token))?;
    }
    out.flush()?;
    out.get_ref().sync_all()
}

fn spans(documents: &[TokenizedDocument<'_>]) -> Vec<DocumentSpan> {
    let mut start = 0;
    documents
        .iter()
        .map(|document| {
            let end = start + document.tokens.len();
            let span = DocumentSpan {
                name: document.name.to_owned(),
                start,
                end,
                bytes: document.bytes,
                lossy: document.lossy,
            };
            start = end;
            span
        })
        .collect()
}

fn tokens_sha256(documents: &[TokenizedDocument<'_>], bytes_per_token: usize) -> String {
    let mut hasher = Sha256::new();
    for document in documents {
        hasher.update(little_endian(&document.tokens, bytes_per_token));
    }
    to_hex(&hasher.finalize())
}

fn little_endian(tokens: &[u32], bytes_per_token: usize) -> Vec<u8> {
    tokens
        .iter()
        .flat_map(|token| token.to_le_bytes().into_iter().take(bytes_per_token))
        .collect()
}
