//! The game on the support of its references: actions with prior zero stay at zero and drop out.

use nlhf_core::{Distribution, Profile, RegularizedGame};

/// The dense game between the actions that can be played at all.
#[derive(Debug)]
pub(crate) struct Support {
    /// Row and column actions with a positive prior.
    pub(crate) rows: Vec<usize>,
    pub(crate) columns: Vec<usize>,
    /// Payoffs between them, row-major.
    pub(crate) payoff: Vec<f64>,
    /// Their log-priors.
    pub(crate) log_row: Vec<f64>,
    pub(crate) log_column: Vec<f64>,
    full_shape: (usize, usize),
}

impl Support {
    /// Reads the payoffs of `game` that matter.
    pub(crate) fn new(game: &RegularizedGame<'_>) -> Self {
        let (n, m) = (game.payoff().nrows(), game.payoff().ncols());
        let mut payoff = vec![0.0; n * m];
        game.payoff().write_dense(&mut payoff);
        let (rows, log_row) = played(&game.reference().row);
        let (columns, log_column) = played(&game.reference().column);
        if (rows.len(), columns.len()) != (n, m) {
            payoff = rows
                .iter()
                .flat_map(|i| columns.iter().map(move |j| i * m + j))
                .map(|at| payoff[at])
                .collect();
        }
        Self { rows, columns, payoff, log_row, log_column, full_shape: (n, m) }
    }

    /// The policy pair with the given unnormalized log-probabilities on the support.
    ///
    /// `None` if one is not finite.
    pub(crate) fn profile(&self, row: &[f64], column: &[f64]) -> Option<Profile> {
        let (n, m) = self.full_shape;
        Some(Profile {
            row: expanded(n, &self.rows, row)?,
            column: expanded(m, &self.columns, column)?,
        })
    }

    /// The largest log-prior in absolute value: what priors add to the size of logits.
    pub(crate) fn prior_bound(&self) -> f64 {
        let logs = self.log_row.iter().chain(&self.log_column);
        logs.fold(0.0, |bound, log_p| bound.max(log_p.abs()))
    }
}

/// Which actions have a positive prior, and its logarithm.
pub(crate) fn played(prior: &Distribution) -> (Vec<usize>, Vec<f64>) {
    let logs = prior.log_probabilities().iter().copied().enumerate();
    logs.filter(|(_, log_p)| log_p.is_finite()).unzip()
}

/// The distribution over `n` actions with these logits on the support, `None` if one is not finite.
pub(crate) fn expanded(n: usize, support: &[usize], logits: &[f64]) -> Option<Distribution> {
    let mut logs = vec![f64::NEG_INFINITY; n];
    for (&at, &logit) in support.iter().zip(logits) {
        if !logit.is_finite() {
            return None;
        }
        logs[at] = logit;
    }
    Distribution::from_logits(logs).ok()
}

/// The log-probabilities of a start on the support, its empty actions at a large negative number: a
/// start need not be exact.
pub(crate) fn start_logits(start: &Distribution, support: &[usize]) -> Vec<f64> {
    const NEVER: f64 = -2000.0;
    support.iter().map(|&at| start.log_probabilities()[at].max(NEVER)).collect()
}

/// `softmax(logits)` into `out`.
pub(crate) fn softmax(logits: &[f64], out: &mut [f64]) {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for (out, logit) in out.iter_mut().zip(logits) {
        *out = (logit - max).exp();
        total += *out;
    }
    for out in out {
        *out /= total;
    }
}
