//! From a crowd whose truth is known to a policy: bounds that hold, certificates, and what stays put.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::OnlyUniform;
use nlhf_core::{
    Comparison, Confidence, Distribution, Eta, Label, Menu, Menus, Policy, PreferenceModel,
    PromptId, ResponseId, Scale, SeedTree, Status, UniformPolicy, suboptimality,
};
use nlhf_offline::{
    OfflineConfig, OfflineData, OfflineError, OfflineEvent, OfflineLearner, OfflineReport,
    Pessimism,
};
use nlhf_policy::TabularClass;
use nlhf_preference::{
    BradleyTerryFit, Crowd, CrowdConfig, FeatureFit, LogisticConfig, TabularFit,
};
use std::ops::ControlFlow;
use std::sync::Arc;

fn crowd(seed: u64) -> Crowd {
    let mut config = CrowdConfig::default();
    (config.n_prompts, config.n_responses) = (4, 4);
    Crowd::new(&config, SeedTree::new(seed)).unwrap()
}

fn data<'a>(training: &'a [Comparison], menus: &'a Menus) -> OfflineData<'a> {
    OfflineData { training, held_out: &[], menus, reference: &UniformPolicy }
}

fn tabular(menus: &Menus) -> TabularFit {
    TabularFit::for_menus(menus, Confidence::new(0.95).unwrap())
}

/// The true suboptimality of what a report says on each prompt.
fn lost(truth: &Crowd, report: &OfflineReport, menus: &Menus) -> Vec<f64> {
    let (eta, scale) = (report.config.eta, report.config.scale);
    let lost = |(menu, prompt): (Menu<'_>, &nlhf_offline::PromptReport)| {
        let reference = UniformPolicy.distribution(menu);
        suboptimality(truth, menu, &reference, eta, scale, &prompt.policy)
    };
    menus.iter().zip(&report.prompts).map(lost).collect()
}

#[test]
fn the_bound_holds_on_both_scales_at_every_eta_and_every_amount_of_data() {
    // 95 % confidence for all prompts of a run at once; Hoeffding's widths leave so much room that
    // not one of these runs should fail.
    for seed in 0..8 {
        let truth = crowd(seed);
        let menus = truth.menus();
        for per_pair in [1, 20, 300] {
            let judged = truth.comparisons(per_pair, SeedTree::new(seed));
            for (scale, eta) in [
                (Scale::Probability, 1.0),
                (Scale::Probability, 30.0),
                (Scale::LogOdds, 1.0),
                (Scale::LogOdds, 30.0),
            ] {
                let config =
                    OfflineConfig::default().with_scale(scale).with_eta(Eta::new(eta).unwrap());
                let learner = OfflineLearner::new(config).unwrap();
                let fit = tabular(menus);
                let result = learner.learn(data(&judged, menus), &fit, &TabularClass, &mut ());
                let report = result.unwrap().report;
                let lost = lost(&truth, &report, menus);
                for (lost, prompt) in lost.iter().zip(&report.prompts) {
                    let bound = prompt.suboptimality_bound.unwrap();
                    assert!(
                        *lost <= bound,
                        "seed {seed} n {per_pair} {scale:?} eta {eta}: lost {lost}, bound {bound}"
                    );
                    assert_eq!(prompt.status, Status::Converged);
                    assert!(prompt.certificate.duality_gap <= 1e-10);
                    // The pessimistic value is a lower bound on what the policy is worth.
                    assert!(prompt.value <= scale.offset() + 1e-12);
                }
            }
        }
    }
}

#[test]
fn elliptical_bounds_hold_too() {
    for seed in 0..3 {
        let truth = crowd(seed);
        let menus = truth.menus();
        let judged = truth.comparisons(100, SeedTree::new(seed));
        let learner = OfflineLearner::new(OfflineConfig::default()).unwrap();
        let fit =
            FeatureFit::bilinear(Arc::new(truth.features()), LogisticConfig::default()).unwrap();
        let result = learner.learn(data(&judged, menus), &fit, &TabularClass, &mut ()).unwrap();
        // A crowd of three linear utilities is not itself bilinear, but these widths are wide enough to
        // cover the misfit here.
        let lost = lost(&truth, &result.report, menus);
        for (lost, prompt) in lost.iter().zip(&result.report.prompts) {
            assert!(*lost <= prompt.suboptimality_bound.unwrap(), "seed {seed}");
        }
    }
}

