//! Features, menus and targets that the tests of several classes share.

#![allow(dead_code, reason = "each test takes what it needs")]

use nlhf_core::{
    Distribution, FeatureMap, FitError, Menus, PromptId, ResponseId, SeedTree, Stream, Target,
    Weight,
};
use rand::{Rng, RngExt};

/// Rows of features, one a response, whatever the prompt; there are none beyond.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) dim: usize,
    pub(crate) values: Vec<f64>,
}

impl Rows {
    /// `n` rows of entries in [−1, 1] times `scale`, moved by `shift`.
    pub(crate) fn random(n: usize, dim: usize, scale: f64, shift: f64, rng: &mut dyn Rng) -> Self {
        let values = (0..n * dim).map(|_| shift + scale * rng.random_range(-1.0..1.0)).collect();
        Self { dim, values }
    }

    pub(crate) fn row(&self, response: usize) -> &[f64] {
        &self.values[response * self.dim..(response + 1) * self.dim]
    }
}

impl FeatureMap for Rows {
    fn dim(&self) -> usize {
        self.dim
    }

    fn write(&self, _: PromptId, response: ResponseId, out: &mut [f64]) -> Result<(), FitError> {
        let given = self.values.len() / self.dim;
        if response.index() >= given {
            return Err(FitError::MissingResponseFeatures { response, given });
        }
        out.copy_from_slice(self.row(response.index()));
        Ok(())
    }
}

/// A menu of `sizes[x]` responses for prompt x, counted on from those of the prompt before.
pub(crate) fn consecutive_menus(sizes: &[usize]) -> Menus {
    let mut menus = Menus::new();
    let mut next = 0;
    for (prompt, size) in sizes.iter().enumerate() {
        let responses: Vec<_> = (next..next + size).map(ResponseId::from_index).collect();
        menus.push(PromptId::from_index(prompt), &responses).expect("responses of their own");
        next += size;
    }
    menus
}

/// Targets `∝ exp taste(response)`, all of weight one.
pub(crate) fn tasteful(menus: &Menus, taste: impl Fn(usize) -> f64) -> Vec<Target<'_>> {
    menus
        .iter()
        .map(|menu| {
            let logits = menu.responses().iter().map(|response| taste(response.index())).collect();
            let distribution = Distribution::from_logits(logits).expect("finite taste");
            Target { menu, distribution, weight: Weight::ONE }
        })
        .collect()
}

/// The mean KL from targets of weight one, in nats.
pub(crate) fn mean_kl(targets: &[Target<'_>], policy: &dyn nlhf_core::Policy) -> f64 {
    let kl = |t: &Target<'_>| t.distribution.kl_nats(&policy.distribution(t.menu));
    targets.iter().map(kl).sum::<f64>() / targets.len() as f64
}

pub(crate) fn rng(seed: u64) -> nlhf_core::WorkspaceRng {
    SeedTree::new(seed).rng(Stream::Instance, 0)
}
