//! Settings of the parametric models: Bradley-Terry, linear, bilinear.

use nlhf_core::{Confidence, ScalarError};
use serde::{Deserialize, Serialize};

/// Where the multiplier β of elliptical widths comes from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WidthMultiplier {
    /// The theory's, with which all intervals hold at once with this probability, also if the pairs
    /// were chosen by earlier labels; for Bradley-Terry then with groups fixed beforehand
    /// ([`crate::BradleyTerryFit::for_menus`]).
    Theory(Confidence),
    /// A number of the user's own, without a guarantee.
    Fixed(f64),
}

/// Settings of a penalized logistic likelihood and its widths.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `ridge` | 1 | λ in the penalty λ‖θ‖²/2 of the negative log-likelihood | (0, ∞); Bradley-Terry with a fixed multiplier also 0 |
/// | `log_odds_bound` | 4 | B: log-odds, estimated and true, lie in [−B, B] | (0, 50] |
/// | `multiplier` | theory, 0.95 | β of the widths | fixed: [0, ∞) |
/// | `parameter_norm` | see below | S: what the true parameters' length is taken not to exceed | (0, ∞) |
/// | `order_effect` | false | fit a term γ for the response shown first: `t = R(x, a, b) + γ` | |
///
/// The theory's widths hold *if* the model does, the true log-odds of the data lie within B, and the
/// true parameters within S. For feature models S is by default `B √D / L`, D parameters and L the
/// root mean square of the features of the compared pairs: the length at which features of equal spread
/// give log-odds of B. Bradley-Terry takes `(B/2) √n`, which `|r| ≤ B/2` implies.
///
/// With `order_effect` the first of a [`nlhf_core::Comparison`] is taken to have been shown first. γ is reported in
/// [`nlhf_core::FitEvidence`], is no part of the preference, not subject to B, and has a ridge of
/// 10⁻⁶ max(1, λ), which matters only where every first response wins. The widths allow for its being
/// estimated; the theory's hold if besides the true γ is no larger than the estimate and 3 standard errors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogisticConfig {
    /// λ in the penalty λ‖θ‖²/2 of the negative log-likelihood.
    pub ridge: f64,
    /// B: log-odds, estimated and true, lie in [−B, B].
    pub log_odds_bound: f64,
    /// Where β comes from.
    pub multiplier: WidthMultiplier,
    /// S: what the length of the true parameters is taken not to exceed.
    pub parameter_norm: Option<f64>,
    /// Whether an effect of the presentation order is fitted beside the preference.
    pub order_effect: bool,
}

impl Default for LogisticConfig {
    fn default() -> Self {
        let confidence = Confidence::new(0.95).expect("0.95 is a valid confidence");
        Self {
            ridge: 1.0,
            log_odds_bound: 4.0,
            multiplier: WidthMultiplier::Theory(confidence),
            parameter_norm: None,
            order_effect: false,
        }
    }
}

