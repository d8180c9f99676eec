//! Which token ids a synthetic task is made of.

use crate::TaskError;
use crate::random::Random;

/// The part of a run's vocabulary that synthetic tasks use: `first_id..size` without BOS.
///
/// The first [`Marker::COUNT`] of these ids are markers, the rest are content. The layout is the
/// same for every task, so one model can be trained on several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// Token that begins every sample.
    pub bos: u32,
    /// First id to use.
    pub first_id: u32,
    /// One past the last id to use: the size of the run's vocabulary.
    pub size: u32,
}

/// A reserved id with a meaning, in the order of the ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// Fills what is left behind the last answer.
    Padding,
    /// Stands between the data tokens of `selective_copy`.
    Noise,
    /// "Now copy."
    Copy,
    /// "Now reverse."
    Reverse,
    /// "Now copy what was not noise."
    SelectiveCopy,
    /// "Which token came before this one?"
    PreviousToken,
    /// "Which token came k before this one?"
    KBack,
    /// "Which token came first?"
    FirstToken,
}

impl Marker {
    /// How many ids are reserved.
    pub const COUNT: usize = Self::FirstToken as usize + 1;
}

impl Vocabulary {
    /// Number of ids, markers included, BOS not.
    pub fn ids(&self) -> usize {
        let range = self.first_id..self.size;
        range.len() - usize::from(range.contains(&self.bos))
    }

    /// Number of content ids.
    pub fn content_ids(&self) -> usize {
        self.ids().saturating_sub(Marker::COUNT)
    }

    /// The id of a marker.
    pub fn marker(&self, marker: Marker) -> u32 {
        self.id(marker as usize)
    }

    /// The content id number `index`, counted from 0.
    ///
    /// # Panics
    /// When `index` is not below [`Self::content_ids`].
    pub fn content(&self, index: usize) -> u32 {
        let count = self.content_ids();
        assert!(index < count, "content id {index} of {count}");
        self.id(Marker::COUNT + index)
    }

    /// Id number `index` of the range with BOS left out.
    fn id(&self, index: usize) -> u32 {
        let id = self.first_id + index as u32;
        let skips_bos = self.first_id <= self.bos && self.bos <= id;
        id + u32::from(skips_bos)
    }

    /// That there are at least `content` content ids.
    pub(crate) fn check(&self, kind: &'static str, content: usize) -> Result<(), TaskError> {
        if self.content_ids() >= content {
            return Ok(());
        }
        Err(TaskError::VocabularyTooSmall {
            kind,
            first_id: self.first_id,
            ids: self.ids(),
            least: content.saturating_add(Marker::COUNT),
        })
    }

    /// A content id, each as likely as any other.
    pub(crate) fn draw(&self, random: &mut Random) -> u32 {
        self.content(random.below(self.content_ids()))
    }

    /// [`Self::draw`] `count` times, with replacement.
    pub(crate) fn draws(&self, random: &mut Random, count: usize) -> Vec<u32> {
        (0..count).map(|_| self.draw(random)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(vocabulary: Vocabulary) -> Vec<u32> {
        (0..vocabulary.ids()).map(|i| vocabulary.id(i)).collect()
    }

    #[test]
    fn ids_are_the_range_without_bos_wherever_it_is() {
        for bos in 0..12 {
            for first_id in 0..12 {
                let vocabulary = Vocabulary {
                    bos,
                    first_id,
                    size: 10,
                };
                let expected: Vec<u32> = (first_id..10).filter(|id| *id != bos).collect();
                assert_eq!(all(vocabulary), expected, "{vocabulary:?}");
            }
        }
    }

    #[test]
    fn content_follows_the_markers() {
        let bytes = Vocabulary {
            bos: 256,
            first_id: 0,
            size: 257,
        };
        assert_eq!(bytes.ids(), 256);
        assert_eq!(bytes.content_ids(), 248);
        assert_eq!(bytes.marker(Marker::Padding), 0);
        assert_eq!(bytes.marker(Marker::FirstToken), 7);
        assert_eq!(bytes.content(0), 8);
        assert_eq!(bytes.content(247), 255);
    }

    #[test]
    fn every_content_id_is_drawn_and_nothing_else() {
        let vocabulary = Vocabulary {
            bos: 12,
            first_id: 2,
            size: 16,
        };
        let mut drawn = vocabulary.draws(&mut Random::fixed(0), 200);
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn, [10, 11, 13, 14, 15]);
    }

    #[test]
    #[should_panic(expected = "content id 0 of 0")]
    fn a_vocabulary_of_markers_has_no_content() {
        let vocabulary = Vocabulary {
            bos: 0,
            first_id: 1,
            size: 5,
        };
        vocabulary.content(0);
    }
}
