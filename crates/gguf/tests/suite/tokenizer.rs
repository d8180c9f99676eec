//! The tokenizer inside, given to Hugging Face's `tokenizers`.

use std::path::Path;

use gguf::GgufFile;
use tokenizers::Tokenizer;

use crate::writer::Writer;

/// A vocabulary of single letters, digits, space and newline as byte-level BPE writes them, and some merges.
fn file(pre: &str) -> Writer {
    let tokens = [
        "a", "b", "c", "1", "2", "3", "4", "Ġ", "Ċ", "!", "ab", "Ġab", "12", "123", "abc", "<s>",
        "<user>",
    ];
    let kinds = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 4];
    Writer::new()
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", pre)
        .texts("tokenizer.ggml.tokens", &tokens)
        .integers("tokenizer.ggml.token_type", &kinds)
        .texts("tokenizer.ggml.merges", &["a b", "Ġ ab", "1 2", "12 3"])
        .u32("tokenizer.ggml.bos_token_id", 15)
}

fn open(writer: &Writer) -> GgufFile {
    GgufFile::from_bytes(writer.bytes(), Path::new("tokens.gguf")).unwrap()
}

fn tokenizer(writer: &Writer) -> Tokenizer {
    open(writer).tokenizer_json().unwrap().parse().unwrap()
}

fn pieces(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    tokenizer.encode(text, true).unwrap().get_tokens().to_vec()
}

#[test]
fn each_pre_tokenizer_cuts_as_its_model_does() {
    let text = "ab ab1234!";
    // GPT-2 keeps a number whole, SmolLM takes digits one by one, Llama 3 by threes.
    let expected: [(&str, &[&str]); 5] = [
        ("gpt-2", &["ab", "Ġab", "123", "4", "!"]),
        ("smollm", &["ab", "Ġab", "1", "2", "3", "4", "!"]),
        ("llama-bpe", &["<s>", "ab", "Ġab", "123", "4", "!"]),
        ("qwen2", &["ab", "Ġab", "1", "2", "3", "4", "!"]),
        ("default", &["ab", "Ġab", "123", "4", "!"]),
    ];
    for (pre, expected) in expected {
        assert_eq!(pieces(&tokenizer(&file(pre)), text), expected, "{pre}");
    }
}

#[test]
fn llama_3_takes_a_piece_that_is_a_token_whole() {
    // `abc` is a token that no merge makes.
    assert_eq!(
        pieces(&tokenizer(&file("llama-bpe")), "abc"),
        ["<s>", "abc"]
    );
    assert_eq!(pieces(&tokenizer(&file("gpt-2")), "abc"), ["ab", "c"]);
}

#[test]
fn special_tokens_and_decoding() {
    let tokenizer = tokenizer(&file("smollm"));
    let encoded = tokenizer.encode("ab<s> ab<user>\n", false).unwrap();
    assert_eq!(encoded.get_tokens(), ["ab", "<s>", "Ġab", "<user>", "Ċ"]);
    assert_eq!(
        tokenizer.decode(encoded.get_ids(), false).unwrap(),
        "ab<s> ab<user>\n"
    );
    assert_eq!(
        tokenizer.decode(encoded.get_ids(), true).unwrap(),
        "ab ab<user>\n"
    );
}

#[test]
fn the_beginning_is_added_where_the_file_says() {
    let said = file("smollm").entry("tokenizer.ggml.add_bos_token", 7, &[1]);
    assert_eq!(pieces(&tokenizer(&said), "ab"), ["<s>", "ab"]);
    let denied = file("llama-bpe").entry("tokenizer.ggml.add_bos_token", 7, &[0]);
    assert_eq!(pieces(&tokenizer(&denied), "ab"), ["ab"]);
}

#[test]
fn wrong_vocabularies_are_refused() {
    let base = || Writer::new().text("tokenizer.ggml.model", "gpt2");
    let refusals = [
        (
            Writer::new().text("tokenizer.ggml.model", "llama"),
            "`llama` is not read, only byte-level BPE",
        ),
        (
            base().text("tokenizer.ggml.pre", "viking"),
            "the pre-tokenizer `viking` is not known",
        ),
        (base(), "`tokenizer.ggml.tokens` is missing"),
        (
            base().texts("tokenizer.ggml.tokens", &["a", "b", "a"]),
            "tokens 0 and 2 are both `a`",
        ),
        (
            base()
                .texts("tokenizer.ggml.tokens", &["a"])
                .integers("tokenizer.ggml.token_type", &[1, 1]),
            "1 tokens, but 2 token types",
        ),
        (
            base()
                .texts("tokenizer.ggml.tokens", &["a", "b"])
                .texts("tokenizer.ggml.merges", &["ab"]),
            "merge 0, `ab`, is not two tokens",
        ),
        (
            base()
                .texts("tokenizer.ggml.tokens", &["a", "b"])
                .texts("tokenizer.ggml.merges", &["a b"]),
            "merge 0, `a b`, has parts or a result that are no tokens",
        ),
    ];
    for (writer, expected) in &refusals {
        let message = open(writer).tokenizer_json().unwrap_err().to_string();
        assert!(
            message.contains(expected),
            "{message}\n  does not say\n{expected}"
        );
    }
}

