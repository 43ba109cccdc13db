//! Equilibria that hold against every preference of a set: version-space pessimism, exactly.
//!
//! ```text
//! π̂ = argmax_π  min_{R ∈ V} E_x min_q J_R(π, q),     J_R(p, q) = p'Rq − KL(p‖π₀)/η + KL(q‖π₀)/η
//! D(λ) = E_x max_p Σ_R λ_R min_q J_R(p, q)           convex over λ in Δ(V),  min_λ D = max_π min_R
//! ∂D/∂λ_R = E_x g_R(p(λ)),   g_R(p) = −lse(log π₀ + ηRp)/η       the part of R in the value
//! ```
//! All contexts share the preferences of the set, and so the weights λ; at fixed weights they fall apart, each a smooth
//! fixed point (`mixture`) that Newton's method solves. The weights take Newton steps of their own over the simplex
//! (`weights`), and preferences enter one by one: whichever makes the policy look worst, until none makes it look worse
//! than those that are in. `min_R` and `max_p` may not be exchanged over single preferences: their mixture is needed.
//!
//! The certificate is that of the two sides: no policy reaches more than the upper value at λ, and the returned one reaches
//! the lower at least, whichever preference of the set holds. Since the value of every symmetric game is even, minus the
//! lower value bounds the suboptimality of the policy if the truth is in the set. Source: Ye et al. (arXiv 2402.07314),
//! section 3, algorithm 1.

mod certificate;
mod matrix;
mod mixture;
mod state;
mod weights;

use nlhf_core::{DenseGame, Distribution, Eta, Status};
use state::State;

pub use certificate::{Shortfalls, VersionSpaceCertificate};

/// A context: what it counts, and the policy that the KL term is measured from.
#[derive(Debug, Clone)]
pub struct Context {
    /// Its share of the value, non-negative; shares need not sum to one.
    pub weight: f64,
    /// The reference policy over its actions.
    pub reference: Distribution,
}

/// Symmetric games of several contexts under each preference of a set.
///
/// `payoff(context, preference)` gives the skew game of one context under one preference, centred like all
/// payoffs. It is called again and again, so that the games of a large set never are in memory at once.
#[derive(Clone, Copy)]
pub struct VersionSpaceGame<'a> {
    contexts: &'a [Context],
    n_preferences: usize,
    payoff: &'a Payoffs<'a>,
    eta: Eta,
}

/// The game of a context under a preference.
type Payoffs<'a> = dyn Fn(usize, usize) -> DenseGame + Sync + 'a;

impl std::fmt::Debug for VersionSpaceGame<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VersionSpaceGame")
            .field("contexts", &self.contexts.len())
            .field("n_preferences", &self.n_preferences)
            .field("eta", &self.eta)
            .finish_non_exhaustive()
    }
}

/// What is no game over a version space.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionSpaceError {
    /// No context, or no preference.
    #[error(
        "a version space needs at least one context and one preference, but has {contexts} and {preferences}"
    )]
    Empty {
        /// Contexts given.
        contexts: usize,
        /// Preferences given.
        preferences: usize,
    },
    /// A weight that is none.
    #[error(
        "the weight of context {context} must be non-negative and finite, and one positive, but is {given}"
    )]
    Weight {
        /// The context, from zero.
        context: usize,
        /// Its weight.
        given: f64,
    },
    /// A game of another shape than its reference.
    #[error(
        "the game of context {context} must be {required} x {required} like its reference, but is {nrows} x {ncols}"
    )]
    Shape {
        /// The context, from zero.
        context: usize,
        /// Actions of the reference.
        required: usize,
        /// Rows of the game.
        nrows: usize,
        /// Columns of the game.
        ncols: usize,
    },
    /// The payoffs times η leave the range of f64.
    #[error("the game of context {context} left the finite numbers")]
    NotFinite {
        /// The context, from zero.
        context: usize,
    },
}

