//! The published methods: their goldens, the laws of solvers, and which of them are one algorithm.
//!
//! Rates and limits are in `published_rates.rs`. Tolerance of the goldens: probabilities to 1e-13.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    DenseGame, Distribution, Eta, Iteration, NashSolver, Profile, RegularizedGame, SeedTree,
    SolveError, Status, Stream,
};
use nlhf_nash::published::{
    BestResponse, Comal, Dno, Egpo, Inpo, Limits, METHODS, Mmd, NashEma, NashMd, NashMp, OnlineIpo,
    Onpo, Published, PublishedMethod, RegularizedOmwu, Schedule, SmoothFictitiousPlay, Spo, Sppo,
    Target,
};
use nlhf_nash::{MirrorProx, Newton};
use nlhf_testkit::{
    check_solver, cyclic_skew, random_general, random_prior, random_skew, strategies,
};
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

#[derive(Deserialize)]
struct Trajectories {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    eta: f64,
    alpha: f64,
    #[serde(rename = "P")]
    preference: Vec<Vec<f64>>,
    prior: Vec<f64>,
    iters: Iterates,
}

#[derive(Deserialize)]
struct Iterates {
    mmd: BTreeMap<usize, Vec<f64>>,
    inpo: BTreeMap<usize, Vec<f64>>,
    nash_md: BTreeMap<usize, Vec<f64>>,
    egpo: BTreeMap<usize, Vec<f64>>,
    nash_mp: BTreeMap<usize, Vec<f64>>,
    omwu_reg_main: BTreeMap<usize, Vec<f64>>,
    mwu_last_20: Vec<f64>,
    mwu_avg_20: Vec<f64>,
    onpo_last_20: Vec<f64>,
    onpo_avg_20: Vec<f64>,
    sfp_avg_20: Vec<f64>,
    comal_5: Vec<f64>,
    #[serde(rename = "nash_ema_20_ema0.3")]
    nash_ema_20: Vec<f64>,
}

/// Never converged, never out of products: what stops is the observer.
const ENDLESS: Limits = Limits { tolerance: -1.0, max_products: usize::MAX };

/// The profile after so many iterations.
fn after(solver: &Published, game: &RegularizedGame<'_>, iterations: usize) -> Profile {
    let mut stop = |event: &Iteration| {
        if event.iteration >= iterations {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let solution = solver.solve(game, game.reference(), &mut stop).unwrap();
    // Iterations beyond 16 are measured when 1/32 more have passed: after each one up to 64.
    assert_eq!(solution.iterations, iterations, "{}", solution.method);
    solution.profile
}

fn distance(p: &Distribution, q: &Distribution) -> f64 {
    p.probabilities().iter().zip(q.probabilities()).map(|(p, q)| 0.5 * (p - q).abs()).sum()
}

#[test]
fn golden_trajectories() {
    let file: Trajectories =
        serde_json::from_str(include_str!("golden/solver_trajectories.json")).unwrap();
    let mut n_checked = 0;
    for case in &file.cases {
        let n = case.prior.len();
        let payoff = DenseGame::from_probabilities(n, &case.preference.concat()).unwrap();
        let reference = Profile::symmetric(Distribution::from_masses(&case.prior).unwrap());
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(case.eta).unwrap()).unwrap();
        let step = Some(case.alpha);
        let mut check = |solver: &Published, iterations: usize, want: &[f64]| {
            let got = after(solver, &game, iterations);
            for (p, want) in got.row.probabilities().iter().zip(want) {
                let what = format!("{} after {iterations}: {p} and {want}", solver.name());
                assert!((p - want).abs() <= 1e-13, "{what}");
            }
            n_checked += 1;
        };
        let nash_md = NashMd { schedule: Schedule::Constant(step) };
        for (solver, iterates) in [
            (Mmd { step }.solver(ENDLESS), &case.iters.mmd),
            (Inpo { step }.solver(ENDLESS), &case.iters.inpo),
            (nash_md.solver(ENDLESS), &case.iters.nash_md),
            (Egpo { step }.solver(ENDLESS), &case.iters.egpo),
            (NashMp { step }.solver(ENDLESS), &case.iters.nash_mp),
            (RegularizedOmwu { step }.solver(ENDLESS), &case.iters.omwu_reg_main),
        ] {
            for (iterations, want) in iterates {
                check(&solver, *iterations, want);
            }
        }
        let onpo = |last| Onpo { step, last }.solver(ENDLESS);
        let comal = Comal { inner_tolerance: 1e-29 };
        for (solver, iterations, want) in [
            (Sppo { step }.solver(ENDLESS), 20, &case.iters.mwu_last_20),
            (Dno { step }.solver(ENDLESS), 20, &case.iters.mwu_last_20),
            (Spo { step }.solver(ENDLESS), 20, &case.iters.mwu_avg_20),
            (onpo(true), 20, &case.iters.onpo_last_20),
            (onpo(false), 20, &case.iters.onpo_avg_20),
            (SmoothFictitiousPlay.solver(ENDLESS), 20, &case.iters.sfp_avg_20),
            (comal.solver(ENDLESS), 5, &case.iters.comal_5),
            (NashEma { step, share: 0.3 }.solver(ENDLESS), 20, &case.iters.nash_ema_20),
        ] {
            check(&solver, iterations, want);
        }
    }
    assert_eq!(n_checked, 2 * (6 * 4 + 8));
}

/// Payoffs and references on which first-order methods come near in little time.
fn moderate_games() -> Vec<(DenseGame, Profile)> {
    let mut rng = SeedTree::new(21).rng(Stream::Instance, 0);
    let mut games = Vec::new();
    for n in [1, 2, 5] {
        games.push((cyclic_skew(n, &mut rng), Profile::symmetric(random_prior(n, 1.0, &mut rng))));
        games.push((random_skew(n, 0.5, &mut rng), Profile::uniform(n, n)));
        let reference = Profile {
            row: random_prior(n, 1.0, &mut rng),
            column: random_prior(n + 1, 3.0, &mut rng),
        };
        games.push((random_general(n, n + 1, 0.7, &mut rng), reference));
    }
    games
}

#[test]
fn every_method_obeys_the_laws_of_solvers() {
    let games = moderate_games();
    let limits = Limits { tolerance: 1e-8, max_products: 1500 };
    for eta in [1e-2, 1.0, 20.0] {
        let eta = Eta::new(eta).unwrap();
        let games: Vec<RegularizedGame<'_>> =
            games.iter().map(|(a, r)| RegularizedGame::new(a, r, eta).unwrap()).collect();
        for method in METHODS {
            check_solver(&method.solver(limits), limits.tolerance, &games);
        }
    }
}

#[test]
fn the_list_names_what_it_builds() {
    let mut names: Vec<&str> = METHODS.iter().map(|method| method.name).collect();
    for method in METHODS {
        let solver = method.solver(Limits::default());
        assert_eq!((solver.name(), solver.target()), (method.name, method.target));
        assert!(
            PublishedMethod::from_name(method.name).is_some_and(|found| found.name == method.name)
        );
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), METHODS.len());
    assert!(PublishedMethod::from_name("dpo").is_none());
}

