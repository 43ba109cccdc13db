//! Menus: the candidate responses of a prompt, and many of them stored flat.
//!
//! A response space too large to list enters as a sampled menu. The order of a menu is the order of
//! rows and columns of its game and of the entries of every [`crate::Distribution`] over it.

use crate::{PromptId, ResponseId};
use std::collections::HashMap;

/// A list of candidates that is no menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MenuError {
    /// A menu offers nothing.
    #[error("a menu needs at least one response, but that of {prompt:?} has none")]
    Empty {
        /// The prompt of the menu.
        prompt: PromptId,
    },
    /// A response stands in a menu twice.
    #[error("a menu names each response once, but that of {prompt:?} names {response:?} twice")]
    DuplicateResponse {
        /// The prompt of the menu.
        prompt: PromptId,
        /// The response named twice.
        response: ResponseId,
    },
    /// A prompt has two menus.
    #[error("a prompt has one menu, but {prompt:?} was given two")]
    DuplicatePrompt {
        /// The prompt.
        prompt: PromptId,
    },
}

/// The candidates of one prompt: at least one, each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Menu<'a> {
    prompt: PromptId,
    responses: &'a [ResponseId],
}

impl<'a> Menu<'a> {
    /// Checks that `responses` is not empty and names each response once.
    ///
    /// # Errors
    /// [`MenuError::Empty`] and [`MenuError::DuplicateResponse`].
    pub fn new(prompt: PromptId, responses: &'a [ResponseId]) -> Result<Self, MenuError> {
        if responses.is_empty() {
            return Err(MenuError::Empty { prompt });
        }
        let mut sorted = responses.to_vec();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(MenuError::DuplicateResponse { prompt, response: pair[0] }),
            None => Ok(Self { prompt, responses }),
        }
    }

    /// The prompt.
    pub fn prompt(&self) -> PromptId {
        self.prompt
    }

    /// The candidates, in the order of every game and distribution over this menu.
    pub fn responses(&self) -> &'a [ResponseId] {
        self.responses
    }

    /// How many candidates there are, at least one.
    #[expect(clippy::len_without_is_empty, reason = "a menu is never empty")]
    pub fn len(&self) -> usize {
        self.responses.len()
    }
}

/// The menus of many prompts, stored flat, each prompt once.
#[derive(Debug, Clone, Default)]
pub struct Menus {
    prompts: Vec<PromptId>,
    offsets: Vec<usize>,
    responses: Vec<ResponseId>,
    positions: HashMap<PromptId, usize>,
}

impl Menus {
    /// No menus yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the menu of one more prompt.
    ///
    /// # Errors
    /// Every variant of [`MenuError`]; nothing is added then.
    pub fn push(&mut self, prompt: PromptId, responses: &[ResponseId]) -> Result<(), MenuError> {
        Menu::new(prompt, responses)?;
        if self.positions.contains_key(&prompt) {
            return Err(MenuError::DuplicatePrompt { prompt });
        }
        self.positions.insert(prompt, self.prompts.len());
        self.prompts.push(prompt);
        self.responses.extend_from_slice(responses);
        self.offsets.push(self.responses.len());
        Ok(())
    }

    /// How many prompts have a menu.
    pub fn len(&self) -> usize {
        self.prompts.len()
    }

    /// Whether there is no menu.
    pub fn is_empty(&self) -> bool {
        self.prompts.is_empty()
    }

    /// The menu at a position, in the order of [`Menus::push`].
    ///
    /// # Panics
    /// If `position` is not below [`Menus::len`].
    pub fn get(&self, position: usize) -> Menu<'_> {
        let start = if position == 0 { 0 } else { self.offsets[position - 1] };
        let responses = &self.responses[start..self.offsets[position]];
        Menu { prompt: self.prompts[position], responses }
    }

    /// The position of a prompt's menu.
    pub fn position(&self, prompt: PromptId) -> Option<usize> {
        self.positions.get(&prompt).copied()
    }

    /// All menus, in the order of [`Menus::push`].
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Menu<'_>> {
        (0..self.len()).map(|position| self.get(position))
    }

    /// How many unordered pairs of candidates all menus hold together.
    pub fn n_pairs(&self) -> usize {
        self.iter().map(|menu| menu.len() * (menu.len() - 1) / 2).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(indices: &[u32]) -> Vec<ResponseId> {
        indices.iter().map(|&i| ResponseId::new(i)).collect()
    }

    #[test]
    fn menus_come_back_in_order() {
        let mut menus = Menus::new();
        menus.push(PromptId::new(4), &ids(&[2, 0])).unwrap();
        menus.push(PromptId::new(1), &ids(&[5, 3, 1])).unwrap();
        assert_eq!(menus.get(0).responses(), ids(&[2, 0]));
        assert_eq!(menus.get(1).responses(), ids(&[5, 3, 1]));
        assert_eq!(menus.position(PromptId::new(1)), Some(1));
        assert_eq!(menus.n_pairs(), 4);
    }

    #[test]
    fn what_is_no_menu_is_refused_and_leaves_nothing_behind() {
        let mut menus = Menus::new();
        let prompt = PromptId::new(0);
        assert_eq!(menus.push(prompt, &[]), Err(MenuError::Empty { prompt }));
        let response = ResponseId::new(7);
        let twice = menus.push(prompt, &ids(&[7, 1, 7]));
        assert_eq!(twice, Err(MenuError::DuplicateResponse { prompt, response }));
        menus.push(prompt, &ids(&[7])).unwrap();
        assert_eq!(menus.push(prompt, &ids(&[1])), Err(MenuError::DuplicatePrompt { prompt }));
        assert_eq!(menus.len(), 1);
    }
}
