//! Standard errors that hold when judgements hang together: of an annotator, or on a prompt.
//!
//! ```text
//! C = H⁻¹ [G/(G − 1) Σ_g s_g s_g'] H⁻¹,   s_g = Σ_{i ∈ g} w (y − σ(t)) z,   H = Σ w σ(t)σ(−t) zz' + λI
//! se(R(x, a, b)) = √(z'Cz)
//! ```
//! G clusters g; z is the slope of t in the parameters, with the sign of the presentation order as a last one if its
//! effect was fitted. The errors are asymptotic in G, and say nothing of the bias of a ridge: no more than a few
//! dozen clusters make them too small. They take the model for an approximation, not for the truth. Source: Huber
//! (1967); for clusters Liang and Zeger (1986).

use crate::bradley_terry::BradleyTerryModel;
use crate::order::order_ridge;
use crate::{Cluster, FeatureModel, LogisticConfig};
use nalgebra::{Cholesky, DMatrix, DVector};
use nlhf_core::logistic::sigmoid;
use nlhf_core::{Comparison, FitError, Fitted, PreferenceModel, PromptId, ResponseId};

/// A model whose log-odds are linear in its parameters.
pub trait LinearInParameters: PreferenceModel + sealed::Sealed {
    /// Parameters.
    fn dimension(&self) -> usize;

    /// The slope z of the log-odds of a pair in the parameters; `None` where the model knows nothing of it.
    fn slope(
        &self,
        prompt: PromptId,
        first: ResponseId,
        second: ResponseId,
    ) -> Option<DVector<f64>>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::FeatureModel {}
    impl Sealed for crate::BradleyTerryModel {}
}

impl LinearInParameters for FeatureModel {
    fn dimension(&self) -> usize {
        self.parameters.len()
    }

    fn slope(
        &self,
        prompt: PromptId,
        first: ResponseId,
        second: ResponseId,
    ) -> Option<DVector<f64>> {
        self.pair(prompt, first, second)
    }
}

impl LinearInParameters for BradleyTerryModel {
    fn dimension(&self) -> usize {
        self.scores.len()
    }

    fn slope(&self, _: PromptId, first: ResponseId, second: ResponseId) -> Option<DVector<f64>> {
        let n = self.scores.len();
        if first.index().max(second.index()) >= n {
            return None;
        }
        let mut z = DVector::zeros(n);
        z[first.index()] += 1.0;
        z[second.index()] -= 1.0;
        Some(z)
    }
}

/// Standard errors of a fit that its clusters account for.
#[derive(Debug, Clone)]
pub struct RobustErrors {
    covariance: DMatrix<f64>,
    n_clusters: usize,
    has_order: bool,
}

impl RobustErrors {
    /// The errors of a fit to `data` with the settings it was fitted with.
    ///
    /// # Errors
    /// [`FitError::NoComparisons`] with fewer than two clusters, [`FitError::Breakdown`] if the Hessian is not positive
    /// definite.
    pub fn new<M: LinearInParameters>(
        fitted: &Fitted<M>,
        config: &LogisticConfig,
        data: &[Comparison],
        cluster: Cluster,
    ) -> Result<Self, FitError> {
        let telling = |c: &&Comparison| c.first != c.second && c.weight.get() > 0.0;
        let data: Vec<Comparison> = data.iter().filter(telling).copied().collect();
        let (numbers, n_clusters) = cluster.numbers(&data);
        if n_clusters < 2 {
            return Err(FitError::NoComparisons { given: data.len() });
        }
        let gamma = fitted.evidence.order_effect.map(|effect| effect.log_odds);
        let n = fitted.model.dimension();
        let size = n + usize::from(gamma.is_some());
        let mut hessian = DMatrix::identity(size, size) * config.ridge;
        if gamma.is_some() {
            hessian[(n, n)] = order_ridge(config.ridge);
        }
        let mut scores = DMatrix::zeros(size, n_clusters);
        for (c, number) in data.iter().zip(numbers) {
            let Some(own) = fitted.model.slope(c.prompt, c.first, c.second) else { continue };
            let mut z = own.resize_vertically(size, 0.0);
            if gamma.is_some() {
                z[n] = 1.0;
            }
            let t = fitted.model.log_odds(c.prompt, c.first, c.second) + gamma.unwrap_or(0.0);
            let (w, p) = (c.weight.get(), sigmoid(t));
            hessian.ger(w * p * sigmoid(-t), &z, &z, 1.0);
            scores.column_mut(number).axpy(w * (c.label.get() - p), &z, 1.0);
        }
        let model = "standard errors";
        let factor = Cholesky::new(hessian).ok_or(FitError::Breakdown { model, iteration: 0 })?;
        let moved = factor.solve(&scores);
        let groups = n_clusters as f64;
        let covariance = &moved * moved.transpose() * (groups / (groups - 1.0));
        Ok(Self { covariance, n_clusters, has_order: gamma.is_some() })
    }

    /// Clusters.
    pub fn n_clusters(&self) -> usize {
        self.n_clusters
    }

    /// The standard error of the log-odds of a pair, in nats; `None` where the model knows nothing of it.
    pub fn log_odds<M: LinearInParameters>(
        &self,
        model: &M,
        prompt: PromptId,
        first: ResponseId,
        second: ResponseId,
    ) -> Option<f64> {
        let z = model.slope(prompt, first, second)?;
        let n = z.len();
        let own = self.covariance.view((0, 0), (n, n));
        Some(z.dot(&(own * &z)).max(0.0).sqrt())
    }

    /// The standard error of the order effect, in nats, if one was fitted.
    pub fn order_effect(&self) -> Option<f64> {
        let last = self.covariance.nrows() - 1;
        self.has_order.then(|| self.covariance[(last, last)].max(0.0).sqrt())
    }
}
