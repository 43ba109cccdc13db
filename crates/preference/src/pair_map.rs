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

    /// Writes what no entry of `z` exceeds in size where no entry of φ exceeds `largest`.
    pub(crate) fn write_sizes(self, largest: &[f64], out: &mut [f64]) {
        let (alone, wedges) = match self {
            Self::Difference => out.split_at_mut(largest.len()),
            Self::Wedge { constant } => out.split_at_mut(if constant { largest.len() } else { 0 }),
        };
        for (out, x) in alone.iter_mut().zip(largest) {
            *out = 2.0 * x;
        }
        let pairs = (0..largest.len()).flat_map(|i| (i + 1..largest.len()).map(move |j| (i, j)));
        for (out, (i, j)) in wedges.iter_mut().zip(pairs) {
            *out = 2.0 * largest[i] * largest[j];
        }
    }

    /// Writes h with `g'z(a, b) = h'b` up to what does not depend on b.
    pub(crate) fn write_form(self, a: &[f64], g: &[f64], h: &mut [f64]) {
        match self {
            Self::Difference => {
                for (h, g) in h.iter_mut().zip(g) {
                    *h = -g;
                }
            }
            Self::Wedge { constant } => {
                let (alone, wedges) = g.split_at(if constant { a.len() } else { 0 });
                h.fill(0.0);
                h[..alone.len()].copy_from_slice(alone);
                let pairs = (0..a.len()).flat_map(|i| (i + 1..a.len()).map(move |j| (i, j)));
                for (g, (i, j)) in wedges.iter().zip(pairs) {
                    h[j] += g * a[i];
                    h[i] -= g * a[j];
                }
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
        assert!(z.iter().zip(&swapped).all(|(z, s)| z.to_bits() == (-s).to_bits()));
        let mut sizes = [0.0; 6];
        map.write_sizes(&[0.7, 1.2, 2.0], &mut sizes);
        assert!(z.iter().zip(&sizes).all(|(z, size)| z.abs() <= *size));
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
        // As a form in b, here against b = 0.
        let mut h = [0.0; 3];
        map.write_form(&a, &theta, &mut h);
        let along = |b: &[f64; 3]| -> f64 { h.iter().zip(b).map(|(h, b)| h * b).sum() };
        map.write(&a, &[0.0; 3], &mut swapped);
        let origin: f64 = theta.iter().zip(&swapped).map(|(t, z)| t * z).sum();
        assert!((along(&b) - (dot - origin)).abs() < 1e-14);
    }
}
