//! What a run is trained and measured on: a tokenizer, a text, tasks.

use corpus::{Corpus, TokenFile, Tokenizer, Windows, sha256_hex};
use evaluation::TaskPlan;
use experiment::{EvaluationSplit, Experiment, Sources};
use tasks::{Task, TaskConfig, TaskError, Text, Vocabulary};

use crate::error::TrainerError;
use crate::examples::Examples;
use crate::screen;

/// The tokenizer of a run, and its text where it reads one.
pub struct Data {
    tokenizer: Tokenizer,
    text: Option<Corpus>,
    digest: String,
}

impl Data {
    /// Opens what `experiment` reads; `tokenized` shows the progress over a text.
    ///
    /// # Errors
    /// If the tokenizer or the text cannot be read.
    pub fn open(
        experiment: &Experiment,
        sources: &Sources,
        tokenized: &dyn Fn(corpus::Progress),
    ) -> Result<Self, TrainerError> {
        let data = &experiment.data;
        if experiment.reads_text() {
            let text = corpus::prepare(data, tokenized)
                .map_err(|error| sources.error("data.path", error.to_string(), None))?;
            for note in &text.notes {
                screen::note(format_args!("data: {note}"));
            }
            return Ok(Self {
                tokenizer: text.tokenizer.clone(),
                digest: text.content_hash.clone(),
                text: Some(text),
            });
        }
        let tokenizer = Tokenizer::open(&data.tokenizer, data.bos_token.as_deref())
            .map_err(|error| sources.error("data.tokenizer", error.to_string(), None))?;
        let identity = format!("no text, tokenizer {}", tokenizer.fingerprint());
        Ok(Self {
            digest: sha256_hex(identity.as_bytes()),
            tokenizer,
            text: None,
        })
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The text, where one is read.
    pub fn text(&self) -> Option<&Corpus> {
        self.text.as_ref()
    }

    /// SHA-256 of tokenizer, documents and their split.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The documents that results are of, and the name of their split.
    pub fn evaluation_text(&self, experiment: &Experiment) -> Option<(&TokenFile, &'static str)> {
        let text = self.text.as_ref()?;
        Some(match experiment.evaluation.split {
            EvaluationSplit::Test => (&text.test, "test"),
            EvaluationSplit::Valid => (&text.valid, "valid"),
        })
    }

    /// What `experiment` is trained on.
    ///
    /// # Errors
    /// If no document holds a window, or the task has no room in one.
    pub fn examples(
        &self,
        experiment: &Experiment,
        sources: &Sources,
    ) -> Result<Examples<'_>, TrainerError> {
        match (&experiment.task, &self.text) {
            (Some(config), _) => self.task_examples(config, experiment, sources),
            (None, Some(text)) => text_examples(text, experiment, sources),
            (None, None) => unreachable!("a run without a task reads a text"),
        }
    }

    fn task_examples(
        &self,
        config: &TaskConfig,
        experiment: &Experiment,
        sources: &Sources,
    ) -> Result<Examples<'_>, TrainerError> {
        let length = experiment.train.context_length;
        let build = |file: Option<&TokenFile>| {
            let task = self.task(config, experiment, file)?;
            task.check_length(length)?;
            Ok(task)
        };
        let text = self.text.as_ref();
        let train = build(text.map(|text| &*text.train));
        let valid = build(text.map(|text| &text.valid));
        let located = |error: TaskError| {
            let key = match error {
                TaskError::LengthTooShort { .. } => "train.context_length",
                TaskError::FillerTooShort { .. } => "data.path",
                TaskError::VocabularyTooSmall { .. } => "model.vocab_size",
                _ => "data.task",
            };
            TrainerError::from(sources.error(key, error.to_string(), None))
        };
        screen::say(format_args!(
            "task {}, samples of {length} tokens, only answers are learnt",
            toml::to_string(config).map_or_else(|_| config.kind().to_owned(), |t| on_one_line(&t))
        ));
        Ok(Examples::Task {
            train: train.map_err(located)?,
            valid: valid.map_err(located)?,
            seed: experiment.seed,
        })
    }

    /// The tasks that are measured; none if the config names none.
    ///
    /// # Errors
    /// If a task has room in none of the lengths, or the text is too short to hide its answers in.
    pub fn task_plan(
        &self,
        experiment: &Experiment,
        sources: &Sources,
    ) -> Result<Option<TaskPlan>, TrainerError> {
        let config = &experiment.evaluation;
        let lengths = config.context_lengths(experiment.train.context_length);
        let longest = lengths.last().copied().unwrap_or(0);
        let file = self.evaluation_text(experiment).map(|(file, _)| file);
        let tasks = config.tasks.iter().map(|config| {
            let task = self.task(config, experiment, file)?;
            task.check_length(longest)?;
            Ok(task)
        });
        let tasks = tasks.collect::<Result<Vec<Task>, TaskError>>();
        let tasks = tasks.map_err(|error| {
            let help = match error {
                TaskError::FillerTooShort { .. } => {
                    "lower the largest of `evaluation.context_factors` or evaluate on more text"
                }
                _ => "leave the task out, or change it, or the lengths (`evaluation.context_factors`)",
            };
            sources.error("evaluation.tasks", error.to_string(), Some(help.to_owned()))
        })?;
        Ok((!tasks.is_empty()).then(|| TaskPlan {
            tasks,
            lengths,
            samples: config.samples_per_task(),
        }))
    }

    /// `config` for the run's vocabulary, with the documents of `file` one after the other as filler.
    fn task(
        &self,
        config: &TaskConfig,
        experiment: &Experiment,
        file: Option<&TokenFile>,
    ) -> Result<Task, TaskError> {
        // Ids that only pad the vocabulary mean nothing to a model that was trained on text.
        let size = match experiment.task {
            Some(_) => experiment.model.vocab_size,
            None => self.tokenizer.vocab_size(),
        };
        let vocabulary = Vocabulary {
            bos: self.tokenizer.bos(),
            first_id: 0,
            size: size as u32,
        };
        let filler = match file {
            Some(file) if config.needs_filler() => file.tokens(0..file.num_tokens()),
            _ => Vec::new(),
        };
        let text = Text {
            // What a vocabulary cannot express becomes nothing, and the task complains.
            encode: &|text| self.tokenizer.encode(text).unwrap_or_default(),
            filler: &filler,
        };
        config.build(vocabulary, Some(&text))
    }
}

/// `kind = "mqar", pairs = 8`.
fn on_one_line(toml: &str) -> String {
    toml.lines().collect::<Vec<_>>().join(", ")
}

fn text_examples<'a>(
    text: &'a Corpus,
    experiment: &Experiment,
    sources: &Sources,
) -> Result<Examples<'a>, TrainerError> {
    let (length, bos) = (experiment.train.context_length, text.tokenizer.bos());
    let windows = Windows::new(text.train.clone(), length, bos, experiment.seed)
        .map_err(|error| sources.error("train.context_length", error.to_string(), None))?;
    screen::say(format_args!(
        "corpus {} training tokens, {} windows an epoch, {} documents too short",
        text.train.num_tokens(),
        windows.windows_per_epoch(),
        windows.skipped_documents()
    ));
    Ok(Examples::Text {
        windows,
        valid: &text.valid,
        bos,
    })
}
