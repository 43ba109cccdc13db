//! What a policy loses under each preference of a set, and what no policy can exceed: both recomputed from what is returned.
//!
//! ```text
//! lower   −max_R E_x sub_R(π_x),   sub_R(p) = −min_q J_R(p, q)        each rounded up
//! upper   E_x max_p Σ_R λ_R J_R(p, q_R)                               the game against λ ⊗ q, whose value is rounded up
//! ```
//! Both are certificates of ordinary games ([`RegularizedGame::certify`]): `sub_R` that of the symmetric game R, and the upper
//! value that of the rectangular game `(R₁ | R₂ | …)` whose opponent plays `λ_R q_R(b)`, its reference being `λ_R π₀(b)`.
//!
//! [`RegularizedGame::certify`]: nlhf_core::RegularizedGame::certify

use super::state::{CHUNK, State};
use super::{VersionSpaceError, VersionSpaceGame};
use crate::support::{expanded, played};
use crate::version_space::mixture::Mixture;
use nlhf_core::{Certificate, DenseGame, Distribution, Profile, RegularizedGame, ZeroSumGame};
use rayon::prelude::*;

/// What policies lose against their best competitors under each preference of a set, in units of the payoff and
/// rounded up.
#[derive(Debug, Clone, PartialEq)]
pub struct Shortfalls {
    by_preference: Vec<f64>,
    by_context: Vec<f64>,
}

/// What policies reach over a version space, and what none exceeds.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a certificate says whether policies are an equilibrium"]
pub struct VersionSpaceCertificate {
    /// `Σ_R λ_R q_R` of each context: the mixture of opponents that the policy is held against.
    pub opponents: Vec<Distribution>,
    /// Each context at the weights: `Σ_R λ_R J_R(π, q_R)`, and what a better policy could gain against these opponents, who
    /// respond best.
    pub by_context: Vec<Certificate>,
    /// How far each context falls short of even, and all together.
    pub shortfalls: Shortfalls,
    /// `min_R E_x min_q J_R(π, q)`, rounded down.
    pub value: f64,
    /// What no policy exceeds, less `value`: never below the true gap.
    pub duality_gap: f64,
    /// The part of the gap that allows for rounding, some ε/η at small η: a gap of this size may be zero.
    pub rounding: f64,
}

impl Shortfalls {
    /// `Σ_x w_x sub_R(π_x)` of each preference.
    pub fn by_preference(&self) -> &[f64] {
        &self.by_preference
    }

    /// `max_R sub_R(π_x)` of each context by itself.
    pub fn by_context(&self) -> &[f64] {
        &self.by_context
    }

    /// The preference under which the policies lose most.
    pub fn worst(&self) -> usize {
        let all = self.by_preference.iter().enumerate();
        all.max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(worst, _)| worst)
    }

    /// The preferences under which the policies lose more than `limit`, most first, at most `n` of them.
    pub(super) fn worse_than(&self, limit: f64, n: usize) -> Vec<usize> {
        let all = 0..self.by_preference.len();
        let mut worse: Vec<usize> = all.filter(|at| self.by_preference[*at] > limit).collect();
        worse.sort_by(|a, b| self.by_preference[*b].total_cmp(&self.by_preference[*a]));
        worse.truncate(n);
        worse
    }

    /// `max_R Σ_x w_x sub_R(π_x)`: at most the weighted sum of [`Shortfalls::by_context`], because one preference holds
    /// in all contexts.
    pub fn mean(&self) -> f64 {
        self.by_preference[self.worst()]
    }
}