/// The policies that hold against every preference of a set, and the proof of it.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a solution carries the status and the certificate that say whether it is one"]
pub struct VersionSpaceSolution {
    /// A policy for each context.
    pub policies: Vec<Distribution>,
    /// λ: how much each preference of the set counts, most of them nothing.
    pub weights: Vec<f64>,
    /// What the policies reach, and what none exceeds.
    pub certificate: VersionSpaceCertificate,
    /// Why the solver stopped.
    pub status: Status,
    /// Steps on the weights over all rounds.
    pub iterations: usize,
}

/// Steps on the weights that one search may take.
const ITERATION_LIMIT: usize = 150;
/// Preferences that enter at once.
const ENTRANTS: usize = 4;
/// Of the tolerance, what the steps aim at: the certificate adds its rounding.
const AIM: f64 = 0.1;
/// Shares of η from which the weights are followed where a direct search gets caught.
const COOLING: [f64; 9] = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0];

impl<'a> VersionSpaceGame<'a> {
    /// Puts contexts and preferences together.
    ///
    /// # Errors
    /// [`VersionSpaceError`], also if the first preference's games do not fit the references.
    pub fn new(
        contexts: &'a [Context],
        n_preferences: usize,
        payoff: &'a (dyn Fn(usize, usize) -> DenseGame + Sync + 'a),
        eta: Eta,
    ) -> Result<Self, VersionSpaceError> {
        if contexts.is_empty() || n_preferences == 0 {
            let (contexts, preferences) = (contexts.len(), n_preferences);
            return Err(VersionSpaceError::Empty { contexts, preferences });
        }
        let sound = |weight: f64| weight >= 0.0 && weight.is_finite();
        let total: f64 = contexts.iter().map(|context| context.weight).sum();
        let wrong = contexts.iter().position(|context| !sound(context.weight));
        if let Some(context) = wrong.or((total == 0.0).then_some(0)) {
            let given = contexts[context].weight;
            return Err(VersionSpaceError::Weight { context, given });
        }
        Ok(Self { contexts, n_preferences, payoff, eta })
    }

    /// Solves it to a certified gap of `tolerance`, in units of the payoff, starting at the preference `first`, best the
    /// most likely one.
    ///
    /// The result does not depend on the number of threads.
    ///
    /// # Errors
    /// [`VersionSpaceError::Shape`] and [`VersionSpaceError::NotFinite`]. Not converging is a status.
    ///
    /// # Panics
    /// If `first` is no preference of the set.
    pub fn solve(
        &self,
        first: usize,
        tolerance: f64,
    ) -> Result<VersionSpaceSolution, VersionSpaceError> {
        assert!(first < self.n_preferences, "the first preference is one of the set");
        let aim = AIM * tolerance;
        let start = Candidates { entered: vec![first], weights: vec![1.0] };
        let mut iterations = 0;
        let mut found = self.search(start.clone(), ENTRANTS, aim, &mut iterations)?;
        if found.ended != Status::Converged && found.gap > tolerance {
            // At a large η the value is all but piecewise linear in the weights, and steps get caught at its edges.
            let mut from = start;
            for factor in COOLING {
                let eta = Eta::new(self.eta.get() * factor).unwrap_or(self.eta);
                let stage = Self { eta, ..*self };
                let reached = stage.search(from, 1, aim, &mut iterations)?;
                from = reached.candidates.clone();
                if factor >= 1.0 && reached.gap < found.gap {
                    found = reached;
                }
            }
        }
        let mut weights = vec![0.0; self.n_preferences];
        for (at, weight) in found.candidates.entered.iter().zip(&found.candidates.weights) {
            weights[*at] = *weight;
        }
        let policies = self.policies(&found.state)?;
        let certificate = self.certify(&weights, &policies)?;
        let status = match found.ended {
            _ if certificate.duality_gap - certificate.rounding <= tolerance => Status::Converged,
            Status::Converged => Status::Stalled,
            other => other,
        };
        Ok(VersionSpaceSolution { policies, weights, certificate, status, iterations })
    }

    /// Lets preferences enter, `entrants` at once, until none makes the policy look worse than those that are in.
    fn search(
        &self,
        start: Candidates,
        entrants: usize,
        aim: f64,
        iterations: &mut usize,
    ) -> Result<Found, VersionSpaceError> {
        let Candidates { mut entered, mut weights } = start;
        let limit = *iterations + ITERATION_LIMIT;
        let cold = vec![Vec::new(); self.contexts.len()];
        let mut state = self.evaluate(&entered, &weights, &cold)?;
        let (ended, gap) = loop {
            let end = self.descend(&entered, &mut weights, &mut state, aim, iterations, limit)?;
            let policies = self.policies(&state)?;
            let shortfalls = self.shortfalls(&policies)?;
            let gap = state.upper + shortfalls.mean();
            let settled = gap <= aim;
            // Steps that are caught may go on against others.
            if settled || entered.contains(&shortfalls.worst()) || end == Status::IterationLimit {
                break (if settled { Status::Converged } else { end }, gap);
            }
            let worse = shortfalls.worse_than(aim - state.upper, entrants);
            // Those that count nothing may go: the value does not change by it, and falls by each that enters.
            let kept: Vec<usize> = (0..entered.len()).filter(|at| weights[*at] > 0.0).collect();
            entered = kept.iter().map(|at| entered[*at]).collect();
            weights = kept.iter().map(|at| weights[*at]).collect();
            let more = worse.into_iter().filter(|at| !entered.contains(at));
            entered.extend(more.collect::<Vec<usize>>());
            weights.resize(entered.len(), 0.0);
            state = self.evaluate(&entered, &weights, &state.logits)?;
        };
        Ok(Found { candidates: Candidates { entered, weights }, state, ended, gap })
    }
}

