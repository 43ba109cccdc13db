//! Skew features of a pair: differences, and wedge products.
//!
//! ```text
//! difference   z = φ(a) − φ(b)                          d features
//! wedge        z_ij = ψ_i(a)ψ_j(b) − ψ_j(a)ψ_i(b)       d(d − 1)/2 features, i < j
//! ψ_a'Θψ_b = Σ_{i<j} Θ_ij z_ij for skew Θ,  ‖Θ‖_F² = 2‖θ‖²
//! ```

/// How the features of two responses make one skew feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PairMap {
    /// `φ(a) − φ(b)`.
    Difference,
    /// `ψ_i(a)ψ_j(b) − ψ_j(a)ψ_i(b)`, i < j, with ψ = (1, φ) or φ.
    Wedge { constant: bool },
}

impl PairMap {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Difference => "linear",
            Self::Wedge { .. } => "bilinear",
        }
    }

    pub(crate) fn dimension(self, dim: usize) -> usize {
        match self {
            Self::Difference => dim,
            Self::Wedge { constant } => {
                let d = dim + usize::from(constant);
                d * (d - 1) / 2
            }
        }
    }

    /// Writes `z(a, b)`; swapping `a` and `b` flips every sign and nothing else.
    pub(crate) fn write(self, a: &[f64], b: &[f64], out: &mut [f64]) {
        match self {
            Self::Difference => {
                for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                    *out = a - b;
                }
            }
            Self::Wedge { constant } => {
                let (alone, wedges) = out.split_at_mut(if constant { a.len() } else { 0 });
                // ψ₀ = 1: the wedge of the constant with φ_j is φ_j(b) − φ_j(a).
                for ((out, a), b) in alone.iter_mut().zip(a).zip(b) {
                    *out = b - a;
                }
                let pairs = (0..a.len()).flat_map(|i| (i + 1..a.len()).map(move |j| (i, j)));
                for (out, (i, j)) in wedges.iter_mut().zip(pairs) {
                    *out = a[i] * b[j] - a[j] * b[i];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wedges_are_the_skew_form_and_flip_with_the_pair() {
        let (a, b) = ([0.3, -1.2, 2.0], [0.7, 0.1, -0.4]);
        let theta = [0.5, -1.0, 0.25, 2.0, -0.75, 1.5];
        let map = PairMap::Wedge { constant: true };
        let (mut z, mut swapped) = ([0.0; 6], [0.0; 6]);
        map.write(&a, &b, &mut z);
        map.write(&b, &a, &mut swapped);
        let psi = |x: [f64; 3]| [1.0, x[0], x[1], x[2]];
        let (pa, pb) = (psi(a), psi(b));
        let mut form = 0.0;
        let mut at = 0;
        for i in 0..4 {
            for j in i + 1..4 {
                form += theta[at] * (pa[i] * pb[j] - pa[j] * pb[i]);
                at += 1;
            }
        }
        let dot: f64 = theta.iter().zip(&z).map(|(t, z)| t * z).sum();
        assert!((form - dot).abs() < 1e-14);
        assert!(z.iter().zip(&swapped).all(|(z, s)| z.to_bits() == (-s).to_bits()));
    }
}
