//! What is asked about, and all its numbers.

use std::path::{Path, PathBuf};

use ::theory::{
    Check, Content, Decay, LeastKernel, SmallestBase, Subject, TheoryError, Wavelengths, checks,
    least_kernel, smallest_base,
};
use decoder::DecoderConfig;
use experiment::Experiment;
use positional::{AttentionShape, EncodingConfig};

use crate::error::TrainerError;

/// Context of an encoding that comes from no config: the paper's.
const CONTEXT: usize = 8192;

/// Where the encodings come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A config file or a run directory: every kind of layer.
    Config(PathBuf),
    /// A model: every kind of layer.
    Model(Box<DecoderConfig>),
    /// One encoding.
    Encoding(EncodingConfig, AttentionShape),
}

/// An encoding with its numbers.
#[derive(Debug)]
pub struct Study {
    /// The encoding's label.
    pub label: String,
    /// The kinds of layers that have it.
    pub layers: String,
    /// The encoding.
    pub subject: Subject,
    /// Three contents, for each head that differs.
    pub decays: Vec<Decay>,
    /// The paper's statements.
    pub checks: Vec<Check>,
    /// Of the frequencies, if it has any.
    pub frequencies: Option<Frequencies>,
}

/// What follows from frequencies and context.
#[derive(Debug)]
pub struct Frequencies {
    /// Lengths in tokens.
    pub wavelengths: Wavelengths,
    /// The smallest `B_m`.
    pub least: LeastKernel,
    /// The smallest base without a negative one.
    pub base: Option<SmallestBase>,
}

impl Study {
    /// Works everything out.
    ///
    /// # Errors
    /// The encoding cannot be built under another base.
    pub fn new(layers: &str, subject: Subject) -> Result<Self, TheoryError> {
        let contents = Content::ALL.into_iter();
        let decays = contents.flat_map(|content| {
            let heads = subject.heads().into_iter();
            heads.map(move |head| (content, head))
        });
        let decays = decays.map(|(content, head)| Decay::of(&subject, content, head));
        let spectrum = subject.encoding().spectrum();
        let frequencies = spectrum
            .map(|spectrum| -> Result<_, TheoryError> {
                Ok(Frequencies {
                    wavelengths: Wavelengths::of(spectrum, subject.context()),
                    least: least_kernel(spectrum, subject.context()),
                    base: smallest_base(&subject)?,
                })
            })
            .transpose()?;
        Ok(Self {
            label: subject.encoding().label(),
            layers: layers.to_owned(),
            decays: decays.collect(),
            checks: checks(&subject),
            frequencies,
            subject,
        })
    }

    /// The decays of one content, a head each.
    pub fn decays_of(&self, content: Content) -> impl Iterator<Item = &Decay> {
        self.decays.iter().filter(move |d| d.content == content)
    }
}

/// The encodings of `source`, each once, over `context` tokens or the config's; no further than a layer's window.
///
/// # Errors
/// If a config cannot be read or an encoding cannot be built.
pub fn studies(source: &Source, context: Option<usize>) -> Result<Vec<Study>, TrainerError> {
    let studies = match source {
        Source::Encoding(encoding, shape) => {
            let subject = Subject::new(encoding, *shape, context.unwrap_or(CONTEXT))?;
            vec![Study::new("any", subject)?]
        }
        Source::Config(path) => {
            let experiment = read(path)?;
            let context = context.unwrap_or(experiment.train.context_length);
            of_model(&experiment.model, context)?
        }
        Source::Model(model) => of_model(model, context.unwrap_or(CONTEXT))?,
    };
    Ok(studies)
}

/// The encodings of all kinds of layers, each once.
fn of_model(model: &DecoderConfig, context: usize) -> Result<Vec<Study>, TheoryError> {
    let mut kinds: Vec<(Vec<String>, Subject)> = Vec::new();
    for (name, subject) in layers(model, context)? {
        let same = kinds.iter_mut().find(|(_, other)| {
            other.config() == subject.config()
                && other.shape() == subject.shape()
                && other.context() == subject.context()
        });
        match same {
            Some((names, _)) => names.push(name),
            None => kinds.push((vec![name], subject)),
        }
    }
    let studies = kinds
        .into_iter()
        .map(|(names, subject)| Study::new(&names.join("-"), subject));
    studies.collect()
}

/// A config file, or the resolved one of a run directory.
fn read(path: &Path) -> Result<Experiment, TrainerError> {
    if !path.is_dir() {
        return Ok(Experiment::load(path, &[])?.experiment);
    }
    let config = path.join("config.toml");
    if !config.is_file() {
        return Err(TrainerError::NotARun(path.to_owned()));
    }
    Ok(Experiment::load_resolved(&config, &[])?.experiment)
}

fn layers(model: &DecoderConfig, context: usize) -> Result<Vec<(String, Subject)>, TheoryError> {
    let layers = model.layers.iter().map(|(name, kind)| {
        let within = kind
            .sliding_window
            .map_or(context, |window| window.min(context));
        let shape = model.attention_shape(kind);
        Ok((name.clone(), Subject::new(&kind.encoding, shape, within)?))
    });
    layers.collect()
}