#[test]
fn products_are_counted_and_limited() {
    let mut rng = SeedTree::new(22).rng(Stream::Instance, 0);
    let symmetric = cyclic_skew(6, &mut rng);
    let general = random_general(4, 6, 1.0, &mut rng);
    for (payoff, reference) in
        [(&symmetric, Profile::uniform(6, 6)), (&general, Profile::uniform(4, 6))]
    {
        let game = RegularizedGame::new(payoff, &reference, Eta::new(5.0).unwrap()).unwrap();
        let players = if game.is_symmetric() { 1 } else { 2 };
        for method in METHODS {
            // Products of one iteration and player; a proximal step takes as many as it needs.
            let (each, first) = match method.name {
                "egpo" | "nash-mp" => (2, 0),
                "regularized-omwu" | "onpo" | "onpo-last" => (1, 1),
                _ => (1, 0),
            };
            let limits = Limits { tolerance: 0.0, max_products: 61 };
            let mut last = 0;
            let mut watch = |event: &Iteration| {
                if method.name != "comal" {
                    assert_eq!(event.products, players * (each * event.iteration + first));
                }
                last = event.products;
                ControlFlow::Continue(())
            };
            match method.solver(limits).solve(&game, &reference, &mut watch) {
                Ok(solution) => {
                    assert_eq!(solution.status, Status::IterationLimit, "{}", method.name);
                    assert!((61..65).contains(&last), "{}: {last} products", method.name);
                }
                Err(error) => {
                    assert!(matches!(error, SolveError::Unsupported { .. }), "{error}");
                    assert!(players == 2 && ["online-ipo", "ipo-md"].contains(&method.name));
                }
            }
        }
    }
}

#[test]
fn what_the_reference_never_or_hardly_plays_is_handled_in_logarithms() {
    let payoff = cyclic_skew(4, &mut SeedTree::new(24).rng(Stream::Instance, 0));
    let prior = Distribution::from_logits(vec![0.0, f64::NEG_INFINITY, -800.0, 0.3]).unwrap();
    let reference = Profile::symmetric(prior);
    let game = RegularizedGame::new(&payoff, &reference, Eta::new(5.0).unwrap()).unwrap();
    let exact = Newton::default().solve(&game, &reference, &mut ()).unwrap().profile.row;
    for method in METHODS {
        let limits = Limits { tolerance: 1e-13, max_products: 3000 };
        let solution = method.solver(limits).solve(&game, &reference, &mut ()).unwrap();
        let logs = solution.profile.row.log_probabilities();
        assert!(logs[1] == f64::NEG_INFINITY && logs[2] > -1e4, "{}: {logs:?}", method.name);
        // No gap sees a mass of e⁻⁸⁰⁰, and plain gradients do not move it; these steps do.
        let multiplicative = ["mmd", "inpo", "egpo", "nash-mp", "regularized-omwu", "nash-ema"];
        if multiplicative.contains(&method.name) {
            assert_eq!(solution.status, Status::Converged, "{}", method.name);
            let apart = (logs[2] - exact.log_probabilities()[2]).abs();
            assert!(apart <= 1e-4, "{}: {apart:e} nats", method.name);
        }
    }
}

