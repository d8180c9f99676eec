//! The protocol against what it promises, on a byte-level corpus and a small decoder.

use std::fs;
use std::ops::ControlFlow;

use burn::tensor::{Device, Int, Tensor, TensorData};
use corpus::{Corpus, DataConfig, Tokenizer};
use decoder::{Decoder, Execution, Kernels, Precision, load_parameters, named_tensors, preset};
use evaluation::{Evaluation, EvaluationError, Protocol, evaluate, validation_loss};
use fused::Workers;

/// A corpus of three test documents of 400, 150 and 60 bytes, and the folder that holds it.
fn corpus() -> (tempfile::TempDir, Corpus) {
    corpus_with("bytes")
}

/// The same with another tokenizer.
fn corpus_with(tokenizer: &str) -> (tempfile::TempDir, Corpus) {
    let folder = tempfile::tempdir().expect("folder");
    let text = |seed: usize, bytes: usize| -> String {
        (0..bytes)
            .map(|i| char::from(b'a' + ((i * i + seed * i + i / 7) % 23) as u8))
            .collect()
    };
    let mut documents = String::new();
    for (name, split, bytes) in [
        ("train", "train", 300),
        ("valid", "valid", 200),
        ("long", "test", 400),
        ("middle", "test", 150),
        ("short", "test", 60),
    ] {
        let body = text(name.len(), bytes);
        fs::write(folder.path().join(format!("{name}.txt")), &body).expect("write");
        let comma = if documents.is_empty() { "" } else { "," };
        documents += &format!(
            r#"{comma}{{"file":"{name}.txt","title":"{name}","author":"","layout":"verse","bytes":{bytes},"sha256":"{}","split":"{split}"}}"#,
            corpus::sha256_hex(body.as_bytes())
        );
    }
    let manifest = format!(
        r#"{{"name":"test","description":"-","licence":"-","attribution":"-","cleaning":"-","split_rule":"-","documents":[{documents}]}}"#
    );
    fs::write(folder.path().join("manifest.json"), manifest).expect("write");
    let config = DataConfig {
        paths: vec![folder.path().to_owned()],
        tokenizer: tokenizer.to_owned(),
        cache: folder.path().join("cache"),
        ..DataConfig::default()
    };
    let corpus = corpus::prepare(&config, &|_| ()).expect("corpus");
    (folder, corpus)
}

fn decoder() -> Decoder {
    Decoder::new(preset("micro").expect("preset"), 5, &Device::flex()).expect("decoder")
}

fn protocol() -> Protocol {
    Protocol {
        contexts: vec![16, 32, 64, 128],
        scored_tokens: 8,
        windows_per_document: None,
        bootstrap_samples: 50,
    }
}

fn threads(count: usize) -> Workers {
    Workers::new(count).expect("threads")
}

fn run(decoder: &Decoder, corpus: &Corpus, protocol: &Protocol, workers: usize) -> Evaluation {
    let go_on = &mut |_: usize, _: usize| ControlFlow::Continue(());
    let tokenizer = &corpus.tokenizer;
    evaluate(
        decoder,
        &corpus.test,
        "test",
        tokenizer,
        protocol,
        &threads(workers),
        go_on,
    )
    .expect("evaluate")
}

#[test]
fn a_decoder_that_knows_nothing_has_the_vocabulary_as_perplexity() {
    let (_folder, corpus) = corpus();
    let mut tensors = named_tensors(&decoder());
    tensors[0].values.fill(0.0); // the tied embedding: every logit is 0
    let blank = load_parameters(decoder(), tensors).expect("same parameters");
    let result = run(&blank, &corpus, &protocol(), 1);
    for context in &result.contexts {
        assert!(
            (context.perplexity - 257.0).abs() < 1e-3,
            "{}",
            context.perplexity
        );
        // A token is a byte here.
        let bits_per_byte = context.bits_per_byte.expect("bytes lose nothing");
        assert!((bits_per_byte - 257f64.log2()).abs() < 1e-5);
        let interval = context.interval.expect("four windows");
        assert!((interval.high - interval.low).abs() < 1e-6);
    }
}

/// The same losses by hand: one window and one context at a time, whole attention, whole logits.
#[test]
fn every_context_scores_the_same_final_tokens() {
    let (_folder, corpus) = corpus();
    let decoder = decoder();
    let result = run(&decoder, &corpus, &protocol(), 1);
    // 400 bytes hold three windows of 128, 150 hold one, 60 hold none.
    let counts: Vec<_> = result.documents.iter().map(|d| d.windows).collect();
    assert_eq!((counts, result.skipped_documents), (vec![3, 1], 1));
    let spans = corpus.test.documents();
    for context in &result.contexts {
        assert_eq!(context.tokens, 4 * 8);
        let mut by_hand = Vec::new();
        for (index, document) in result.documents.iter().enumerate() {
            let span = spans
                .iter()
                .find(|s| s.name == document.name)
                .expect("document");
            for window in 0..document.windows {
                let end = span.start + (window + 1) * 128;
                let losses = losses_by_hand(&decoder, &corpus, end, context.context);
                by_hand.push((index, losses[context.context - 8..].iter().sum::<f64>()));
            }
        }
        for (found, (document, nll)) in context.windows.iter().zip(&by_hand) {
            assert_eq!(found.document, *document);
            assert!((found.nll - nll).abs() < 1e-4, "{} {nll}", found.nll);
        }
        let total: f64 = by_hand.iter().map(|(_, nll)| nll).sum();
        assert!((context.nll - total / 32.0).abs() < 1e-6);
    }
}

