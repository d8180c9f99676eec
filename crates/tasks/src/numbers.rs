//! Numbers in words of the run's tokenizer, for tasks that hide one in a text.

use std::collections::{BTreeMap, HashSet};

use crate::TaskError;
use crate::random::Random;

/// Most numbers to draw from: encoding is slow, and chance is small enough with these.
const POOL: usize = 4_096;

/// Keeps the pool's random numbers apart from others that every seed shares.
const PURPOSE: u64 = 0x706F_6F6C; // "pool"

/// Different numbers of as many digits and as many tokens each, leading zeros included.
///
/// A tokenizer may write one number in two tokens and another in four. Answers of one sample must
/// agree in that, and answers of different samples had better, so only the commonest count is kept.
#[derive(Debug)]
pub(crate) struct Numbers {
    pool: Vec<Vec<u32>>,
}

impl Numbers {
    /// Encodes numbers of `digits` digits, each behind a space; at least `wanted` must be left.
    pub fn new(
        kind: &'static str,
        digits: usize,
        wanted: usize,
        encode: &dyn Fn(&str) -> Vec<u32>,
    ) -> Result<Self, TaskError> {
        let mut seen = HashSet::new();
        let different: Vec<Vec<u32>> = numbers(digits)
            .map(|number| encode(&format!(" {number:0digits$}")))
            .filter(|tokens| !tokens.is_empty() && seen.insert(tokens.clone()))
            .collect();
        let size = commonest_size(&different);
        let pool: Vec<Vec<u32>> = different
            .into_iter()
            .filter(|tokens| tokens.len() == size)
            .collect();
        if pool.len() < wanted {
            return Err(TaskError::TooFewNumbers {
                kind,
                digits,
                found: pool.len(),
                wanted,
            });
        }
        Ok(Self { pool })
    }

    /// Tokens of a number.
    pub fn size(&self) -> usize {
        self.pool[0].len()
    }

    /// `count` different numbers in random order, as tokens.
    pub fn draw(&self, random: &mut Random, count: usize) -> Vec<Vec<u32>> {
        let chosen = random.choose(self.pool.len(), count);
        chosen.into_iter().map(|i| self.pool[i].clone()).collect()
    }
}

/// All numbers of so many digits, or [`POOL`] random ones, the same for every seed.
fn numbers(digits: usize) -> Box<dyn Iterator<Item = usize>> {
    let all = 10_usize.pow(digits as u32);
    if all <= POOL {
        return Box::new(0..all);
    }
    let mut random = Random::fixed(PURPOSE);
    Box::new((0..POOL).map(move |_| random.below(all)))
}

/// The number of tokens that most have, the smaller of two that are equally common.
fn commonest_size(numbers: &[Vec<u32>]) -> usize {
    let mut count: BTreeMap<usize, usize> = BTreeMap::new();
    for tokens in numbers {
        *count.entry(tokens.len()).or_default() += 1;
    }
    let most = count.values().max().copied().unwrap_or(0);
    let commonest = count.iter().find(|(_, times)| **times == most);
    commonest.map_or(0, |(size, _)| *size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u32> {
        text.bytes().map(u32::from).collect()
    }

    /// Bytes, but any two digits that are equal are one token.
    fn merging(text: &str) -> Vec<u32> {
        let mut tokens: Vec<u32> = Vec::new();
        for byte in bytes(text) {
            match tokens.last_mut() {
                Some(last) if *last == byte => *last += 1_000,
                _ => tokens.push(byte),
            }
        }
        tokens
    }

    #[test]
    fn short_numbers_are_all_there() {
        let numbers = Numbers::new("passkey", 2, 100, &bytes).expect("100 numbers");
        assert_eq!(numbers.pool.len(), 100);
        assert_eq!(numbers.size(), 3);
        assert_eq!(numbers.pool[7], bytes(" 07"));
    }

    #[test]
    fn long_numbers_are_many_different_ones() {
        // 4096 draws out of 10 000 hit 10 000 (1 - (1 - 1e-4)^4096) = 3361 of them, ± 40.
        let numbers = Numbers::new("passkey", 4, 2, &bytes).expect("enough numbers");
        assert!(
            numbers.pool.len().abs_diff(3_361) < 160,
            "{}",
            numbers.pool.len()
        );
        let mut sorted = numbers.pool.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), numbers.pool.len());
    }

    #[test]
    fn all_numbers_have_the_commonest_count_of_tokens() {
        // Of 100 numbers the 10 of twice the same digit are shorter.
        let numbers = Numbers::new("passkey", 2, 90, &merging).expect("90 numbers");
        assert_eq!(numbers.pool.len(), 90);
        assert!(numbers.pool.iter().all(|tokens| tokens.len() == 3));
    }

    #[test]
    fn longer_numbers_are_left_out_as_well() {
        // The 20 numbers from 80 on take a token more than the other 80.
        let encode = |text: &str| match bytes(text) {
            tokens if tokens[1] >= u32::from(b'8') => [tokens, vec![0]].concat(),
            tokens => tokens,
        };
        let numbers = Numbers::new("passkey", 2, 80, &encode).expect("80 numbers");
        assert_eq!(numbers.pool.len(), 80);
        assert_eq!(numbers.size(), 3);
    }

    #[test]
    fn a_tokenizer_that_tells_no_numbers_apart_is_refused() {
        let error = Numbers::new("needle", 3, 2, &|_| vec![7]).expect_err("one number");
        assert_eq!(
            error.to_string(),
            "the tokenizer writes only 1 different numbers of 3 digits in as many tokens each; \
             `needle` needs 2: ask for more digits or fewer alternatives"
        );
        assert!(Numbers::new("needle", 3, 1, &|_| Vec::new()).is_err());
    }

    #[test]
    fn draws_differ_within_a_sample() {
        let numbers = Numbers::new("passkey", 1, 10, &bytes).expect("10 numbers");
        let mut drawn = numbers.draw(&mut Random::fixed(3), 10);
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 10);
    }
}
