//! The page: every picture with how to read it.

use ::anatomy::{Anatomy, Part};
use report::{Page, Section};

use crate::anatomy::model::Model;

/// The whole page; `further` are sections about the encoding itself.
pub fn page(found: &Anatomy, parts: &[Part], model: &Model, further: Vec<Section>) -> Page {
    let mut encodings: Vec<&str> = found.spectra.iter().map(|s| s.encoding.as_str()).collect();
    encodings.dedup();
    encodings.sort_unstable();
    encodings.dedup();
    let mut page = Page::new(format!("Anatomy of {}", found.name))
        .headline(found.headline())
        .fact("encoding", encodings.join("; "))
        .fact("layers", found.spectra.len().to_string())
        .fact(
            "heads a layer",
            (found.heads.len() / found.spectra.len().max(1)).to_string(),
        )
        .fact("parameters", found.parameters.to_string())
        .fact("weights", &model.weights)
        .fact("device", &model.selected.name)
        .fact("made for", format!("{} tokens", model.context_length));
    for part in parts {
        page = page.section(part.section());
    }
    for section in further {
        page = page.section(section);
    }
    page.section(method(found))
}

fn method(found: &Anatomy) -> Section {
    let budget = &found.budget;
    let rotation = found.frequency_use.iter().map(|u| u.rotation_error);
    Section::new("How this was measured").prose(format!(
        "Norms and heads: {} windows of {} tokens of the first text, each after `<bos>`; other texts: up to {} windows. \
         Ablations: {} windows, of single layers and heads {}, bands of 1/{} of a head's pairs. Random segments: {} of {} tokens, each twice. All in f32. \
         Norms before and after rotation differ by at most {:.1e} of themselves.\n\n\
         Heads and layers are counted from 0. A single model on a few texts: what differs from another model may be the luck \
         of a seed. `docs/anatomy.md` defines every measure.",
        budget.windows,
        budget.length,
        budget.other_windows,
        found.ablation.windows,
        found.ablation.layer_windows,
        budget.bands,
        budget.repeated,
        budget.segment,
        rotation.fold(0.0, f64::max)
    ))
}