impl LogisticConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`ScalarError`] naming the first setting outside its range.
    pub fn validate(self) -> Result<Self, ScalarError> {
        self.validate_ridge(false)
    }

    /// The same; a ridge of zero is valid if `zero_ridge` and the multiplier is fixed.
    pub(crate) fn validate_ridge(self, zero_ridge: bool) -> Result<Self, ScalarError> {
        let positive = |quantity, given: f64| {
            if given > 0.0 && given.is_finite() {
                Ok(())
            } else {
                Err(ScalarError { quantity, required: "positive and finite", given })
            }
        };
        let fixed = matches!(self.multiplier, WidthMultiplier::Fixed(_));
        if !(zero_ridge && fixed && self.ridge == 0.0) {
            positive("the ridge", self.ridge)?;
        }
        checked_bound(self.log_odds_bound)?;
        self.parameter_norm
            .map_or(Ok(()), |given| positive("the norm of the parameters", given))?;
        match self.multiplier {
            WidthMultiplier::Fixed(given) if !(0.0..f64::INFINITY).contains(&given) => {
                let quantity = "the width multiplier";
                Err(ScalarError { quantity, required: "non-negative and finite", given })
            }
            _ => Ok(self),
        }
    }

    /// κ(B) = σ(B)σ(−B), the smallest slope of σ on [−B, B].
    pub fn curvature(&self) -> f64 {
        curvature(self.log_odds_bound)
    }

    /// λ₀ of the information matrix `V = λ₀I + Σ w zz'` that belongs to the ridge: λ = κλ₀.
    pub(crate) fn prior_precision(&self) -> f64 {
        self.ridge / self.curvature()
    }

    /// β with the given `log det(V/λ₀)`, radius S, ridge in force and share of the failure probability.
    pub(crate) fn beta(&self, log_det: f64, radius: f64, ridge: f64, n_blocks: usize) -> f64 {
        match self.multiplier {
            WidthMultiplier::Fixed(beta) => beta,
            WidthMultiplier::Theory(confidence) => {
                let delta = confidence.failure_probability() / n_blocks as f64;
                theory_beta(self.curvature(), delta, log_det, radius, ridge / self.curvature())
            }
        }
    }
}

/// B in (0, 50]: at 50 nats, 1 − P is below the resolution of f64.
pub(crate) fn checked_bound(given: f64) -> Result<f64, ScalarError> {
    if given > 0.0 && given <= 50.0 {
        Ok(given)
    } else {
        Err(ScalarError { quantity: "the bound on log-odds", required: "in (0, 50]", given })
    }
}

/// κ(B) = 1 / (2 + eᴮ + e⁻ᴮ).
pub(crate) fn curvature(bound: f64) -> f64 {
    1.0 / (2.0 + bound.exp() + (-bound).exp())
}

/// `β = (1/2κ) √(2 log(1/δ) + log det(V/λ₀)) + S√λ₀`.
pub(crate) fn theory_beta(
    curvature: f64,
    delta: f64,
    log_det: f64,
    radius: f64,
    precision: f64,
) -> f64 {
    let self_normalized = (2.0 * (1.0 / delta).ln() + log_det).sqrt();
    self_normalized / (2.0 * curvature) + radius * precision.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beta_is_that_of_the_golden_case() {
        // bonus_coverage.json, first case: κ(2), S = 1, δ = 0.05, λ₀ = 1 and V as given there.
        let [[a, b, c], [_, d, e], [_, _, f]] = [
            [4.996_445_202_290_001, -0.707_691_195_788_999_6, -6.951_189_230_884_001],
            [0.0, 10.361_456_428_018, 5.073_208_735_269_002],
            [0.0, 0.0, 24.272_931_102_641_003],
        ];
        let determinant: f64 = a * (d * f - e * e) - b * (b * f - e * c) + c * (b * e - d * c);
        let beta = theory_beta(curvature(2.0), 0.05, determinant.ln(), 1.0, 1.0);
        assert!((beta / 17.831_139_044_671_83 - 1.0).abs() < 1e-12, "{beta}");
    }

    #[test]
    fn ranges_are_checked_and_misspelt_settings_refused() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(LogisticConfig { ridge: bad, ..Default::default() }.validate().is_err());
            assert!(
                LogisticConfig { log_odds_bound: bad, ..Default::default() }.validate().is_err()
            );
        }
        let multiplier = WidthMultiplier::Fixed(f64::NAN);
        assert!(LogisticConfig { multiplier, ..Default::default() }.validate().is_err());
        assert!(serde_json::from_str::<LogisticConfig>(r#"{"rigde": 1.0}"#).is_err());
        let text = serde_json::to_string(&LogisticConfig::default()).unwrap();
        assert_eq!(
            serde_json::from_str::<LogisticConfig>(&text).unwrap(),
            LogisticConfig::default()
        );
    }
}
