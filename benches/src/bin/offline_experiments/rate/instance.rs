//! Truths that turn in circles and are bilinear in known features, and a finite class around each.
//!
//! ```text
//! R*(x, a, b) = r_a − r_b + 1.2 sin(φ_b − φ_a),     r uniform in [−0.4, 0.4], φ around the circle;   |R*| ≤ 2
//! R_k = clip(R* + s_k D_k),  D_k uniform in [−1, 1] on each pair,  s_k log-uniform in [2e-4, 2]
//! ```

use nlhf::core::{Menus, SeedTree, Stream};
use nlhf::preference::{FeatureTable, Features};
use nlhf_benches::world::{Truth, menus};
use rand::{Rng, RngExt};
use std::f64::consts::TAU;
use std::sync::Arc;

/// Within what all log-odds are.
pub(super) const BOUND: f64 = 2.0;
/// A length that the true parameters do not exceed: √(1.2² + 1).
pub(super) const NORM: f64 = 1.5621;
pub(super) const N_PROMPTS: usize = 4;
pub(super) const N_CANDIDATES: usize = 5;
const CYCLE: f64 = 1.2;

/// A truth, its features, and a class that it is the first member of.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) menus: Menus,
    pub(super) truth: Truth,
    pub(super) features: Arc<Features>,
    pub(super) class: Vec<Truth>,
}

impl Instance {
    pub(super) fn draw(seed: u64, n_members: usize) -> anyhow::Result<Self> {
        let mut rng = SeedTree::new(seed).rng(Stream::Instance, 0);
        let uniform =
            |low: f64, high: f64, rng: &mut dyn Rng| low + (high - low) * rng.random::<f64>();
        let n = N_CANDIDATES;
        let candidates: Vec<[f64; 2]> = (0..N_PROMPTS * n)
            .map(|at| {
                let turn = (at % n) as f64 / n as f64 + uniform(-0.05, 0.05, &mut rng);
                [TAU * turn, uniform(-0.4, 0.4, &mut rng)]
            })
            .collect();
        let truth = Truth::from_log_odds(N_PROMPTS, n, |x, a, b| {
            let ([phi_a, r_a], [phi_b, r_b]) = (candidates[x * n + a], candidates[x * n + b]);
            r_a - r_b + CYCLE * (phi_b - phi_a).sin()
        });
        let values = candidates.iter().flat_map(|[phi, r]| [phi.cos(), phi.sin(), *r]);
        let table = FeatureTable::new(3, values.collect())?;
        let mut class = vec![truth.clone()];
        while class.len() < n_members {
            let size = 2e-4 * 1e4f64.powf(rng.random());
            class.push(Truth::from_log_odds(N_PROMPTS, n, |x, a, b| {
                let moved = truth.place(x, a, b) + size * uniform(-1.0, 1.0, &mut rng);
                moved.clamp(-BOUND, BOUND)
            }));
        }
        let features = Arc::new(Features::new(table, None)?);
        Ok(Self { menus: menus(N_PROMPTS, n), truth, features, class })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf::core::{FitPreference, PreferenceModel};
    use nlhf::preference::{FeatureFit, LogisticConfig};

    #[test]
    fn the_truth_is_bilinear_within_its_bounds() {
        let instance = Instance::draw(3, 5).unwrap();
        assert_eq!(instance.class.len(), 5);
        let mut rng = SeedTree::new(0).rng(Stream::Oracle, 0);
        let data =
            nlhf_benches::world::judge_all(&instance.truth, &instance.menus, 1 << 32, &mut rng);
        let config = LogisticConfig { log_odds_bound: BOUND, ..LogisticConfig::default() };
        let fit = FeatureFit::bilinear(Arc::clone(&instance.features), config).unwrap();
        let model = fit.fit(&data).unwrap().model;
        for menu in instance.menus.iter() {
            for (a, b) in nlhf_benches::world::pairs(menu.len()) {
                let (a, b) = (menu.responses()[a], menu.responses()[b]);
                let odds = instance.truth.log_odds(menu.prompt(), a, b);
                assert!(odds.abs() <= BOUND);
                assert!((model.log_odds(menu.prompt(), a, b) - odds).abs() < 1e-3);
            }
        }
        let norm: f64 = model.parameters().iter().map(|x| x * x).sum();
        assert!((norm.sqrt() - NORM).abs() < 1e-3);
    }
}