fn losses_by_hand(decoder: &Decoder, corpus: &Corpus, end: usize, context: usize) -> Vec<f64> {
    let device = decoder.device();
    let window = corpus.test.tokens(end - context..end);
    let mut inputs = vec![corpus.tokenizer.bos() as i32];
    inputs.extend(window[..context - 1].iter().map(|id| *id as i32));
    let inputs: Tensor<2, Int> = Tensor::from_data(TensorData::new(inputs, [1, context]), &device);
    let execution = Execution {
        precision: Precision::F32,
        kernels: Kernels::Plain,
        fused_attention: false,
        query_chunk: context,
    };
    let positions = decoder.positions(context, &device);
    let hidden = decoder.hidden_states(inputs, &positions, execution);
    let logits: Vec<f32> = decoder
        .logits(hidden, Precision::F32)
        .into_data()
        .iter::<f32>()
        .collect();
    let vocabulary = logits.len() / context;
    window
        .iter()
        .zip(logits.chunks(vocabulary))
        .map(|(target, row)| {
            let total: f64 = row.iter().map(|l| f64::from(*l).exp()).sum();
            total.ln() - f64::from(row[*target as usize])
        })
        .collect()
}

#[test]
fn position_buckets_cover_the_longest_context_once() {
    let (_folder, corpus) = corpus();
    let result = run(&decoder(), &corpus, &protocol(), 1);
    let ranges: Vec<_> = result.positions.iter().map(|b| (b.first, b.end)).collect();
    assert_eq!(
        ranges,
        [
            (0, 1),
            (1, 2),
            (2, 4),
            (4, 8),
            (8, 16),
            (16, 32),
            (32, 64),
            (64, 128)
        ]
    );
    assert!(
        result
            .positions
            .iter()
            .all(|b| b.tokens == 4 * (b.end - b.first))
    );
}

#[test]
fn workers_change_no_bit() {
    let (_folder, corpus) = corpus();
    let decoder = decoder();
    let alone = run(&decoder, &corpus, &protocol(), 1);
    for workers in [2, 3, 8] {
        assert_eq!(run(&decoder, &corpus, &protocol(), workers), alone);
    }
    let loss = |workers| {
        let bos = corpus.tokenizer.bos();
        validation_loss(&decoder, &corpus.valid, bos, 32, 6, &threads(workers)).expect("validate")
    };
    assert_eq!(loss(1).to_bits(), loss(2).to_bits());
}

#[test]
fn a_window_longer_than_every_document_is_an_error() {
    let (_folder, corpus) = corpus();
    let protocol = Protocol {
        contexts: vec![64, 512],
        ..protocol()
    };
    let go_on = &mut |_: usize, _: usize| ControlFlow::Continue(());
    let tokenizer = &corpus.tokenizer;
    let error = evaluate(
        &decoder(),
        &corpus.test,
        "test",
        tokenizer,
        &protocol,
        &threads(1),
        go_on,
    )
    .expect_err("no window of 512");
    assert!(error.to_string().contains("512"), "{error}");
}

#[test]
fn broken_weights_and_a_wish_to_stop_end_it() {
    let (_folder, corpus) = corpus();
    let tokenizer = &corpus.tokenizer;
    let stop = &mut |_: usize, _: usize| ControlFlow::Break(());
    let error = evaluate(
        &decoder(),
        &corpus.test,
        "test",
        tokenizer,
        &protocol(),
        &threads(1),
        stop,
    );
    assert!(matches!(error, Err(EvaluationError::Stopped)));
    let mut tensors = named_tensors(&decoder());
    tensors[0].values[300] = f32::NAN;
    let broken = load_parameters(decoder(), tensors).expect("same parameters");
    let go_on = &mut |_: usize, _: usize| ControlFlow::Continue(());
    let error = evaluate(
        &broken,
        &corpus.test,
        "test",
        tokenizer,
        &protocol(),
        &threads(1),
        go_on,
    );
    assert!(matches!(
        error,
        Err(EvaluationError::NotFinite { context: 16 })
    ));
}

/// Perplexity is that of the tokens there are; their bytes are not those of the text.
#[test]
fn a_tokenizer_that_loses_text_has_no_bits_per_byte() {
    let bytes = Tokenizer::open("bytes", None).expect("opens");
    let (none, loses) = (
        r#""normalizer":null"#,
        r#""normalizer":{"type":"Replace","pattern":{"String":"v"},"content":"w"}"#,
    );
    assert!(bytes.json().contains(none));
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("tokenizer.json");
    fs::write(&path, bytes.json().replace(none, loses)).expect("write");
    let (_folder, corpus) = corpus_with(&path.display().to_string());
    let result = run(&decoder(), &corpus, &protocol(), 1);
    for context in &result.contexts {
        assert_eq!(context.bits_per_byte, None);
        assert!(context.perplexity > 1.0);
    }
}
