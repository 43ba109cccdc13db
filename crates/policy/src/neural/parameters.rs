//! What a neural policy has learned, apart from the features and the base that it is a function of.

use super::network::Shape;
use serde::{Deserialize, Serialize};

/// Parameters and standardized features are held within ±1e100, so that every score is finite.
const LARGEST: f64 = 1e100;

/// Settings or parameters that make no neural policy.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NeuralError {
    /// A setting outside its range.
    #[error("{setting} must be {required}, but is {given}")]
    Config {
        /// The setting.
        setting: &'static str,
        /// Its range.
        required: &'static str,
        /// What was given.
        given: f64,
    },
    /// Features of another length than the parameters were made for.
    #[error("these parameters are for {required} features, but are given {given}")]
    Features {
        /// The length that they were made for.
        required: usize,
        /// The length given.
        given: usize,
    },
    /// A start that is no member of the class.
    #[error("a warm start needs {required} hidden units like its class, but has {given}")]
    WarmStart {
        /// Hidden units of the class.
        required: usize,
        /// Hidden units of the start.
        given: usize,
    },
    /// Parameters that do not fit together.
    #[error(
        "{dim} features and {hidden} hidden units, each at least 1, need as many means and scales and {required} values, but have {means}, {scales} and {given}"
    )]
    Shape {
        /// Features.
        dim: usize,
        /// Hidden units.
        hidden: usize,
        /// Parameters that these need.
        required: usize,
        /// Means given.
        means: usize,
        /// Scales given.
        scales: usize,
        /// Parameters given.
        given: usize,
    },
    /// A number outside its range.
    #[error(
        "{quantity} must lie within 1e100 and a scale above 0, but number {index} of them is {given}"
    )]
    Value {
        /// What the number is.
        quantity: &'static str,
        /// Which of them.
        index: usize,
        /// The number.
        given: f64,
    },
}

/// u, v, W and b, and what features were standardized with. Reading it back checks it and keeps every bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct NeuralParameters {
    shape: Shape,
    mean: Vec<f64>,
    scale: Vec<f64>,
    values: Vec<f64>,
}

impl NeuralParameters {
    /// Checks that the numbers fit together: `values` are u (d), v (h), W (d entries for each of h hidden units) and b (h).
    ///
    /// # Errors
    /// [`NeuralError::Shape`] and [`NeuralError::Value`].
    pub fn new(
        hidden: usize,
        mean: Vec<f64>,
        scale: Vec<f64>,
        values: Vec<f64>,
    ) -> Result<Self, NeuralError> {
        let dim = mean.len();
        let (means, scales, given) = (dim, scale.len(), values.len());
        let required = hidden.saturating_mul(dim.saturating_add(2)).saturating_add(dim);
        if dim == 0 || hidden == 0 || scales != dim || given != required {
            return Err(NeuralError::Shape { dim, hidden, required, means, scales, given });
        }
        for (quantity, numbers, low) in [
            ("a mean of features", &mean, -f64::INFINITY),
            ("a scale of features", &scale, f64::MIN_POSITIVE),
            ("a parameter", &values, -LARGEST),
        ] {
            let high = if quantity == "a parameter" { LARGEST } else { f64::MAX };
            let valid = |x: &f64| (low..=high).contains(x) && x.is_finite();
            if let Some(index) = numbers.iter().position(|x| !valid(x)) {
                return Err(NeuralError::Value { quantity, index, given: numbers[index] });
            }
        }
        Ok(Self { shape: Shape { dim, hidden }, mean, scale, values })
    }

    /// How many features a candidate has.
    pub fn dim(&self) -> usize {
        self.shape.dim
    }

