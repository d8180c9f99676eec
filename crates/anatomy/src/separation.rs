//! Which pairs tell the keys of a class of tokens from the others.

use std::sync::Arc;

use decoder::{AttentionInputs, Observer};
use serde::Serialize;

use crate::share::{OnHost, add};
use crate::subject::Gathered;
use crate::{CLASSES, Sample, Subject, TokenClasses};

/// How far apart a head's logits are for keys of a class and for other keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Separation {
    /// The layer, 0-based.
    pub layer: usize,
    /// The query head, 0-based.
    pub head: usize,
    /// Name of the class, one of [`CLASSES`].
    pub class: String,
    /// Of each pair: mean over queries of its part of the logit over the keys of the class minus the same over the
    /// other keys.
    pub by_pair: Vec<f64>,
    /// Queries that have keys of both sorts.
    pub queries: usize,
    /// Keys of the class in the text.
    pub keys: usize,
}

impl Separation {
    /// All pairs together: the difference of mean logits.
    pub fn total(&self) -> f64 {
        self.by_pair.iter().sum()
    }
}

/// Keys that a class needs for its means to mean something.
const LEAST_KEYS: usize = 6;

/// Every head's separation of every class over `sample`, in logits. `<bos>` is left out of the other keys of all
/// other classes. Classes that the text hardly has are left out.
pub fn separations(
    subject: &Subject<'_>,
    sample: &Sample,
    classes: &TokenClasses,
) -> Vec<Separation> {
    let mut sums = Vec::new();
    for window in &sample.windows {
        let observer = Arc::new(Separations {
            sums: Gathered::new(sums),
            classes: window
                .iter()
                .map(|token| of_token(classes, *token))
                .collect(),
        });
        let shared: Arc<dyn Observer> = observer.clone();
        subject.observe(std::slice::from_ref(window), &shared);
        sums = observer.sums.take();
    }
    let mut found: Vec<Separation> = sums
        .into_iter()
        .filter(|one| one.queries > 0 && (one.keys >= LEAST_KEYS || one.class == CLASSES[0]))
        .collect();
    for separation in &mut found {
        let queries = separation.queries as f64;
        separation
            .by_pair
            .iter_mut()
            .for_each(|sum| *sum /= queries);
    }
    found
}

fn of_token(classes: &TokenClasses, token: u32) -> Vec<bool> {
    (0..CLASSES.len())
        .map(|class| classes.contains(class, token))
        .collect()
}

struct Separations {
    /// By layer, head and class; sums until the end.
    sums: Gathered<Vec<Separation>>,
    /// `[T][classes]`.
    classes: Vec<Vec<bool>>,
}

impl Observer for Separations {
    fn attention(&self, layer: usize, inputs: &AttentionInputs<'_>) {
        let host = OnHost::new(inputs);
        self.sums.with(|sums| {
            let first = layer * host.heads * CLASSES.len();
            for (head, class) in
                (0..host.heads).flat_map(|head| (0..CLASSES.len()).map(move |class| (head, class)))
            {
                let index = first + head * CLASSES.len() + class;
                if sums.len() <= index {
                    sums.push(Separation {
                        layer,
                        head,
                        class: CLASSES[class].to_owned(),
                        by_pair: vec![0.0; host.pairs()],
                        queries: 0,
                        keys: 0,
                    });
                }
                self.add(&host, class, &mut sums[index]);
            }
        });
    }
}

impl Separations {
    /// One window of one head and class. The mean part of many keys is the part of their mean, so sums of keys
    /// up to the query suffice: time and memory are linear in the text.
    fn add(&self, host: &OnHost, class: usize, separation: &mut Separation) {
        let pairs = host.pairs();
        let head = separation.head;
        let mut members = (vec![0.0f64; 2 * pairs], 0usize);
        let mut others = (vec![0.0f64; 2 * pairs], 0usize);
        for i in 0..host.length {
            let is_bos = self.classes[i][0];
            if self.classes[i][class] {
                add(&mut members.0, host.key(i, head));
                members.1 += 1;
                separation.keys += 1;
            } else if !is_bos {
                add(&mut others.0, host.key(i, head));
                others.1 += 1;
            }
            if members.1 == 0 || others.1 == 0 {
                continue;
            }
            let query = host.query(i, head);
            for (pair, sum) in separation.by_pair.iter_mut().enumerate() {
                for at in [pair, pair + pairs] {
                    let member = members.0[at] / members.1 as f64;
                    let other = others.0[at] / others.1 as f64;
                    *sum += host.scale * f64::from(query[at]) * (member - other);
                }
            }
            separation.queries += 1;
        }
    }
}
