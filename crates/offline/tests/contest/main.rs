//! Contests under known and fitted judges: what every figure is, laws of win rates, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod coverage;
mod population;

use nlhf_core::{
    Comparison, Confidence, Distribution, Eta, FitPreference, Label, Menu, Menus, Policy,
    PreferenceModel, Profile, PromptId, ResponseId, Scale, SeedTree, UniformPolicy, exploitability,
    suboptimality,
};
use nlhf_offline::{
    Baseline, Baselines, Contest, ContestConfig, ContestData, ContestError, ContestEvent, Entrant,
    FittedJudge, Judge, JudgeConfig, WinShareFit,
};
use nlhf_preference::{Crowd, CrowdConfig, PairCounts, TabularFit};
use nlhf_testkit::check_preference_model;
use population::{Population, entrants};
use std::ops::ControlFlow;

fn crowd(seed: u64) -> Crowd {
    let config = CrowdConfig { n_prompts: 6, n_responses: 4, ..CrowdConfig::default() };
    Crowd::new(&config, SeedTree::new(seed)).unwrap()
}

/// What all baselines learn from a crowd's labels.
fn learned(crowd: &Crowd, config: &ContestConfig) -> Vec<Entrant> {
    let judged = crowd.comparisons(30, SeedTree::new(1));
    let (menus, eta, scale) = (crowd.menus(), config.eta, config.scale);
    let given = Baselines::new(&judged, menus, &UniformPolicy, eta, scale).unwrap();
    let fit = TabularFit::for_menus(menus, Confidence::new(0.95).unwrap());
    let model = fit.fit(&judged).unwrap().model;
    given.learn_all(&model).unwrap().into_iter().map(Entrant::from).collect()
}

fn hold(data: ContestData<'_>, judge: &Judge<'_>, config: &ContestConfig) -> Contest {
    Contest::hold(data, judge, config, &mut ()).unwrap()
}

#[test]
fn under_the_truth_every_figure_is_what_it_is_called() {
    let truth = crowd(1);
    let menus = truth.menus();
    for scale in [Scale::Probability, Scale::LogOdds] {
        let config = ContestConfig { scale, replicates: 0, ..ContestConfig::default() };
        let entrants = learned(&truth, &config);
        let data = ContestData { menus, reference: &UniformPolicy, entrants: &entrants };
        let contest = hold(data, &Judge::known(&truth), &config);
        assert_eq!((contest.n_prompts, contest.n_members, contest.n_comparisons), (6, 0, None));
        let mean = |of_menu: &dyn Fn(usize, Menu<'_>) -> f64| {
            menus.iter().enumerate().map(|(at, menu)| of_menu(at, menu)).sum::<f64>() / 6.0
        };
        let close = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 1e-13, "{scale:?}: {found} and {expected}");
        };
        for (k, (entrant, standing)) in entrants.iter().zip(&contest.standings).enumerate() {
            assert_eq!(entrant.name, standing.name);
            close(
                standing.kl_nats.unwrap().value,
                mean(&|at, menu| entrant.policies[at].kl_nats(&UniformPolicy.distribution(menu))),
            );
            close(
                standing.suboptimality.unwrap().value,
                mean(&|at, menu| {
                    let reference = UniformPolicy.distribution(menu);
                    suboptimality(
                        &truth,
                        menu,
                        &reference,
                        config.eta,
                        scale,
                        &entrant.policies[at],
                    )
                }),
            );
            // Of a policy against itself both players gain the same.
            close(
                standing.exploitability.value,
                mean(&|at, menu| {
                    let profile = Profile::symmetric(entrant.policies[at].clone());
                    0.5 * exploitability(&truth.game(menu, Scale::Probability), &profile)
                }),
            );
            assert_eq!(standing.exploitability.cross_fitted, None);
            let rate = |against: &dyn Fn(usize, Menu<'_>) -> Distribution| {
                mean(&|at, menu| {
                    let (p, q) =
                        (entrant.policies[at].probabilities(), against(at, menu).probabilities());
                    let responses = menu.responses();
                    let pair = |(a, b): (usize, usize)| {
                        p[a] * q[b] * truth.probability(menu.prompt(), responses[a], responses[b])
                    };
                    (0..4).flat_map(|a| (0..4).map(move |b| (a, b))).map(pair).sum()
                })
            };
            close(
                standing.against_reference.rate,
                rate(&|_, menu| UniformPolicy.distribution(menu)),
            );
            for (j, other) in entrants.iter().enumerate() {
                close(contest.win_rates[k][j].rate, rate(&|at, _| other.policies[at].clone()));
                assert!(
                    contest.win_rates[k][j].interval.is_none()
                        && !contest.win_rates[k][j].beyond_noise
                );
            }
        }
        // The equilibrium of an estimate from 30 labels a pair is nearer than the reference.
        let lost = |k: usize| contest.standings[k].suboptimality.unwrap().value;
        assert!(lost(0) < lost(Baseline::ALL.len() - 1));
    }
}

