//! The final-tokens protocol, run on a decoder and a token file.

use std::ops::ControlFlow;

use corpus::{CorpusError, TokenFile, Tokenizer, evaluation_windows};
use decoder::Decoder;
use fused::Workers;
use serde::{Deserialize, Serialize};
use tasks::TaskError;
use thiserror::Error;

use crate::interval::{Interval, WindowScore, perplexity_interval};
use crate::protocol::{PROTOCOL_NAME, PROTOCOL_VERSION, Protocol};
use crate::scoring::Scorer;

/// Tokens that validation scores at once on each worker.
const VALIDATION_TOKENS: usize = 4096;

/// Why an evaluation could not run.
#[derive(Debug, Error)]
pub enum EvaluationError {
    /// The text does not hold one window.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// A task's samples cannot be made, or its losses are not finite.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A loss came out as NaN or infinite.
    #[error("the loss at context {context} is not finite: the weights are broken")]
    NotFinite {
        /// Context length in tokens.
        context: usize,
    },
    /// The caller asked to stop.
    #[error("the evaluation was stopped")]
    Stopped,
}

/// Everything the protocol measured; the content of `eval.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Protocol name, with [`Self::version`] part of every number.
    pub protocol: String,
    /// Protocol version.
    pub version: u32,
    /// Protocol parameters.
    pub parameters: Protocol,
    /// Name of the split, for example `test`.
    pub split: String,
    /// Documents that held at least one window.
    pub documents: Vec<DocumentResult>,
    /// Documents shorter than a window, which nothing was scored of.
    pub skipped_documents: usize,
    /// One entry per context length, rising.
    pub contexts: Vec<ContextResult>,
    /// Loss by position at the longest context, in buckets `[2^k, 2^(k+1))`.
    pub positions: Vec<PositionBucket>,
}

/// A document's part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DocumentResult {
    /// Its name in the corpus.
    pub name: String,
    /// Windows scored.
    pub windows: usize,
}

/// The result at one context length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContextResult {
    /// Context length in tokens, the BOS included.
    pub context: usize,
    /// Tokens scored.
    pub tokens: usize,
    /// Mean negative log-likelihood in nats per token.
    pub nll: f64,
    /// `exp(nll)`.
    pub perplexity: f64,
    /// 95% interval of the perplexity over documents and windows.
    pub interval: Option<Interval>,
    /// Bits per byte of UTF-8 text; none where the tokens of a document are not all of its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_byte: Option<f64>,
    /// Sums per window, in the same order at every context: what paired comparisons need.
    pub windows: Vec<WindowScore>,
}

/// Mean loss over a range of positions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PositionBucket {
    /// First 0-based position of the input whose prediction counts here.
    pub first: usize,
    /// One past the last.
    pub end: usize,
    /// Tokens scored.
    pub tokens: usize,
    /// Mean negative log-likelihood in nats per token.
    pub nll: f64,
}

/// The windows of a token file and where each ends.
struct Windows {
    documents: Vec<DocumentResult>,
    skipped: usize,
    /// (index into `documents`, end of the window in the file).
    ends: Vec<(usize, usize)>,
    /// Whether the tokens of some of `documents` are not all of its text.
    lossy: bool,
}