#[test]
fn the_residual_of_an_event_is_the_gap_of_the_methods_target() {
    let payoff = cyclic_skew(5, &mut SeedTree::new(23).rng(Stream::Instance, 0));
    let reference = Profile::uniform(5, 5);
    let game = RegularizedGame::new(&payoff, &reference, Eta::new(4.0).unwrap()).unwrap();
    for method in METHODS {
        let solver = method.solver(Limits { tolerance: 1e-6, max_products: 700 });
        let mut gap = f64::NAN;
        let mut watch = |event: &Iteration| {
            gap = event.residual / event.eta;
            ControlFlow::Continue(())
        };
        let solution = solver.solve(&game, &reference, &mut watch).unwrap();
        let want = solver.gap(&game, &solution.profile);
        assert!((gap - want).abs() <= 1e-15 * want, "{}: {gap} and {want}", method.name);
        let by_own_target = want <= 1e-6;
        match method.target {
            Target::Unregularized => assert_ne!(solution.status, Status::Converged),
            _ => assert_eq!(solution.status == Status::Converged, by_own_target, "{}", method.name),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Algebra: a method with another step, or with a parameter that switches its novelty off.
    #[test]
    fn methods_that_are_one_algorithm_agree(
        instance in strategies::general_instance(6, 1e-2..=20.0),
        log_step in -3.0..0.5f64,
        iterations in 1usize..40,
    ) {
        let game = instance.game();
        let tau = game.eta().kl_weight();
        let alpha = log_step.exp() / instance.game().payoff().payoff_bound();
        let short = alpha / (1.0 + alpha * tau);
        let (step, short) = (Some(alpha), Some(short));
        let ema = NashEma { step: short, share: 1.0 };
        let pairs = [
            (Mmd { step }.solver(ENDLESS), Inpo { step: short }.solver(ENDLESS)),
            (NashMp { step }.solver(ENDLESS), Egpo { step: short }.solver(ENDLESS)),
            (Sppo { step }.solver(ENDLESS), Dno { step }.solver(ENDLESS)),
            (ema.solver(ENDLESS), Inpo { step: short }.solver(ENDLESS)),
            // The longest step forgets the past: INPO with α = 1/τ is best-response iteration.
            (BestResponse.solver(ENDLESS), Inpo { step: Some(1.0 / tau) }.solver(ENDLESS)),
        ];
        for (one, other) in pairs {
            // Where steps are long both may be chaotic, and rounding errors grow by a factor each.
            let grows = one.name() == "best-response" || alpha * game.payoff().payoff_bound() > 0.5;
            let iterations = if grows { iterations.min(3) } else { iterations };
            let (p, q) = (after(&one, &game, iterations), after(&other, &game, iterations));
            let apart = distance(&p.row, &q.row).max(distance(&p.column, &q.column));
            let rounding = 1e-11 * (1.0 + game.eta().get() * game.payoff().payoff_bound());
            prop_assert!(apart <= rounding, "{} and {}: {apart:e}", one.name(), other.name());
        }
    }

    /// The solver called mirror-prox is EGPO with the step 1/(τ + B).
    #[test]
    fn mirror_prox_is_egpo(instance in strategies::general_instance(5, 1e-2..=10.0)) {
        let game = instance.game();
        let solver = MirrorProx { tolerance: 0.0, max_iterations: 12 };
        let one = solver.solve(&game, game.reference(), &mut ()).unwrap().profile;
        let step = Some(Egpo::proven_step(game.eta(), game.payoff().payoff_bound()));
        let other = after(&Egpo { step }.solver(ENDLESS), &game, 12);
        let apart = distance(&one.row, &other.row).max(distance(&one.column, &other.column));
        prop_assert!(apart <= 1e-12, "{apart:e}");
    }

    /// IPO-MD and Nash-MD mix the reference in, and have one limit: a best response to the mixture.
    #[test]
    fn ipo_md_and_nash_md_have_one_biased_limit(seed in 0u64..1000) {
        let rng = &mut SeedTree::new(seed).rng(Stream::Instance, 3);
        let payoff = cyclic_skew(4, rng);
        let reference = Profile::symmetric(random_prior(4, 1.0, rng));
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(4.0).unwrap()).unwrap();
        let mixing = 0.2;
        let limits = Limits { tolerance: 0.0, max_products: 4000 };
        let step = Some(mixing / game.eta().get().recip());
        let nash_md = NashMd { schedule: Schedule::Constant(step) };
        let md = nash_md.solver(limits).solve(&game, &reference, &mut ()).unwrap();
        let ipo = OnlineIpo { step: None, mixing }.solver(limits);
        let ipo = ipo.solve(&game, &reference, &mut ()).unwrap();
        let apart = distance(&md.profile.row, &ipo.profile.row);
        prop_assert!(apart <= 1e-9, "{apart:e} apart");
    }
}
