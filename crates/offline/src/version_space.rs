//! Pessimism over a version space: all prompts against one preference of a finite set, whichever is worst.
//!
//! ```text
//! π̂ = argmax_π min_{R ∈ V} E_x min_q J_R(π, q),     sub(π̂) ≤ −min_{R ∈ V} E_x min_q J_R(π̂, q)   if R* ∈ V
//! ```
//! Source: Ye et al. (arXiv 2402.07314), section 3, algorithm 1; solved by [`nlhf_nash::VersionSpaceGame`].

use crate::solving::{Found, best_gain};
use crate::{OfflineConfig, OfflineError, VersionSpaceReport};
use nlhf_core::{
    ConfidenceWidth, DenseGame, Distribution, Menu, Menus, Policy, Status, VersionSpace,
};
use nlhf_nash::{Context, VersionSpaceCertificate, VersionSpaceError, VersionSpaceGame};
use rayon::prelude::*;

/// All prompts with the set of preferences and the reference.
pub(crate) struct Ensemble<'a> {
    menus: &'a Menus,
    space: &'a dyn VersionSpace,
    config: &'a OfflineConfig,
    contexts: Vec<Context>,
    /// The widths of a menu.
    widths: Widths<'a>,
}

type Widths<'a> = Box<dyn Fn(Menu<'_>) -> Vec<f64> + Sync + 'a>;

/// What was found for all prompts at once.
pub(crate) struct Together {
    weights: Vec<f64>,
    pub(crate) report: VersionSpaceReport,
    pub(crate) prompts: Vec<Found>,
    how: How,
}

/// How the solver got there.
#[derive(Clone, Copy)]
struct How {
    status: Status,
    iterations: usize,
}

impl<'a> Ensemble<'a> {
    pub(crate) fn new(
        menus: &'a Menus,
        model: &'a impl ConfidenceWidth,
        space: &'a dyn VersionSpace,
        reference: &dyn Policy,
        config: &'a OfflineConfig,
    ) -> Self {
        let weight = 1.0 / menus.len() as f64;
        let context = |menu| Context { weight, reference: reference.distribution(menu) };
        let widths = Box::new(|menu: Menu<'_>| model.widths(menu, config.scale));
        Self { menus, space, config, contexts: menus.iter().map(context).collect(), widths }
    }

    pub(crate) fn solve(&self) -> Result<Together, OfflineError> {
        let solved =
            self.with_game(|game| game.solve(self.space.most_likely(), self.config.tolerance))?;
        let how = How { status: solved.status, iterations: solved.iterations };
        Ok(self.together(solved.weights, how, solved.policies, solved.certificate))
    }

    /// The same for other policies, one a prompt, which a class plays in place of the solution.
    pub(crate) fn certify(
        &self,
        found: Together,
        policies: Vec<Distribution>,
    ) -> Result<Together, OfflineError> {
        let certificate = self.with_game(|game| game.certify(&found.weights, &policies))?;
        Ok(self.together(found.weights, found.how, policies, certificate))
    }

    fn together(
        &self,
        weights: Vec<f64>,
        how: How,
        policies: Vec<Distribution>,
        certificate: VersionSpaceCertificate,
    ) -> Together {
        let told = self.told();
        let (by_prompt, exploitability_bound) = self.best_gains(&policies);
        let VersionSpaceCertificate {
            opponents, by_context, shortfalls, duality_gap, value, ..
        } = certificate;
        let counted = weights.iter().copied().enumerate().filter(|(_, weight)| *weight > 0.0);
        let report = VersionSpaceReport {
            n_preferences: self.space.n_preferences(),
            n_untold: told.iter().filter(|told| !**told).count(),
            weights: counted.collect(),
            duality_gap,
            suboptimality_bound: (-value).max(0.0),
            exploitability_bound,
        };
        let bounds = shortfalls.by_context().iter().zip(by_prompt).zip(told);
        let all = policies.into_iter().zip(opponents).zip(by_context).zip(bounds);
        let found = |(((policy, opponent), certificate), ((bound, gain), told)): (
            _,
            ((&f64, f64), bool),
        )| Found {
            policy,
            opponent,
            certificate,
            suboptimality_bound: told.then_some(*bound),
            exploitability_bound: told.then_some(gain),
            expected_width: None,
            status: how.status,
            method: "version-space",
            iterations: how.iterations,
        };
        Together { prompts: all.map(found).collect(), weights, report, how }
    }

    /// Whether anything is known of each prompt: not where all preferences agree and the model's widths say that none of
    /// them could tell.
    fn told(&self) -> Vec<bool> {
        let scale = self.config.scale;
        let told = |at: usize| {
            let menu = self.menus.get(at);
            let game = |r| self.space.preference_game(r, menu, scale);
            let first = game(0);
            let apart = |(a, b): (&f64, &f64)| a.to_bits() != b.to_bits();
            let differs = |r| game(r).entries().iter().zip(first.entries()).any(apart);
            let n = self.space.n_preferences();
            n == 1
                || (1..n).any(differs)
                || (self.widths)(menu).into_iter().all(|width| width == 0.0)
        };
        (0..self.menus.len()).into_par_iter().map(told).collect()
    }

    /// What the best single response gains without the KL terms: the most under any preference of each prompt by
    /// itself, and of the mean over prompts.
    fn best_gains(&self, policies: &[Distribution]) -> (Vec<f64>, f64) {
        let n = self.space.n_preferences();
        let gains = |(at, policy): (usize, &Distribution)| -> Vec<f64> {
            let (menu, p) = (self.menus.get(at), policy.probabilities());
            let game = |r| self.space.preference_game(r, menu, self.config.scale);
            (0..n).map(|r| best_gain(&game(r), &p)).collect()
        };
        let gains: Vec<Vec<f64>> = policies.par_iter().enumerate().map(gains).collect();
        let mean = |r: usize| gains.iter().map(|gains| gains[r]).sum::<f64>() / gains.len() as f64;
        let together = (0..n).map(mean).fold(0.0, f64::max);
        (gains.into_iter().map(|gains| gains.into_iter().fold(0.0, f64::max)).collect(), together)
    }

    fn with_game<T>(
        &self,
        call: impl Fn(&VersionSpaceGame<'_>) -> Result<T, VersionSpaceError>,
    ) -> Result<T, OfflineError> {
        let payoff = |context: usize, preference: usize| -> DenseGame {
            let menu = self.menus.get(context);
            self.space.preference_game(preference, menu, self.config.scale)
        };
        let n = self.space.n_preferences();
        let game = VersionSpaceGame::new(&self.contexts, n, &payoff, self.config.eta);
        game.and_then(|game| call(&game)).map_err(OfflineError::VersionSpace)
    }
}
