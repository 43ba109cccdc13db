//! Prompts with their games and equilibria, and what classes make of them.

use nlhf::core::{
    DenseGame, Distribution, Eta, Menu, Menus, NashSolver, Policy, PolicyClass, PreferenceModel,
    Profile, Projected, RegularizedGame, Scale, Target, Weight,
};
use nlhf::nash::Automatic;
use nlhf::nash::in_class::{ClassGame, LeastShortfall, Restriction, restricted};
use rayon::prelude::*;

/// The games of one preference on some menus, payoffs on the scale of probabilities.
pub(crate) struct Prompts {
    pub(crate) menus: Menus,
    /// The equilibrium of every prompt by itself.
    pub(crate) equilibria: Vec<Distribution>,
    pub(crate) payoffs: Vec<DenseGame>,
    references: Vec<Profile>,
    pub(crate) eta: Eta,
}

/// A class by what it made of equilibria: the nearest member, and what is best from there on.
pub(crate) struct Learned<P> {
    pub(crate) projected: P,
    pub(crate) in_class: P,
    pub(crate) restriction: Restriction,
}

impl Prompts {
    pub(crate) fn new(
        preference: &dyn PreferenceModel,
        menus: Menus,
        eta: f64,
    ) -> anyhow::Result<Self> {
        let payoffs = menus.iter().map(|menu| preference.game(menu, Scale::Probability)).collect();
        let references = menus.iter().map(|menu| Distribution::uniform(menu.len())).collect();
        Self::of_games(menus, payoffs, references, eta, 1e-10)
    }

    /// With games of their own, solved to a duality gap.
    pub(crate) fn of_games(
        menus: Menus,
        payoffs: Vec<DenseGame>,
        references: Vec<Distribution>,
        eta: f64,
        tolerance: f64,
    ) -> anyhow::Result<Self> {
        let eta = Eta::new(eta)?;
        let references: Vec<Profile> = references.into_iter().map(Profile::symmetric).collect();
        let solve = |(payoff, reference)| -> anyhow::Result<Distribution> {
            let game = RegularizedGame::new(payoff, reference, eta)?;
            Ok(Automatic { tolerance }.solve(&game, reference, &mut ())?.profile.row)
        };
        let equilibria: anyhow::Result<Vec<Distribution>> = payoffs
            .par_iter()
            .zip(&references)
            .map(|(p, r): (&DenseGame, _)| solve((p, r)))
            .collect();
        Ok(Self { equilibria: equilibria?, menus, payoffs, references, eta })
    }

    pub(crate) fn games(&self) -> anyhow::Result<Vec<ClassGame<'_>>> {
        let all = self.menus.iter().zip(self.payoffs.iter().zip(&self.references));
        all.map(|(menu, (payoff, reference))| {
            let game = RegularizedGame::new(payoff, reference, self.eta)?;
            Ok(ClassGame::new(menu, game, Weight::ONE)?)
        })
        .collect()
    }

    pub(crate) fn project<C: PolicyClass>(
        &self,
        class: &C,
    ) -> anyhow::Result<Projected<C::Policy>> {
        let target = |(menu, distribution): (_, &Distribution)| Target {
            menu,
            distribution: distribution.clone(),
            weight: Weight::ONE,
        };
        let targets: Vec<Target<'_>> =
            self.menus.iter().zip(&self.equilibria).map(target).collect();
        Ok(class.project(&targets, None)?)
    }

    /// Projects the equilibria, and searches on from there as learners do.
    pub(crate) fn learn<C: PolicyClass>(
        &self,
        class: &C,
        max_projections: usize,
    ) -> anyhow::Result<Learned<C::Policy>>
    where
        C::Policy: Clone,
    {
        let projected = self.project(class)?;
        let nearest = projected.policy.clone();
        let search = LeastShortfall { max_projections, ..LeastShortfall::default() };
        let games = self.games()?;
        let (in_class, restriction) =
            restricted(&search, class, &games, &self.equilibria, projected, &mut ())?;
        Ok(Learned { projected: nearest, in_class, restriction })
    }

    /// Mean suboptimality: what a best competitor gains in the regularized game, in win probability.
    pub(crate) fn suboptimality(&self, policies: &[Distribution]) -> f64 {
        let games = self.payoffs.iter().zip(&self.references).zip(policies);
        let sum: f64 = games
            .map(|((payoff, reference), policy)| {
                let game = RegularizedGame::new(payoff, reference, self.eta).expect("one shape");
                game.certify(&Profile::symmetric(policy.clone())).column_regret
            })
            .sum();
        sum / policies.len() as f64
    }

    /// Mean win rate of policies against others.
    pub(crate) fn win_rate(&self, policies: &[Distribution], others: &[Distribution]) -> f64 {
        let prompts = self.payoffs.iter().zip(policies.iter().zip(others));
        let sum: f64 = prompts.map(|(payoff, (p, q))| 0.5 + value(payoff, p, q)).sum();
        sum / policies.len() as f64
    }
}

/// `p'Aq`.
pub(crate) fn value(payoff: &DenseGame, p: &Distribution, q: &Distribution) -> f64 {
    let q = q.probabilities();
    let rows = payoff.entries().chunks_exact(q.len()).zip(p.probabilities());
    rows.map(|(row, p)| p * row.iter().zip(&q).map(|(a, q)| a * q).sum::<f64>()).sum()
}

/// What a policy plays on menus.
pub(crate) fn play(policy: &dyn Policy, menus: &Menus) -> Vec<Distribution> {
    menus.iter().map(|menu| policy.distribution(menu)).collect()
}

/// The menus that are asked for, in their order.
pub(crate) fn only(menus: &Menus, mut wanted: impl FnMut(Menu<'_>) -> bool) -> Menus {
    let mut kept = Menus::new();
    for menu in menus.iter().filter(|menu| wanted(*menu)) {
        kept.push(menu.prompt(), menu.responses()).expect("valid as before");
    }
    kept
}
