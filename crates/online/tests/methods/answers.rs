//! Known answers, method by method.

use crate::bench::{Bench, Given, l1, mixed, settings, tilted_reference};
use nlhf_core::logistic::logit;
use nlhf_core::{Distribution, PreferenceModel, RegularizedGame, Scale};
use nlhf_online::methods::{
    BestOfN, DoubleThompson, ExplicitExploration, Exploration, ExploreThenCommit, Greedy,
    GreedyExploration, OnlineDpo, OptimisticMatrixGame, SelfPlay, UniformPairs, Xpo,
};
use nlhf_online::{Optimistic, Plan, Strategy};

#[test]
fn the_simple_methods_ask_whom_they_say() {
    let reference = tilted_reference();
    let plan = |strategy: &dyn Strategy| {
        let config = settings(5.0, Scale::Probability);
        Bench::new(strategy, Given::skew(4, 0.3, mixed), reference.clone(), config).plan(strategy)
    };
    let greedy = plan(&Greedy);
    assert_eq!((&greedy.asks[0].first, &greedy.asks[0].second), (&greedy.main, &reference));
    let own = plan(&SelfPlay);
    assert_eq!((&own.asks[0].first, &own.asks[0].second), (&own.main, &own.main));
    let even = plan(&UniformPairs);
    let uniform = Distribution::uniform(4);
    assert_eq!((&even.asks[0].first, &even.asks[0].second), (&uniform, &uniform));
    assert_eq!(UniformPairs.opening(&reference), even.asks);
    for plan in [&greedy, &own, &even] {
        assert!(l1(&plan.main, &greedy.main) == 0.0 && plan.duality_gap <= 1e-12);
    }
    // At the equilibrium, what scores best is what gained most on the reference.
    let best = plan(&BestOfN::new(64).unwrap());
    assert_eq!(best.asks[0].first, best.main);
    let gains: Vec<f64> = best
        .main
        .log_probabilities()
        .iter()
        .zip(reference.log_probabilities())
        .map(|(p, r)| p - r)
        .collect();
    let top = (0..4).max_by(|&a, &b| gains[a].total_cmp(&gains[b])).unwrap();
    let low = (0..4).min_by(|&a, &b| gains[a].total_cmp(&gains[b])).unwrap();
    let share = |at: usize| 1.0 - (1.0 - best.main.probabilities()[at]).powi(64);
    assert!((best.asks[0].second.probabilities()[top] - share(top)).abs() < 1e-12);
    let sides = plan(&BestOfN::new(64).unwrap().against_worst());
    assert_eq!(sides.asks[0].second, best.asks[0].second);
    assert!((sides.asks[0].first.probabilities()[low] - share(low)).abs() < 1e-12);
}

#[test]
fn double_thompson_settles_on_the_condorcet_winner() {
    // 2 beats all others, which go in a circle.
    let log_odds = |i: usize, j: usize| match (i, j) {
        (_, 2) => -1.0,
        (2, _) => 1.0,
        (0, 3) => -0.8,
        _ => 0.8,
    };
    let strategy = DoubleThompson::new(200, 0.51).unwrap();
    let config = settings(5.0, Scale::Probability);
    let mut bench =
        Bench::new(&strategy, Given::skew(4, 0.1, log_odds), tilted_reference(), config);
    let share = |plan: &Plan| {
        let on_winner = plan.asks.iter().filter(|pair| pair.first.probabilities()[2] > 0.5);
        on_winner.count() as f64 / plan.asks.len() as f64
    };
    let before = share(&bench.plan(&strategy));
    assert!((0.1..0.4).contains(&before), "a quarter without labels, not {before}");
    bench.label_all_pairs(200.0);
    let plan = bench.plan(&strategy);
    assert!(share(&plan) > 0.99, "{}", share(&plan));
    assert!(plan.asks.iter().all(|pair| l1(&pair.first, &pair.second) > 1.9));
    assert!(bench.lost(&plan.main) <= 1e-12, "the equilibrium is returned all the same");
    // Other rounds draw other numbers.
    bench.comparisons.clear();
    let first = bench.plan(&strategy).asks;
    bench.round += 1;
    assert_ne!(bench.plan(&strategy).asks, first);
}

