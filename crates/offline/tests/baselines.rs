//! The baselines against the golden example, closed forms, and each other.
//!
//! Tolerance of the golden: 1e-10 in probability, because the maximum-likelihood scores behind it come from another
//! Newton's method.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    Comparison, Confidence, DenseGame, Distribution, Eta, FitPreference, Label, Menu, Menus,
    Policy, PreferenceModel, Profile, PromptId, RegularizedGame, ResponseId, Scale, UniformPolicy,
    Weight, ZeroSumGame, logistic::logit,
};
use nlhf_offline::{Baseline, BaselineError, BaselinePolicies, Baselines};
use nlhf_preference::TabularFit;
use nlhf_testkit::strategies;
use proptest::prelude::*;
use serde::Deserialize;
use std::num::NonZeroU32;

/// A preference given by its matrix, the same for every prompt.
struct Known(Vec<Vec<f64>>);

impl PreferenceModel for Known {
    fn log_odds(&self, _: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        let (low, high) = (first.min(second), first.max(second));
        let value = logit(self.0[low.index()][high.index()]);
        if first <= second { value } else { -value }
    }
}

/// The same distribution for every menu of its length.
struct Fixed(Distribution);

impl Policy for Fixed {
    fn distribution(&self, _: Menu<'_>) -> Distribution {
        self.0.clone()
    }
}

fn ids(n: u32) -> Vec<ResponseId> {
    (0..n).map(ResponseId::new).collect()
}

fn menu_of(n: u32) -> Menus {
    let mut menus = Menus::new();
    menus.push(PromptId::new(0), &ids(n)).unwrap();
    menus
}

fn judged(prompt: u32, a: u32, b: u32, label: f64, weight: f64) -> Comparison {
    let (a, b) = (ResponseId::new(a), ResponseId::new(b));
    let comparison = Comparison::new(PromptId::new(prompt), a, b, Label::new(label).unwrap());
    Comparison { weight: Weight::new(weight).unwrap(), ..comparison }
}

/// Every pair of a matrix judged with the same weight.
fn complete(p: &[Vec<f64>], weight: f64) -> Vec<Comparison> {
    let n = u32::try_from(p.len()).unwrap();
    let pairs = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
    pairs.map(|(a, b)| judged(0, a, b, p[a as usize][b as usize], weight)).collect()
}

fn eta(eta: f64) -> Eta {
    Eta::new(eta).unwrap()
}

fn best_of(draws: u32) -> Baseline {
    Baseline::BestOf { draws: NonZeroU32::new(draws).unwrap() }
}

/// The only policy of a data set with one menu.
fn one(learned: Result<BaselinePolicies, BaselineError>) -> Distribution {
    let [policy] = learned.unwrap().policies.try_into().unwrap();
    policy
}

fn distance(policy: &Distribution, expected: &[f64]) -> f64 {
    policy.probabilities().iter().zip(expected).map(|(p, q)| (p - q).abs()).fold(0.0, f64::max)
}

#[test]
fn the_golden_example() {
    #[derive(Deserialize)]
    struct File {
        cases: Example,
    }
    #[derive(Deserialize)]
    struct Example {
        #[serde(rename = "P")]
        p: Vec<Vec<f64>>,
        bt_r: Vec<f64>,
        cases: Vec<Case>,
    }
    #[derive(Deserialize)]
    struct Case {
        eta: f64,
        rlhf: Vec<f64>,
        ne: Vec<f64>,
    }
    let text = include_str!("../../nash/tests/golden/intransitive_example.json");
    let example = serde_json::from_str::<File>(text).unwrap().cases;
    let menus = menu_of(3);
    // So many labels that the ridge of the reward model does not show.
    let data = complete(&example.p, 1e12);
    for case in &example.cases {
        let given =
            Baselines::new(&data, &menus, &UniformPolicy, eta(case.eta), Scale::Probability)
                .unwrap();
        let model = Known(example.p.clone());
        let rewards = one(given.learn(Baseline::RewardBased, &model));
        let dpo = one(given.learn(Baseline::Dpo, &model));
        let greedy = one(given.learn(Baseline::GreedyNash, &model));
        assert!(distance(&rewards, &case.rlhf) < 1e-9, "eta {}: {rewards:?}", case.eta);
        assert!(distance(&dpo, &case.rlhf) < 1e-10, "eta {}: {dpo:?}", case.eta);
        assert!(distance(&greedy, &case.ne) < 1e-10, "eta {}: {greedy:?}", case.eta);
        for (log_p, r) in dpo.log_probabilities().iter().zip(&example.bt_r) {
            let score = (log_p - dpo.log_probabilities()[1]) / case.eta;
            assert!((score - r).abs() < 1e-10, "score {score}, golden {r}");
        }
    }
}

