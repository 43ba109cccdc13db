//! Newton's method for log-odds of low rank: a million actions, a few passes over their features.
//!
//! ```text
//! A = ΦΘΦᵀ,  Θ skew, k × k:     π ∝ π₀ e^(Φw),   G(w) = w − η_sΘμ(w) = 0,   G' = I − η_sΘC(w)
//! ```
//! `w` is all there is to find. Mean `μ` and covariance `C` of the features come from one pass (`low_rank::pass`),
//! and with them the residual and the next step, so that an accepted point costs nothing more. `G'` is
//! nonsingular everywhere, like the Jacobian in logits. Damping and stages are those of `krylov`, the merit
//! is `GᵀC₀G` with the covariance `C₀` of the start: the mean square of the residual in logits. The bilinear
//! models of preferences have this form on the log-odds scale; on the scale of probabilities nothing has.

mod pass;

use crate::lu::Lu;
use crate::newton::check_start;
use nlhf_core::{
    ASKED_FOR, Distribution, Iteration, NashSolver, Observer, Profile, RegularizedGame,
    SkewFactors, Solution, SolveError, Status, StoredPayoffs,
};
use pass::{Moments, moments};

/// Newton's method in `k` dimensions for symmetric games of rank `k`.
///
/// It starts from the reference, whatever the start. Priors so uneven that the reference plays hardly more
/// than one action may stall it at large η; [`crate::Automatic`] then goes on with Newton's method.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `tolerance` | 1e-10 | largest duality gap that counts as converged, in payoff units | ≥ 0 |
/// | `max_passes` | 1000 | passes over the features | ≥ 1 |
///
/// # Complexity
/// 3 to 6 passes at ηB = 5, 10 to 20 at 100; a pass reads `8nk` bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LowRankNewton {
    /// The largest duality gap that counts as converged, in units of the payoff.
    pub tolerance: f64,
    /// Passes over the features.
    pub max_passes: usize,
}

impl Default for LowRankNewton {
    fn default() -> Self {
        Self { tolerance: 1e-10, max_passes: 1000 }
    }
}

/// The first η of the stages in units of 1 / max |A|, and the factor between them.
const FIRST_STAGE: f64 = 16.0;
const STAGE_FACTOR: f64 = 4.0;
/// The root mean square of the residual, in nats, at which a stage before the last one ends.
const STAGE_RESIDUAL: f64 = 0.1;
/// Times that the estimate of the gap may be too low.
const REFINEMENTS: usize = 20;
/// The shortest step of the line search.
const SHORTEST: f64 = 1e-6;

impl NashSolver for LowRankNewton {
    fn name(&self) -> &'static str {
        "newton-low-rank"
    }

    fn solve(
        &self,
        game: &RegularizedGame<'_>,
        start: &Profile,
        observer: &mut dyn Observer<Iteration>,
    ) -> Result<Solution, SolveError> {
        check_start(game, start)?;
        let stored = game.payoff().stored().filter(|_| game.is_symmetric());
        let Some(factors) = stored.and_then(StoredPayoffs::skew_factors) else {
            let solves = "symmetric games of low rank";
            return Err(SolveError::Unsupported { method: self.name(), solves });
        };
        let (eta, bound) = (game.eta().get(), game.payoff().payoff_bound());
        let broken = |iteration| SolveError::NotFinite { method: "newton-low-rank", iteration };
        let mut search = Search::new(factors, game, eta);
        let first = FIRST_STAGE / bound.max(f64::MIN_POSITIVE);
        let mut stage = if 2.0 * first >= eta { eta } else { first };
        search.open(stage).ok_or(broken(0))?;
        let mut wanted = 0.25 * eta * self.tolerance;
        let (mut status, mut refinements) = (Status::IterationLimit, 0);
        let mut best: Option<(Profile, nlhf_core::Certificate)> = None;
        while search.passes < self.max_passes {
            if stage < eta && (search.stuck || search.merit.sqrt() <= STAGE_RESIDUAL) {
                stage = if 2.0 * STAGE_FACTOR * stage >= eta { eta } else { STAGE_FACTOR * stage };
                search.change_stage(stage).ok_or(broken(search.iterations))?;
                continue;
            }
            if stage >= eta && (search.variance() <= wanted || search.stuck) {
                let (profile, certificate) =
                    search.certified(game).ok_or(broken(search.iterations))?;
                let gap = certificate.duality_gap;
                if best.as_ref().is_none_or(|(_, best)| gap < best.duality_gap) {
                    best = Some((profile, certificate));
                }
                if gap <= self.tolerance {
                    break;
                }
                refinements += 1;
                if search.stuck || refinements == REFINEMENTS {
                    status = Status::Stalled;
                    break;
                }
                wanted *= 0.01;
                continue;
            }
            let length = search.newton_step(stage).ok_or(broken(search.iterations))?;
            let event = Iteration {
                iteration: search.iterations,
                products: search.passes,
                eta: stage,
                residual: search.merit.sqrt(),
                step: length,
            };
            if observer.observe(&event).is_break() {
                status = Status::Stopped;
                break;
            }
        }
        let (profile, certificate) = match best {
            Some(best) => best,
            None => search.certified(game).ok_or(broken(search.iterations))?,
        };
        if certificate.duality_gap <= self.tolerance {
            status = Status::Converged;
        }
        let (iterations, method, reason) = (search.iterations, self.name(), ASKED_FOR);
        Ok(Solution { profile, certificate, status, iterations, method, reason })
    }
}

