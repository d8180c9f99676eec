//! A number hidden in a long text, and asked for at its end.

use serde::{Deserialize, Serialize};

use crate::error::check;
use crate::generate::Generate;
use crate::numbers::Numbers;
use crate::random::Random;
use crate::{Answer, Cell, Sample, TaskError};

/// More digits than any text needs; fewer than overflow.
const MOST_DIGITS: usize = 15;

/// How tasks made of words reach the run's tokenizer and a text.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    /// Encodes a piece of text without special tokens. Pieces are encoded alone and joined as
    /// tokens; each begins with a space or a new line, where tokenizers break words anyway.
    pub encode: &'a dyn Fn(&str) -> Vec<u32>,
    /// Tokens of a text the model was not trained on, as long as the longest sample. Copied.
    pub filler: &'a [u32],
}

/// What a needle is hidden in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filler {
    /// Five short sentences again and again, as Mohtashami and Jaggi have it.
    Sentences,
    /// A stretch of [`Text::filler`] from a random place.
    Text,
}

/// A pass key among sentences about the weather (Mohtashami and Jaggi 2023, arXiv:2305.16300).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Passkey {
    /// Decimal digits of the number, 1 to 15.
    pub digits: usize,
    /// Percentages of the filler that come before the number; sample i takes number i modulo their
    /// count.
    pub depths: Vec<u8>,
    /// Wrong numbers to compare the likelihood of.
    pub alternatives: usize,
    /// What the number is hidden in.
    pub filler: Filler,
}

/// A needle in a haystack of real text (Kamradt 2023; wording after RULER, Hsieh et al. 2024,
/// arXiv:2404.06654).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Needle {
    /// Decimal digits of the number, 1 to 15.
    pub digits: usize,
    /// Percentages of the filler that come before the number; sample i takes number i modulo their
    /// count.
    pub depths: Vec<u8>,
    /// Wrong numbers to compare the likelihood of.
    pub alternatives: usize,
    /// What the number is hidden in.
    pub filler: Filler,
}

fn every_ten_percent() -> Vec<u8> {
    (0..=100).step_by(10).collect()
}

impl Default for Passkey {
    fn default() -> Self {
        Self {
            digits: 5,
            depths: every_ten_percent(),
            alternatives: 4,
            filler: Filler::Sentences,
        }
    }
}

impl Default for Needle {
    fn default() -> Self {
        Self {
            digits: 7,
            depths: every_ten_percent(),
            alternatives: 4,
            filler: Filler::Text,
        }
    }
}

const SENTENCES: &str = " The grass is green. The sky is blue. The sun is yellow. Here we go. \
                         There and back again.";

const PASSKEY_TASK: &str = "There is an important info hidden inside a lot of irrelevant text. \
                            Find it and memorize them. I will quiz you about the important \
                            information there.\n";

/// What the needle's number is said to belong to. Any words would do that a text seldom has as names
/// of numbers.
const SUBJECTS: [&str; 16] = [
    "anchor", "basket", "candle", "dragon", "engine", "feather", "garden", "hammer", "island",
    "jacket", "kettle", "ladder", "mirror", "needle", "orange", "pepper",
];

impl Passkey {
    pub(crate) const KIND: &'static str = "passkey";

    pub(crate) fn check(&self) -> Result<(), TaskError> {
        check_parameters(Self::KIND, self.digits, &self.depths, self.alternatives)
    }

    pub(crate) fn build(&self, bos: u32, text: &Text) -> Result<Box<dyn Generate>, TaskError> {
        let encode = text.encode;
        let fact = Fact {
            statement: vec![
                encode("\nThe pass key is"),
                encode(". Remember it."),
                encode(" is the pass key.\n"),
            ],
            question: encode("\nWhat is the pass key? The pass key is"),
        };
        Ok(Box::new(Haystack {
            kind: Self::KIND,
            bos,
            task: encode(PASSKEY_TASK),
            facts: vec![fact],
            numbers: Numbers::new(Self::KIND, self.digits, self.alternatives + 1, encode)?,
            alternatives: self.alternatives,
            depths: self.depths.clone(),
            straw: Straw::new(Self::KIND, self.filler, text)?,
        }))
    }
}

impl Needle {
    pub(crate) const KIND: &'static str = "needle";

    pub(crate) fn check(&self) -> Result<(), TaskError> {
        check_parameters(Self::KIND, self.digits, &self.depths, self.alternatives)
    }

    pub(crate) fn build(&self, bos: u32, text: &Text) -> Result<Box<dyn Generate>, TaskError> {
        let encode = text.encode;
        let fact = |subject: &&str| Fact {
            statement: vec![
                encode(&format!(" The special magic number for {subject} is")),
                encode("."),
            ],
            question: encode(&format!(
                "\nWhat is the special magic number for {subject}? \
                 The special magic number for {subject} is"
            )),
        };
        Ok(Box::new(Haystack {
            kind: Self::KIND,
            bos,
            task: Vec::new(),
            facts: SUBJECTS.iter().map(fact).collect(),
            numbers: Numbers::new(Self::KIND, self.digits, self.alternatives + 1, encode)?,
            alternatives: self.alternatives,
            depths: self.depths.clone(),
            straw: Straw::new(Self::KIND, self.filler, text)?,
        }))
    }
}