#[test]
fn two_responses_have_closed_forms() {
    let menus = menu_of(2);
    let p = vec![vec![0.5, 0.8], vec![0.2, 0.5]];
    let data = complete(&p, 3.0);
    let prior = 0.3_f64;
    let reference = Fixed(Distribution::from_masses(&[prior, 1.0 - prior]).unwrap());
    for (scale, payoff) in [(Scale::Probability, 0.3), (Scale::LogOdds, 4f64.ln())] {
        let given = Baselines::new(&data, &menus, &reference, eta(2.0), scale).unwrap();
        // How far each moves the log-odds of the first response.
        for (baseline, moved) in [
            (Baseline::Dpo, 2.0 * 4f64.ln()),
            (Baseline::Ipo, 2.0 * 0.3),
            (Baseline::GreedyNash, 2.0 * payoff),
            (Baseline::Sppo { steps: 1 }, 2.0 * payoff),
            (Baseline::Sppo { steps: 5 }, 10.0 * payoff),
            (Baseline::Inpo { steps: 1 }, 2.0 / 3.0 * payoff),
            // What is left of the way shrinks by a third a step.
            (Baseline::Inpo { steps: 3 }, 2.0 * (19.0 / 27.0) * payoff),
            (Baseline::Reference, 0.0),
            (Baseline::Sppo { steps: 0 }, 0.0),
            (best_of(4), logit(1.0 - 0.7f64.powi(4)) - logit(prior)),
        ] {
            let policy = one(given.learn(baseline, &Known(p.clone())));
            let logs = policy.log_probabilities();
            let found = logs[0] - logs[1] - logit(prior);
            assert!((found - moved).abs() < 1e-12, "{}: {found} and {moved}", baseline.name());
        }
    }
}

#[test]
fn ipo_follows_the_win_rate_where_every_pair_is_judged_alike() {
    let p =
        [[0.5, 0.9, 0.3, 0.6], [0.1, 0.5, 0.7, 0.2], [0.7, 0.3, 0.5, 0.95], [0.4, 0.8, 0.05, 0.5]]
            .map(|row| row.to_vec());
    let masses = [0.1, 0.2, 0.3, 0.4];
    let reference = Fixed(Distribution::from_masses(&masses).unwrap());
    let (data, menus) = (complete(&p, 7.0), menu_of(4));
    let given = Baselines::new(&data, &menus, &reference, eta(5.0), Scale::Probability).unwrap();
    let policy = one(given.learn(Baseline::Ipo, &Known(p.to_vec())));
    let rate = |row: &Vec<f64>| row.iter().map(|p| p - 0.5).sum::<f64>() / 4.0;
    let expected: Vec<f64> =
        p.iter().zip(masses).map(|(row, mass)| mass * (5.0 * rate(row)).exp()).collect();
    let total: f64 = expected.iter().sum();
    let expected: Vec<f64> = expected.iter().map(|mass| mass / total).collect();
    assert!(distance(&policy, &expected) < 1e-14, "{policy:?} and {expected:?}");
}

#[test]
fn on_a_chain_every_pair_is_met_whatever_it_weighs() {
    let data = [judged(0, 0, 1, 0.7, 1e-3), judged(0, 1, 2, 0.4, 1e3), judged(0, 3, 2, 0.9, 1.0)];
    let menus = menu_of(4);
    let given =
        Baselines::new(&data, &menus, &UniformPolicy, eta(3.0), Scale::Probability).unwrap();
    let model = Known(vec![vec![0.5; 4]; 4]);
    for (baseline, of_share) in
        [(Baseline::Dpo, logit as fn(f64) -> f64), (Baseline::Ipo, |share| share - 0.5)]
    {
        let policy = one(given.learn(baseline, &model));
        let logs = policy.log_probabilities();
        for (a, b, share) in [(0, 1, 0.7), (1, 2, 0.4), (3, 2, 0.9)] {
            let off = logs[a] - logs[b] - 3.0 * of_share(share);
            assert!(off.abs() < 1e-4, "{}: {a} {b} off by {off}", baseline.name());
        }
    }
}

#[test]
fn self_play_takes_the_steps_of_its_formula() {
    let rows = [[0.5, 0.2, 0.95], [0.8, 0.5, 0.2], [0.05, 0.8, 0.5]].map(|row| row.to_vec());
    let masses = [0.2, 0.5, 0.3];
    let reference = Distribution::from_masses(&masses).unwrap();
    let (eta, menus) = (eta(4.0), menu_of(3));
    let model = Known(rows.to_vec());
    let payoff = DenseGame::from_probabilities(3, &rows.concat()).unwrap();
    let fixed = Fixed(reference.clone());
    let given = Baselines::new(&[], &menus, &fixed, eta, Scale::Probability).unwrap();
    for (step, keep, baseline) in [
        (4.0, 1.0, (|steps| Baseline::Sppo { steps }) as fn(u32) -> Baseline),
        (4.0 / 3.0, 2.0 / 3.0, |steps| Baseline::Inpo { steps }),
    ] {
        let mut policy = reference.clone();
        for steps in 1..=4 {
            let mut gains = vec![0.0; 3];
            payoff.apply(&policy.probabilities(), &mut gains);
            let logs = policy.log_probabilities().iter().zip(reference.log_probabilities());
            let logits = logs
                .zip(&gains)
                .map(|((now, log_r), gain)| log_r + keep * (now - log_r) + step * gain);
            policy = Distribution::from_logits(logits.collect()).unwrap();
            let learned = one(given.learn(baseline(steps), &model));
            assert!(learned.kl_nats(&policy) < 1e-28, "{}", baseline(steps).name());
        }
    }
    let profile = Profile::symmetric(reference.clone());
    let game = RegularizedGame::new(&payoff, &profile, eta).unwrap();
    let response = game.best_row_response(&reference);
    let learned = one(given.learn(Baseline::Sppo { steps: 1 }, &model));
    assert!(learned.kl_nats(&response) < 1e-28, "its first step is the best response");
}

