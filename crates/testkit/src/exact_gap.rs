//! Gap, regrets and value from their definitions, in as many bits as asked for.
//!
//! ```text
//! p = e^l / Σ e^l,  q, π₀, μ₀ alike                     from the very f64 numbers that are stored
//! J(p, q) = p'Aq − KL(p‖π₀)/η + KL(q‖μ₀)/η,   KL(p‖π₀) = Σ p (log p − log π₀)
//! max_p' J(p', q) = [lse(log π₀ + ηAq) + KL(q‖μ₀)] / η
//! min_q' J(p, q') = −[lse(log μ₀ − ηA'p) + KL(p‖π₀)] / η
//! ```
//! This is the plain form, on purpose another one than that of certificates: it subtracts numbers of
//! size `s = 1 + ηB + max |log p| + max |log π₀|` from each other and is right within `2^{−bits} s` nats.

use dashu_float::FBig;
use dashu_float::round::mode::HalfEven;
use nlhf_core::{Distribution, Eta, Profile, SkewFactors, StoredPayoffs, ZeroSumGame};

type Big = FBig<HalfEven, 2>;

/// Bits that put the rounding errors of ordinary games far below the squares of those of f64.
const ORDINARY_BITS: usize = 320;

/// What a certificate states, rounded from its exact value to the nearest f64.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExactGap {
    /// `max_p' J(p', q) − min_q' J(p, q')`; +∞ if a policy plays what its reference never does.
    pub duality_gap: f64,
    /// `max_p' J(p', q) − J(p, q)`.
    pub row_regret: f64,
    /// `J(p, q) − min_q' J(p, q')`.
    pub column_regret: f64,
    /// `J(p, q)`; not a number if a policy plays what its reference never does.
    pub value: f64,
    /// `−min_q' J(p, q')`.
    pub shortfall: f64,
}

/// [`ExactGap::duality_gap`], with 320 bits.
///
/// # Panics
/// If the shapes do not fit.
pub fn exact_gap(
    payoff: &dyn ZeroSumGame,
    reference: &Profile,
    eta: Eta,
    profile: &Profile,
) -> f64 {
    ExactGap::new(payoff, reference, eta, profile).duality_gap
}

impl ExactGap {
    /// Evaluates a profile with 320 bits: absolute errors of about 1e-90 nats.
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn new(payoff: &dyn ZeroSumGame, reference: &Profile, eta: Eta, profile: &Profile) -> Self {
        Self::with_bits(ORDINARY_BITS, payoff, reference, eta, profile)
    }

    /// Evaluates a profile with so many bits.
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn with_bits(
        bits: usize,
        payoff: &dyn ZeroSumGame,
        reference: &Profile,
        eta: Eta,
        profile: &Profile,
    ) -> Self {
        let (n, m) = (payoff.nrows(), payoff.ncols());
        assert_eq!((profile.row.len(), profile.column.len()), (n, m), "the profile must fit");
        assert_eq!((reference.row.len(), reference.column.len()), (n, m), "so must the reference");
        let bits = Bits(bits);
        let (p, q) = (bits.logs(&profile.row), bits.logs(&profile.column));
        let (pi, mu) = (bits.logs(&reference.row), bits.logs(&reference.column));
        let infinite =
            |p: &Logs, r: &Logs| p.iter().zip(r).any(|(p, r)| p.is_some() && r.is_none());
        if infinite(&p, &pi) || infinite(&q, &mu) {
            let regret = |infinite: bool| if infinite { f64::INFINITY } else { f64::NAN };
            return Self {
                duality_gap: f64::INFINITY,
                row_regret: regret(infinite(&p, &pi)),
                column_regret: regret(infinite(&q, &mu)),
                value: f64::NAN,
                shortfall: f64::NAN,
            };
        }
        let entries = bits.entries(payoff);
        let entry = |i: usize, j: usize| &entries[i * m + j];
        let (row, column) = (bits.masses(&p), bits.masses(&q));
        let eta = bits.number(eta.get());
        let gains: Vec<Big> =
            (0..n).map(|i| &eta * bits.sum((0..m).map(|j| entry(i, j) * &column[j]))).collect();
        let losses: Vec<Big> =
            (0..m).map(|j| -&eta * bits.sum((0..n).map(|i| entry(i, j) * &row[i]))).collect();
        let payoff = bits.sum(row.iter().zip(&gains).map(|(p, gain)| p * gain));
        let (kl_row, kl_column) = (bits.kl(&p, &row, &pi), bits.kl(&q, &column, &mu));
        let value = payoff - &kl_row + &kl_column;
        let best_row = bits.log_sum_exp(&tilted(&pi, &gains)) + &kl_column;
        let best_column = -bits.log_sum_exp(&tilted(&mu, &losses)) - &kl_row;
        let round = |nats: Big| (nats / &eta).to_f64().value();
        Self {
            duality_gap: round(&best_row - &best_column),
            row_regret: round(&best_row - &value),
            column_regret: round(&value - &best_column),
            shortfall: round(-best_column),
            value: round(value),
        }
    }
}

