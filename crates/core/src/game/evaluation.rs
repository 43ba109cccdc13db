//! Value and gap of a profile in either arithmetic, with a bound on every rounding error.
//!
//! ```text
//! g = η A q̃ / Σq̃,  q̃ = e^{log q}:   |ĝ − g| ≤ η (E + (m/8 + 22) u B)
//! Gap(p, q) = [KL(p‖BR₁(q)) + KL(q‖BR₂(p))] / η          J(p, q) = p'Aq + [KL(q‖μ₀) − KL(p‖π₀)] / η
//! ```
//! `E` bounds the error of a product, `u` that of an operation. Gaps are rounded up, the value down.

use super::arithmetic::Arithmetic;
use super::centered_form::{Bracket, Exponents, Masses};
use super::{Certificate, Profile, RegularizedGame, ZeroSumGame};

/// Products of the payoffs with vectors of an arithmetic.
pub(super) trait Products<T> {
    fn apply(&self, column: &[T], out: &mut [T]);
    fn apply_transpose(&self, row: &[T], out: &mut [T]);
    /// How far an entry of a product may be off, for vectors with `Σ|q| ≤ 1`.
    fn error_bound(&self) -> f64;
}

impl Products<f64> for &dyn ZeroSumGame {
    fn apply(&self, column: &[f64], out: &mut [f64]) {
        ZeroSumGame::apply(*self, column, out);
    }

    fn apply_transpose(&self, row: &[f64], out: &mut [f64]) {
        ZeroSumGame::apply_transpose(*self, row, out);
    }

    fn error_bound(&self) -> f64 {
        self.product_error_bound()
    }
}

/// Gains against an opponent, in nats, and how far each may be off.
struct Gains<T> {
    nats: Vec<T>,
    error: f64,
}

impl<T: Arithmetic> Gains<T> {
    /// Scales the products with an opponent's masses by `factor`, which is ±η.
    fn new(mut nats: Vec<T>, factor: f64, opponent: &Masses<'_, T>, product: f64, b: f64) -> Self {
        let scale = T::from_f64(factor) / opponent.total;
        for gain in &mut nats {
            *gain = *gain * scale;
        }
        let weights = (opponent.error_units() + 4.0) * T::UNIT * b;
        let underflow = opponent.logs.len() as f64 * f64::MIN_POSITIVE * (1.0 + b);
        Self { nats, error: factor.abs() * (1.01 * (product + weights) + underflow) }
    }

    /// None at all: what turns the distance to the best response into that to the reference.
    fn none(n: usize) -> Self {
        Self { nats: vec![T::from_f64(0.0); n], error: 0.0 }
    }
}

/// Evaluates a profile that fits the game.
pub(super) fn evaluate<T: Arithmetic>(
    game: &RegularizedGame<'_>,
    products: &impl Products<T>,
    profile: &Profile,
) -> Certificate {
    let (payoff, reference) = (game.payoff(), game.reference());
    let (n, m) = (payoff.nrows(), payoff.ncols());
    let (eta, b, error) = (game.eta().get(), payoff.payoff_bound(), products.error_bound());
    let mut room = Exponents::new(n.max(m));
    let mut against = |policy: &Masses<'_, T>, reference: &[f64], gains: &Gains<T>| {
        room.kl_to_best_response(policy, reference, &gains.nats, gains.error)
    };
    let log_rows = reference.row.log_probabilities();
    let log_columns = reference.column.log_probabilities();

    let column = Masses::<T>::new(profile.column.log_probabilities());
    let mut products_with_column = vec![T::from_f64(0.0); n];
    products.apply(&column.values, &mut products_with_column);
    let gains = Gains::new(products_with_column, eta, &column, error, b);
    if game.is_symmetric() && profile.row == profile.column {
        let regret = rounded_up(against(&column, log_rows, &gains).upper, eta);
        return Certificate {
            value: 0.0,
            duality_gap: 2.0 * regret,
            row_regret: regret,
            column_regret: regret,
        };
    }
    let row = Masses::<T>::new(profile.row.log_probabilities());
    let mut products_with_row = vec![T::from_f64(0.0); m];
    products.apply_transpose(&row.values, &mut products_with_row);
    let losses = Gains::new(products_with_row, -eta, &row, error, b);
    let row_regret = rounded_up(against(&row, log_rows, &gains).upper, eta);
    let column_regret = rounded_up(against(&column, log_columns, &losses).upper, eta);
    let kl_row = against(&row, log_rows, &Gains::none(n));
    let kl_column = against(&column, log_columns, &Gains::none(m));
    Certificate {
        value: value(&row, &gains, eta, kl_row, kl_column),
        duality_gap: row_regret + column_regret,
        row_regret,
        column_regret,
    }
}

/// A divergence in units of the payoff, not below the exact quotient.
fn rounded_up(nats: f64, eta: f64) -> f64 {
    if nats == 0.0 { 0.0 } else { (nats / eta).next_up() }
}

/// `J(p, q)` rounded down.
fn value<T: Arithmetic>(
    row: &Masses<'_, T>,
    gains: &Gains<T>,
    eta: f64,
    kl_row: Bracket,
    kl_column: Bracket,
) -> f64 {
    let (mut mean, mut spread) = (T::from_f64(0.0), 0.0);
    for (p, gain) in row.values.iter().zip(&gains.nats) {
        mean = mean + *p * *gain;
        spread += (p.to_f64() * gain.to_f64()).abs();
    }
    let nats = (mean / row.total).to_f64();
    let n = row.values.len() as f64;
    let rounding = (2.0 * n + 32.0) * T::UNIT * spread / row.total.to_f64() + gains.error;
    let sizes = nats.abs() + kl_row.upper + kl_column.upper;
    let slack = (1.01 * rounding + 4.0 * f64::EPSILON * sizes + f64::MIN_POSITIVE) / eta;
    let value = (nats + kl_column.lower - kl_row.upper) / eta;
    if slack.is_finite() { value - slack } else { value }
}
