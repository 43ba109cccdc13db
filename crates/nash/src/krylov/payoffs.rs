//! The products of a game with the policies of both players stacked: `(Aq, −Aᵀp)`, or `Aπ` if they share one.
//!
//! A skew game with entries is packed in f32 for the way; the end is always computed in f64, from the
//! game itself.

#![allow(clippy::cast_possible_truncation, reason = "the way is taken in f32 on purpose")]

use super::packed::PackedSkew;
use nlhf_core::{RegularizedGame, StoredPayoffs, ZeroSumGame};
use std::ops::Range;

/// The payoffs of a game, cheap and exact.
#[derive(Debug)]
pub(super) struct Payoffs<'a> {
    payoff: &'a dyn ZeroSumGame,
    packed: Option<PackedSkew>,
    nrows: usize,
    symmetric: bool,
    /// Room for f32 vectors and for the blocks of a packed product.
    x: Vec<f32>,
    y: Vec<f32>,
    sums: Vec<f32>,
    pub(super) products: usize,
}

/// Below this size an f64 product is cheap enough.
const SMALLEST_PACKED: usize = 48;

impl<'a> Payoffs<'a> {
    pub(super) fn new(game: &RegularizedGame<'a>) -> Self {
        let (payoff, symmetric) = (game.payoff(), game.is_symmetric());
        let nrows = payoff.nrows();
        let stored = payoff.stored().filter(|_| symmetric && nrows >= SMALLEST_PACKED);
        let entries = stored.and_then(StoredPayoffs::entries);
        let packed = entries.map(|entries| PackedSkew::new(nrows, entries));
        let (x, y, sums) = (Vec::new(), Vec::new(), Vec::new());
        Self { payoff, packed, nrows, symmetric, x, y, sums, products: 0 }
    }

    /// The number of logits.
    pub(super) fn size(&self) -> usize {
        if self.symmetric { self.nrows } else { self.nrows + self.payoff.ncols() }
    }

    /// The places of each player's actions.
    pub(super) fn sides(&self) -> Vec<Range<usize>> {
        let mut sides = Vec::with_capacity(2);
        sides.push(0..self.nrows);
        if !self.symmetric {
            sides.push(self.nrows..self.size());
        }
        sides
    }

    /// The largest payoff in absolute value.
    pub(super) fn bound(&self) -> f64 {
        self.payoff.payoff_bound()
    }

    /// Whether [`Payoffs::apply`] rounds to f32.
    pub(super) fn is_rough(&self) -> bool {
        self.packed.is_some()
    }

    /// The products with `x`, in f32 where the game is packed.
    pub(super) fn apply(&mut self, x: &[f64], out: &mut [f64]) {
        self.products += self.sides_of_a_product();
        let Some(packed) = &self.packed else { return self.exact(x, out) };
        self.x.clear();
        self.x.extend(x.iter().map(|&x| x as f32));
        self.y.resize(x.len(), 0.0);
        packed.apply(&self.x, &mut self.y, &mut self.sums);
        for (out, &y) in out.iter_mut().zip(&self.y) {
            *out = f64::from(y);
        }
    }

    /// The products with `x` in f64.
    pub(super) fn apply_exactly(&mut self, x: &[f64], out: &mut [f64]) {
        self.products += self.sides_of_a_product();
        self.exact(x, out);
    }

    /// Each player's payoffs are a product of their own, unless the players share them.
    fn sides_of_a_product(&self) -> usize {
        if self.symmetric { 1 } else { 2 }
    }

    fn exact(&self, x: &[f64], out: &mut [f64]) {
        if self.symmetric {
            self.payoff.apply(x, out);
            return;
        }
        let (row, column) = x.split_at(self.nrows);
        let (gains, losses) = out.split_at_mut(self.nrows);
        self.payoff.apply(column, gains);
        self.payoff.apply_transpose(row, losses);
        for loss in losses {
            *loss = -*loss;
        }
    }
}