/// `A·column` and `Aᵀ·row`, the nearest f64 to each exact entry.
pub(crate) fn exact_products(
    payoff: &dyn ZeroSumGame,
    row: &[f64],
    column: &[f64],
) -> (Vec<f64>, Vec<f64>) {
    let (bits, m) = (Bits(ORDINARY_BITS), payoff.ncols());
    let entries = bits.entries(payoff);
    let gain = |i: usize| bits.sum((0..m).map(|j| &entries[i * m + j] * bits.number(column[j])));
    let loss =
        |j: usize| bits.sum((0..row.len()).map(|i| &entries[i * m + j] * bits.number(row[i])));
    let round = |x: Big| x.to_f64().value();
    let gains = (0..row.len()).map(|i| round(gain(i))).collect();
    (gains, (0..m).map(|j| round(loss(j))).collect())
}

/// Log-probabilities, none where an action is never played.
type Logs = Vec<Option<Big>>;

fn tilted(log_reference: &Logs, gains: &[Big]) -> Logs {
    let pairs = log_reference.iter().zip(gains);
    pairs.map(|(log_r, gain)| log_r.as_ref().map(|log_r| log_r + gain)).collect()
}

/// Arithmetic of one precision.
#[derive(Clone, Copy)]
struct Bits(usize);

impl Bits {
    fn number(self, x: f64) -> Big {
        Big::try_from(x).expect("a finite number").with_precision(self.0).value()
    }

    fn sum(self, terms: impl Iterator<Item = Big>) -> Big {
        terms.fold(self.number(0.0), |sum, term| sum + term)
    }

    fn log_sum_exp(self, logs: &Logs) -> Big {
        let finite = || logs.iter().flatten();
        let largest = finite().max().expect("an action that is played").clone();
        &largest + self.sum(finite().map(|log| (log - &largest).exp())).ln()
    }

    /// Log-probabilities that sum to one.
    fn logs(self, distribution: &Distribution) -> Logs {
        let logs = distribution.log_probabilities().iter();
        let logs: Logs = logs.map(|l| l.is_finite().then(|| self.number(*l))).collect();
        let total = self.log_sum_exp(&logs);
        logs.into_iter().map(|log| log.map(|log| log - &total)).collect()
    }

    fn masses(self, logs: &Logs) -> Vec<Big> {
        logs.iter().map(|log| log.as_ref().map_or_else(|| self.number(0.0), Big::exp)).collect()
    }

    fn kl(self, logs: &Logs, masses: &[Big], log_reference: &Logs) -> Big {
        let actions = logs.iter().zip(masses).zip(log_reference);
        let terms =
            actions.filter_map(|((log_p, p), log_r)| Some(p * (log_p.as_ref()? - log_r.as_ref()?)));
        self.sum(terms)
    }

