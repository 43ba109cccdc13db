//! The candidates of counted pairs, each once, so that what is known of one is computed once.

use crate::fast_hash::IdMap;
use crate::{Features, PairCount};
use nalgebra::DMatrix;
use nlhf_core::{FitError, PromptId, ResponseId};

/// The candidates of all pairs in the order of their first pair.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    list: Vec<(PromptId, ResponseId)>,
    places: IdMap<(PromptId, ResponseId), u32>,
}

impl Candidates {
    /// The candidates, and of each pair the places of the lower and the higher id. A response under two prompts
    /// makes two candidates.
    pub(crate) fn of_pairs(pairs: &[PairCount]) -> (Self, Vec<(u32, u32)>) {
        let mut all = Self::default();
        let ends = pairs
            .iter()
            .map(|pair| (all.place(pair.prompt, pair.low), all.place(pair.prompt, pair.high)));
        let ends = ends.collect();
        (all, ends)
    }

    /// Each of a list once.
    pub(crate) fn of(list: impl Iterator<Item = (PromptId, ResponseId)>) -> Self {
        let mut all = Self::default();
        for (prompt, response) in list {
            all.place(prompt, response);
        }
        all
    }

    /// The place of a candidate, if it is one.
    pub(crate) fn find(&self, prompt: PromptId, response: ResponseId) -> Option<usize> {
        self.places.get(&(prompt, response)).map(|place| *place as usize)
    }

    fn place(&mut self, prompt: PromptId, response: ResponseId) -> u32 {
        *self.places.entry((prompt, response)).or_insert_with(|| {
            self.list.push((prompt, response));
            u32::try_from(self.list.len() - 1).expect("fewer candidates than ids")
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn responses(&self) -> impl Iterator<Item = ResponseId> {
        self.list.iter().map(|(_, response)| *response)
    }

    /// φ of each candidate, one a column.
    ///
    /// # Errors
    /// If one has none.
    pub(crate) fn features(&self, features: &Features) -> Result<DMatrix<f64>, FitError> {
        let mut columns = DMatrix::zeros(features.dim(), self.len());
        for (&(prompt, response), mut phi) in self.list.iter().zip(columns.column_iter_mut()) {
            features.write(prompt, response, phi.as_mut_slice())?;
        }
        Ok(columns)
    }
}
