//! Pessimism over a version space: all prompts against one preference of a finite set, whichever is worst.
//!
//! ```text
//! π̂ = argmax_π min_{R ∈ V} E_x min_q J_R(π, q),     sub(π̂) ≤ −min_{R ∈ V} E_x min_q J_R(π̂, q)   if R* ∈ V
//! ```
//! Source: Ye et al. (arXiv 2402.07314), section 3, algorithm 1; solved by [`nlhf_nash::VersionSpaceGame`].

use crate::solving::Found;
use crate::{OfflineConfig, OfflineError, VersionSpaceReport};
use nlhf_core::{DenseGame, Distribution, Menus, Policy, Status, VersionSpace};
use nlhf_nash::{Context, VersionSpaceCertificate, VersionSpaceError, VersionSpaceGame};

/// All prompts with the set of preferences and the reference.
pub(crate) struct Ensemble<'a> {
    menus: &'a Menus,
    space: &'a dyn VersionSpace,
    config: &'a OfflineConfig,
    contexts: Vec<Context>,
}

/// What was found for all prompts at once.
pub(crate) struct Together {
    weights: Vec<f64>,
    pub(crate) report: VersionSpaceReport,
    pub(crate) prompts: Vec<Found>,
    status: Status,
    iterations: usize,
}

impl<'a> Ensemble<'a> {
    pub(crate) fn new(
        menus: &'a Menus,
        space: &'a dyn VersionSpace,
        reference: &dyn Policy,
        config: &'a OfflineConfig,
    ) -> Self {
        let weight = 1.0 / menus.len() as f64;
        let context = |menu| Context { weight, reference: reference.distribution(menu) };
        Self { menus, space, config, contexts: menus.iter().map(context).collect() }
    }

    pub(crate) fn solve(&self) -> Result<Together, OfflineError> {
        let solved =
            self.with_game(|game| game.solve(self.space.most_likely(), self.config.tolerance))?;
        let start = Together {
            weights: solved.weights,
            report: VersionSpaceReport {
                n_preferences: self.space.n_preferences(),
                weights: Vec::new(),
                duality_gap: 0.0,
                suboptimality_bound: 0.0,
            },
            prompts: Vec::new(),
            status: solved.status,
            iterations: solved.iterations,
        };
        Ok(start.filled(solved.policies, solved.certificate))
    }

    /// The same for other policies, one a prompt, which a class plays in place of the solution.
    pub(crate) fn certify(
        &self,
        found: Together,
        policies: Vec<Distribution>,
    ) -> Result<Together, OfflineError> {
        let certificate = self.with_game(|game| game.certify(&found.weights, &policies))?;
        Ok(found.filled(policies, certificate))
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

impl Together {
    fn filled(self, policies: Vec<Distribution>, certificate: VersionSpaceCertificate) -> Self {
        let VersionSpaceCertificate {
            opponents, by_context, shortfalls, duality_gap, value, ..
        } = certificate;
        let counted = self.weights.iter().copied().enumerate().filter(|(_, weight)| *weight > 0.0);
        let report = VersionSpaceReport {
            weights: counted.collect(),
            duality_gap,
            suboptimality_bound: (-value).max(0.0),
            ..self.report
        };
        let all = policies.into_iter().zip(opponents).zip(by_context).zip(shortfalls.by_context());
        let found = |(((policy, opponent), certificate), bound): (_, &f64)| Found {
            policy,
            opponent,
            certificate,
            suboptimality_bound: Some(*bound),
            expected_width: None,
            status: self.status,
            method: "version-space",
            iterations: self.iterations,
        };
        let prompts = all.map(found).collect();
        Self { report, prompts, ..self }
    }
}