    /// The payoffs, row-major.
    fn entries(self, payoff: &dyn ZeroSumGame) -> Vec<Big> {
        let numbers = |entries: &[f64]| entries.iter().map(|a| self.number(*a)).collect();
        match payoff.stored() {
            Some(StoredPayoffs::Dense(entries)) => numbers(entries),
            Some(StoredPayoffs::Factors { rank, left, right }) => {
                let product = |i: usize, j: usize| {
                    let pairs = left[i * rank..][..rank].iter().zip(&right[j * rank..][..rank]);
                    self.sum(pairs.map(|(l, r)| self.number(*l) * self.number(*r)))
                };
                let (n, m) = (payoff.nrows(), payoff.ncols());
                (0..n * m).map(|at| product(at / m, at % m)).collect()
            }
            Some(StoredPayoffs::SkewFactors(SkewFactors { rank, features, theta })) => {
                let phi = |i: usize, a: usize| self.number(features[i * rank + a]);
                let product = |i: usize, j: usize| {
                    let pairs = (0..rank * rank).map(|at| (at / rank, at % rank, theta[at]));
                    self.sum(pairs.map(|(a, b, t)| phi(i, a) * self.number(t) * phi(j, b)))
                };
                let n = payoff.nrows();
                (0..n * n).map(|at| product(at / n, at % n)).collect()
            }
            None => {
                let mut entries = vec![0.0; payoff.nrows() * payoff.ncols()];
                payoff.write_dense(&mut entries);
                numbers(&entries)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::DenseGame;

    #[test]
    fn one_step_from_the_uniform_policy_is_known() {
        // A = [[0, a], [−a, 0]], all uniform: KL(u‖BR(u)) = log cosh(ηa/2), twice, over η.
        let payoff = DenseGame::skew_from_upper(2, |_, _| 0.5);
        let reference = Profile::uniform(2, 2);
        for eta in [1e-6_f64, 1.0, 40.0] {
            let got = ExactGap::new(&payoff, &reference, Eta::new(eta).unwrap(), &reference);
            let x = 0.25 * eta;
            let log_cosh = if x < 1e-3 { x * x / 2.0 } else { x.cosh().ln() };
            assert!((got.duality_gap * eta / (2.0 * log_cosh) - 1.0).abs() < 1e-12, "{got:?}");
            assert!((got.row_regret / got.column_regret - 1.0).abs() < 1e-15, "{got:?}");
            assert!(
                got.value.abs() < 1e-80 && (got.shortfall / got.column_regret - 1.0).abs() < 1e-15,
                "{got:?}"
            );
        }
    }

    #[test]
    fn the_value_is_its_definition() {
        let payoff = DenseGame::new(1, 2, vec![3.0, -1.0]).unwrap();
        let reference = Profile::uniform(1, 2);
        let column = Distribution::from_masses(&[0.25, 0.75]).unwrap();
        let profile = Profile { row: Distribution::uniform(1), column };
        let got = ExactGap::new(&payoff, &reference, Eta::new(2.0).unwrap(), &profile);
        let kl = 0.25 * 0.5_f64.ln() + 0.75 * 1.5_f64.ln();
        assert!((got.value - 0.5 * kl).abs() < 1e-15, "{got:?}");
        // min_q J = −lse(log ½ − 2a)/2, a = 3, −1.
        let best = -0.5 * (0.5 * ((-6.0_f64).exp() + 2.0_f64.exp())).ln();
        assert!((got.shortfall + best).abs() < 1e-15 && got.row_regret.abs() < 1e-90, "{got:?}");
    }

    #[test]
    fn what_is_out_of_the_reference_is_infinitely_far() {
        let payoff = DenseGame::skew_from_upper(2, |_, _| 0.5);
        let reference = Profile::symmetric(Distribution::from_masses(&[1.0, 0.0]).unwrap());
        let eta = Eta::new(1.0).unwrap();
        assert!(exact_gap(&payoff, &reference, eta, &Profile::uniform(2, 2)).is_infinite());
        assert!(exact_gap(&payoff, &reference, eta, &reference).abs() < 1e-90);
    }
}
