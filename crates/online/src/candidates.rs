//! Candidates that become more: response spaces too large to list enter as menus that grow.
//!
//! ```text
//! menu of round t = the first  start + (t − 1) · step  of a prompt's responses, in an order drawn once
//! ```
//! A certificate is about the competitors on the menu. When menus grow, earlier certificates say nothing about the new
//! responses, and the learner forgets them.

use nlhf_core::{Menus, ResponseId, SeedTree, Stream};
use rand::RngExt;

/// Whatever knows the candidates of each round. One method to write; one more where candidates are added.
///
/// Law: the prompts are the same in every round, and each menu begins with that of the round before.
pub trait Candidates {
    /// The menus of a round, counted from one.
    fn menus(&mut self, round: u32) -> &Menus;

    /// Whether no candidate joins after this round: a run that has reached its bound, or has asked about everything, waits for
    /// those that do.
    fn is_complete(&self, round: u32) -> bool {
        let _ = round;
        true
    }
}

/// The same menus in every round.
impl Candidates for &Menus {
    fn menus(&mut self, _: u32) -> &Menus {
        self
    }
}

/// Menus that grow by a fixed number of responses a round, drawn without replacement.
///
/// The order of prompt `x` is drawn from unit `x` of [`Stream::Candidates`].
#[derive(Debug, Clone)]
pub struct GrowingMenus {
    shuffled: Menus,
    start: usize,
    step: usize,
    present: Menus,
}

impl GrowingMenus {
    /// Begins with `start` of the responses of each menu, at least two, and adds `step` in every later round.
    ///
    /// # Panics
    /// Never: the responses of a menu have ids of 32 bits.
    pub fn new(menus: &Menus, start: usize, step: usize, seeds: SeedTree) -> Self {
        let mut shuffled = Menus::new();
        for (menu, unit) in menus.iter().zip(0..) {
            let mut rng = seeds.rng(Stream::Candidates, unit);
            let mut responses = menu.responses().to_vec();
            // Fisher and Yates, from the front.
            for at in 0..responses.len().saturating_sub(1) {
                let left = u32::try_from(responses.len() - at).expect("ids fit into 32 bits");
                responses.swap(at, at + rng.random_range(0..left) as usize);
            }
            shuffled.push(menu.prompt(), &responses).expect("the responses of a menu, reordered");
        }
        Self { shuffled, start: start.max(2), step, present: Menus::new() }
    }

    /// How many responses of a prompt are on its menu in a round, if it has so many.
    fn size(&self, round: u32) -> usize {
        let later = usize::try_from(round.saturating_sub(1)).unwrap_or(usize::MAX);
        self.start.saturating_add(later.saturating_mul(self.step))
    }
}

impl Candidates for GrowingMenus {
    fn menus(&mut self, round: u32) -> &Menus {
        let n = self.size(round);
        let mut present = Menus::new();
        for menu in self.shuffled.iter() {
            let shown: &[ResponseId] = &menu.responses()[..n.min(menu.len())];
            present.push(menu.prompt(), shown).expect("a part of a menu is a menu");
        }
        self.present = present;
        &self.present
    }

    fn is_complete(&self, round: u32) -> bool {
        // Nothing joins without a step, and nobody is to wait for it.
        let n = self.size(round);
        self.step == 0 || self.shuffled.iter().all(|menu| menu.len() <= n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::PromptId;

    #[test]
    fn menus_begin_like_those_before_and_end_whole() {
        let mut all = Menus::new();
        let ids: Vec<ResponseId> = (0..7).map(ResponseId::new).collect();
        all.push(PromptId::new(3), &ids).unwrap();
        all.push(PromptId::new(1), &ids[..2]).unwrap();
        let mut growing = GrowingMenus::new(&all, 3, 2, SeedTree::new(1));
        assert_eq!([1, 2, 3].map(|round| growing.is_complete(round)), [false, false, true]);
        let mut before = Vec::new();
        for (round, n) in [(1, 3), (2, 5), (3, 7), (4, 7)] {
            let menus = growing.menus(round);
            let menu = menus.get(0).responses().to_vec();
            assert_eq!(menu.len(), n);
            assert_eq!(menu[..before.len()], before);
            assert_eq!(menus.get(1).len(), 2);
            before = menu;
        }
        let mut sorted = before.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, ids);
        let order: Vec<usize> = before.iter().map(|id| id.index()).collect();
        assert_eq!(order, [6, 4, 2, 0, 3, 1, 5], "value stability, recorded at version 0.1.0");
    }
}
