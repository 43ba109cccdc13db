//! The gap against a class, from both sides.

use crate::log_linear::LogLinear;
use crate::tabular::TabularClass;
use crate::world::{World, golden_section, rng};
use nlhf_core::{
    DenseGame, Distribution, Policy, PolicyClass, Profile, Projected, ProjectionError, Target,
};
use nlhf_nash::in_class::{ClassCompetitor, ClassGame, InClassError, InClassStatus, InClassStep};
use nlhf_testkit::ExactGap;
use std::ops::ControlFlow;

const PRECISE: ClassCompetitor =
    ClassCompetitor { max_projections: 900, tolerance: 1e-12, relative_tolerance: 1e-12 };

/// `Σ ω J(row, column)` in 320 bits.
fn exact_gain(world: &World, row: &impl Policy, column: &impl Policy) -> f64 {
    let total: f64 = world.weights.iter().map(|weight| weight.get()).sum();
    let gain = |at: usize| {
        let (row, column) = (row.distribution(world.menu(at)), column.distribution(world.menu(at)));
        let profile = Profile { row, column };
        let exact = ExactGap::new(&world.payoffs[at], &world.references[at], world.eta, &profile);
        world.weights[at].get() / total * exact.value
    };
    (0..world.payoffs.len()).map(gain).sum()
}

#[test]
fn among_all_policies_both_ends_meet() {
    for eta in [0.01, 10.0, 1e3] {
        let world = World::random(eta, 4, 5, &mut rng(200));
        let reference = crate::world::references(&world);
        let found = PRECISE.find(&TabularClass, &world.games(), &reference, &mut ()).unwrap();
        assert_eq!(found.status, InClassStatus::Converged);
        assert!(found.bound > 0.0 && (found.bound - found.gain) < 1e-12, "{found:?}");
        assert!(found.gain <= exact_gain(&world, &found.policy, &reference));
    }
}

#[test]
fn it_encloses_the_gap_against_a_class_of_one_parameter() {
    let payoff = DenseGame::from_probabilities(3, &[0.5, 0.9, 0.2, 0.1, 0.5, 0.95, 0.8, 0.05, 0.5]);
    let reference = Distribution::from_masses(&[0.5, 0.2, 0.3]).unwrap();
    let world = World::new(6.0, vec![payoff.unwrap()], vec![reference]);
    let class = world.log_linear(1, |_, a, _| [1.0, -0.4, 0.1][a]);
    for theta in [-2.0, 0.0, 0.7, 3.0] {
        let policy = class.at(&[theta]);
        let (best, least) =
            golden_section(|theta| -exact_gain(&world, &class.at(&[theta]), &policy), -9.0, 9.0);
        let found = PRECISE.find(&class, &world.games(), &policy, &mut ()).unwrap();
        assert!((found.policy.theta[0] - best).abs() < 1e-5, "{} {best}", found.policy.theta[0]);
        assert!(found.gain <= -least && -least - found.gain < 1e-10, "{} {least}", found.gain);
        assert!(found.bound > found.gain);
    }
}

#[test]
fn what_is_found_never_exceeds_what_is_certified_and_is_really_gained() {
    for unit in 0..6 {
        let rng = &mut rng(210 + unit);
        let eta = [0.1, 10.0, 300.0][unit as usize % 3];
        let mut world = World::random(eta, 5, 6, rng);
        world.weights[2] = nlhf_core::Weight::new(3.0).unwrap();
        world.weights[3] = nlhf_core::Weight::ZERO;
        let class = world.shared(3, rng);
        let policy = world.projected(&class);
        let found = ClassCompetitor::default().find(&class, &world.games(), &policy, &mut ());
        let found = found.unwrap();
        let exact = exact_gain(&world, &found.policy, &policy);
        assert!(found.gain > 0.0 && found.gain <= exact && found.gain > exact - 1e-12);
        assert!(found.gain <= found.bound);
        assert_eq!(found.gains.len(), 5);
    }
}

/// A class of one policy.
struct Only(LogLinear);

impl PolicyClass for Only {
    type Policy = LogLinear;

    fn name(&self) -> &'static str {
        "only"
    }

    fn project(
        &self,
        _: &[Target<'_>],
        _: Option<&LogLinear>,
    ) -> Result<Projected<LogLinear>, ProjectionError> {
        Ok(Projected { policy: self.0.clone(), excess_nats: Some(0.0) })
    }
}

#[test]
fn against_a_policy_outside_the_class_the_gap_may_be_negative() {
    let payoff = DenseGame::from_probabilities(3, &[0.5, 0.9, 0.8, 0.1, 0.5, 0.7, 0.2, 0.3, 0.5]);
    let world = World::new(5.0, vec![payoff.unwrap()], vec![Distribution::uniform(3)]);
    let policies = world.log_linear(1, |_, a, _| [0.0, 1.0, 1.0][a]);
    let (outside, only) = (policies.at(&[-3.0]), Only(policies.base()));
    let found = PRECISE.find(&only, &world.games(), &outside, &mut ()).unwrap();
    let gap = exact_gain(&world, &only.0, &outside);
    assert!(gap < -0.01 && found.gain <= gap && found.gain > gap - 1e-12, "{gap} {found:?}");
    assert!(found.bound >= 0.0);
}

#[test]
fn it_stops_when_asked_and_refuses_games_without_one_equilibrium() {
    let rng = &mut rng(220);
    let world = World::random(100.0, 3, 5, rng);
    let class = world.shared(2, rng);
    let policy = class.base();
    let mut stop = |_: &InClassStep| ControlFlow::Break(());
    let found =
        ClassCompetitor::default().find(&class, &world.games(), &policy, &mut stop).unwrap();
    assert_eq!((found.status, found.projections), (InClassStatus::Stopped, 2));
    let none = ClassCompetitor { max_projections: 0, ..ClassCompetitor::default() };
    let found = none.find(&class, &world.games(), &policy, &mut ()).unwrap();
    assert_eq!((found.status, found.projections), (InClassStatus::Budget, 3));

    let skewed = world.payoffs[0].map_entries(|_, _, payoff| payoff - 0.1).unwrap();
    let game = nlhf_core::RegularizedGame::new(&skewed, &world.references[0], world.eta).unwrap();
    let game = ClassGame::new(world.menu(0), game, nlhf_core::Weight::ONE).unwrap();
    let error = ClassCompetitor::default().find(&class, &[game], &policy, &mut ()).unwrap_err();
    assert!(matches!(error, InClassError::NotSymmetric { .. }), "{error}");
}
