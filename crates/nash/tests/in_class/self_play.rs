//! The equilibrium inside a class.

use crate::tabular::TabularClass;
use crate::world::{World, bisection, rng, total_variation};
use nlhf_core::{DenseGame, Distribution, ParametrizedPolicy, Policy};
use nlhf_nash::in_class::{
    ClassCompetitor, ClassSelfPlay, InClassStatus, LeastShortfall, SelfPlayStep,
};
use std::ops::ControlFlow;

const PRECISE: ClassSelfPlay = ClassSelfPlay { max_iterations: 5000, residual_nats: 1e-9 };

#[test]
fn features_that_span_the_simplex_give_the_equilibrium() {
    for (unit, eta) in [(0, 0.01), (1, 3.0), (2, 30.0)] {
        let world = World::random(eta, 3, 4, &mut rng(300 + unit));
        let class = world.spanning();
        let projected = PRECISE.solve(&class, &world.games(), class.base(), &mut ()).unwrap();
        let games = world.games();
        let played = PRECISE.solve_parametrized(&games, class.base(), &mut ()).unwrap();
        for found in [projected, played] {
            assert_eq!(found.status, InClassStatus::Stationary, "eta {eta}");
            for (prompt, wanted) in found.prompts.iter().zip(world.equilibria()) {
                assert!(total_variation(&prompt.policy, &wanted) < 1e-8, "eta {eta}");
            }
        }
    }
}

#[test]
fn the_scale_of_features_does_not_matter() {
    let rng = &mut rng(310);
    let world = World::random(10.0, 6, 5, rng);
    let class = world.shared(3, rng);
    let scaled = world.log_linear(3, |at, a, k| {
        class.0.prompts[&world.menu(at).prompt()].1[a][k] * [1e-3, 1.0, 1e4][k]
    });
    let plain = PRECISE.solve_parametrized(&world.games(), class.base(), &mut ()).unwrap();
    let found = PRECISE.solve_parametrized(&world.games(), scaled.base(), &mut ()).unwrap();
    assert_eq!(
        (plain.status, found.status),
        (InClassStatus::Stationary, InClassStatus::Stationary)
    );
    assert!(
        plain.iterations.abs_diff(found.iterations) <= 2,
        "{} {}",
        plain.iterations,
        found.iterations
    );
    for (plain, found) in plain.prompts.iter().zip(&found.prompts) {
        assert!(total_variation(&plain.policy, &found.policy) < 1e-8);
    }
}

#[test]
fn one_parameter_ends_at_the_root_of_a_scalar_equation_and_not_at_the_least_shortfall() {
    let payoff = DenseGame::from_probabilities(3, &[0.5, 0.9, 0.2, 0.1, 0.5, 0.95, 0.8, 0.05, 0.5]);
    let reference = Distribution::from_masses(&[0.5, 0.2, 0.3]).unwrap();
    let world = World::new(6.0, vec![payoff.unwrap()], vec![reference.clone()]);
    let direction = [1.0, -0.4, 0.1];
    let class = world.log_linear(1, |_, a, _| direction[a]);
    // dJ(π_θ', π_θ)/dθ' at θ' = θ, by hand: Cov_π(φ, Aπ − (log π/π₀)/η).
    let slope = |theta: f64| {
        let p = class.at(&[theta]).distribution(world.menu(0)).probabilities();
        let gain = |a: usize| {
            let wins: f64 = (0..3).map(|b| world.payoffs[0].get(a, b) * p[b]).sum();
            wins - theta * direction[a] / 6.0
        };
        let mean = |f: &dyn Fn(usize) -> f64| (0..3).map(|a| p[a] * f(a)).sum::<f64>();
        mean(&|a| gain(a) * direction[a]) - mean(&gain) * mean(&|a| direction[a])
    };
    let root = bisection(slope, -20.0, 20.0);
    let games = world.games();
    let projected = PRECISE.solve(&class, &games, class.base(), &mut ()).unwrap();
    let played = PRECISE.solve_parametrized(&games, class.base(), &mut ()).unwrap();
    for found in [&projected, &played] {
        assert!((found.policy.theta[0] - root).abs() < 1e-6, "{} {root}", found.policy.theta[0]);
    }
    // The other notion: it falls less short against all policies, and loses to a member of the class.
    let search = LeastShortfall { relative_tolerance: 1e-12, ..LeastShortfall::default() };
    let least = search.solve(&class, &games, class.base(), &mut ()).unwrap();
    assert!((least.policy.theta[0] - root).abs() > 0.05, "{} {root}", least.policy.theta[0]);
    assert!(least.mean_shortfall < played.mean_shortfall);
    let against =
        |policy| ClassCompetitor::default().find(&class, &games, policy, &mut ()).unwrap();
    let (beaten, unbeaten) = (against(&least.policy), against(&played.policy));
    assert!(beaten.gain > 1e-4 && unbeaten.gain < 1e-12, "{beaten:?} {unbeaten:?}");
    assert!(unbeaten.bound > 1e-3);
}

