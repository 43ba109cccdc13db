//! One player's part: the equilibria with the supports found, their points of maximal entropy, and the
//! proof that the opponent's support is maximal.

use super::projection::{Polytope, Projected};

/// One player's equilibria with given supports.
#[derive(Debug)]
pub(super) struct Side {
    polytope: Polytope,
    /// The support of this player, among the actions of its reference.
    own: Vec<usize>,
    /// The actions that the opponent's support leaves out.
    left_out: Vec<usize>,
    /// The equilibrium of maximal entropy.
    even: Projected,
}

/// How the opponent's other actions stand against a policy.
#[derive(Debug, Clone)]
pub(super) struct LeftOut {
    /// The smallest loss to the opponent among those that are not tied.
    pub(super) margin: Option<f64>,
    /// Those that cost the opponent nothing.
    pub(super) tied: Vec<usize>,
}

/// The regularized equilibrium that the supports were read off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Near<'a> {
    pub(super) log_policy: &'a [f64],
    pub(super) slopes: &'a [f64],
    pub(super) eta: f64,
}

/// How far a direction may lead off the hyperplanes of the opponent's support, per unit of slope.
const HELD: f64 = 1e-6;
/// Slopes are at most −1 in the limit where an action is tied; this much of it must show.
const MOVED: f64 = 0.25;

impl Side {
    /// `gains[k]` holds what the actions `own` earn against the opponent's action `k`, and `equal[k]`
    /// whether `k` is in the opponent's support. `None` if there is no equilibrium with these supports.
    pub(super) fn new(
        gains: Vec<Vec<f64>>,
        equal: Vec<bool>,
        own: &[usize],
        log_policy: &[f64],
        rounding: f64,
    ) -> Option<Self> {
        let left_out = (0..equal.len()).filter(|&k| !equal[k]).collect();
        let polytope = Polytope::new(gains, equal, rounding);
        let even = polytope.project(&vec![0.0; own.len()], &at(own, log_policy))?;
        Some(Self { polytope, own: own.to_vec(), left_out, even })
    }

    /// Whether some equilibrium of this player makes every action that the opponent's support leaves
    /// out cost something, so that no equilibrium of the opponent plays one of them.
    ///
    /// A cost of at most `tied` counts as none; there, the neighbours of the equilibrium of maximal
    /// entropy must show it.
    pub(super) fn proves_support(&self, near: Near<'_>, tied: f64) -> bool {
        let ties = self.left_out(&self.even, tied).tied;
        if ties.is_empty() {
            return true;
        }
        let mut direction: Vec<f64> = self
            .own
            .iter()
            .zip(&self.even.log_policy)
            .map(|(&at, limit)| {
                let p = near.log_policy[at].exp();
                near.eta * ((p - limit.exp()) + p * near.slopes[at])
            })
            .collect();
        self.polytope.along(&mut direction);
        let moved = self.polytope.slack(&direction);
        let held = (0..moved.len()).filter(|k| self.left_out.binary_search(k).is_err());
        held.into_iter().all(|k| moved[k].abs() < HELD) && ties.iter().all(|&k| moved[k] > MOVED)
    }

    /// The equilibrium nearest to a reference, whose log-probabilities are given.
    pub(super) fn nearest(&self, log_prior: &[f64]) -> Option<Projected> {
        self.polytope.project(&at(&self.own, log_prior), &self.even.log_policy)
    }

    /// How the actions that the opponent's support leaves out stand against `policy`.
    pub(super) fn left_out(&self, policy: &Projected, tied: f64) -> LeftOut {
        let (strict, tied): (Vec<usize>, Vec<usize>) =
            self.left_out.iter().partition(|&&k| policy.slack[k] > tied);
        LeftOut { margin: strict.iter().map(|&k| policy.slack[k]).reduce(f64::min), tied }
    }
}

fn at(actions: &[usize], of: &[f64]) -> Vec<f64> {
    actions.iter().map(|&at| of[at]).collect()
}