fn check_parameters(
    kind: &'static str,
    digits: usize,
    depths: &[u8],
    alternatives: usize,
) -> Result<(), TaskError> {
    let range = format!("from 1 to {MOST_DIGITS}");
    check(
        (1..=MOST_DIGITS).contains(&digits),
        kind,
        "digits",
        digits,
        &range,
    )?;
    check(
        !depths.is_empty(),
        kind,
        "depths",
        "empty",
        "at least one percentage",
    )?;
    for depth in depths {
        check(
            *depth <= 100,
            kind,
            "depths",
            depth,
            "percentages from 0 to 100",
        )?;
    }
    let others = 10_usize.pow(digits as u32) - 1;
    let limit = others.min(1_000);
    let expected = format!("at most {limit}, the other numbers of {digits} digits");
    let expected = if limit < others {
        "at most 1000".to_owned()
    } else {
        expected
    };
    check(
        alternatives <= limit,
        kind,
        "alternatives",
        alternatives,
        &expected,
    )
}

/// What is said about a number, and how it is asked for.
#[derive(Debug)]
struct Fact {
    /// Tokens before, between and behind the mentions of the number.
    statement: Vec<Vec<u32>>,
    /// The last tokens before the answer.
    question: Vec<u32>,
}

impl Fact {
    fn state(&self, number: &[u32]) -> Vec<u32> {
        self.statement.join(number)
    }

    /// Tokens of statement and question with a number of `size` tokens.
    fn tokens(&self, size: usize) -> usize {
        let pieces: usize = self.statement.iter().map(Vec::len).sum();
        pieces + (self.statement.len() - 1) * size + self.question.len()
    }
}

/// The filler.
#[derive(Debug)]
enum Straw {
    Repeated(Vec<u32>),
    Text(Vec<u32>),
}

impl Straw {
    fn new(kind: &'static str, filler: Filler, text: &Text) -> Result<Self, TaskError> {
        match filler {
            Filler::Text => Ok(Self::Text(text.filler.to_vec())),
            Filler::Sentences => {
                let sentences = (text.encode)(SENTENCES);
                // A tokenizer that encodes words as nothing cannot fill anything.
                if sentences.is_empty() {
                    return Err(TaskError::NoText { kind });
                }
                Ok(Self::Repeated(sentences))
            }
        }
    }

    fn take(&self, random: &mut Random, count: usize) -> Vec<u32> {
        match self {
            Self::Repeated(sentences) => sentences.iter().copied().cycle().take(count).collect(),
            Self::Text(text) => {
                let start = random.below(text.len() - count + 1);
                text[start..start + count].to_vec()
            }
        }
    }
}

#[derive(Debug)]
struct Haystack {
    kind: &'static str,
    bos: u32,
    /// What the model is told to do, at the begin.
    task: Vec<u32>,
    facts: Vec<Fact>,
    numbers: Numbers,
    alternatives: usize,
    depths: Vec<u8>,
    straw: Straw,
}

impl Haystack {
    /// Tokens of a sample that are not filler.
    fn needed(&self, fact: &Fact) -> usize {
        let size = self.numbers.size();
        1 + self.task.len() + fact.tokens(size) + size
    }
}

impl Generate for Haystack {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn least_length(&self) -> usize {
        let needed = self.facts.iter().map(|fact| self.needed(fact));
        needed.max().map_or(0, |tokens| tokens - 1)
    }

    fn token_chance(&self) -> Option<f64> {
        None
    }

    fn check_length(&self, length: usize) -> Result<(), TaskError> {
        let (kind, least) = (self.kind, self.least_length());
        if length < least {
            return Err(TaskError::LengthTooShort {
                kind,
                length,
                least,
            });
        }
        let needed = self.facts.iter().map(|fact| self.needed(fact)).min();
        let least = length + 1 - needed.unwrap_or(0);
        match &self.straw {
            Straw::Text(text) if text.len() < least => Err(TaskError::FillerTooShort {
                kind,
                tokens: text.len(),
                length,
                least,
            }),
            _ => Ok(()),
        }
    }

    fn generate(&self, random: &mut Random, index: u64, length: usize) -> Sample {
        let fact = &self.facts[random.below(self.facts.len())];
        let mut numbers = self.numbers.draw(random, self.alternatives + 1);
        let number = numbers.remove(0);
        let filler = self.straw.take(random, length + 1 - self.needed(fact));
        let percent = self.depths[(index % self.depths.len() as u64) as usize];
        let depth = (filler.len() * usize::from(percent) + 50) / 100;

        let mut tokens = vec![self.bos];
        tokens.extend(&self.task);
        tokens.extend(&filler[..depth]);
        tokens.extend(fact.state(&number));
        tokens.extend(&filler[depth..]);
        tokens.extend(&fact.question);
        let start = tokens.len();
        tokens.extend(&number);
        let cell = Some(Cell::Depth { percent });
        let answer = Answer {
            alternatives: numbers,
            ..Answer::at(start..tokens.len(), cell)
        };
        Sample {
            tokens,
            answers: vec![answer],
        }
    }
}