/// Preferences that have entered, and what they count.
#[derive(Debug, Clone)]
struct Candidates {
    entered: Vec<usize>,
    weights: Vec<f64>,
}

/// Where a search ended.
struct Found {
    candidates: Candidates,
    state: State,
    ended: Status,
    /// The two sides over all preferences, entered or not.
    gap: f64,
}

impl VersionSpaceGame<'_> {
    /// Newton steps on the weights of the preferences that have entered.
    fn descend(
        &self,
        entered: &[usize],
        weights: &mut Vec<f64>,
        state: &mut State,
        aim: f64,
        iterations: &mut usize,
        limit: usize,
    ) -> Result<Status, VersionSpaceError> {
        loop {
            if state.gap() <= aim || entered.len() == 1 {
                return Ok(Status::Converged);
            }
            if *iterations >= limit {
                return Ok(Status::IterationLimit);
            }
            *iterations += 1;
            let target = weights::minimizer(&state.values, &state.curvature, weights);
            let slope: f64 = state
                .values
                .iter()
                .zip(&target)
                .zip(&*weights)
                .map(|((g, t), w)| g * (t - w))
                .sum();
            let mut length = 1.0;
            loop {
                let mixed = weights.iter().zip(&target);
                let trial: Vec<f64> = mixed.map(|(w, t)| w + length * (t - w)).collect();
                let reached = self.evaluate(entered, &trial, &state.logits)?;
                // Near the end D no longer tells, but its two sides still close on each other.
                let closes = reached.gap() <= 0.5 * state.gap();
                let rounding = 1e-13 * (1.0 + state.upper.abs());
                if reached.upper <= state.upper + 1e-4 * length * slope
                    || (closes && reached.upper <= state.upper + rounding)
                {
                    (*weights, *state) = (trial, reached);
                    break;
                }
                length *= 0.5;
                if length < 1e-12 {
                    // The rest is rounding, which the certificate tells.
                    return Ok(Status::Stalled);
                }
            }
        }
    }
}
