//! Win rates with an effect of the presentation order, shared by all pairs.
//!
//! ```text
//! n₊ labels with the lower id first, n₋ with the higher first:
//! m_γ(R) = (n₊σ(R + γ) + n₋σ(R − γ)) / n,   the mean of wins/n, rising in R
//! min over R, γ of Σ labels' log-loss + ½[ℓ(R, 1) + ℓ(R, 0)]      half a win and half a loss, in no order
//! |R̂ − R| ≤ max |R̂ − m_γ̂⁻¹(wins/n ± √(log(2(N+1)h/δ)/2n))| + |dR/dγ| √(2 log(2(N+1)h/δ)) se(γ̂)
//! dR/dγ = −(n₊σ'(R + γ) − n₋σ'(R − γ)) / (n₊σ'(R + γ) + n₋σ'(R − γ)),   at most 1 in size
//! ```
//! Hoeffding's inequality holds for the mean of the labels given γ; what γ adds is its Gaussian
//! interval, exact only in the limit of many labels. A pair shown equally often in both orders hardly needs it.

use super::{Adjusted, TabularFit, TabularModel};
use crate::arrow::{Arrow, Row};
use crate::cells::{CellKey, Cells};
use crate::order::{OrderedLoss, order_ridge};
use crate::{PairCount, PairCounts};
use nlhf_core::logistic::{log_loss, sigmoid};
use nlhf_core::{Comparison, FitError, FitEvidence, FitPreference, Fitted, OrderEffect};

/// Bisections of an interval of log-odds: to 1e-9 of the bound.
const BISECTIONS: usize = 30;

/// The labels of one pair, by who was shown first.
#[derive(Clone, Copy, Default)]
struct Sides {
    /// Weights with the lower and with the higher id first.
    weights: [f64; 2],
    wins: f64,
}

impl Sides {
    /// `m_γ(R)`.
    fn mean(&self, log_odds: f64, gamma: f64) -> f64 {
        let [low, high] = self.weights;
        (low * sigmoid(log_odds + gamma) + high * sigmoid(log_odds - gamma)) / (low + high)
    }

    /// `m_γ⁻¹(p)` within ±B.
    fn inverse(&self, p: f64, gamma: f64, bound: f64) -> f64 {
        if p <= self.mean(-bound, gamma) {
            return -bound;
        } else if p >= self.mean(bound, gamma) {
            return bound;
        }
        let (mut low, mut high) = (-bound, bound);
        for _ in 0..BISECTIONS {
            let middle = 0.5 * (low + high);
            if self.mean(middle, gamma) < p {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    }

    /// The half-width of the interval of R around its estimate.
    fn width(&self, log_odds: f64, effect: OrderEffect, log_term: f64, bound: f64) -> f64 {
        let (gamma, [low, high]) = (effect.log_odds, self.weights);
        let n = low + high;
        let (rate, reach) = (self.wins / n, (log_term / (2.0 * n)).sqrt());
        let ends = [rate - reach, rate + reach].map(|p| self.inverse(p, gamma, bound));
        let off = ends.map(|end| (end - log_odds).abs());
        let slope = |t: f64| sigmoid(t) * sigmoid(-t);
        let (up, down) = (low * slope(log_odds + gamma), high * slope(log_odds - gamma));
        let lean = if up + down > 0.0 { ((up - down) / (up + down)).abs() } else { 1.0 };
        let shared = lean * (2.0 * log_term).sqrt() * effect.standard_error;
        (off[0].max(off[1]) + shared).min(bound + log_odds.abs())
    }
}

/// The rows of a likelihood: cells, and half a win and half a loss for each pair.
#[derive(Default)]
struct Rows {
    places: Vec<Row>,
    weights: Vec<f64>,
    wins: Vec<f64>,
    orders: Vec<f64>,
}

impl Rows {
    fn push(&mut self, block: usize, weight: f64, wins: f64, order: f64) {
        self.places.push(Row { block, first: 0, second: None });
        self.weights.push(weight);
        self.wins.push(wins);
        self.orders.push(order);
    }
}

impl TabularFit {
    pub(super) fn fit_with_order(
        &self,
        data: &[Comparison],
    ) -> Result<Fitted<TabularModel>, FitError> {
        let counts = PairCounts::for_fit(data)?;
        let cells = Cells::for_fit(data, CellKey { prompt: true, order: true })?;
        let n_pairs = counts.pairs().len();
        let mut sides = vec![Sides::default(); n_pairs];
        let mut rows = Rows::default();
        // Both lists are in the order of pairs.
        let mut block = 0;
        for (cell, &order) in cells.pairs().iter().zip(cells.orders()) {
            let key = |pair: &PairCount| (pair.prompt, pair.low, pair.high);
            while key(&counts.pairs()[block]) != key(cell) {
                block += 1;
            }
            rows.push(block, cell.weight, cell.wins, order);
            sides[block].weights[usize::from(order < 0.0)] += cell.weight;
            sides[block].wins += cell.wins;
        }
        for block in 0..n_pairs {
            rows.push(block, 1.0, 0.5, 0.0);
        }
        let Rows { places, weights, wins, orders } = rows;
        let arrow = Arrow {
            sizes: &vec![1; n_pairs],
            rows: &places,
            loss: &OrderedLoss { weights: &weights, wins: &wins, orders: &orders },
            ridge: 0.0,
            shared_ridge: order_ridge(0.0),
            box_size: f64::INFINITY,
            total_weight: counts.total_weight(),
        };
        let broken = FitError::Breakdown { model: self.name(), iteration: 0 };
        let minimum = arrow.minimize([0.0]).ok_or(broken)?;
        let effect = OrderEffect {
            log_odds: minimum.shared[0],
            standard_error: minimum.shared_covariance[(0, 0)].sqrt(),
        };

        let (bound, log_term) = (self.log_odds_bound, self.log_term(self.n_pairs + 1));
        let adjusted = minimum.theta.iter().zip(&sides).map(|(log_odds, sides)| {
            let log_odds = log_odds.clamp(-bound, bound);
            Adjusted { log_odds, width: sides.width(log_odds, effect, log_term, bound) }
        });
        let adjusted: Vec<Adjusted> = adjusted.collect();
        let loss = |(k, cell): (usize, &PairCount)| {
            let t = adjusted[places[k].block].log_odds + orders[k] * effect.log_odds;
            cell.weight * log_loss(t, cell.wins / cell.weight)
        };
        let evidence = FitEvidence {
            n_parameters: n_pairs + 1,
            log_loss_nats: cells.pairs().iter().enumerate().map(loss).sum::<f64>()
                / counts.total_weight(),
            gradient_max: minimum.gradient_max,
            iterations: minimum.iterations,
            status: minimum.status,
            order_effect: Some(effect),
            ..self.evidence(&counts, 0.0)
        };
        let adjusted = Some(adjusted);
        let model = TabularModel { counts, log_term, log_odds_bound: bound, adjusted };
        Ok(Fitted { model, evidence })
    }
}
