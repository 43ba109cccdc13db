//! Prompts with games for tests, and the class over them.

use crate::log_linear::{LogLinearClass, Table, responses};
use crate::tabular::Tabular;
use nlhf_core::{
    DenseGame, Distribution, Eta, Menu, NashSolver, PolicyClass, Profile, PromptId,
    RegularizedGame, ResponseId, SeedTree, Stream, Target, Weight, WorkspaceRng,
};
use nlhf_nash::Automatic;
use nlhf_nash::in_class::ClassGame;
use nlhf_testkit::{cyclic_skew, random_prior};
use rand::RngExt;
use std::sync::Arc;

/// Owns what class games borrow.
pub(crate) struct World {
    pub(crate) eta: Eta,
    pub(crate) responses: Vec<ResponseId>,
    pub(crate) payoffs: Vec<DenseGame>,
    pub(crate) references: Vec<Profile>,
    pub(crate) weights: Vec<Weight>,
}

impl World {
    pub(crate) fn new(eta: f64, payoffs: Vec<DenseGame>, references: Vec<Distribution>) -> Self {
        let widest = references.iter().map(Distribution::len).max().unwrap();
        Self {
            eta: Eta::new(eta).unwrap(),
            responses: responses(widest),
            weights: vec![Weight::ONE; payoffs.len()],
            payoffs,
            references: references.into_iter().map(Profile::symmetric).collect(),
        }
    }

    /// Cyclic preferences over `n` responses on each prompt.
    pub(crate) fn random(eta: f64, prompts: usize, n: usize, rng: &mut WorkspaceRng) -> Self {
        let payoffs = (0..prompts).map(|_| cyclic_skew(n, rng)).collect();
        let references = (0..prompts).map(|_| random_prior(n, 1.0, rng)).collect();
        Self::new(eta, payoffs, references)
    }

    pub(crate) fn menu(&self, at: usize) -> Menu<'_> {
        let prompt = PromptId::new(u32::try_from(at).unwrap());
        Menu::new(prompt, &self.responses[..self.references[at].row.len()]).unwrap()
    }

    pub(crate) fn games(&self) -> Vec<ClassGame<'_>> {
        let game = |at: usize| {
            let game = RegularizedGame::new(&self.payoffs[at], &self.references[at], self.eta);
            ClassGame::new(self.menu(at), game.unwrap(), self.weights[at]).unwrap()
        };
        (0..self.payoffs.len()).map(game).collect()
    }

    /// The equilibrium of every game by itself.
    pub(crate) fn equilibria(&self) -> Vec<Distribution> {
        let solver = Automatic { tolerance: 1e-14 };
        let games = self.games();
        let solve = |game: &ClassGame<'_>| {
            let solved = solver.solve(game.game(), game.game().reference(), &mut ());
            solved.unwrap().profile.row
        };
        games.iter().map(solve).collect()
    }

    /// What learners start from: the projected equilibria.
    pub(crate) fn projected<C: PolicyClass>(&self, class: &C) -> C::Policy {
        let target = |(at, distribution)| Target {
            menu: self.menu(at),
            distribution,
            weight: self.weights[at],
        };
        let targets: Vec<Target<'_>> =
            self.equilibria().into_iter().enumerate().map(target).collect();
        class.project(&targets, None).unwrap().policy
    }

    /// A log-linear class over the references with the features of each response.
    pub(crate) fn log_linear(
        &self,
        dim: usize,
        mut feature: impl FnMut(usize, usize, usize) -> f64,
    ) -> LogLinearClass {
        let prompts = self.references.iter().enumerate().map(|(at, reference)| {
            let rows =
                (0..reference.row.len()).map(|a| (0..dim).map(|k| feature(at, a, k)).collect());
            (self.menu(at).prompt(), (reference.row.clone(), rows.collect()))
        });
        LogLinearClass(Arc::new(Table { dim, prompts: prompts.collect() }))
    }

    /// Features that tell every response of every prompt from all others.
    pub(crate) fn spanning(&self) -> LogLinearClass {
        let n: Vec<usize> = self.references.iter().map(|r| r.row.len() - 1).collect();
        let offsets: Vec<usize> = (0..n.len()).map(|at| n[..at].iter().sum()).collect();
        let dim = n.iter().sum::<usize>().max(1);
        self.log_linear(dim, |at, a, k| {
            if k >= offsets[at] && k < offsets[at] + n[at] && k - offsets[at] == a {
                1.0
            } else {
                0.0
            }
        })
    }

    /// Random features shared by all prompts.
    pub(crate) fn shared(&self, dim: usize, rng: &mut WorkspaceRng) -> LogLinearClass {
        self.log_linear(dim, |_, _, _| 2.0 * rng.random::<f64>() - 1.0)
    }
}

pub(crate) fn rng(unit: u32) -> WorkspaceRng {
    SeedTree::new(11).rng(Stream::Instance, unit)
}

pub(crate) fn total_variation(p: &Distribution, q: &Distribution) -> f64 {
    let pairs = p.probabilities().into_iter().zip(q.probabilities());
    0.5 * pairs.map(|(p, q)| (p - q).abs()).sum::<f64>()
}

/// The minimum of a unimodal function, and its value.
pub(crate) fn golden_section(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> (f64, f64) {
    let share = 0.5 * (5.0_f64.sqrt() - 1.0);
    while high - low > 1e-9 {
        let (left, right) = (high - share * (high - low), low + share * (high - low));
        if f(left) < f(right) {
            high = right;
        } else {
            low = left;
        }
    }
    let middle = 0.5 * (low + high);
    (middle, f(middle))
}

/// The references as a policy.
pub(crate) fn references(world: &World) -> Tabular {
    let prompts = world.references.iter().enumerate();
    Tabular(
        prompts.map(|(at, reference)| (world.menu(at).prompt(), reference.row.clone())).collect(),
    )
}

/// The root of a function that falls through zero once.
pub(crate) fn bisection(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    assert!(f(low) > 0.0 && f(high) < 0.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if f(middle) > 0.0 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}