impl VersionSpaceGame<'_> {
    /// What any policies, one a context, lose under each preference of the set.
    ///
    /// # Errors
    /// [`VersionSpaceError::Shape`] if a game does not fit its context.
    ///
    /// # Panics
    /// If there is not one policy a context, with an entry for each action.
    pub fn shortfalls(&self, policies: &[Distribution]) -> Result<Shortfalls, VersionSpaceError> {
        assert_eq!(policies.len(), self.contexts.len(), "one policy a context");
        let n = self.n_preferences;
        let (mut by_preference, mut by_context) = (vec![0.0; n], Vec::new());
        while by_context.len() < self.contexts.len() {
            let from = by_context.len();
            let to = self.contexts.len().min(from + CHUNK);
            let chunk: Result<Vec<Vec<f64>>, VersionSpaceError> = (from..to)
                .into_par_iter()
                .map(|at| (0..n).map(|r| self.shortfall(at, r, &policies[at])).collect())
                .collect();
            for (losses, context) in chunk?.into_iter().zip(&self.contexts[from..to]) {
                // A policy that plays what its reference never does loses without bound, if it counts.
                if context.weight > 0.0 {
                    for (sum, loss) in by_preference.iter_mut().zip(&losses) {
                        *sum += context.weight * loss;
                    }
                }
                by_context.push(losses.into_iter().fold(0.0, f64::max));
            }
        }
        // The sums of non-negative numbers are off by no more than this.
        let rounding = 1.0 + (self.contexts.len() + 1) as f64 * f64::EPSILON;
        for sum in &mut by_preference {
            *sum *= rounding;
        }
        Ok(Shortfalls { by_preference, by_context })
    }

    fn shortfall(
        &self,
        at: usize,
        preference: usize,
        policy: &Distribution,
    ) -> Result<f64, VersionSpaceError> {
        let payoff = self.game(at, preference)?;
        let reference = Profile::symmetric(self.contexts[at].reference.clone());
        let game =
            RegularizedGame::new(&payoff, &reference, self.eta).expect("its shape is checked");
        let lost = game.certify(&Profile::symmetric(policy.clone())).column_regret;
        Ok(if lost.is_nan() { f64::INFINITY } else { lost })
    }

    /// The policies of a state.
    pub(super) fn policies(&self, state: &State) -> Result<Vec<Distribution>, VersionSpaceError> {
        let all = self.contexts.iter().zip(&state.logits).enumerate();
        let policy = |(context, (known, logits)): (usize, (&super::Context, &Vec<f64>))| {
            let (support, _) = played(&known.reference);
            let policy = expanded(known.reference.len(), &support, logits);
            policy.ok_or(VersionSpaceError::NotFinite { context })
        };
        all.map(policy).collect()
    }

    /// Certifies any policies, one a context, beside the weights of a solution.
    ///
    /// The gap is infinite if a policy plays what its reference never does.
    ///
    /// # Errors
    /// [`VersionSpaceError::Shape`] and [`VersionSpaceError::NotFinite`].
    ///
    /// # Panics
    /// If there is not one policy a context and one weight a preference, or no weight is positive.
    pub fn certify(
        &self,
        weights: &[f64],
        policies: &[Distribution],
    ) -> Result<VersionSpaceCertificate, VersionSpaceError> {
        assert_eq!(weights.len(), self.n_preferences, "one weight a preference");
        let counted = weights.iter().copied().enumerate().filter(|(_, weight)| *weight > 0.0);
        let (entered, weights): (Vec<usize>, Vec<f64>) = counted.unzip();
        assert!(!entered.is_empty(), "a weight is positive");
        let shortfalls = self.shortfalls(policies)?;
        let each: Result<Vec<Against>, VersionSpaceError> = (0..policies.len())
            .into_par_iter()
            .map(|at| self.against_mixture(at, &entered, &weights, &policies[at]))
            .collect();
        let (mut upper, mut size, mut rounding) = (0.0, 0.0, 0.0);
        let (mut opponents, mut by_context) = (Vec::new(), Vec::new());
        for (Against { opponent, certificate, rounded }, context) in
            each?.into_iter().zip(self.contexts)
        {
            if context.weight > 0.0 {
                upper += context.weight * (certificate.value + certificate.row_regret);
                size += context.weight * (certificate.value.abs() + certificate.row_regret);
                // The value is rounded down by as much as the regret is raised.
                rounding += context.weight * 2.0 * rounded;
            }
            opponents.push(opponent);
            by_context.push(certificate);
        }
        let sums = size * (self.contexts.len() + 3) as f64 * f64::EPSILON;
        let value = -shortfalls.mean();
        let gap = upper + sums - value;
        let duality_gap = if gap.is_nan() { f64::INFINITY } else { gap.max(0.0) };
        rounding += sums;
        Ok(VersionSpaceCertificate {
            opponents,
            by_context,
            shortfalls,
            value,
            duality_gap,
            rounding,
        })
    }

    /// The mixture of opponents in one context, and how far the policy is from the best against it.
    fn against_mixture(
        &self,
        at: usize,
        entered: &[usize],
        weights: &[f64],
        policy: &Distribution,
    ) -> Result<Against, VersionSpaceError> {
        let broken = VersionSpaceError::NotFinite { context: at };
        let (games, eta) = (self.games(at, entered)?, self.eta.get());
        let known = &self.contexts[at].reference;
        let mut system = Mixture::new(known, &games, weights, eta);
        let all = policy.log_probabilities();
        let logits: Vec<f64> = system.support().iter().map(|action| all[*action]).collect();
        system.respond(&logits);
        let answers = system.opponents().ok_or(broken)?;

        let (n, k) = (known.len(), games.len());
        let row = |i: usize| games.iter().flat_map(move |game| game.entries()[i * n..][..n].iter());
        let payoff = DenseGame::new(n, k * n, (0..n).flat_map(row).copied().collect());
        let payoff = payoff.expect("entries of games are finite");
        let joint = |of: &dyn Fn(usize) -> Distribution| {
            let logs = weights.iter().enumerate().flat_map(|(r, weight)| {
                let logs = of(r).log_probabilities().to_vec();
                logs.into_iter().map(move |log| log + weight.ln())
            });
            Distribution::from_logits(logs.collect()).expect("weights are positive")
        };
        let reference = Profile { row: known.clone(), column: joint(&|_| known.clone()) };
        let profile = Profile { row: policy.clone(), column: joint(&|r| answers[r].clone()) };
        let game = RegularizedGame::new(&payoff, &reference, self.eta).expect("shapes agree");
        let certificate = game.certify(&profile);

        // How far the value is rounded down at most: see `Certificate::value`.
        let size = |player: &Distribution, prior: &Distribution| {
            let logs = player.log_probabilities().iter().zip(prior.log_probabilities());
            let finite = logs.filter(|(log, prior)| prior.is_finite() && log.is_finite());
            finite.map(|(log, prior)| (log - prior).abs() + prior.abs()).fold(0.0, f64::max)
        };
        let moved =
            size(&profile.row, &reference.row).max(size(&profile.column, &reference.column));
        let units = (2 * k * n + 128) as f64 * f64::EPSILON;
        let rounded = units * (payoff.payoff_bound() + (1.0 + moved) / eta)
            + 2.0 * payoff.product_error_bound();
        let outside = all.iter().zip(known.log_probabilities());
        let outside = outside.into_iter().any(|(p, prior)| p.is_finite() && !prior.is_finite());
        let regret = if outside { f64::INFINITY } else { certificate.row_regret + rounded };
        if !outside && !(certificate.value + regret).is_finite() {
            return Err(broken);
        }
        let mut mixture = vec![0.0; n];
        for (weight, answer) in weights.iter().zip(&answers) {
            for (sum, p) in mixture.iter_mut().zip(answer.probabilities()) {
                *sum += weight * p;
            }
        }
        let opponent = Distribution::from_masses(&mixture).map_err(|_| broken)?;
        // The answers are the best there are.
        let (duality_gap, row_regret, column_regret) = (regret, regret, 0.0);
        let certificate = Certificate { duality_gap, row_regret, column_regret, ..certificate };
        Ok(Against { opponent, certificate, rounded })
    }
}

/// A policy of one context against the mixture of opponents.
struct Against {
    opponent: Distribution,
    certificate: Certificate,
    /// By how much its regret is raised for the rounding of its value.
    rounded: f64,
}
