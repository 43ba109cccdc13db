//! A game in play: the policies of both players as one vector of logits, and the products they cost.
//!
//! ```text
//! θ = log(π/π₀)            rows first, then columns; rows only where one policy serves both players
//! gains = Aq − p'Aq,  −(Aᵀp − p'Aq)        what each action earns more than the policy that plays it
//! ```
//! In θ every anchored step is `(1 − ατ)θ + α·gains`, and a reference of 1e-300 or of zero needs no care:
//! an action that the reference never plays keeps its logit and is never played. Gains are centred because
//! a constant in them moves no policy, while sums of the value over many steps would cost digits.

use nlhf_core::log_space::exp_remainder;
use nlhf_core::{Distribution, Profile, RegularizedGame, ZeroSumGame};

/// The products of one game, counted, and how many of them may be spent.
pub(super) struct Play<'g> {
    payoff: &'g dyn ZeroSumGame,
    /// 1/η, the weight of the KL term.
    pub(super) tau: f64,
    /// A bound on the payoffs, positive.
    pub(super) bound: f64,
    n_rows: usize,
    mirrored: bool,
    log_reference: Vec<f64>,
    probabilities: Vec<f64>,
    start: Vec<f64>,
    products: usize,
    max_products: usize,
}

/// Mass that a start keeps, in nats below the reference, where it had none: no step leaves −∞.
const LOWEST_START: f64 = -700.0;

impl<'g> Play<'g> {
    pub(super) fn new(game: &RegularizedGame<'g>, start: &Profile, max_products: usize) -> Self {
        let payoff = game.payoff();
        let tau = game.eta().kl_weight();
        let mirrored = game.is_symmetric() && start.row == start.column;
        let reference = game.reference();
        let players: &[(&Distribution, &Distribution)] =
            &[(&reference.row, &start.row), (&reference.column, &start.column)];
        let (mut log_reference, mut logits) = (Vec::new(), Vec::new());
        for (reference, start) in &players[..if mirrored { 1 } else { 2 }] {
            for (r, s) in reference.log_probabilities().iter().zip(start.log_probabilities()) {
                log_reference.push(*r);
                logits.push(if r.is_finite() { (s - r).max(LOWEST_START) } else { 0.0 });
            }
        }
        Self {
            payoff,
            tau,
            // A larger bound is a bound too; steps such as τ/B² need one that is not zero.
            bound: payoff.payoff_bound().max(1e-3 * tau),
            n_rows: payoff.nrows(),
            mirrored,
            probabilities: vec![0.0; logits.len()],
            log_reference,
            start: logits,
            products: 0,
            max_products,
        }
    }

    /// The logits of the start.
    pub(super) fn start(&self) -> Vec<f64> {
        self.start.clone()
    }

    /// Room for a vector like the logits.
    pub(super) fn zeros(&self) -> Vec<f64> {
        vec![0.0; self.start.len()]
    }

    /// Products so far.
    pub(super) fn products(&self) -> usize {
        self.products
    }

    /// Whether all products are spent.
    pub(super) fn is_over(&self) -> bool {
        self.products >= self.max_products
    }

    /// The evaluations of [`Play::gains`] that may be spent in all, at least one.
    pub(super) fn horizon(&self) -> usize {
        (self.max_products / self.products_per_evaluation()).max(1)
    }

    /// The larger number of actions of the two players.
    pub(super) fn n_actions(&self) -> usize {
        self.payoff.nrows().max(self.payoff.ncols())
    }

    /// The probabilities of the last policies that were evaluated.
    pub(super) fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// Normalizes the logits, so that `π₀ exp θ` sums to one, and writes what each action earns.
    pub(super) fn gains(&mut self, logits: &mut [f64], gains: &mut [f64]) {
        self.normalize(logits);
        self.products += self.products_per_evaluation();
        if self.mirrored {
            self.payoff.apply(&self.probabilities, gains);
            center(&self.probabilities, gains);
            return;
        }
        let (row, column) = self.probabilities.split_at(self.n_rows);
        let (row_gains, column_gains) = gains.split_at_mut(self.n_rows);
        self.payoff.apply(column, row_gains);
        self.payoff.apply_transpose(row, column_gains);
        for gain in &mut *column_gains {
            *gain = -*gain;
        }
        center(row, row_gains);
        center(column, column_gains);
    }

    /// Makes `π₀ exp θ` sum to one for each player, and keeps the probabilities.
    pub(super) fn normalize(&mut self, logits: &mut [f64]) {
        let split = self.n_rows.min(logits.len());
        let (row, column) = logits.split_at_mut(split);
        let (row_reference, column_reference) = self.log_reference.split_at(split);
        let (row_p, column_p) = self.probabilities.split_at_mut(split);
        normalize(row, row_reference, row_p);
        normalize(column, column_reference, column_p);
    }

    /// `KL(π‖BR)` in nats, summed over the players, of the last policies that were evaluated, if the
    /// logits of the best response exceed theirs by `excess` up to a constant.
    pub(super) fn response_kl(&self, excess: &[f64]) -> f64 {
        let split = self.n_rows.min(excess.len());
        let kl = |probabilities: &[f64], excess: &[f64]| {
            let terms = || probabilities.iter().zip(excess);
            let mean: f64 = terms().map(|(p, d)| p * d).sum();
            let remainders =
                terms().map(|(p, d)| if *p > 0.0 { p * exp_remainder(d - mean) } else { 0.0 });
            remainders.sum::<f64>().ln_1p()
        };
        kl(&self.probabilities[..split], &excess[..split])
            + kl(&self.probabilities[split..], &excess[split..])
    }