#[test]
fn a_beginning_beyond_the_vocabulary_is_refused() {
    let writer = Writer::new()
        .text("tokenizer.ggml.model", "gpt2")
        .texts("tokenizer.ggml.tokens", &["a"])
        .texts("tokenizer.ggml.merges", &[])
        .entry("tokenizer.ggml.add_bos_token", 7, &[1])
        .u32("tokenizer.ggml.bos_token_id", 7);
    let message = open(&writer).tokenizer_json().unwrap_err().to_string();
    assert!(
        message.contains("bos_token_id is 7, beyond the 1 tokens"),
        "{message}"
    );
}

#[test]
fn a_file_that_does_not_say_how_text_is_cut_is_refused() {
    let writer = Writer::new()
        .text("tokenizer.ggml.model", "gpt2")
        .texts("tokenizer.ggml.tokens", &["a"])
        .texts("tokenizer.ggml.merges", &[]);
    let message = open(&writer).tokenizer_json().unwrap_err().to_string();
    assert!(
        message.contains("`tokenizer.ggml.pre` is missing")
            && message.contains("tokenizer.json beside the file"),
        "{message}"
    );
    tokenizer(&writer.text("tokenizer.ggml.pre", "default"));
}

#[test]
fn keys_that_change_tokens_are_refused_by_name_unless_off() {
    let flag = |key: &str, on: u8| file("smollm").entry(key, 7, &[on]);
    for name in [
        "add_sep_token",
        "add_space_prefix",
        "normalizer.lowercase",
        "normalizer.strip_accents",
        "remove_extra_whitespaces",
        "treat_whitespace_as_suffix",
    ] {
        let key = format!("tokenizer.ggml.{name}");
        let message = open(&flag(&key, 1))
            .tokenizer_json()
            .unwrap_err()
            .to_string();
        assert!(message.contains(&format!("`{key}`")), "{message}");
        tokenizer(&flag(&key, 0));
    }
    let unknown = open(&flag("tokenizer.ggml.reverse_text", 0)).tokenizer_json();
    assert!(
        unknown
            .unwrap_err()
            .to_string()
            .contains("`tokenizer.ggml.reverse_text`")
    );
    let charsmap = |values: &[i32]| {
        let writer = file("smollm").integers("tokenizer.ggml.precompiled_charsmap", values);
        open(&writer).tokenizer_json()
    };
    let message = charsmap(&[1, 2]).unwrap_err().to_string();
    assert!(message.contains("precompiled_charsmap"), "{message}");
    charsmap(&[]).unwrap();
}

#[test]
fn keys_that_change_no_token_are_taken() {
    let writer = file("smollm")
        .u32("tokenizer.ggml.eos_token_id", 15)
        .u32("tokenizer.ggml.padding_token_id", u32::MAX)
        .u32("tokenizer.ggml.seperator_token_id", 99)
        .integers("tokenizer.ggml.scores", &[0])
        .text("tokenizer.chat_template", "{{ messages }}");
    assert_eq!(pieces(&tokenizer(&writer), "ab"), ["ab"]);
}

#[test]
fn the_end_is_added_where_the_file_says() {
    let ends = |writer: Writer| writer.u32("tokenizer.ggml.eos_token_id", 16);
    let flag = |key: &str| ends(file("smollm")).entry(key, 7, &[1]);
    let eos = flag("tokenizer.ggml.add_eos_token");
    assert_eq!(pieces(&tokenizer(&eos), "ab"), ["ab", "<user>"]);
    let both = eos.entry("tokenizer.ggml.add_bos_token", 7, &[1]);
    assert_eq!(pieces(&tokenizer(&both), "ab"), ["<s>", "ab", "<user>"]);
    let beyond = file("smollm")
        .entry("tokenizer.ggml.add_eos_token", 7, &[1])
        .u32("tokenizer.ggml.eos_token_id", 17);
    let message = open(&beyond).tokenizer_json().unwrap_err().to_string();
    assert!(
        message.contains("eos_token_id is 17, beyond the 17 tokens"),
        "{message}"
    );
}