/// Runs the final-tokens protocol on `workers`; `progress` is told (done, all) input tokens
/// and may stop it.
///
/// # Errors
/// If no document holds a window of the longest context, a loss is not finite, or `progress` breaks.
pub fn evaluate(
    decoder: &Decoder,
    file: &TokenFile,
    split: &str,
    tokenizer: &Tokenizer,
    protocol: &Protocol,
    workers: &Workers,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Evaluation, EvaluationError> {
    let windows = windows(file, protocol)?;
    let all_tokens = windows.ends.len() * protocol.contexts.iter().sum::<usize>();
    let bytes = scored_bytes(file, tokenizer, &windows, protocol.scored_tokens);
    let mut done = 0;
    let mut contexts = Vec::new();
    let mut positions = Vec::new();
    for &context in &protocol.contexts {
        // At the longest context every position's loss is wanted; below it, the final tokens' only.
        let longest = context == protocol.window();
        let scored = if longest {
            context
        } else {
            protocol.scored_tokens
        };
        let scorer = Scorer::new(decoder, tokenizer.bos(), context);
        let mut losses = Vec::with_capacity(windows.ends.len());
        let at_once = workers.count() * scorer.batch_for(protocol.window());
        for batch in windows.ends.chunks(at_once) {
            let ends: Vec<usize> = batch.iter().map(|(_, end)| *end).collect();
            losses.extend(scorer.score_in_parallel(file, &ends, scored, workers));
            done += ends.len() * context;
            if progress(done, all_tokens).is_break() {
                return Err(EvaluationError::Stopped);
            }
        }
        if longest {
            positions = position_buckets(&losses);
        }
        let result = context_result(context, &losses, &windows, bytes, protocol);
        if !result.nll.is_finite() {
            return Err(EvaluationError::NotFinite { context });
        }
        contexts.push(result);
    }
    Ok(Evaluation {
        protocol: PROTOCOL_NAME.to_owned(),
        version: PROTOCOL_VERSION,
        parameters: protocol.clone(),
        split: split.to_owned(),
        documents: windows.documents,
        skipped_documents: windows.skipped,
        contexts,
        positions,
    })
}

/// Mean loss in nats per token over up to `count` windows of `length` tokens, all tokens scored, on
/// `workers`.
///
/// # Errors
/// If no document holds a window.
pub fn validation_loss(
    decoder: &Decoder,
    file: &TokenFile,
    bos: u32,
    length: usize,
    count: usize,
    workers: &Workers,
) -> Result<f64, EvaluationError> {
    let windows = evaluation_windows(file, length, None)?;
    let stride = windows.len().div_ceil(count.max(1));
    let ends: Vec<usize> = windows
        .iter()
        .step_by(stride)
        .map(|window| window.start + length)
        .collect();
    let scorer = Scorer::new(decoder, bos, length);
    let (mut sum, mut tokens) = (0.0, 0usize);
    for batch in ends.chunks(workers.count() * scorer.batch_for(VALIDATION_TOKENS)) {
        for losses in scorer.score_in_parallel(file, batch, length, workers) {
            sum += losses.iter().map(|loss| f64::from(*loss)).sum::<f64>();
            tokens += losses.len();
        }
    }
    Ok(sum / tokens as f64)
}

fn windows(file: &TokenFile, protocol: &Protocol) -> Result<Windows, EvaluationError> {
    let length = protocol.window();
    let found = evaluation_windows(file, length, protocol.windows_per_document)?;
    let mut documents: Vec<DocumentResult> = Vec::new();
    let mut last = None;
    let mut lossy = false;
    let mut ends = Vec::with_capacity(found.len());
    for window in found {
        if last != Some(window.document) {
            last = Some(window.document);
            let span = &file.documents()[window.document];
            lossy |= span.lossy;
            documents.push(DocumentResult {
                name: span.name.clone(),
                windows: 0,
            });
        }
        let index = documents.len() - 1;
        documents[index].windows += 1;
        ends.push((index, window.start + length));
    }
    Ok(Windows {
        skipped: file.documents().len() - documents.len(),
        documents,
        ends,
        lossy,
    })
}

/// UTF-8 bytes of all scored tokens, unless the tokens of some scored document are not all of its text.
fn scored_bytes(
    file: &TokenFile,
    tokenizer: &Tokenizer,
    windows: &Windows,
    scored: usize,
) -> Option<usize> {
    if windows.lossy {
        return None;
    }
    let ids = windows
        .ends
        .iter()
        .flat_map(|(_, end)| file.tokens(end - scored..*end));
    Some(ids.map(|id| tokenizer.token_bytes(id)).sum())
}

fn context_result(
    context: usize,
    losses: &[Vec<f32>],
    windows: &Windows,
    bytes: Option<usize>,
    protocol: &Protocol,
) -> ContextResult {
    let scored = protocol.scored_tokens;
    let scores: Vec<WindowScore> = losses
        .iter()
        .zip(&windows.ends)
        .map(|(losses, (document, _))| WindowScore {
            document: *document,
            nll: sum(&losses[losses.len() - scored..]),
        })
        .collect();
    let total: f64 = scores.iter().map(|score| score.nll).sum();
    let tokens = scores.len() * scored;
    let nll = total / tokens as f64;
    ContextResult {
        context,
        tokens,
        nll,
        perplexity: nll.exp(),
        interval: perplexity_interval(&scores, scored, protocol.bootstrap_samples),
        bits_per_byte: bytes.map(|bytes| total / (std::f64::consts::LN_2 * bytes as f64)),
        windows: scores,
    }
}

fn position_buckets(losses: &[Vec<f32>]) -> Vec<PositionBucket> {
    let length = losses.first().map_or(0, Vec::len);
    let mut buckets = Vec::new();
    let (mut first, mut end) = (0, 1);
    while first < length {
        let end_here = end.min(length);
        let total: f64 = losses
            .iter()
            .map(|window| sum(&window[first..end_here]))
            .sum();
        let tokens = losses.len() * (end_here - first);
        buckets.push(PositionBucket {
            first,
            end: end_here,
            tokens,
            nll: total / tokens as f64,
        });
        (first, end) = (end, end * 2);
    }
    buckets
}

fn sum(losses: &[f32]) -> f64 {
    losses.iter().map(|loss| f64::from(*loss)).sum()
}