/// A point, what a pass found there, and room for the next.
struct Search<'a> {
    factors: SkewFactors<'a>,
    log_reference: &'a [f64],
    eta: f64,
    w: Vec<f64>,
    moments: Moments,
    /// The covariance of the start, the metric of the merit.
    metric: Vec<f64>,
    residual: Vec<f64>,
    /// The mean square of the residual under the start.
    merit: f64,
    logits: Vec<f64>,
    lu: Lu,
    passes: usize,
    iterations: usize,
    /// Whether no step made the residual smaller.
    stuck: bool,
}

impl<'a> Search<'a> {
    fn new(factors: SkewFactors<'a>, game: &RegularizedGame<'a>, eta: f64) -> Self {
        let log_reference = game.reference().row.log_probabilities();
        let k = factors.rank;
        let moments = Moments { mean: vec![0.0; k], covariance: vec![0.0; k * k] };
        Self {
            factors,
            log_reference,
            eta,
            w: vec![0.0; k],
            moments,
            metric: vec![0.0; k * k],
            residual: vec![0.0; k],
            merit: 0.0,
            logits: vec![0.0; log_reference.len()],
            lu: Lu::new(k),
            passes: 0,
            iterations: 0,
            stuck: false,
        }
    }

    /// A pass at `w`.
    fn pass(&mut self, stage: f64, w: &[f64]) -> Option<Moments> {
        self.passes += 1;
        let (rank, features) = (self.factors.rank, self.factors.features);
        let (tilt, centre) = (stage / self.eta, &self.moments.mean);
        moments(rank, features, self.log_reference, tilt, w, centre, &mut self.logits)
    }

    /// The point `w = 0` of a stage.
    fn open(&mut self, stage: f64) -> Option<()> {
        let w = std::mem::take(&mut self.w);
        let moments = self.pass(stage, &w);
        self.w = w;
        self.moments = moments?;
        self.metric.copy_from_slice(&self.moments.covariance);
        self.residual = self.residual_at(stage, &self.w, &self.moments.mean);
        self.merit = quadratic(&self.metric, &self.residual);
        self.merit.is_finite().then_some(())
    }

    /// Moves to another stage: the prior counts for more, and so do the payoffs.
    fn change_stage(&mut self, stage: f64) -> Option<()> {
        self.stuck = false;
        let w = std::mem::take(&mut self.w);
        let moments = self.pass(stage, &w);
        self.w = w;
        self.moments = moments?;
        self.residual = self.residual_at(stage, &self.w, &self.moments.mean);
        self.merit = quadratic(&self.metric, &self.residual);
        self.merit.is_finite().then_some(())
    }

    /// `w − η_sΘμ`
    fn residual_at(&self, stage: f64, w: &[f64], mean: &[f64]) -> Vec<f64> {
        let rows = self.factors.theta.chunks_exact(self.factors.rank);
        let turned = rows.map(|row| row.iter().zip(mean).map(|(t, m)| t * m).sum::<f64>());
        w.iter().zip(turned).map(|(w, turned)| w - stage * turned).collect()
    }

    /// The variance of the residual in logits under the policy of the point, for both players.
    fn variance(&self) -> f64 {
        2.0 * quadratic(&self.moments.covariance, &self.residual).max(0.0)
    }

    /// One damped Newton step; its length, 0 if there was none, `None` if nothing is finite any more.
    fn newton_step(&mut self, stage: f64) -> Option<f64> {
        let k = self.factors.rank;
        let (theta, covariance) = (self.factors.theta, &self.moments.covariance);
        let entries = self.lu.entries_mut();
        for i in 0..k {
            for j in 0..k {
                let products = (0..k).map(|l| theta[i * k + l] * covariance[l * k + j]);
                entries[i * k + j] = f64::from(u8::from(i == j)) - stage * products.sum::<f64>();
            }
        }
        if !self.lu.factorize() {
            return None;
        }
        let mut step = self.residual.clone();
        self.lu.solve(&mut step);
        self.iterations += 1;
        let mut length = 1.0;
        while length >= SHORTEST {
            let w: Vec<f64> = self.w.iter().zip(&step).map(|(w, s)| w - length * s).collect();
            if let Some(moments) = self.pass(stage, &w) {
                let residual = self.residual_at(stage, &w, &moments.mean);
                let merit = quadratic(&self.metric, &residual);
                let factor = 1.0 - 1e-4 * length;
                if merit <= factor * factor * self.merit {
                    (self.w, self.moments) = (w, moments);
                    (self.residual, self.merit) = (residual, merit);
                    return Some(length);
                }
            }
            length *= 0.5;
        }
        // The logits are those of the last trial: back to the point.
        let w = self.w.clone();
        self.pass(stage, &w)?;
        self.stuck = true;
        Some(0.0)
    }

    /// The policy of the point with its certificate.
    fn certified(&self, game: &RegularizedGame<'_>) -> Option<(Profile, nlhf_core::Certificate)> {
        let policy = Distribution::from_logits(self.logits.clone()).ok()?;
        let profile = Profile::symmetric(policy);
        let certificate = game.certify(&profile);
        (!certificate.duality_gap.is_nan()).then_some((profile, certificate))
    }
}

/// `xᵀMx`
fn quadratic(matrix: &[f64], x: &[f64]) -> f64 {
    let rows = matrix.chunks_exact(x.len());
    rows.zip(x).map(|(row, xi)| xi * row.iter().zip(x).map(|(m, x)| m * x).sum::<f64>()).sum()
}