    /// The policies of these logits, `None` if one is not a number.
    pub(super) fn profile(&self, logits: &[f64]) -> Option<Profile> {
        let policy = |range: std::ops::Range<usize>| {
            let logs = logits[range.clone()].iter().zip(&self.log_reference[range]);
            Distribution::from_logits(logs.map(|(logit, r)| logit + r).collect()).ok()
        };
        let row = policy(0..self.n_rows)?;
        let column = if self.mirrored { row.clone() } else { policy(self.n_rows..logits.len())? };
        Some(Profile { row, column })
    }

    fn products_per_evaluation(&self) -> usize {
        if self.mirrored { 1 } else { 2 }
    }
}

/// The maximum goes first, as in `nlhf_core::log_space::normalize`.
fn normalize(logits: &mut [f64], log_reference: &[f64], probabilities: &mut [f64]) {
    if logits.is_empty() {
        return;
    }
    let logs = logits.iter().zip(log_reference).map(|(logit, r)| logit + r);
    let max = logs.fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for ((p, logit), r) in probabilities.iter_mut().zip(&mut *logits).zip(log_reference) {
        *p = (*logit + r - max).exp();
        total += *p;
        *logit -= max;
    }
    let log_total = total.ln();
    for (p, logit) in probabilities.iter_mut().zip(logits) {
        *p /= total;
        *logit -= log_total;
    }
}

fn center(probabilities: &[f64], gains: &mut [f64]) {
    let mean: f64 = probabilities.iter().zip(&*gains).map(|(p, gain)| p * gain).sum();
    for gain in gains {
        *gain -= mean;
    }
}

/// The arithmetic mean of policies, kept as logits so that no mass underflows.
pub(super) struct Average {
    logits: Vec<f64>,
    n_policies: usize,
}

impl Average {
    /// The mean of nothing yet.
    pub(super) fn new(play: &Play<'_>) -> Self {
        Self { logits: play.zeros(), n_policies: 0 }
    }

    /// Adds one policy, given by normalized logits, to the mean.
    pub(super) fn add(&mut self, logits: &[f64]) {
        self.n_policies += 1;
        self.blend(logits, 1.0 / self.n_policies as f64);
    }

    /// `(1 − share)·mean + share·policy`.
    pub(super) fn blend(&mut self, logits: &[f64], share: f64) {
        if share >= 1.0 {
            self.logits.copy_from_slice(logits);
            return;
        }
        let (log_keep, log_share) = ((-share).ln_1p(), share.ln());
        for (mean, logit) in self.logits.iter_mut().zip(logits) {
            let (x, y) = (*mean + log_keep, logit + log_share);
            *mean = x.max(y) + (-(x - y).abs()).exp().ln_1p();
        }
    }

    pub(super) fn logits(&self) -> &[f64] {
        &self.logits
    }

    pub(super) fn logits_mut(&mut self) -> &mut [f64] {
        &mut self.logits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{DenseGame, Eta};

    #[test]
    fn a_mean_of_policies_keeps_masses_that_underflow() {
        let payoff = DenseGame::skew_from_upper(2, |_, _| 0.0);
        let reference = Profile::uniform(2, 2);
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(1.0).unwrap()).unwrap();
        let mut play = Play::new(&game, &reference, 10);
        let mut mean = Average::new(&play);
        for tiny in [-2000.0, -1000.0] {
            let mut logits = vec![0.0, tiny];
            play.normalize(&mut logits);
            mean.add(&logits);
        }
        let policy = play.profile(mean.logits()).unwrap().row;
        let log_p = policy.log_probabilities();
        assert!((log_p[1] - (-1000.0 - 2f64.ln())).abs() < 1e-12, "{log_p:?}");
        assert!(log_p[0].abs() < 1e-15);
    }

    #[test]
    fn gains_are_centred_and_counted() {
        let payoff = DenseGame::new(2, 3, vec![5.0, 6.0, 4.0, 5.5, 5.0, 7.0]).unwrap();
        let reference = Profile {
            row: Distribution::from_masses(&[1.0, 3.0]).unwrap(),
            column: Distribution::from_masses(&[1.0, 0.0, 1.0]).unwrap(),
        };
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(2.0).unwrap()).unwrap();
        let mut play = Play::new(&game, &reference, 10);
        let (mut logits, mut gains) = (play.start(), play.zeros());
        play.gains(&mut logits, &mut gains);
        assert_eq!(play.products(), 2);
        // Against (1/2, 0, 1/2) the rows earn 4.5 and 6.25, in the mean 5.8125.
        assert!((gains[0] + 1.3125).abs() < 1e-15 && (gains[1] - 0.4375).abs() < 1e-15);
        // Against (1/4, 3/4) the columns pay 5.375, 5.25 and 6.25.
        assert!((gains[2] - 0.4375).abs() < 1e-15 && (gains[4] + 0.4375).abs() < 1e-15);
        assert!(play.profile(&logits).unwrap() == reference);
    }
}
