//! Features of texts for who has no embeddings: hashed n-grams, lengths, overlap with the prompt.
//!
//! ```text
//! columns 0 … d − 1     x_k = Σ ± 1 over n-grams with hash k, then ±log(1 + |x_k|), then to length 1
//! column d              log(1 + characters) / 10
//! column d + 1          log(1 + words) / 10
//! column d + 2          share of the text's words that the prompt has; 0 without a prompt
//! ```
//! n-grams are single words, pairs of words, and 3 to 5 characters within a word and the spaces around it, all in lower
//! case; words are runs of letters and digits. The sign is another bit of the hash, so that collisions
//! cancel on average (Weinberger et al., 2009). The hash is FNV-1a over UTF-8, mixed with the seed: the same text
//! has the same features on every machine. They say what words do, nothing of what a text means:
//! embeddings of a language model predict far better.

use crate::Matrix;
use nlhf_core::ScalarError;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// How texts become features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextFeatures {
    buckets: usize,
    seed: u64,
}

/// Columns beside the hashed ones.
const OTHERS: usize = 3;

impl TextFeatures {
    /// `buckets` columns of hashed n-grams, a power of two from 2 to 65,536.
    ///
    /// # Errors
    /// [`ScalarError`] if `buckets` is none.
    pub fn new(buckets: usize, seed: u64) -> Result<Self, ScalarError> {
        if buckets.is_power_of_two() && (2..=1 << 16).contains(&buckets) {
            return Ok(Self { buckets, seed });
        }
        let quantity = "the number of buckets of text features";
        let required = "a power of two from 2 to 65536";
        Err(ScalarError { quantity, required, given: buckets as f64 })
    }

    /// Columns.
    pub fn dim(&self) -> usize {
        self.buckets + OTHERS
    }

    /// The features of texts, one row each; with the prompts that they answer, if they answer any.
    ///
    /// # Panics
    /// If there are prompts, but not one for each text.
    pub fn rows(&self, texts: &[String], prompts: Option<&[&str]>) -> Matrix {
        assert!(prompts.is_none_or(|prompts| prompts.len() == texts.len()), "a prompt a text");
        let mut values = vec![0.0; texts.len() * self.dim()];
        for (k, (text, row)) in texts.iter().zip(values.chunks_exact_mut(self.dim())).enumerate() {
            self.write(text, prompts.map(|prompts| prompts[k]), row);
        }
        Matrix { nrows: texts.len(), ncols: self.dim(), values }
    }

    fn write(&self, text: &str, prompt: Option<&str>, row: &mut [f64]) {
        let text = text.to_lowercase();
        let (hashed, others) = row.split_at_mut(self.buckets);
        let mut count = |kind: u8, parts: [&str; 2]| {
            let hash = self.hash(kind, parts);
            #[expect(clippy::cast_possible_truncation, reason = "at most 16 bits are kept")]
            let bucket = (hash as usize) & (hashed.len() - 1);
            hashed[bucket] += if hash >> 63 == 0 { 1.0 } else { -1.0 };
        };
        let words: Vec<&str> = words(&text).collect();
        for (at, word) in words.iter().enumerate() {
            count(1, [word, ""]);
            if let Some(next) = words.get(at + 1) {
                count(2, [word, next]);
            }
            let padded = format!(" {word} ");
            let starts: Vec<usize> =
                padded.char_indices().map(|(at, _)| at).chain([padded.len()]).collect();
            for n in 3..=5 {
                for window in starts.windows(n + 1) {
                    count(3, [&padded[window[0]..window[n]], ""]);
                }
            }
        }
        for x in hashed.iter_mut() {
            *x = x.signum() * x.abs().ln_1p() * f64::from(u8::from(*x != 0.0));
        }
        let length = hashed.iter().map(|x| x * x).sum::<f64>().sqrt();
        if length > 0.0 {
            for x in hashed {
                *x /= length;
            }
        }
        others[0] = (text.chars().count() as f64).ln_1p() / 10.0;
        others[1] = (words.len() as f64).ln_1p() / 10.0;
        if let Some(prompt) = prompt.map(str::to_lowercase).filter(|_| !words.is_empty()) {
            let asked: HashSet<&str> = self::words(&prompt).collect();
            let shared = words.iter().filter(|word| asked.contains(*word)).count();
            others[2] = shared as f64 / words.len() as f64;
        }
    }

    /// FNV-1a of the kind and the parts, each marked off, and its bits mixed.
    fn hash(&self, kind: u8, parts: [&str; 2]) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325 ^ self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
        for byte in [kind].into_iter().chain(bytes) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }
}

/// Runs of letters and digits.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str, prompt: Option<&str>) -> Vec<f64> {
        let features = TextFeatures::new(64, 0).unwrap();
        features.rows(&[text.to_owned()], prompt.as_ref().map(std::slice::from_ref)).values
    }

    fn dot(x: &[f64], y: &[f64]) -> f64 {
        x[..64].iter().zip(&y[..64]).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn texts_alike_have_features_alike() {
        let [blue, bluer, other] = [
            "The sky is blue because light scatters.",
            "The sky is blue since light scatters!",
            "Bake the bread for forty minutes.",
        ]
        .map(|text| row(text, None));
        assert!((dot(&blue, &blue) - 1.0).abs() < 1e-12);
        assert!(dot(&blue, &bluer) > 0.5 && dot(&blue, &other) < 0.3);
        // Case and punctuation are no matter, the order of words is.
        assert_eq!(row("a b c", None)[..64], row("A, b... C", None)[..64]);
        assert_ne!(row("a b c", None)[..64], row("c b a", None)[..64]);
    }

    #[test]
    fn lengths_and_overlap_stand_at_the_end() {
        let found = row("Why blue? Why?", Some("why is it BLUE"));
        assert!((found[64] - 15f64.ln() / 10.0).abs() < 1e-12);
        assert!((found[65] - 4f64.ln() / 10.0).abs() < 1e-12);
        assert!((found[66] - 1.0).abs() < 1e-12);
        assert!(row("", Some("x")).iter().all(|x| *x == 0.0));
        assert!(row("…", None)[..64].iter().all(|x| *x == 0.0));
    }

    #[test]
    fn the_same_on_every_machine_and_another_with_another_seed() {
        let features = TextFeatures::new(64, 0).unwrap();
        // Computed once, with the definition above, in another language.
        assert_eq!(features.hash(1, ["sky", ""]), GOLDEN);
        let other = TextFeatures::new(64, 1).unwrap();
        assert_ne!(features.rows(&["sky".into()], None), other.rows(&["sky".into()], None));
        assert!(TextFeatures::new(100, 0).is_err() && TextFeatures::new(1, 0).is_err());
    }

    const GOLDEN: u64 = 0x42b5_72f0_d6d7_d7e9;
}