#[test]
fn dpo_runs_away_where_labels_are_unanimous_and_is_counted() {
    let mut menus = menu_of(3);
    menus.push(PromptId::new(1), &ids(3)).unwrap();
    menus.push(PromptId::new(2), &ids(3)).unwrap();
    // Unanimous; a circle, which has an optimum; nothing.
    let data = [
        judged(0, 0, 1, 1.0, 5.0),
        judged(1, 0, 1, 1.0, 1.0),
        judged(1, 1, 2, 1.0, 1.0),
        judged(1, 2, 0, 1.0, 1.0),
    ];
    let model = Known(vec![vec![0.5; 3]; 3]);
    let given =
        Baselines::new(&data, &menus, &UniformPolicy, eta(0.5), Scale::Probability).unwrap();
    for (given, bound) in [(given.clone(), 10.0), (given.with_log_odds_bound(3.0).unwrap(), 3.0)] {
        let learned = given.learn(Baseline::Dpo, &model).unwrap();
        assert_eq!((learned.n_unbounded, learned.n_unconverged), (1, 0));
        let logs = learned.policies[0].log_probabilities();
        assert!((logs[0] - logs[1] - 0.5 * bound).abs() < 1e-9, "{logs:?}");
        // Never compared: as in the reference.
        assert!((logs[2] - (1f64 / 3.0).ln()).abs() < 1e-12, "{logs:?}");
        assert!(distance(&learned.policies[1], &[1.0 / 3.0; 3]) < 1e-12);
        assert!(distance(&learned.policies[2], &[1.0 / 3.0; 3]) < 1e-15);
    }
    let given =
        Baselines::new(&data, &menus, &UniformPolicy, eta(0.5), Scale::Probability).unwrap();
    assert!(given.with_log_odds_bound(f64::NAN).is_err());
}

#[test]
fn what_does_not_fit_is_refused_by_prompt() {
    let menus = menu_of(3);
    let short = Fixed(Distribution::uniform(2));
    let error = Baselines::new(&[], &menus, &short, eta(1.0), Scale::LogOdds).unwrap_err();
    assert!(matches!(error, BaselineError::Reference { prompt, .. } if prompt == PromptId::new(0)));
    let given = Baselines::new(&[], &menus, &UniformPolicy, eta(1.0), Scale::LogOdds).unwrap();
    let error = given.learn(Baseline::RewardBased, &Known(vec![vec![0.5; 3]; 3])).unwrap_err();
    assert!(matches!(error, BaselineError::Rewards(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn policies_are_policies_at_every_eta_and_do_not_depend_on_how_data_are_written(
        menus in strategies::menus(4, 5),
        data in strategies::comparisons(4, 1000, 60),
        eta in strategies::eta(1e-3..=1e6),
        log_odds in any::<bool>(),
    ) {
        // Comparisons of the candidates, by places in their menus.
        let within = |c: &Comparison| {
            let menu = menus.get(c.prompt.index() % menus.len());
            let candidate = |id: ResponseId| menu.responses()[id.index() % menu.len()];
            let (first, second) = (candidate(c.first), candidate(c.second));
            Comparison { prompt: menu.prompt(), first, second, ..*c }
        };
        let data: Vec<Comparison> = data.iter().map(within).collect();
        let fit = TabularFit::for_menus(&menus, Confidence::new(0.95).unwrap());
        let Ok(fitted) = fit.fit(&data) else { return Ok(()) };
        let scale = if log_odds { Scale::LogOdds } else { Scale::Probability };
        let swapped: Vec<Comparison> = data.iter().map(|c| c.swapped()).collect();
        let learn = |data: &[Comparison], threads: usize| {
            let given = Baselines::new(data, &menus, &UniformPolicy, eta, scale).unwrap();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| given.learn_all(&fitted.model)).unwrap()
        };
        let learned = learn(&data, 1);
        prop_assert_eq!(&learned, &learn(&data, 3));
        prop_assert_eq!(learned.len(), Baseline::ALL.len());
        for (own, turned) in learned.iter().zip(learn(&swapped, 1)) {
            for ((menu, p), q) in menus.iter().zip(&own.policies).zip(&turned.policies) {
                let total: f64 = p.probabilities().iter().sum();
                prop_assert!((total - 1.0).abs() < 1e-12 && p.len() == menu.len());
                // Scores of fits agree to some 1e-9, which η magnifies.
                let close = 1e-6 * (1.0 + eta.get());
                for (a, b) in p.log_probabilities().iter().zip(q.log_probabilities()) {
                    prop_assert!((a - b).abs() < close, "{}: {a} {b}", own.baseline.name());
                }
            }
        }
    }
}