#[test]
fn win_rates_are_those_of_a_symmetric_game() {
    let truth = crowd(2);
    let held_out = truth.comparisons(3, SeedTree::new(9));
    let config = ContestConfig::default();
    let entrants = learned(&truth, &config);
    let data = ContestData { menus: truth.menus(), reference: &UniformPolicy, entrants: &entrants };
    let judge_config = JudgeConfig { members: 40, ..JudgeConfig::default() };
    let judge = FittedJudge::fit(WinShareFit, &held_out, judge_config).unwrap();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| hold(data, &judge.judge(), &config))
    };
    let contest = run(1);
    assert_eq!(contest, run(4), "the number of threads changes nothing");
    let text = serde_json::to_string(&contest).unwrap();
    assert_eq!(serde_json::from_str::<Contest>(&text).unwrap(), contest);
    assert_eq!((contest.n_members, contest.n_comparisons), (40, Some(held_out.len())));
    for (i, row) in contest.win_rates.iter().enumerate() {
        for (j, rate) in row.iter().enumerate() {
            let back = &contest.win_rates[j][i];
            let (interval, turned) = (rate.interval.unwrap(), back.interval.unwrap());
            assert!((rate.rate + back.rate - 1.0).abs() < 1e-15);
            assert!((interval.low + turned.high - 1.0).abs() < 1e-15);
            assert!((rate.beyond_noise, rate.judged) == (back.beyond_noise, back.judged));
            assert!(interval.low <= rate.rate + 1e-12 && rate.rate <= interval.high + 1e-12);
            // Every pair was judged.
            assert!((rate.judged - 1.0).abs() < 1e-12);
            if i == j {
                assert!(rate.rate.to_bits() == 0.5_f64.to_bits() && interval.half_width() == 0.0);
            }
        }
    }
    // The reference is an entrant too, and the same as itself.
    let reference = contest.standings.last().unwrap();
    assert!((reference.against_reference.rate - 0.5).abs() < 1e-12);
    assert!(!reference.against_reference.beyond_noise);
    assert!(reference.kl_nats.unwrap().value.abs() < 1e-15);
}

#[test]
fn differences_are_beyond_noise_when_there_is_enough_of_both() {
    let seen = |n_prompts: u32, per_pair: u32| {
        let population = Population::draw(n_prompts, 4);
        let judged = population.judgements(per_pair, 4);
        let judge_config = JudgeConfig { members: 50, ..JudgeConfig::default() };
        let judge = FittedJudge::fit(WinShareFit, &judged, judge_config).unwrap();
        let mut entrants = population.entrants();
        entrants.push(Entrant { name: "again".to_owned(), ..entrants[0].clone() });
        let menus = &population.menus;
        let data = ContestData { menus, reference: &UniformPolicy, entrants: &entrants };
        let contest = hold(data, &judge.judge(), &ContestConfig::default());
        assert!(!contest.win_rates[0][3].beyond_noise, "a policy and its copy");
        contest.win_rates[0][1].beyond_noise
    };
    assert!(seen(200, 4));
    assert!(!seen(6, 1));
    // Unanimous labels on one prompt vary in no replicate, which proves nothing.
    let mut menus = Menus::new();
    let ids = [0, 1].map(ResponseId::new);
    menus.push(PromptId::new(0), &ids).unwrap();
    let entrants = entrants(&menus, &[&[1.0, 0.0], &[0.0, 1.0]]);
    let judged = [Comparison::new(PromptId::new(0), ids[0], ids[1], Label::WIN); 3];
    let judge = FittedJudge::fit(WinShareFit, &judged, JudgeConfig::default()).unwrap();
    let data = ContestData { menus: &menus, reference: &UniformPolicy, entrants: &entrants };
    let contest = hold(data, &judge.judge(), &ContestConfig::default());
    assert!((contest.win_rates[0][1].rate - 1.0).abs() < 5e-5);
    assert!(!contest.win_rates[0][1].beyond_noise);
    // A truth does not vary either, and is one.
    let truth = Judge::known(judge.estimate());
    assert!(hold(data, &truth, &ContestConfig::default()).win_rates[0][1].beyond_noise);
}

