//! Logits against distance.

use ::theory::{Content, Decay};
use report::Axis;
use report::chart::{Line, Point, Series};

use crate::theory::study::Study;

/// Points of a line; noise needs no more to look like noise.
const POINTS: usize = 400;

/// Distances from 0 that are all drawn: a decay begins with its steepest part.
const NEAR: usize = 32;

/// All charts with the names of their files.
pub fn all(study: &Study) -> Vec<(&'static str, Line)> {
    let contents = Content::ALL.into_iter();
    contents
        .map(|content| (file_name(content), chart(study, content)))
        .collect()
}

fn file_name(content: Content) -> &'static str {
    match content {
        Content::Constant => "decay-constant",
        Content::Independent => "decay-independent",
        Content::Repeated => "decay-repeated",
    }
}

/// What queries and keys are, in a column's title.
pub fn name(content: Content) -> &'static str {
    match content {
        Content::Constant => "all ones",
        Content::Independent => "new Gaussians",
        Content::Repeated => "one Gaussian pair",
    }
}

/// One content's logits, a line for each head that differs.
pub fn chart(study: &Study, content: Content) -> Line {
    let (title, subtitle) = match content {
        Content::Constant => (
            "Query and key all ones",
            "the usual argument that rotary encodings decay (Figure 2, left)",
        ),
        Content::Independent => (
            "A new Gaussian query and key at each distance",
            "the same encoding shows no decay (Figure 2, right)",
        ),
        Content::Repeated => (
            "One Gaussian query, one Gaussian key repeated",
            "what a head sees of one token at many distances (Figure 9)",
        ),
    };
    let chart = Line::new(format!("{title}: {}", study.label))
        .subtitle(subtitle)
        .x(Axis::linear("Distance").unit("tokens"))
        .y(Axis::linear("Logit over √head_dim"));
    let several = study.decays_of(content).count() > 1;
    study.decays_of(content).fold(chart, |chart, decay| {
        let name = if several {
            format!("head {}", decay.head)
        } else {
            study.label.clone()
        };
        chart.series(Series::new(name, points(decay)))
    })
}

fn points(decay: &Decay) -> impl Iterator<Item = Point> {
    let last = decay.values.len() - 1;
    let stride = decay.values.len().div_ceil(POINTS).max(1);
    let values = decay.values.iter().enumerate();
    values
        .filter(move |(distance, _)| {
            *distance < NEAR || distance.is_multiple_of(stride) || *distance == last
        })
        .map(|(distance, value)| Point::new(distance as f64, *value))
}
