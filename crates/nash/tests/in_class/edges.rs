//! Games that are not skew, extreme η, references and weights; stopping; threads.

use crate::log_linear::{LogLinear, LogLinearClass};
use crate::tabular::TabularClass;
use crate::world::{World, rng, total_variation};
use nlhf_core::{Distribution, PolicyClass, Projected, ProjectionError, Target, Weight};
use nlhf_nash::in_class::{
    ClassCompetitor, ClassGame, ClassSelfPlay, InClassError, InClassStatus, InClassStep,
    LeastShortfall, NashRegressionFit,
};
use std::ops::ControlFlow;

/// Every payoff lower by up to 0.2, alike for both orders of a pair: pessimism.
fn pessimistic(eta: f64, unit: u32) -> World {
    let mut world = World::random(eta, 4, 5, &mut rng(unit));
    for payoff in &mut world.payoffs {
        let width =
            |i: usize, j: usize| if i == j { 0.0 } else { 0.02 * (1 + (i + j) % 10) as f64 };
        *payoff = payoff.map_entries(|i, j, payoff| payoff - width(i, j)).unwrap();
    }
    world
}

#[test]
fn pessimistic_games_reach_their_equilibrium_too() {
    for (unit, eta) in [(0, 0.01), (1, 1.0), (2, 10.0)] {
        let world = pessimistic(eta, 30 + unit);
        let class = world.spanning();
        let search =
            LeastShortfall { max_projections: 3000, tolerance: 1e-13, ..LeastShortfall::default() };
        let search = LeastShortfall { relative_tolerance: 0.0, ..search };
        let found = search.solve(&class, &world.games(), class.base(), &mut ()).unwrap();
        assert!(found.mean_shortfall > 0.0);
        for (prompt, wanted) in found.prompts.iter().zip(world.equilibria()) {
            let distance = total_variation(&prompt.policy, &wanted);
            assert!(distance < 2e-6 * eta.sqrt().max(1.0), "eta {eta}: {distance:e}");
        }
    }
}

#[test]
fn large_eta_improves_and_is_certified() {
    for eta in [100.0, 1e3] {
        let rng = &mut rng(40);
        let mut world = pessimistic(eta, 41);
        world.weights[1] = Weight::ZERO;
        let class = world.shared(2, rng);
        let start = world.projected(&class);
        let found =
            LeastShortfall::default().solve(&class, &world.games(), start, &mut ()).unwrap();
        assert!(found.mean_shortfall < found.start_shortfall, "{found:?}");
        let sum: f64 =
            [0, 2, 3].map(|at| found.prompts[at].certificate.worst_shortfall()).iter().sum();
        assert!((found.mean_shortfall - sum / 3.0).abs() < 1e-14);
    }
}

#[test]
fn single_candidates_no_weight_and_tiny_references_work() {
    let mut world = World::random(10.0, 2, 3, &mut rng(50));
    world.references[0].row = Distribution::from_masses(&[1.0, 1e-300, 0.5]).unwrap();
    world.references[0].column = world.references[0].row.clone();
    let one = nlhf_core::DenseGame::skew_from_upper(1, |_, _| 0.0);
    world.payoffs.push(one);
    world.references.push(nlhf_core::Profile::uniform(1, 1));
    world.weights.push(Weight::ONE);
    let class = world.spanning();
    let search =
        LeastShortfall { max_projections: 1000, tolerance: 1e-13, relative_tolerance: 0.0 };
    let found = search.solve(&class, &world.games(), class.base(), &mut ()).unwrap();
    assert_eq!(found.status, InClassStatus::Converged);
    for (prompt, wanted) in found.prompts.iter().zip(world.equilibria()) {
        assert!(total_variation(&prompt.policy, &wanted) < 1e-5);
    }

    world.weights = vec![Weight::ZERO; 3];
    let found = search.solve(&class, &world.games(), class.base(), &mut ()).unwrap();
    assert_eq!((found.status, found.projections), (InClassStatus::Converged, 0));
    let found = search.solve(&class, &[], class.base(), &mut ()).unwrap();
    assert_eq!((found.prompts.len(), found.projections), (0, 0));
}

#[test]
fn self_play_and_regression_take_single_candidates_no_weight_and_tiny_references_too() {
    let mut world = World::random(6.0, 3, 3, &mut rng(56));
    world.references[0] =
        nlhf_core::Profile::symmetric(Distribution::from_masses(&[1.0, 1e-300, 0.5]).unwrap());
    world.payoffs.push(nlhf_core::DenseGame::skew_from_upper(1, |_, _| 0.0));
    world.references.push(nlhf_core::Profile::uniform(1, 1));
    world.weights.push(Weight::ONE);
    world.weights[2] = Weight::ZERO;
    let (class, games) = (world.spanning(), world.games());
    let play = ClassSelfPlay { residual_nats: 1e-8, ..ClassSelfPlay::default() };
    let fit = NashRegressionFit { residual_nats: 1e-8, ..NashRegressionFit::default() };
    let found = [
        play.solve(&class, &games, class.base(), &mut ()).unwrap(),
        play.solve_parametrized(&games, class.base(), &mut ()).unwrap(),
        fit.fit(&games, class.base(), &mut ()).unwrap(),
    ];
    for found in found {
        assert_eq!(found.status, InClassStatus::Stationary);
        for at in [0, 1, 3] {
            let distance = total_variation(&found.prompts[at].policy, &world.equilibria()[at]);
            assert!(distance < 1e-7, "{at}: {distance:e}");
        }
    }
    world.weights = vec![Weight::ZERO; 4];
    let games = world.games();
    let found = play.solve_parametrized(&games, class.base(), &mut ()).unwrap();
    assert_eq!((found.status, found.iterations), (InClassStatus::Stationary, 0));
    let found = fit.fit(&games, class.base(), &mut ()).unwrap();
    assert_eq!((found.status, found.iterations), (InClassStatus::Stationary, 1));
    let found = ClassCompetitor::default().find(&class, &games, &class.base(), &mut ()).unwrap();
    assert!(found.gain == 0.0 && found.bound == 0.0);
}