#[test]
fn with_shared_parameters_no_member_found_beats_it() {
    for unit in 0..3 {
        let rng = &mut rng(320 + unit);
        let eta = [1.0, 10.0, 100.0][unit as usize];
        let world = World::random(eta, 8, 5, rng);
        let class = world.shared(3, rng);
        let games = world.games();
        let start = world.projected(&class);
        let found = ClassSelfPlay { residual_nats: 1e-8, ..PRECISE }
            .solve_parametrized(&games, start, &mut ())
            .unwrap();
        assert_eq!(found.status, InClassStatus::Stationary);
        let competitor =
            ClassCompetitor::default().find(&class, &games, &found.policy, &mut ()).unwrap();
        if eta < 100.0 {
            let by_projections = PRECISE.solve(&class, &games, class.base(), &mut ()).unwrap();
            assert_eq!(by_projections.status, InClassStatus::Stationary);
            for (one, other) in by_projections.prompts.iter().zip(&found.prompts) {
                assert!(total_variation(&one.policy, &other.policy) < 1e-6);
            }
        }
        // At η = 100 this one is stationary, and a member far away beats it: no class of this kind is convex.
        assert!(
            (competitor.gain < 1e-9) == (eta < 100.0) && competitor.bound > 1e-4,
            "{competitor:?}"
        );
        assert!(competitor.bound.to_bits() == found.mean_shortfall.to_bits());
    }
}

#[test]
fn the_direction_is_the_gradient_of_the_payoff_against_a_fixed_opponent() {
    // One short step is α F⁻¹∇; against differences of J in the parameters.
    let rng = &mut rng(330);
    let world = World::random(4.0, 3, 4, rng);
    let class = world.shared(2, rng);
    let at = class.at(&[0.3, -0.7]);
    let payoff = |theta: &[f64]| -> f64 {
        let games = world.games();
        let gain = |x: usize| {
            let profile = nlhf_core::Profile {
                row: class.at(theta).distribution(world.menu(x)),
                column: at.distribution(world.menu(x)),
            };
            games[x].game().certify(&profile).value / 3.0
        };
        (0..3).map(gain).sum()
    };
    let mut gradient = [0.0; 2];
    for k in 0..2 {
        let (mut up, mut down) = (at.theta.clone(), at.theta.clone());
        (up[k], down[k]) = (up[k] + 1e-5, down[k] - 1e-5);
        gradient[k] = (payoff(&up) - payoff(&down)) / 2e-5;
    }
    let mut fisher = [[0.0; 2]; 2];
    for x in 0..3 {
        let (menu, p) = (world.menu(x), at.distribution(world.menu(x)).probabilities());
        for (a, p) in p.iter().enumerate() {
            let mut score = [0.0; 2];
            let unit: Vec<f64> = (0..4).map(|b| if a == b { 1.0 } else { 0.0 }).collect();
            at.add_log_probability_gradient(menu, &unit, &mut score);
            for (i, row) in fisher.iter_mut().enumerate() {
                for (j, entry) in row.iter_mut().enumerate() {
                    *entry += p * score[i] * score[j] / 3.0;
                }
            }
        }
    }
    let [[a, b], [_, d]] = fisher;
    let determinant = a * d - b * b;
    let natural = [
        (d * gradient[0] - b * gradient[1]) / determinant,
        (a * gradient[1] - b * gradient[0]) / determinant,
    ];
    let norm = (natural[0] * gradient[0] + natural[1] * gradient[1]).sqrt();
    let mut residual = 0.0;
    let mut look = |step: &SelfPlayStep| {
        residual = step.residual_nats;
        ControlFlow::Break(())
    };
    let found = PRECISE.solve_parametrized(&world.games(), at, &mut look).unwrap();
    assert_eq!(found.status, InClassStatus::Stopped);
    assert!((residual / (4.0 * norm) - 1.0).abs() < 0.2, "{residual} {}", 4.0 * norm);
}

#[test]
fn nothing_moves_at_the_equilibrium_and_the_number_of_threads_changes_nothing() {
    let world = World::random(10.0, 4, 5, &mut rng(340));
    let start = world.projected(&TabularClass);
    let found =
        ClassSelfPlay::default().solve(&TabularClass, &world.games(), start.clone(), &mut ());
    let found = found.unwrap();
    assert_eq!(
        (found.status, found.iterations, found.projections),
        (InClassStatus::Stationary, 0, 1)
    );
    assert_eq!(found.policy, start);

    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let rng = &mut rng(341);
            let world = World::random(10.0, 40, 5, rng);
            let class = world.shared(4, rng);
            let play = ClassSelfPlay { max_iterations: 20, ..PRECISE };
            play.solve_parametrized(&world.games(), class.base(), &mut ()).unwrap()
        })
    };
    assert_eq!(run(1), run(4));
}
