//! Splits that file names publish, as data sets of the Hugging Face hub do.

use std::collections::BTreeSet;

use crate::document::Split;

/// Which splits the names of all files of a config publish: the words that Hugging Face's `datasets` looks
/// for, as whole words in the name of a folder or, failing that, of the file.
///
/// Whoever publishes `train-00000.parquet` and `test-00000.parquet` has dealt the documents out already.
/// Dealing them anew would train on the published test set.
#[derive(Debug, Default)]
pub(super) struct Published {
    splits: BTreeSet<Split>,
    /// Words were found, but they would leave nothing to train on.
    ignored: bool,
}

impl Published {
    /// What files publish of which these are said by their names ([`said_by`]).
    pub fn of(words: &[Option<Split>]) -> Self {
        let splits: BTreeSet<Split> = words.iter().flatten().copied().collect();
        let is_trained_on = |word: &Option<Split>| word.is_none_or(|split| split == Split::Train);
        if words.iter().any(is_trained_on) {
            return Self {
                splits,
                ignored: false,
            };
        }
        Self {
            ignored: !splits.is_empty(),
            splits: BTreeSet::new(),
        }
    }

    /// Whether some file says that it is this split.
    pub fn has(&self, split: Split) -> bool {
        self.splits.contains(&split)
    }

    /// The split of a document of a file whose name says `said`: that if it is held out, else dealt out by the document's name
    /// among training and those splits that no file publishes.
    pub fn split(
        &self,
        said: Option<Split>,
        document: &str,
        valid_fraction: f64,
        test_fraction: f64,
    ) -> Split {
        let held_out = said.filter(|split| *split != Split::Train && self.has(*split));
        let fraction = |split, fraction| if self.has(split) { 0.0 } else { fraction };
        held_out.unwrap_or_else(|| {
            let valid = fraction(Split::Valid, valid_fraction);
            Split::by_name(document, valid, fraction(Split::Test, test_fraction))
        })
    }

    /// What the user is told, if the names matter at all.
    pub fn note(&self) -> Option<String> {
        let escape = "`data.splits = \"fractions\"` ignores what files are called";
        if self.ignored {
            return Some(
                "all file names say that they hold validation or test data; as nothing would be left to \
                 train on, their documents are dealt out by their names"
                    .to_owned(),
            );
        }
        let held_out = [Split::Valid, Split::Test].map(|split| (split, self.has(split)));
        match held_out {
            [(_, false), (_, false)] => None,
            [(_, true), (_, true)] => Some(format!(
                "the valid and test splits are the files whose names say so; {escape}"
            )),
            [(one, true), (other, _)] | [(other, _), (one, true)] => Some(format!(
                "the {one} split is the files whose names say so, and {other} documents are dealt out from \
                 the rest by `data.{other}_fraction`; {escape}"
            )),
        }
    }
}

/// What a name says, its folders first, the outermost before the others; of several words in one part the
/// most careful, so that nothing that says `test` is ever trained on.
pub(super) fn said_by(name: &str) -> Option<Split> {
    name.split('/').find_map(|part| {
        let words = part.split(|c: char| "-._ ".contains(c) || c.is_ascii_digit());
        words.filter_map(word).max()
    })
}

fn word(word: &str) -> Option<Split> {
    Some(match word.to_ascii_lowercase().as_str() {
        "train" | "training" => Split::Train,
        "validation" | "valid" | "dev" | "val" => Split::Valid,
        "test" | "testing" | "eval" | "evaluation" => Split::Test,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_of_folders_and_files_say_a_split() {
        for (name, split) in [
            ("d/train-00000-of-00002.parquet", Some(Split::Train)),
            ("wiki.valid.raw", Some(Split::Valid)),
            ("d/validation/a.jsonl", Some(Split::Valid)),
            ("d/dev2.jsonl", Some(Split::Valid)),
            ("Test.txt", Some(Split::Test)),
            ("d/my eval_set/a.txt", Some(Split::Test)),
            ("train/the test of time.txt", Some(Split::Train)),
            ("train-test.jsonl", Some(Split::Test)),
            ("attest/trainer/evaluations.txt", None),
        ] {
            assert_eq!(said_by(name), split, "{name}");
        }
    }

    #[test]
    fn what_is_not_published_is_dealt_from_the_rest() {
        let published = Published::of(&[Some(Split::Train), Some(Split::Test)]);
        let counts = |said: Split| {
            let split = |i: usize| published.split(Some(said), &format!("d/x.jsonl:{i}"), 0.2, 0.2);
            Split::ALL.map(|wanted| (0..1_000).filter(|i| split(*i) == wanted).count())
        };
        assert_eq!(counts(Split::Test), [0, 0, 1_000]);
        let [train, valid, test] = counts(Split::Train);
        assert_eq!((train + valid, test), (1_000, 0));
        // Five standard deviations of a binomial are 63.
        assert!(valid.abs_diff(200) < 63, "{valid}");
    }

    #[test]
    fn names_that_leave_nothing_to_train_on_are_ignored_aloud() {
        let published = Published::of(&[Some(Split::Test), Some(Split::Test)]);
        assert!(!published.has(Split::Test));
        assert!(
            published
                .note()
                .expect("a note")
                .contains("dealt out by their names")
        );
        assert_eq!(Published::of(&[None, Some(Split::Train)]).note(), None);
    }
}