#[test]
fn so_many_labels_halve_the_bound() {
    let truth = crowd(6);
    let menus = truth.menus();
    let learner = OfflineLearner::new(OfflineConfig::default()).unwrap();
    let bound = |per_pair: u32| {
        let judged = truth.comparisons(per_pair, SeedTree::new(3));
        let fit = tabular(menus);
        let data = data(&judged, menus);
        let report = learner.learn(data, &fit, &TabularClass, &mut ()).unwrap().report;
        let times = learner.repetitions_to_halve(data, &fit, &TabularClass, &report).unwrap();
        (report.mean_suboptimality_bound().unwrap(), times.unwrap())
    };
    // Hoeffding's widths fall with the square root, up to what the added halves move and what is clipped.
    let (before, times) = bound(400);
    assert!((3.0..5.0).contains(&times), "{times}");
    // Fresh labels do as repeated ones promise.
    let (after, _) = bound(1600);
    assert!((after / before - (times / 4.0).sqrt() / 2.0).abs() < 0.05, "{before} and {after}");
    // Where a few labels a pair leave everything open, the first more do nothing.
    let (_, times) = bound(1);
    assert!(times > 8.0, "{times}");

    let none = OfflineConfig::default().with_pessimism(Pessimism::None);
    let greedy = OfflineLearner::new(none).unwrap();
    let judged = truth.comparisons(5, SeedTree::new(3));
    let fit = tabular(menus);
    let data = data(&judged, menus);
    let report = greedy.learn(data, &fit, &TabularClass, &mut ()).unwrap().report;
    let found = greedy.repetitions_to_halve(data, &fit, &TabularClass, &report).unwrap();
    assert_eq!(found, None);
}

#[test]
fn greedy_obeys_its_own_bound() {
    // sub(π̂) ≤ (η/2) ‖Eπ̂‖∞², E = A − Â: the perturbation identity, corollary (i).
    let truth = crowd(5);
    let menus = truth.menus();
    for per_pair in [20, 200] {
        let judged = truth.comparisons(per_pair, SeedTree::new(9));
        let config = OfflineConfig::default().with_pessimism(Pessimism::None);
        let eta = config.eta.get();
        let learner = OfflineLearner::new(config).unwrap();
        let fit = tabular(menus);
        let result = learner.learn(data(&judged, menus), &fit, &TabularClass, &mut ()).unwrap();
        let lost = lost(&truth, &result.report, menus);
        for ((menu, lost), prompt) in menus.iter().zip(lost).zip(&result.report.prompts) {
            assert_eq!(prompt.suboptimality_bound, None);
            let (real, guess) =
                (truth.game(menu, Scale::Probability), result.model.game(menu, Scale::Probability));
            let policy = prompt.policy.probabilities();
            let error = |i: usize| -> f64 {
                let row = policy.iter().enumerate();
                row.map(|(j, p)| p * (real.get(i, j) - guess.get(i, j))).sum()
            };
            let worst = (0..menu.len()).map(error).fold(0.0, |m: f64, e| m.max(e.abs()));
            assert!(lost <= 0.5 * eta * worst * worst + 1e-15, "lost {lost}, error {worst}");
        }
    }
}

#[test]
fn without_data_one_stays_at_the_reference_and_says_so() {
    let (prompt, alone, bare) = (PromptId::new(0), PromptId::new(1), PromptId::new(2));
    let ids: Vec<ResponseId> = (0..6).map(ResponseId::new).collect();
    let mut menus = Menus::new();
    menus.push(prompt, &ids[..2]).unwrap();
    menus.push(alone, &ids[2..3]).unwrap();
    menus.push(bare, &ids[3..]).unwrap();
    let judged = [Comparison::new(prompt, ids[0], ids[1], Label::WIN)];
    let learner = OfflineLearner::new(OfflineConfig::default()).unwrap();
    let fit = tabular(&menus);
    let report = learner.learn(data(&judged, &menus), &fit, &TabularClass, &mut ()).unwrap().report;
    let [one, single, none] = report.prompts.as_slice() else { panic!("three prompts") };
    assert!(single.policy.probabilities() == [1.0]);
    assert!(single.suboptimality_bound == Some(0.0));
    assert_eq!((one.n_comparisons, none.n_comparisons), (1, 0));
    // Nothing is known: every response fears every other alike, and the bound is the whole of it.
    for p in none.policy.probabilities() {
        assert!((p - 1.0 / 3.0).abs() < 1e-12);
    }
    assert!((0.2..=0.5).contains(&none.suboptimality_bound.unwrap()));
    // One judgement out of one is no reason to trust.
    assert!(one.kl_nats < 1e-3, "{}", one.kl_nats);
    assert!(report.held_out.drawn_at_random);
}

