//! What cannot be asked, and what is said then.

use positional::{AttentionShape, EncodingConfig};
use theory::Subject;

fn complaint(config: EncodingConfig, head_dim: usize, num_heads: usize, context: usize) -> String {
    let shape = AttentionShape {
        head_dim,
        num_heads,
        hidden_size: head_dim.saturating_mul(num_heads),
    };
    match Subject::new(&config, shape, context) {
        Ok(subject) => panic!("{subject:?}"),
        Err(error) => error.to_string(),
    }
}

fn rope() -> EncodingConfig {
    EncodingConfig::new("rope")
}

#[test]
fn contexts_that_are_none() {
    for context in [0, 1, 1_048_577, usize::MAX] {
        assert_eq!(
            complaint(rope(), 64, 8, context),
            format!("the context is {context} tokens; it must be from 2 to 1048576")
        );
    }
}

#[test]
fn sizes_that_are_none() {
    assert_eq!(
        complaint(rope(), 63, 8, 512),
        "`head_dim` is 63; the encoding pairs its coordinates, so it must be even and at least 2"
    );
    for size in [0, 16_385, usize::MAX] {
        assert_eq!(
            complaint(rope(), size, 8, 512),
            format!("`head_dim` is {size}; it must be from 1 to 16384")
        );
        assert_eq!(
            complaint(EncodingConfig::new("alibi"), 64, size, 512),
            format!("`num_heads` is {size}; it must be from 1 to 16384")
        );
    }
}

#[test]
fn encodings_that_are_none() {
    assert!(
        complaint(EncodingConfig::new("prop"), 64, 8, 512)
            .starts_with("unknown encoding kind `prop`, did you mean `")
    );
    assert_eq!(
        complaint(
            EncodingConfig::new("prope").with("fraction", 1.5),
            64,
            8,
            512
        ),
        "`fraction` of `prope` is 1.5; it must be a finite number in [0, 1]"
    );
    assert!(
        complaint(rope().with("fraction", 0.5), 64, 8, 512)
            .starts_with("`rope` takes no `fraction`")
    );
}
