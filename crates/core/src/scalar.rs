//! Validated scalars: a value that exists lies in its range, also when it was deserialized.
//!
//! | type | symbol | range | unit |
//! |---|---|---|---|
//! | [`Eta`] | η = 1/τ | (0, ∞) | nats per unit of payoff |
//! | [`Label`] | y | [0, 1] | probability that the first response is preferred |
//! | [`Weight`] | w | [0, ∞) | repetitions of a comparison |
//! | [`Confidence`] | 1 − δ | (0, 1) | probability |

use crate::logistic::centered_sigmoid;
use serde::{Deserialize, Serialize};

/// A number outside the range of its quantity.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{quantity} must be {required}, but is {given}")]
pub struct ScalarError {
    /// What the number stands for.
    pub quantity: &'static str,
    /// The range that it must lie in.
    pub required: &'static str,
    /// The number that was given.
    pub given: f64,
}

macro_rules! scalar {
    ($(#[$doc:meta])* $name:ident, $quantity:literal, $required:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(f64);

        impl $name {
            #[doc = concat!("Checks that ", $quantity, " is ", $required, ".")]
            ///
            /// # Errors
            /// [`ScalarError`] if the number is outside its range or not a number.
            pub fn new(given: f64) -> Result<Self, ScalarError> {
                let valid: fn(f64) -> bool = $valid;
                if valid(given) {
                    Ok(Self(given))
                } else {
                    Err(ScalarError { quantity: $quantity, required: $required, given })
                }
            }

            /// The number itself.
            pub const fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = ScalarError;
            fn try_from(given: f64) -> Result<Self, ScalarError> {
                Self::new(given)
            }
        }

        impl From<$name> for f64 {
            fn from(value: $name) -> f64 {
                value.0
            }
        }
    };
}

scalar!(
    /// The inverse η = 1/τ of the KL weight τ: payoffs are multiplied by η.
    ///
    /// Small η keeps the policy near its reference, large η follows the preferences. Nash-MD, INPO,
    /// EGPO and Nash-MP write τ or β for its inverse; INPO's own η is an inverse step size.
    Eta, "eta", "positive and finite", |x| x > 0.0 && x.is_finite()
);
scalar!(
    /// The probability that the first response of a comparison is preferred: 1 won, 0 lost, ½ tied.
    Label, "a label", "in [0, 1]", |x| (0.0..=1.0).contains(&x)
);
scalar!(
    /// How many times a comparison counts.
    Weight, "a weight", "non-negative and finite", |x| x >= 0.0 && x.is_finite()
);
scalar!(
    /// The probability 1 − δ with which a confidence statement holds.
    Confidence, "a confidence level", "strictly between 0 and 1", |x| x > 0.0 && x < 1.0
);

impl Eta {
    /// The weight τ = 1/η of the KL term.
    pub fn kl_weight(self) -> f64 {
        1.0 / self.0
    }
}

impl Label {
    /// The first response won.
    pub const WIN: Self = Self(1.0);
    /// The first response lost.
    pub const LOSS: Self = Self(0.0);
    /// Neither was preferred.
    pub const TIE: Self = Self(0.5);

    /// The same judgement with the two responses swapped.
    #[must_use]
    pub fn swapped(self) -> Self {
        Self(1.0 - self.0)
    }
}

impl Weight {
    /// A comparison that counts once.
    pub const ONE: Self = Self(1.0);
    /// A comparison that counts for nothing.
    pub const ZERO: Self = Self(0.0);
}

impl Confidence {
    /// The probability δ with which the statement may fail.
    pub fn failure_probability(self) -> f64 {
        1.0 - self.0
    }
}

/// The scale on which a preference is played as a payoff; the two scales are two different games.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// `A = P − ½`, in [−½, ½]; the value of the symmetric game is ½ in units of probability.
    Probability,
    /// `A = log(P / (1 − P))`; the value of the symmetric game is 0.
    LogOdds,
}

impl Scale {
    /// What is added to a centred payoff when a value is reported: ½ or 0.
    pub const fn offset(self) -> f64 {
        match self {
            Self::Probability => 0.5,
            Self::LogOdds => 0.0,
        }
    }

    /// The centred payoff of a preference with the given log-odds: `σ(R) − ½`, or `R`. Odd in `R`.
    pub fn payoff(self, log_odds: f64) -> f64 {
        match self {
            Self::LogOdds => log_odds,
            Self::Probability => centered_sigmoid(log_odds),
        }
    }

    /// The half-width of a payoff whose log-odds lie in `[R − w, R + w]`.
    ///
    /// On the scale of probabilities `max(σ(R+w) − σ(R), σ(R) − σ(R−w))`, because σ is monotone: at most
    /// `w/4`, at most 1, and the same for `−R`.
    pub fn width(self, log_odds: f64, log_odds_width: f64) -> f64 {
        let (r, w) = (log_odds.abs(), log_odds_width);
        match self {
            Self::LogOdds => w,
            Self::Probability => {
                let center = centered_sigmoid(r);
                (center - centered_sigmoid(r - w)).max(centered_sigmoid(r + w) - center)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_refuse_nan_and_what_lies_outside() {
        for bad in [0.0, -1.0, f64::INFINITY, f64::NAN] {
            assert!(Eta::new(bad).is_err());
        }
        for bad in [-0.1, 1.1, f64::NAN] {
            assert!(Label::new(bad).is_err());
        }
        for bad in [-1e-300, f64::INFINITY, f64::NAN] {
            assert!(Weight::new(bad).is_err());
        }
        for bad in [0.0, 1.0, f64::NAN] {
            assert!(Confidence::new(bad).is_err());
        }
    }

    #[test]
    fn the_probability_width_covers_the_interval_and_is_tighter_than_a_quarter() {
        use crate::logistic::sigmoid;
        let width = |r, w| Scale::Probability.width(r, w);
        for r in [-3.0_f64, -0.2, 0.0, 1.0, 9.0] {
            for w in [0.0_f64, 0.1, 2.0, f64::INFINITY] {
                let sides = [sigmoid(r + w) - sigmoid(r), sigmoid(r) - sigmoid(r - w)];
                assert!(sides.iter().all(|side| width(r, w) >= side - 1e-15), "r {r} w {w}");
                assert!(width(r, w) <= (0.25 * w).min(1.0) + 1e-15);
                assert!(width(r, w).to_bits() == width(-r, w).to_bits());
            }
        }
    }

    #[test]
    fn deserializing_goes_through_the_same_door() {
        assert!(serde_json::from_str::<Label>("0.25").is_ok());
        let error = serde_json::from_str::<Label>("1.5").unwrap_err().to_string();
        assert!(error.contains("a label must be in [0, 1], but is 1.5"), "{error}");
    }
}