#[test]
fn what_was_never_judged_counts_as_even_and_is_told() {
    let mut menus = Menus::new();
    let ids = [0, 1, 2].map(ResponseId::new);
    menus.push(PromptId::new(0), &ids).unwrap();
    let entrants = entrants(&menus, &[&[1.0, 0.0, 0.0], &[0.0, 0.5, 0.5], &[0.2, 0.0, 0.8]]);
    let data = ContestData { menus: &menus, reference: &UniformPolicy, entrants: &entrants };
    let judged = [Comparison::new(PromptId::new(0), ids[0], ids[1], Label::WIN); 4];
    let judge = FittedJudge::fit(WinShareFit, &judged, JudgeConfig::default()).unwrap();
    let contest = hold(data, &judge.judge(), &ContestConfig::default());
    // 0 against 1 is known, 0 against 2 is not.
    assert!((contest.win_rates[0][1].rate - 0.75).abs() < 5e-5);
    assert!((contest.win_rates[0][1].judged - 0.5).abs() < 1e-15);
    assert!((contest.win_rates[0][2].judged - 0.2).abs() < 1e-15);
    // 2 against itself, and 0 against 1.
    assert!((contest.win_rates[1][2].judged - (0.5 * 0.8 + 0.5 * 0.2)).abs() < 1e-15);
    assert!((contest.standings[0].against_reference.judged - 2.0 / 3.0).abs() < 1e-15);
    let counts = PairCounts::new(&judged);
    let known = Judge::known(judge.estimate());
    let all = hold(data, &known.clone(), &ContestConfig::default());
    assert!((all.win_rates[0][2].judged - 1.0).abs() < 1e-15, "a truth knows everything");
    let told = hold(data, &known.with_judged(&counts), &ContestConfig::default());
    assert!((told.win_rates[0][2].judged - 0.2).abs() < 1e-15);
}

#[test]
fn what_the_reference_never_plays_is_infinitely_far() {
    struct FirstTwo;
    impl Policy for FirstTwo {
        fn distribution(&self, _: Menu<'_>) -> Distribution {
            Distribution::from_masses(&[1.0, 1.0, 0.0]).unwrap()
        }
    }
    let population = Population::draw(5, 1);
    let judged = population.judgements(6, 1);
    let judge = FittedJudge::fit(WinShareFit, &judged, JudgeConfig::default()).unwrap();
    let entrants = population.entrants();
    let data = ContestData { menus: &population.menus, reference: &FirstTwo, entrants: &entrants };
    for eta in [1e-3, 10.0, 1e6] {
        let config = ContestConfig { eta: Eta::new(eta).unwrap(), ..ContestConfig::default() };
        let contest = hold(data, &judge.judge(), &config);
        let [first, _, any] = contest.standings.as_slice() else { panic!("three policies") };
        assert!(any.kl_nats.is_none() && any.suboptimality.is_none());
        let lost = first.suboptimality.unwrap();
        assert!(lost.value.is_finite() && lost.cross_fitted.unwrap().is_finite());
        assert!((first.kl_nats.unwrap().value - 2f64.ln()).abs() < 1e-12);
        let text = serde_json::to_string(&contest).unwrap();
        assert_eq!(serde_json::from_str::<Contest>(&text).unwrap(), contest);
    }
}

#[test]
fn win_shares_keep_the_laws_of_a_preference() {
    let truth = crowd(3);
    let fitted = WinShareFit.fit(&truth.comparisons(2, SeedTree::new(2))).unwrap();
    check_preference_model(&fitted.model, truth.menus());
    assert_eq!(fitted.model.counts().n_comparisons(), fitted.evidence.n_comparisons);
}

#[test]
fn what_does_not_fit_is_refused() {
    let truth = crowd(0);
    let (menus, config) = (truth.menus(), ContestConfig::default());
    let judge = Judge::known(&truth);
    let refused = |entrants: &[Entrant]| {
        let data = ContestData { menus, reference: &UniformPolicy, entrants };
        Contest::hold(data, &judge, &config, &mut ()).unwrap_err()
    };
    assert!(matches!(refused(&[]), ContestError::Empty { n_entrants: 0, n_prompts: 6 }));
    let short = entrants(&Menus::new(), &[&[1.0]]);
    let error = refused(&short);
    assert!(error.to_string().contains("policy 1 must have 6 policies, one a prompt, but has 0"));
    let thin = entrants(menus, &[&[1.0, 1.0]]);
    assert!(matches!(refused(&thin), ContestError::Menu { required: 4, given: 2, .. }));
    let fine = entrants(menus, &[&[1.0, 1.0, 1.0, 1.0]]);
    let data = ContestData { menus, reference: &UniformPolicy, entrants: &fine };
    let held_out = truth.comparisons(2, SeedTree::new(2));
    let fitted = FittedJudge::fit(WinShareFit, &held_out, JudgeConfig::default()).unwrap();
    let mut stop = |_: &ContestEvent| ControlFlow::Break(());
    let error = Contest::hold(data, &fitted.judge(), &config, &mut stop).unwrap_err();
    assert!(matches!(error, ContestError::Stopped { done: 1, total: 201 }));
    let one = JudgeConfig { members: 1, ..JudgeConfig::default() };
    assert!(FittedJudge::fit(WinShareFit, &held_out, one).is_err());
    assert!(FittedJudge::fit(WinShareFit, &[], JudgeConfig::default()).is_err());
}
