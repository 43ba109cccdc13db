//! The loop that every published method shares: it counts products, measures, stops and certifies.
//!
//! The gap that a method is measured by is that of its own target: the duality gap of the regularized
//! game, or for a method without an anchor [`exploitability`], the gap of the game without KL terms. It is
//! measured after each of the first 16 iterations and then whenever their number has grown by 1/32, so
//! that measuring costs little, and an observer sees one event a measurement:
//! [`Iteration::residual`] is η times that gap.
//!
//! Actions that a reference never plays are never played, with an anchor or without, but exploitability
//! counts what they would earn.
//!
//! The solution's certificate is that of the regularized game for every method. `Converged` says that it
//! is within the tolerance. A method without an anchor that has reached its own target stops and is
//! `Stalled` unless the two targets agree.

use super::play::Play;
use super::{Limits, Target};
use crate::newton::check_start;
use nlhf_core::{
    ASKED_FOR, Iteration, NashSolver, Observer, Profile, RegularizedGame, Solution, SolveError,
    Status, exploitability,
};
use std::fmt::Debug;
use std::sync::Arc;

/// A method as its paper defines it, with its parameters.
pub(super) trait Method: Debug + Send + Sync {
    /// A short name in lower case.
    fn name(&self) -> &'static str;

    /// Which equilibrium it converges to.
    fn target(&self) -> Target;

    /// Whether it is defined for a single policy only, played against itself.
    fn is_symmetric_only(&self) -> bool {
        false
    }

    /// Its state at the start, with the steps that the game asks for.
    fn start(&self, play: &Play<'_>) -> Box<dyn Update>;
}

/// The state of a method.
pub(super) trait Update {
    /// One iteration; returns the length of the step.
    fn advance(&mut self, play: &mut Play<'_>) -> f64;

    /// The logits of the policy that would be returned now.
    fn answer(&self) -> &[f64];
}

/// A published method as a solver.
#[derive(Debug, Clone)]
pub struct Published {
    method: Arc<dyn Method>,
    limits: Limits,
}

/// Iterations that are all measured, before measurements are spaced.
const MEASURED_SINGLY: usize = 16;
/// The spacing: the next measurement comes after 1/32 more iterations.
const SPACING: usize = 32;

impl Published {
    pub(super) fn new(method: impl Method + 'static, limits: Limits) -> Self {
        Self { method: Arc::new(method), limits }
    }

    /// Which equilibrium the method converges to.
    pub fn target(&self) -> Target {
        self.method.target()
    }

    /// The gap that the method is measured by: the duality gap of the regularized game, or the
    /// exploitability in the game without KL terms.
    ///
    /// # Panics
    /// If the profile does not fit the game.
    pub fn gap(&self, game: &RegularizedGame<'_>, profile: &Profile) -> f64 {
        match self.target() {
            Target::Regularized | Target::NearRegularized => game.certify(profile).duality_gap,
            Target::Unregularized => exploitability(game.payoff(), profile),
        }
    }
}

impl NashSolver for Published {
    fn name(&self) -> &'static str {
        self.method.name()
    }

    fn solve(
        &self,
        game: &RegularizedGame<'_>,
        start: &Profile,
        observer: &mut dyn Observer<Iteration>,
    ) -> Result<Solution, SolveError> {
        check_start(game, start)?;
        let single;
        let start = if self.method.is_symmetric_only() {
            if !game.is_symmetric() {
                let solves = "symmetric games";
                return Err(SolveError::Unsupported { method: self.name(), solves });
            }
            single = Profile::symmetric(start.row.clone());
            &single
        } else {
            start
        };
        let Limits { tolerance, max_products } = self.limits;
        let eta = game.eta().get();
        let mut play = Play::new(game, start, max_products);
        let mut update = self.method.start(&play);
        let mut iterations = 0;
        let mut next = 1;
        let mut profile = start.clone();
        let mut gap = self.gap(game, &profile);
        let mut stopped = false;
        while gap > tolerance && !play.is_over() && !stopped {
            let step = update.advance(&mut play);
            iterations += 1;
            if iterations < next && !play.is_over() {
                continue;
            }
            let spacing = if iterations < MEASURED_SINGLY { 1 } else { iterations / SPACING };
            next = iterations + spacing.max(1);
            let broken = SolveError::NotFinite { method: self.name(), iteration: iterations };
            profile = play.profile(update.answer()).ok_or(broken)?;
            gap = self.gap(game, &profile);
            if gap.is_nan() {
                return Err(broken);
            }
            let products = play.products();
            let event =
                Iteration { iteration: iterations, products, eta, residual: eta * gap, step };
            stopped = observer.observe(&event).is_break();
        }
        let certificate = game.certify(&profile);
        let status = if certificate.duality_gap <= tolerance {
            Status::Converged
        } else if stopped {
            Status::Stopped
        } else if gap <= tolerance {
            Status::Stalled
        } else {
            Status::IterationLimit
        };
        Ok(Solution {
            profile,
            certificate,
            status,
            iterations,
            method: self.name(),
            reason: ASKED_FOR,
        })
    }
}