#[test]
fn dpo_finds_the_equilibrium_in_log_odds_of_whatever_has_a_reward() {
    let rewards = [0.6, -0.4, 0.3, -0.5];
    let reference = tilted_reference();
    for (scale, factor) in [(Scale::LogOdds, 1.0), (Scale::Probability, 0.25)] {
        let dpo = OnlineDpo::default();
        let model = Given::skew(4, 0.1, |i, j| rewards[i] - rewards[j]);
        let mut bench = Bench::new(&dpo, model, reference.clone(), settings(3.0, scale));
        assert!(l1(&bench.plan(&dpo).main, &reference) < 1e-15, "nothing is known");
        bench.label_all_pairs(1e9);
        let logs = reference.log_probabilities().iter().zip(rewards);
        let gibbs = logs.map(|(log_p, r)| log_p + factor * 3.0 * r).collect();
        let gibbs = Distribution::from_logits(gibbs).unwrap();
        let plan = bench.plan(&dpo);
        assert!(l1(&plan.main, &gibbs) < 1e-7, "{:e}", l1(&plan.main, &gibbs));
        assert_eq!((&plan.asks[0].first, &plan.asks[0].second), (&plan.main, &plan.main));
        let equilibrium = bench.plan(&Greedy).main;
        if scale == Scale::LogOdds {
            assert!(l1(&equilibrium, &plan.main) < 1e-7, "one policy, found in two ways");
        } else {
            // To first order only, and nearer than a policy that takes log-odds for payoffs.
            let sharp = reference.log_probabilities().iter().zip(rewards);
            let sharp = Distribution::from_logits(sharp.map(|(p, r)| p + 3.0 * r).collect());
            assert!(bench.lost(&plan.main) < 0.01 * bench.lost(&sharp.unwrap()));
        }
        let plain = Xpo::new(0.0, 0.1).unwrap();
        let plan_of_xpo = bench.plan(&plain);
        assert_eq!(plan_of_xpo.main, plan.main);
        assert_eq!(plan_of_xpo.asks[0].second, reference);
        // Its optimism falls behind the labels.
        let off = |labels: f64| {
            let mut bench = Bench::new(
                &plain,
                Given::skew(4, 0.1, |i, j| rewards[i] - rewards[j]),
                reference.clone(),
                settings(3.0, scale),
            );
            bench.label_all_pairs(labels);
            l1(&bench.plan(&Xpo::default()).main, &bench.plan(&plain).main)
        };
        let (few, many) = (off(10.0), off(1e6));
        assert!(many > 0.0 && many < 0.02 * few, "{few} and {many}");
    }
    assert!(OnlineDpo::new(0.0).is_err() && Xpo::new(f64::NAN, 0.1).is_err());
}