#[test]
fn reports_survive_json_and_do_not_depend_on_threads() {
    let truth = crowd(2);
    let judged = truth.comparisons(50, SeedTree::new(2));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let learner = OfflineLearner::new(OfflineConfig::default()).unwrap();
            let fit = BradleyTerryFit::new(LogisticConfig::default()).unwrap();
            let data = data(&judged, truth.menus());
            learner.learn(data, &fit, &TabularClass, &mut ()).unwrap().report
        })
    };
    let one = run(1);
    assert_eq!(one, run(4));
    let text = serde_json::to_string(&one).unwrap();
    assert_eq!(serde_json::from_str::<OfflineReport>(&text).unwrap(), one);
}

#[test]
fn a_restricted_class_is_certified_for_what_it_plays() {
    let truth = crowd(3);
    let menus = truth.menus();
    let judged = truth.comparisons(500, SeedTree::new(3));
    let learner = OfflineLearner::new(OfflineConfig::default()).unwrap();
    let fit = tabular(menus);
    let free = learner.learn(data(&judged, menus), &fit, &TabularClass, &mut ()).unwrap().report;
    let bound = learner.learn(data(&judged, menus), &fit, &OnlyUniform, &mut ()).unwrap().report;
    let lost = lost(&truth, &bound, menus);
    for ((free, bound), lost) in free.prompts.iter().zip(&bound.prompts).zip(lost) {
        assert_eq!(bound.policy, Distribution::uniform(4));
        assert!(bound.certificate.duality_gap > 1e-6, "uniform is not the equilibrium");
        // The equilibrium's bound is the smallest of all policies, and each is a bound.
        assert!(free.suboptimality_bound <= bound.suboptimality_bound);
        assert!(lost <= bound.suboptimality_bound.unwrap());
    }
}

#[test]
fn named_held_out_rows_are_never_fitted_to() {
    let truth = crowd(4);
    let menus = truth.menus();
    let judged = truth.comparisons(40, SeedTree::new(4));
    let (training, held_out) = judged.split_at(judged.len() / 2);
    let learner = OfflineLearner::new(OfflineConfig::default()).unwrap();
    let fit = tabular(menus);
    let data = OfflineData { held_out, ..data(training, menus) };
    let report = learner.learn(data, &fit, &TabularClass, &mut ()).unwrap().report;
    assert_eq!(report.fit.n_comparisons, training.len());
    assert_eq!(report.held_out.n_training, training.len());
    assert_eq!(report.held_out.evaluation.unwrap().n_comparisons, held_out.len());
    assert!(!report.held_out.drawn_at_random);
}

#[test]
fn what_cannot_be_learned_from_is_refused() {
    let truth = crowd(0);
    let menus = truth.menus();
    let learner = OfflineLearner::new(OfflineConfig::default()).unwrap();
    let fit = tabular(menus);
    let none = Menus::new();
    let error = learner.learn(data(&[], &none), &fit, &TabularClass, &mut ()).unwrap_err();
    assert!(matches!(error, OfflineError::NoPrompts));
    let error = learner.learn(data(&[], menus), &fit, &TabularClass, &mut ()).unwrap_err();
    assert!(matches!(error, OfflineError::Fit(_)));
    let mut config = OfflineConfig::default();
    config.held_out_fraction = f64::NAN;
    assert!(OfflineLearner::new(config).is_err());
    let judged = truth.comparisons(2, SeedTree::new(0));
    let mut stop = |_: &OfflineEvent| ControlFlow::Break(());
    let error = learner.learn(data(&judged, menus), &fit, &TabularClass, &mut stop).unwrap_err();
    assert!(matches!(error, OfflineError::Stopped { done: 0, total: 4 }));
}
