//! Attention of chosen heads, token by token.

use std::sync::Arc;

use decoder::{AttentionInputs, Observer};
use serde::Serialize;

use crate::Subject;
use crate::subject::{Gathered, values};

/// Weights of one head over the first tokens of a text.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AttentionMap {
    /// The layer, 0-based.
    pub layer: usize,
    /// The query head, 0-based.
    pub head: usize,
    /// Text of each token; the first is `<bos>`.
    pub tokens: Vec<String>,
    /// `[query][key]`; 0 for keys after the query.
    pub weights: Vec<Vec<f32>>,
}

/// Maps of the heads `(layer, head)` over `tokens`, whose texts are `texts`: one pass for all of them.
pub fn attention_maps(
    subject: &Subject<'_>,
    heads: &[(usize, usize)],
    tokens: &[u32],
    texts: &[String],
) -> Vec<AttentionMap> {
    let maps = heads.iter().map(|(layer, head)| AttentionMap {
        layer: *layer,
        head: *head,
        tokens: texts.to_vec(),
        weights: Vec::new(),
    });
    let observer = Arc::new(Maps(Gathered::new(maps.collect())));
    let shared: Arc<dyn Observer> = observer.clone();
    // The observed pass leaves out a window's last token, which would only be a target.
    let mut window = tokens.to_vec();
    window.extend(tokens.last());
    subject.observe(&[window], &shared);
    observer.0.take()
}

struct Maps(Gathered<Vec<AttentionMap>>);

impl Observer for Maps {
    fn attention(&self, layer: usize, inputs: &AttentionInputs<'_>) {
        self.0.with(|maps| {
            let mut asked: Vec<_> = maps.iter_mut().filter(|map| map.layer == layer).collect();
            if asked.is_empty() {
                return;
            }
            let length = inputs.q.dims()[1];
            // Maps are small: all queries at once.
            for chunk in inputs.weights(length) {
                let keys = chunk.keys.len();
                let weights = values(chunk.weights); // [1, H, T, T]
                for map in &mut asked {
                    let start = map.head * length * keys;
                    let rows = weights[start..start + length * keys].chunks_exact(keys);
                    map.weights = rows.map(<[f32]>::to_vec).collect();
                }
            }
        });
    }
}