#[test]
fn what_goes_in_circles_is_lost_to_policies_of_rewards() {
    // The intransitive instance of theory 5: rock, paper and scissors with unlike margins.
    let p: [[f64; 3]; 3] = [[0.5, 0.2, 0.95], [0.8, 0.5, 0.2], [0.05, 0.8, 0.5]];
    let log_odds = |i: usize, j: usize| logit(p[i][j]);
    let cases = [
        (1.0, Scale::LogOdds, Some(0.0412)),
        (3.0, Scale::LogOdds, Some(0.2752)),
        (10.0, Scale::LogOdds, Some(1.1406)),
        (10.0, Scale::Probability, None),
        // A quarter of 40 is the η of the table.
        (40.0, Scale::Probability, None),
    ];
    for (eta, scale, wanted) in cases {
        let model = Given::skew(3, 0.1, log_odds);
        let dpo = OnlineDpo::new(1e-3).unwrap();
        let mut bench = Bench::new(&dpo, model, Distribution::uniform(3), settings(eta, scale));
        bench.label_all_pairs(1e6);
        let by_reward = bench.plan(&dpo).main;
        let lost = bench.lost(&by_reward);
        if let Some(wanted) = wanted {
            assert!((lost - wanted).abs() < 1e-4, "eta {eta}: {lost}, not {wanted}");
        }
        if (eta, scale) == (40.0, Scale::Probability) {
            let off = by_reward.probabilities()[0] - 0.869;
            assert!(off.abs() < 1e-3, "off by {off}");
        }
        let optimistic = bench.lost(&bench.plan(&Xpo::default()).main);
        for nash in [&Greedy as &dyn Strategy, &SelfPlay, &UniformPairs] {
            let own = bench.lost(&bench.plan(nash).main);
            assert!(own < 1e-9 && lost > 1e-3 && optimistic > 1e-3, "{own}, {lost}, {optimistic}");
        }
    }
}

#[test]
fn explore_then_commit_explores_and_then_is_frozen() {
    let reference = tilted_reference();
    let model = |sign: f64| Given::skew(4, 0.3, |i, j| sign * mixed(i, j));
    for (exploration, rho) in [
        (Exploration::Uniform, Distribution::uniform(4)),
        (Exploration::Reference, reference.clone()),
    ] {
        let strategy = ExploreThenCommit::new(exploration, 3).unwrap();
        let config = settings(5.0, Scale::Probability);
        let mut bench = Bench::new(&strategy, model(1.0), reference.clone(), config);
        let pair = |plan: &Plan| (plan.asks[0].first.clone(), plan.asks[0].second.clone());
        assert_eq!(strategy.opening(&reference)[0].first, rho);
        for _ in 1..3 {
            assert_eq!(pair(&bench.step(&strategy)), (rho.clone(), rho.clone()));
        }
        let committed = bench.step(&strategy).main;
        assert!(bench.lost(&committed) < 1e-12);
        // Whatever is learned afterwards.
        bench.model = model(-1.0);
        for _ in 4..8 {
            let plan = bench.step(&strategy);
            assert_eq!(plan.main, committed);
            assert_eq!(pair(&plan), (committed.clone(), committed.clone()));
        }
        assert!(bench.lost(&committed) > 0.01);
        // New candidates: the reference stands in the place of the agents, and nothing is known of it.
        bench.previous.main = reference.clone();
        bench.previous.suboptimality_bound = f64::INFINITY;
        assert!(bench.lost(&bench.plan(&strategy).main) < 1e-12);
    }
    assert!(ExploreThenCommit::new(Exploration::Uniform, 0).is_err());
    // By default half of the 20 rounds planned.
    let strategy = ExploreThenCommit::default();
    let mut bench = Bench::new(&strategy, model(1.0), reference, settings(5.0, Scale::LogOdds));
    let uniform = |plan: &Plan| plan.asks[0].first == Distribution::uniform(4);
    let explored = (1..=20).filter(|_| uniform(&bench.step(&strategy))).count();
    assert_eq!(explored, 9, "plans for rounds 2 to 10; the first is the opening");
}

#[test]
fn greedy_exploration_is_greedy_against_the_uniform_policy() {
    let reference = tilted_reference();
    let model = Given::skew(4, 0.3, mixed);
    let strategy = GreedyExploration;
    let bench = Bench::new(&strategy, model, reference.clone(), settings(5.0, Scale::LogOdds));
    let (plan, greedy) = (bench.plan(&strategy), bench.plan(&Greedy));
    assert_eq!((&plan.main, &plan.asks[0].first), (&greedy.main, &greedy.main));
    assert_eq!(plan.asks[0].second, Distribution::uniform(4));
    assert_eq!(strategy.opening(&reference)[0].first, reference);
}

