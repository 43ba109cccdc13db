//! The logistic function, its inverse and its losses, accurate in both tails.
//!
//! ```text
//! σ(t) = 1 / (1 + e⁻ᵗ)      logit(p) = log(p / (1 − p))      softplus(t) = log(1 + eᵗ)
//! ```

/// `σ(t)`, the probability whose log-odds are `t`.
pub fn sigmoid(t: f64) -> f64 {
    if t >= 0.0 {
        1.0 / (1.0 + (-t).exp())
    } else {
        let e = t.exp();
        e / (1.0 + e)
    }
}

/// `σ(t) − ½`, exactly odd in `t`.
pub fn centered_sigmoid(t: f64) -> f64 {
    0.5 * (0.5 * t).tanh()
}

/// `log(p / (1 − p))`, ±∞ at the ends.
pub fn logit(p: f64) -> f64 {
    p.ln() - (-p).ln_1p()
}

/// `log(1 + eᵗ)`.
pub fn softplus(t: f64) -> f64 {
    t.max(0.0) + (-t.abs()).exp().ln_1p()
}

/// The log-loss `log(1 + eᵗ) − y t` of a label `y` under log-odds `t`, in nats.
///
/// For a soft label it is the cross-entropy; its minimum over `t` is the entropy of the label.
pub fn log_loss(t: f64, label: f64) -> f64 {
    // Parts that are not negative, so that a certain label costs e^−|t| and not a rounding error.
    let side = if t > 0.0 { 1.0 - label } else { label };
    side * t.abs() + (-t.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_keep_their_digits() {
        assert!((sigmoid(-700.0) / (-700f64).exp() - 1.0).abs() < 1e-12);
        assert!((softplus(-700.0) / (-700f64).exp() - 1.0).abs() < 1e-12);
        assert!((log_loss(40.0, 1.0) / (-40f64).exp() - 1.0).abs() < 1e-12);
        assert!((logit(sigmoid(3.0)) - 3.0).abs() < 1e-14);
        assert!(centered_sigmoid(1.3).to_bits() == (-centered_sigmoid(-1.3)).to_bits());
        assert!(sigmoid(800.0) <= 1.0 && sigmoid(-800.0) >= 0.0);
    }
}
