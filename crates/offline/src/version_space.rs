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

/// A prompt and its policy under every preference of the set.
struct View {
    /// What the best single response gains without the KL terms.
    gains: Vec<f64>,
    /// Whether anything is known: not where all preferences agree and the model's widths say that none could tell.
    told: bool,
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
        let views = self.views(&policies);
        let mean =
            |r: usize| views.iter().map(|view| view.gains[r]).sum::<f64>() / views.len() as f64;
        let VersionSpaceCertificate {
            opponents, by_context, shortfalls, duality_gap, value, ..
        } = certificate;
        let counted = weights.iter().copied().enumerate().filter(|(_, weight)| *weight > 0.0);
        let report = VersionSpaceReport {
            n_preferences: self.space.n_preferences(),
            n_untold: views.iter().filter(|view| !view.told).count(),
            weights: counted.collect(),
            duality_gap,
            suboptimality_bound: (-value).max(0.0),
            exploitability_bound: (0..self.space.n_preferences()).map(mean).fold(0.0, f64::max),
        };
        let bounds = shortfalls.by_context().iter().zip(&views);
        let all = policies.into_iter().zip(opponents).zip(by_context).zip(bounds);
        let found =
            |(((policy, opponent), certificate), (bound, view)): (_, (&f64, &View))| Found {
                policy,
                opponent,
                certificate,
                suboptimality_bound: view.told.then_some(*bound),
                exploitability_bound: view
                    .told
                    .then(|| view.gains.iter().copied().fold(0.0, f64::max)),
                expected_width: None,
                status: how.status,
                method: "version-space",
                iterations: how.iterations,
            };
        Together { prompts: all.map(found).collect(), weights, report, how }
    }

    /// Each prompt under every preference of the set.
    fn views(&self, policies: &[Distribution]) -> Vec<View> {
        let n = self.space.n_preferences();
        let view = |(at, policy): (usize, &Distribution)| {
            let (menu, p) = (self.menus.get(at), policy.probabilities());
            let game = |r| self.space.preference_game(r, menu, self.config.scale);
            let first = game(0);
            let (mut gains, mut agree) = (vec![best_gain(&first, &p)], true);
            for game in (1..n).map(game) {
                let mut both = game.entries().iter().zip(first.entries());
                agree = agree && both.all(|(a, b)| a.to_bits() == b.to_bits());
                gains.push(best_gain(&game, &p));
            }
            let told = n == 1 || !agree || (self.widths)(menu).iter().all(|width| *width == 0.0);
            View { gains, told }
        };
        policies.par_iter().enumerate().map(view).collect()
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
