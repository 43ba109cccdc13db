//! The least shortfall: against equilibria, against scalar functions, and against the projection it starts from.

use crate::tabular::TabularClass;
use crate::world::{World, golden_section, rng, total_variation};
use nlhf_core::{DenseGame, Distribution, Policy, Profile};
use nlhf_nash::in_class::{InClassStatus, LeastShortfall};
use nlhf_testkit::ExactGap;

const PRECISE: LeastShortfall =
    LeastShortfall { max_projections: 5000, tolerance: 1e-17, relative_tolerance: 0.0 };

#[test]
fn features_that_span_the_simplex_give_the_equilibrium() {
    for (unit, eta) in [(0, 0.01), (1, 3.0), (2, 10.0)] {
        let world = World::random(eta, 3, 4, &mut rng(unit));
        let class = world.spanning();
        let found = PRECISE.solve(&class, &world.games(), class.base(), &mut ()).unwrap();
        assert_eq!(found.status, InClassStatus::Converged, "eta {eta}");
        for (prompt, wanted) in found.prompts.iter().zip(world.equilibria()) {
            assert!(total_variation(&prompt.policy, &wanted) < 1e-8, "eta {eta}");
        }
    }
}

/// One parameter along a direction that misses the equilibrium.
fn one_parameter() -> (World, [f64; 3]) {
    let payoff = DenseGame::from_probabilities(3, &[0.5, 0.9, 0.2, 0.1, 0.5, 0.95, 0.8, 0.05, 0.5]);
    let reference = Distribution::from_masses(&[0.5, 0.2, 0.3]).unwrap();
    (World::new(6.0, vec![payoff.unwrap()], vec![reference]), [1.0, -0.4, 0.1])
}

#[test]
fn one_parameter_ends_at_the_minimum_of_a_scalar_function() {
    let (world, direction) = one_parameter();
    let class = world.log_linear(1, |_, a, _| direction[a]);
    let games = world.games();
    let shortfall = |theta: f64| {
        let profile = Profile::symmetric(class.at(&[theta]).distribution(world.menu(0)));
        ExactGap::new(&world.payoffs[0], &world.references[0], world.eta, &profile).column_regret
    };
    let (theta, least) = golden_section(shortfall, -10.0, 10.0);
    let search = LeastShortfall { relative_tolerance: 1e-14, ..PRECISE };
    let found = search.solve(&class, &games, class.base(), &mut ()).unwrap();
    assert!((found.policy.theta[0] - theta).abs() < 1e-6, "{} {theta}", found.policy.theta[0]);
    assert!((found.mean_shortfall - least).abs() < 1e-12 && least > 1e-3, "{least}");
}

#[test]
fn it_improves_on_the_projected_equilibrium_where_tastes_conflict() {
    // Two prompts share two features. On the second the equilibrium puts much mass where little payoff is at stake.
    let strong = DenseGame::from_probabilities(3, &[0.5, 0.9, 0.8, 0.1, 0.5, 0.6, 0.2, 0.4, 0.5]);
    let weak = DenseGame::from_probabilities(3, &[0.5, 0.2, 0.6, 0.8, 0.5, 0.45, 0.4, 0.55, 0.5]);
    let references = vec![Distribution::uniform(3); 2];
    let world = World::new(10.0, vec![strong.unwrap(), weak.unwrap()], references);
    let class = world.log_linear(2, |_, a, k| if a == k { 1.0 } else { 0.0 });
    let start = world.projected(&class);
    let search = LeastShortfall { relative_tolerance: 1e-9, ..PRECISE };
    let found = search.solve(&class, &world.games(), start, &mut ()).unwrap();
    assert_eq!(found.status, InClassStatus::Stationary);
    assert!(found.mean_shortfall < 0.98 * found.start_shortfall, "{found:?}");
    // Nothing near by is better.
    let mean = |theta: &[f64]| {
        let policy = class.at(theta);
        let shortfall = |at: usize| {
            let profile = Profile::symmetric(policy.distribution(world.menu(at)));
            ExactGap::new(&world.payoffs[at], &world.references[at], world.eta, &profile).shortfall
        };
        0.5 * (shortfall(0) + shortfall(1))
    };
    let here = mean(&found.policy.theta);
    for (i, sign) in [(0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0)] {
        let mut theta = found.policy.theta.clone();
        theta[i] += sign * 1e-2;
        assert!(mean(&theta) > here);
    }
}

#[test]
fn it_is_never_worse_than_its_start_and_never_states_less_than_the_truth() {
    for unit in 0..6 {
        let rng = &mut rng(20 + unit);
        let world = World::random([0.5, 10.0, 100.0][unit as usize % 3], 5, 6, rng);
        let class = world.shared(3, rng);
        let start = world.projected(&class);
        let found =
            LeastShortfall::default().solve(&class, &world.games(), start, &mut ()).unwrap();
        assert!(found.mean_shortfall <= found.start_shortfall);
        let mut mean = 0.0;
        for (at, prompt) in found.prompts.iter().enumerate() {
            assert_eq!(prompt.policy, found.policy.distribution(world.menu(at)));
            let profile = Profile { row: prompt.policy.clone(), column: prompt.opponent.clone() };
            let exact =
                ExactGap::new(&world.payoffs[at], &world.references[at], world.eta, &profile);
            assert!(prompt.certificate.worst_shortfall() >= exact.shortfall);
            assert!(prompt.certificate.duality_gap >= exact.duality_gap);
            mean += exact.shortfall / 5.0;
        }
        assert!(found.mean_shortfall >= mean && found.mean_shortfall < mean * (1.0 + 1e-9));
    }
}

#[test]
fn where_nothing_can_be_gained_the_start_comes_back_at_once() {
    let world = World::random(10.0, 4, 5, &mut rng(3));
    let start = world.projected(&TabularClass);
    let found =
        LeastShortfall::default().solve(&TabularClass, &world.games(), start.clone(), &mut ());
    let found = found.unwrap();
    assert_eq!((found.status, found.projections), (InClassStatus::Converged, 0));
    assert_eq!(found.policy, start);
}
