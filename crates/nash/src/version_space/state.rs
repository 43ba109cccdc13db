//! All contexts solved at given weights: the value, its slopes and its curvature in the weights.
//!
//! ```text
//! D(λ) = E_x max_p Σ λ_R g_R(p),   ∂D/∂λ_R = E_x g_R(p(λ)),   ∂²D as in `mixture`
//! ```
//! At fixed weights contexts fall apart. Each starts where it was, and follows the path from a small η where that
//! does not lead to the fixed point.

use super::mixture::{Mixture, Worth};
use super::{VersionSpaceError, VersionSpaceGame};
use crate::continuation::{End, Path, System};
use crate::support::start_logits;
use nlhf_core::{DenseGame, ZeroSumGame};
use rayon::prelude::*;

/// Newton steps of one context at fixed weights, along the path from a small η.
const CONTEXT_LIMIT: usize = 1000;
/// The same straight from a start.
const DIRECT_LIMIT: usize = 60;
/// Above this ηB a start at the reference goes straight to the path.
const COLD_START_LIMIT: f64 = 60.0;
/// Contexts whose results are held at once.
pub(super) const CHUNK: usize = 512;

/// Where the search stands: all contexts solved at some weights.
pub(super) struct State {
    /// Logits of each context on its support.
    pub(super) logits: Vec<Vec<f64>>,
    /// Σ over contexts of the value under each preference that has entered.
    pub(super) values: Vec<f64>,
    /// D.
    pub(super) upper: f64,
    pub(super) curvature: Vec<f64>,
}

impl State {
    /// The two sides of the preferences that have entered.
    pub(super) fn gap(&self) -> f64 {
        self.upper - self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

/// One context solved.
struct Solved {
    logits: Vec<f64>,
    worth: Worth,
    curvature: Vec<f64>,
}

impl VersionSpaceGame<'_> {
    /// Solves every context at the given weights.
    pub(super) fn evaluate(
        &self,
        entered: &[usize],
        weights: &[f64],
        logits: &[Vec<f64>],
    ) -> Result<State, VersionSpaceError> {
        let k = entered.len();
        let mut state = State {
            logits: Vec::with_capacity(logits.len()),
            values: vec![0.0; k],
            upper: 0.0,
            curvature: vec![0.0; k * k],
        };
        while state.logits.len() < self.contexts.len() {
            let from = state.logits.len();
            let to = self.contexts.len().min(from + CHUNK);
            let chunk = (from..to).into_par_iter();
            let solved: Result<Vec<Solved>, VersionSpaceError> =
                chunk.map(|at| self.context(at, entered, weights, &logits[at])).collect();
            for (solved, context) in solved?.into_iter().zip(&self.contexts[from..to]) {
                let sums = [&mut state.values, &mut state.curvature];
                for (sums, terms) in sums.into_iter().zip([&solved.worth.values, &solved.curvature])
                {
                    for (sum, term) in sums.iter_mut().zip(terms) {
                        *sum += context.weight * term;
                    }
                }
                state.upper += context.weight * solved.worth.upper;
                state.logits.push(solved.logits);
            }
        }
        Ok(state)
    }

    fn context(
        &self,
        at: usize,
        entered: &[usize],
        weights: &[f64],
        logits: &[f64],
    ) -> Result<Solved, VersionSpaceError> {
        let (games, eta) = (self.games(at, entered)?, self.eta.get());
        let mut system = Mixture::new(&self.contexts[at].reference, &games, weights, eta);
        let n = system.support().len();
        let cold = logits.is_empty();
        let start = if cold {
            let reference = &self.contexts[at].reference;
            system.stacked(&start_logits(reference, system.support()))
        } else {
            system.stacked(logits)
        };
        let hard = cold && eta * system.payoff_bound() > COLD_START_LIMIT;
        let mut observer = ();
        let limit = if hard { 0 } else { DIRECT_LIMIT };
        let mut path = Path::new(&mut system, &mut observer, start, limit);
        let mut logits = path.logits[..n].to_vec();
        if path.solve_at(eta) == End::Floor {
            logits.copy_from_slice(&path.logits[..n]);
        } else {
            let start = vec![0.0; path.logits.len()];
            let mut path = Path::new(&mut system, &mut observer, start, CONTEXT_LIMIT);
            // Whatever comes of it is worth what the certificate says.
            path.follow_to(eta);
            logits.copy_from_slice(&path.logits[..n]);
        }
        system.respond(&logits);
        let curvature = if entered.len() > 1 && system.factorize() {
            system.curvature()
        } else {
            vec![0.0; entered.len() * entered.len()]
        };
        let worth = system.worth();
        let finite = worth.upper.is_finite() && worth.values.iter().all(|value| value.is_finite());
        if !finite || logits.iter().any(|logit| !logit.is_finite()) {
            return Err(VersionSpaceError::NotFinite { context: at });
        }
        Ok(Solved { logits, worth, curvature })
    }

    pub(super) fn games(
        &self,
        at: usize,
        preferences: &[usize],
    ) -> Result<Vec<DenseGame>, VersionSpaceError> {
        preferences.iter().map(|preference| self.game(at, *preference)).collect()
    }

    pub(super) fn game(
        &self,
        at: usize,
        preference: usize,
    ) -> Result<DenseGame, VersionSpaceError> {
        let game = (self.payoff)(at, preference);
        let (nrows, ncols) = (game.nrows(), game.ncols());
        let required = self.contexts[at].reference.len();
        if (nrows, ncols) == (required, required) {
            Ok(game)
        } else {
            Err(VersionSpaceError::Shape { context: at, required, nrows, ncols })
        }
    }
}