#[test]
fn mass_that_the_reference_never_plays_is_given_up_first() {
    let mut world = World::random(5.0, 1, 3, &mut rng(51));
    let start = {
        let menu = world.menu(0);
        let distribution = Distribution::uniform(3);
        TabularClass
            .project(&[Target { menu, distribution, weight: Weight::ONE }], None)
            .unwrap()
            .policy
    };
    let reference = Distribution::from_masses(&[1.0, 0.0, 0.5]).unwrap();
    world.references[0] = nlhf_core::Profile::symmetric(reference);
    let search = LeastShortfall { max_projections: 500, ..LeastShortfall::default() };
    let found = search.solve(&TabularClass, &world.games(), start, &mut ()).unwrap();
    assert_eq!(found.status, InClassStatus::Converged, "{found:?}");
    assert!(found.start_shortfall.is_infinite());
}

#[test]
fn an_observer_stops_it_and_a_budget_ends_it() {
    let rng = &mut rng(52);
    let world = World::random(100.0, 5, 6, rng);
    let class = world.shared(3, rng);
    let start = world.projected(&class);
    let mut seen = Vec::new();
    let mut watch = |step: &InClassStep| {
        seen.push(*step);
        if seen.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let search = LeastShortfall::default();
    let found = search.solve(&class, &world.games(), start.clone(), &mut watch).unwrap();
    assert_eq!((found.status, found.projections), (InClassStatus::Stopped, 3));
    assert!(seen[2].mean.to_bits() == found.mean_shortfall.to_bits());
    assert!(seen.windows(2).all(|pair| pair[1].mean <= pair[0].mean));
    let search = LeastShortfall { max_projections: 2, ..search };
    let found = search.solve(&class, &world.games(), start, &mut ()).unwrap();
    assert_eq!((found.status, found.projections), (InClassStatus::Budget, 2));
}

/// A class that goes a part of the way to its nearest member only.
struct Loose(LogLinearClass);

impl PolicyClass for Loose {
    type Policy = LogLinear;

    fn name(&self) -> &'static str {
        "test-loose"
    }

    fn project(
        &self,
        targets: &[Target<'_>],
        warm: Option<&LogLinear>,
    ) -> Result<Projected<LogLinear>, ProjectionError> {
        let whole = self.0.project(targets, warm)?;
        let Some(warm) = warm else { return Ok(whole) };
        let ends = warm.theta.iter().zip(&whole.policy.theta);
        let theta: Vec<f64> = ends.map(|(from, to)| from + 0.3 * (to - from)).collect();
        Ok(Projected { policy: self.0.at(&theta), excess_nats: None })
    }
}

#[test]
fn a_class_that_projects_loosely_still_improves() {
    let rng = &mut rng(55);
    let world = World::random(10.0, 6, 5, rng);
    let class = world.shared(3, rng);
    let start = world.projected(&class);
    let search = LeastShortfall { relative_tolerance: 1e-9, ..LeastShortfall::default() };
    let exact = search.solve(&class, &world.games(), start.clone(), &mut ()).unwrap();
    let loose = search.solve(&Loose(class), &world.games(), start, &mut ()).unwrap();
    assert!(exact.mean_shortfall < 0.999 * exact.start_shortfall);
    assert!(loose.mean_shortfall < exact.mean_shortfall * (1.0 + 1e-6), "{}", loose.projections);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let rng = &mut rng(53);
            let world = World::random(10.0, 30, 5, rng);
            let class = world.shared(4, rng);
            let start = world.projected(&class);
            LeastShortfall::default().solve(&class, &world.games(), start, &mut ()).unwrap()
        })
    };
    assert_eq!(run(1), run(4));
}

#[test]
fn a_game_of_another_size_is_refused() {
    let world = World::random(1.0, 2, 3, &mut rng(54));
    let other = World::random(1.0, 1, 4, &mut rng(54));
    let error = ClassGame::new(world.menu(1), *other.games()[0].game(), Weight::ONE).unwrap_err();
    assert!(matches!(error, InClassError::Shape { required: 3, given: 4, .. }), "{error}");
}

/// Finds every start near enough, within a tolerance that it states.
struct Lazy(LogLinearClass);

impl PolicyClass for Lazy {
    type Policy = LogLinear;

    fn name(&self) -> &'static str {
        "lazy"
    }

    fn project(
        &self,
        targets: &[Target<'_>],
        warm: Option<&LogLinear>,
    ) -> Result<Projected<LogLinear>, ProjectionError> {
        match warm {
            Some(warm) => Ok(Projected { policy: warm.clone(), excess_nats: Some(1.0) }),
            None => self.0.project(targets, None),
        }
    }
}

#[test]
fn what_a_loose_projection_hides_is_not_called_stationary() {
    let world = World::random(10.0, 3, 4, &mut rng(70));
    let class = Lazy(world.shared(2, &mut rng(71)));
    let start = class.0.base();
    let played = ClassSelfPlay::default();
    let found = played.solve(&class, &world.games(), start.clone(), &mut ()).unwrap();
    assert_eq!(found.status, InClassStatus::Stalled);
    let found = LeastShortfall::default().solve(&class, &world.games(), start, &mut ()).unwrap();
    assert_eq!(found.status, InClassStatus::Stalled);
    assert!(found.mean_shortfall > 0.01, "there is much to gain: {}", found.mean_shortfall);
}