    /// How many hidden units there are.
    pub fn hidden(&self) -> usize {
        self.shape.hidden
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    pub(super) fn with_values(&self, mut values: Vec<f64>) -> Self {
        assert_eq!(values.len(), self.values.len(), "as many parameters as before");
        for value in &mut values {
            assert!(!value.is_nan(), "a parameter is a number");
            *value = value.clamp(-LARGEST, LARGEST);
        }
        Self { values, ..self.clone() }
    }

    /// `z = (φ − mean) / scale` in place, for candidates one after the other.
    pub(super) fn standardize(&self, raw: &mut [f64]) {
        for row in raw.chunks_exact_mut(self.shape.dim) {
            for ((x, mean), scale) in row.iter_mut().zip(&self.mean).zip(&self.scale) {
                *x = ((*x - mean) / scale).clamp(-LARGEST, LARGEST);
            }
        }
    }
}

/// Mean and scale of candidates one after the other: 0 and 1 without any.
///
/// The scale is the standard deviation. A feature that all have alike, to 1e-14 of its size, is only shifted: rounding errors are not
/// blown up. Deviations are from the first candidate, so that they keep their digits beside an offset of any size.
pub(super) fn moments(raw: &[f64], dim: usize) -> (Vec<f64>, Vec<f64>) {
    let n = (raw.len() / dim) as f64;
    let (mut means, mut scales) = (vec![0.0; dim], vec![1.0; dim]);
    for feature in 0..dim {
        let column = || raw.iter().skip(feature).step_by(dim);
        let largest = column().fold(0.0, |most: f64, x| most.max(x.abs()));
        if largest < f64::MIN_POSITIVE {
            continue;
        }
        // Halves, because the difference of two numbers may be beyond the range of f64.
        let first = 0.5 * raw[feature];
        let off = || column().map(|x| 0.5 * x - first);
        // That range would end at squares of 1e154.
        let unit = off().fold(0.0, |most: f64, off| most.max(off.abs())).max(f64::MIN_POSITIVE);
        let mean = off().map(|off| off / unit / n).sum::<f64>();
        let variance = off().map(|off| (off / unit - mean).powi(2) / n).sum::<f64>();
        means[feature] = 2.0 * (first + mean * unit);
        let spread = (2.0 * variance.sqrt() * unit).min(f64::MAX);
        let scale = if spread > 1e-14 * largest { spread } else { largest };
        scales[feature] = scale.max(f64::MIN_POSITIVE);
    }
    (means, scales)
}

/// How parameters are written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    hidden: usize,
    mean: Vec<f64>,
    scale: Vec<f64>,
    values: Vec<f64>,
}

impl From<NeuralParameters> for Written {
    fn from(parameters: NeuralParameters) -> Self {
        let NeuralParameters { shape, mean, scale, values } = parameters;
        Self { hidden: shape.hidden, mean, scale, values }
    }
}

impl TryFrom<Written> for NeuralParameters {
    type Error = NeuralError;
    fn try_from(written: Written) -> Result<Self, NeuralError> {
        Self::new(written.hidden, written.mean, written.scale, written.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_checked_and_keeps_its_bits() {
        let values = vec![0.1, -0.2, 0.3, 1e-300, 0.7, 1e100];
        let given = NeuralParameters::new(1, vec![0.1, 2.0], vec![1e-9, 3.0], values).unwrap();
        let text = serde_json::to_string(&given).unwrap();
        assert_eq!(serde_json::from_str::<NeuralParameters>(&text).unwrap(), given);
        for (wrong, reason) in [
            (text.replace("\"hidden\":1", "\"hidden\":2"), "need as many means and scales"),
            (text.replace("3.0", "0.0"), "a scale of features must lie"),
            (text.replace("-0.2", "2e100"), "a parameter must lie within 1e100"),
            (text.replace("hidden", "depth"), "unknown field"),
        ] {
            let error = serde_json::from_str::<NeuralParameters>(&wrong).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn moments_of_features_of_any_size() {
        let (means, scales) = moments(&[1e300, 5.0, 0.0, -1e300, 5.0, 0.0], 3);
        assert_eq!((means, scales), (vec![0.0, 5.0, 0.0], vec![1e300, 5.0, 1.0]));
        assert_eq!(moments(&[], 1), (vec![0.0], vec![1.0]));
        let (means, scales) = moments(&[f64::MAX, -f64::MAX, f64::MAX, f64::MAX], 1);
        assert!(means[0] < f64::MAX && scales[0] > 1e308, "{means:?} {scales:?}");
        assert_eq!(moments(&[-f64::MAX, f64::MAX], 1), (vec![0.0], vec![f64::MAX]));
    }

    #[test]
    fn what_differs_beside_a_large_offset_is_no_constant() {
        for offset in [0.0, 1e6, 1e12, -1e14] {
            let raw = [3.0, -5.0, 5.0, -3.0].map(|x| offset + x);
            let (means, scales) = moments(&raw, 1);
            assert!((means[0] - offset).abs() < 1.0, "{offset}: {means:?}");
            assert!((scales[0] - 17_f64.sqrt()).abs() < 1e-3, "{offset}: {scales:?}");
        }
        // Three ways to sum up the same tenths.
        let raw = [0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1, 0.6];
        assert_eq!(moments(&raw, 1).1, [0.1 + 0.2 + 0.3]);
    }
}
