//! The class in the hands of both learners, which know nothing of it but the trait.

mod common;

use acme_policy::{LengthPeak, LengthPeaks, Texts};
use nlhf_core::{
    Comparison, Confidence, Distribution, Menu, Menus, Oracle, Policy, PreferenceModel, PromptId,
    Query, ResponseId, SeedTree, UniformPolicy, suboptimality,
};
use nlhf_offline::{OfflineConfig, OfflineData, OfflineLearner};
use nlhf_online::{OnlineConfig, OnlineLearner};
use nlhf_preference::{SimulatedOracle, TabularFit};
use std::sync::Arc;

/// Readers like answers of about 2⁵ characters, and to be quoted. Nobody but the oracle knows.
struct Readers(Arc<Texts>);

impl PreferenceModel for Readers {
    fn log_odds(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        let joy =
            |answer| 2.0 * self.0.quoted(prompt, answer) - (self.0.log_length(answer) - 5.0).abs();
        joy(first) - joy(second)
    }
}

fn fit(menus: &Menus) -> TabularFit {
    TabularFit::for_menus(menus, Confidence::new(0.95).expect("a level"))
}

/// Every pair of every menu, judged `n` times.
fn comparisons(menus: &Menus, texts: &Arc<Texts>, n: usize) -> Vec<Comparison> {
    let mut queries = Vec::new();
    for menu in menus.iter() {
        for (at, &second) in menu.responses().iter().enumerate() {
            for &first in &menu.responses()[..at] {
                queries.extend(vec![Query { prompt: menu.prompt(), first, second }; n]);
            }
        }
    }
    let mut oracle = SimulatedOracle::new(Readers(Arc::clone(texts)), SeedTree::new(1));
    let outcomes = oracle.compare(&queries).expect("simulated readers always answer");
    let judged = queries.iter().zip(outcomes);
    judged.map(|(q, o)| Comparison::new(q.prompt, q.first, q.second, o.label)).collect()
}

/// The bound holds, and the policy is better than the reference by what it was asked to be.
fn check(texts: &Arc<Texts>, menu: Menu<'_>, played: &Distribution, bound: f64) {
    let reference = UniformPolicy.distribution(menu);
    let config = OfflineConfig::default();
    let readers = Readers(Arc::clone(texts));
    let lost = |p| suboptimality(&readers, menu, &reference, config.eta, config.scale, p);
    assert!(bound.is_finite() && lost(played) <= bound, "lost {}, bound {bound}", lost(played));
    assert!(lost(played) < 0.5 * lost(&reference), "{} of {}", lost(played), lost(&reference));
}

/// The last prompt was never asked about, and its answers are ranked as readers would.
fn check_unseen(policy: &LengthPeak, prompt: usize) {
    let answers = common::answers(prompt);
    let menu = Menu::new(PromptId::from_index(prompt), &answers).expect("five answers");
    let played = policy.distribution(menu).probabilities();
    let mut by_preference: Vec<usize> = (0..5).collect();
    by_preference.sort_by(|&one, &other| played[other].total_cmp(&played[one]));
    assert_eq!(
        by_preference[..2],
        [4, 1],
        "the one that quotes, then that of its length: {played:?}"
    );
    assert!(played[4] > 0.6, "{played:?}");
}

#[test]
fn offline_learning_certifies_what_the_class_plays() {
    let (menus, texts) = (common::menus(), Arc::new(common::texts()));
    let training = comparisons(&menus, &texts, 200);
    let data = OfflineData {
        training: &training,
        held_out: &[],
        menus: &menus,
        reference: &UniformPolicy,
    };
    let class = LengthPeaks { texts: Arc::clone(&texts) };
    let learner = OfflineLearner::new(OfflineConfig::default()).expect("default settings");
    let result = learner.learn(data, &fit(&menus), &class, &mut ()).expect("a policy");
    assert_eq!(result.report.policy_class, "length-peaks");
    for (menu, prompt) in menus.iter().zip(&result.report.prompts) {
        // What is reported is what the policy plays, with the gap that the restriction to the class costs.
        assert_eq!(prompt.policy, result.policy.distribution(menu));
        let gap = prompt.certificate.duality_gap;
        assert!((0.0..0.2).contains(&gap), "{gap}");
        check(&texts, menu, &prompt.policy, prompt.suboptimality_bound.expect("pessimism has one"));
    }
    check_unseen(&result.policy, menus.len());
}

#[test]
fn online_learning_asks_with_it() {
    let (menus, texts) = (common::menus(), Arc::new(common::texts()));
    let config = OnlineConfig::default().with_budget(5, 2000).with_seed(SeedTree::new(3));
    let fit = fit(&menus).with_horizon(config.most_labels());
    let class = LengthPeaks { texts: Arc::clone(&texts) };
    let mut oracle = SimulatedOracle::new(Readers(Arc::clone(&texts)), SeedTree::new(2));
    let learner = OnlineLearner::new(config).expect("valid settings");
    let result = learner
        .learn(&menus, &UniformPolicy, &mut oracle, &fit, &class, &mut ())
        .expect("a policy");
    for (menu, prompt) in menus.iter().zip(&result.report.prompts) {
        assert_eq!(prompt.policy, result.policy.distribution(menu));
        assert!((0.0..0.2).contains(&prompt.duality_gap), "{}", prompt.duality_gap);
        check(&texts, menu, &prompt.policy, prompt.suboptimality_bound);
    }
    check_unseen(&result.policy, menus.len());
}