#[test]
fn optimistic_matrix_games_are_main_agent_and_enhancer_in_both_orders() {
    for (eta, scale, width) in [
        (5.0, Scale::Probability, 0.3),
        (5.0, Scale::LogOdds, 0.7),
        (40.0, Scale::Probability, 3.0),
    ] {
        let model = Given::skew(4, width, mixed);
        let strategy = OptimisticMatrixGame;
        let bench = Bench::new(&strategy, model, tilted_reference(), settings(eta, scale));
        let (plan, one) = (bench.plan(&strategy), bench.plan(&Optimistic::default()));
        assert_eq!((&plan.main, plan.asks.len()), (&one.main, 2));
        let enhancer = &one.asks[0].second;
        assert!(l1(enhancer, &one.main) > 1e-3, "there is something to explore");
        let [first, second] = &plan.asks[..] else { panic!("two pairings") };
        assert_eq!((&first.first, &first.second), (&one.main, enhancer));
        assert!(l1(&second.first, enhancer) < 1e-12 && second.second == one.main);
    }
}

#[test]
fn explicit_exploration_goes_to_the_equilibrium_without_solving_a_game() {
    for (scale, proximal) in
        [(Scale::Probability, 0.0), (Scale::Probability, 0.01), (Scale::LogOdds, 0.01)]
    {
        let strategy = ExplicitExploration::new(10, proximal, 2.0).unwrap();
        let (model, config) = (Given::skew(4, 0.3, mixed), settings(4.0, scale));
        let mut bench = Bench::new(&strategy, model, tilted_reference(), config);
        let equilibrium = bench.plan(&Greedy).main;
        let mut off = Vec::new();
        for round in 1..=400 {
            let before = bench.previous.asks[0].first.clone();
            let plan = bench.step(&strategy);
            if [25, 100, 400].contains(&round) {
                off.push(l1(&plan.main, &equilibrium));
            }
            if round == 1 {
                // As far again in the same direction.
                let [b, now, ahead] = [&before, &plan.asks[0].first, &plan.asks[0].second]
                    .map(|policy| policy.log_probabilities().to_vec());
                let constant = |k: usize| ahead[k] + b[k] - 2.0 * now[k];
                assert!((1..4).all(|k| (constant(k) - constant(0)).abs() < 1e-12));
                assert!(l1(&before, &plan.asks[0].first) > 1e-3);
            }
        }
        let last = l1(&bench.previous.asks[0].first, &equilibrium);
        assert!(last < 1e-6, "{scale:?} {proximal}: the last iterate is {last:e} off");
        // What the first rounds did weighs one over the number of rounds.
        assert!(off[2] < 0.01 && off.windows(2).all(|pair| pair[1] < 0.3 * pair[0]), "{off:?}");
    }
}

#[test]
fn with_the_longest_step_explicit_exploration_is_a_best_response() {
    let strategy = ExplicitExploration::new(1, 0.0, 2.0).unwrap().with_step(1e9).unwrap();
    let reference = tilted_reference();
    let (model, config) = (Given::skew(4, 0.3, mixed), settings(4.0, Scale::Probability));
    let bench = Bench::new(&strategy, model, reference.clone(), config);
    let payoffs = bench.model.game(bench.menus.get(0), Scale::Probability);
    let game = RegularizedGame::new(&payoffs, &bench.reference, bench.config.eta).unwrap();
    let response = game.best_row_response(&reference);
    let plan = bench.plan(&strategy);
    assert!(l1(&plan.asks[0].first, &response) < 1e-12);
    let half = reference.probabilities().into_iter().zip(response.probabilities());
    let half: Vec<f64> = half.map(|(p, q)| p + q).collect();
    assert!(l1(&plan.main, &Distribution::from_masses(&half).unwrap()) < 1e-12);
    assert!(strategy.with_step(0.0).is_err());
}
