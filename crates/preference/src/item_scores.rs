//! Bradley-Terry scores of a win table by Newton's method with conjugate gradients.
//!
//! ```text
//! x = eʳ,  p_ij = x_i/(x_i + x_j),  n_ij = W_ij + W_ji
//! g_i = Σ_j n_ij p_ij − Σ_j W_ij + λ r_i        H = diag(Σ_j c_ij + λ) − c,  c_ij = n_ij p_ij p_ji
//! ```
//! No exponential a pair, and no factorization: scaled by its diagonal, the Laplacian of a graph with many
//! comparisons an item is near the identity. Steps that change a log-odds by more than 2 nats are cut: the
//! logistic loss is generalized self-concordant, and falls along shorter ones (Bach, 2010).

use crate::WinTable;
use crate::rows::dot;

/// Scores that minimize the penalized loss.
pub(crate) struct ItemScores {
    /// In nats, with mean zero.
    pub(crate) scores: Vec<f64>,
    /// `Σ w log-loss`, without the penalty.
    pub(crate) loss: f64,
    /// The largest entry of the gradient per unit of weight.
    pub(crate) gradient_max: f64,
    pub(crate) iterations: usize,
}

const MAX_ITERATIONS: usize = 50;
const GRADIENT_TOLERANCE: f64 = 1e-12;
/// The most that a step may change a log-odds.
const LONGEST_STEP: f64 = 2.0;
/// By how much conjugate gradients reduce a residual, and how many steps they get for it.
const REDUCTION: f64 = 1e-4;
const MAX_CONJUGATE_STEPS: usize = 100;

/// The scores; `None` if they are not found to 1e-12 a unit of weight, as where the graph of comparisons is
/// too thin. They exist if the table is strongly connected or the ridge positive.
pub(crate) fn item_scores(table: &WinTable, ridge: f64) -> Option<ItemScores> {
    let n = table.n_items();
    let mut pairs = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..i {
            let weight = table.row(i)[j] + table.row(j)[i];
            (pairs[i * n + j], pairs[j * n + i]) = (weight, weight);
        }
    }
    let wins: Vec<f64> = (0..n).map(|i| sum(table.row(i))).collect();
    let played = pairs.chunks_exact(n).map(sum);
    let start = |(won, all): (&f64, f64)| ((won + 0.5) / (all - won + 0.5)).ln();
    let mut scores: Vec<f64> = wins.iter().zip(played).map(start).collect();
    let total = sum(&wins);
    let mut laplacian = Laplacian { weights: vec![0.0; n * n], diagonal: vec![0.0; n] };
    let (mut odds, mut gradient, mut expected) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    for iterations in 0..=MAX_ITERATIONS {
        let mean = sum(&scores) / n as f64;
        for (score, x) in scores.iter_mut().zip(&mut odds) {
            *score -= mean;
            *x = score.exp();
        }
        for (i, &x) in odds.iter().enumerate() {
            let curved = &mut laplacian.weights[i * n..(i + 1) * n];
            let row = curved.iter_mut().zip(&mut expected);
            for ((c, e), (weight, y)) in row.zip(pairs[i * n..].iter().zip(&odds)) {
                let share = 1.0 / (x + y);
                *e = weight * (x * share);
                *c = *e * (y * share);
            }
            gradient[i] = sum(&expected) - wins[i] + ridge * scores[i];
            laplacian.diagonal[i] = sum(curved) + ridge;
        }
        let largest = gradient.iter().fold(0.0, |m: f64, g| m.max(g.abs())) / total;
        if largest <= GRADIENT_TOLERANCE {
            let loss = loss(table, &scores, &odds);
            return Some(ItemScores { scores, loss, gradient_max: largest, iterations });
        }
        let step = laplacian.solve(&gradient)?;
        let highest = step.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let lowest = step.iter().copied().fold(f64::INFINITY, f64::min);
        let length = (LONGEST_STEP / (highest - lowest)).min(1.0);
        for (score, step) in scores.iter_mut().zip(&step) {
            *score -= length * step;
        }
    }
    None
}

/// `Σ W_ij log(1 + e^{r_j − r_i})`.
fn loss(table: &WinTable, scores: &[f64], odds: &[f64]) -> f64 {
    let row = |(i, (x, score)): (usize, (&f64, &f64))| {
        let losses = table.row(i).iter().zip(odds).filter(|(wins, _)| **wins > 0.0);
        losses.map(|(wins, y)| wins * ((x + y).ln() - score)).sum::<f64>()
    };
    odds.iter().zip(scores).enumerate().map(row).sum()
}

/// `diag(d) − C`.
struct Laplacian {
    weights: Vec<f64>,
    diagonal: Vec<f64>,
}

impl Laplacian {
    /// Conjugate gradients, preconditioned by the diagonal.
    fn solve(&self, right: &[f64]) -> Option<Vec<f64>> {
        let n = right.len();
        let mut solution = vec![0.0; n];
        let mut residual = right.to_vec();
        let scaled =
            |r: &[f64]| -> Vec<f64> { r.iter().zip(&self.diagonal).map(|(r, d)| r / d).collect() };
        let mut z = scaled(&residual);
        let mut direction = z.clone();
        let mut turned = vec![0.0; n];
        let mut size = dot(&residual, &z);
        let goal = size * REDUCTION * REDUCTION;
        for _ in 0..MAX_CONJUGATE_STEPS {
            if size <= goal {
                return Some(solution);
            }
            for (i, (out, d)) in turned.iter_mut().zip(&self.diagonal).enumerate() {
                *out = d * direction[i] - dot(&self.weights[i * n..(i + 1) * n], &direction);
            }
            let bend = dot(&direction, &turned);
            if !(bend > 0.0 && bend.is_finite()) {
                return None;
            }
            let length = size / bend;
            for k in 0..n {
                solution[k] += length * direction[k];
                residual[k] -= length * turned[k];
            }
            z = scaled(&residual);
            let next = dot(&residual, &z);
            let share = next / size;
            for (direction, z) in direction.iter_mut().zip(&z) {
                *direction = z + share * *direction;
            }
            size = next;
        }
        None
    }
}

fn sum(x: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let xs = x.chunks_exact(8);
    let rest: f64 = xs.remainder().iter().sum();
    for x in xs {
        for k in 0..8 {
            sums[k] += x[k];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{Label, ResponseId, Weight};

    #[test]
    fn two_items_have_a_closed_form() {
        let mut table = WinTable::new(2);
        table.add_battles(&[0, 0, 0, 1], &[1, 1, 1, 0]).unwrap();
        let found = item_scores(&table, 0.0).unwrap();
        assert!((found.scores[0] - found.scores[1] - 3f64.ln()).abs() < 1e-10);
        let entropy = 3.0 * (4.0 / 3.0_f64).ln() + 4f64.ln();
        assert!((found.loss - entropy).abs() < 1e-10);
    }

    #[test]
    fn gradients_vanish_for_lopsided_tables() {
        // Item i wins against j with the odds e^{(j − i)/2}; up to 10 nats apart.
        let n = 21;
        let mut table = WinTable::new(n);
        for i in 0..n {
            for j in 0..i {
                let label = 1.0 / (1.0 + (0.5 * (i as f64 - j as f64)).exp());
                let weight = Weight::new(1.0 + ((i * j) % 7) as f64).unwrap();
                let (i, j) = (ResponseId::from_index(i), ResponseId::from_index(j));
                table.add(i, j, Label::new(label).unwrap(), weight);
            }
        }
        for ridge in [0.0, 1e-3, 10.0] {
            let found = item_scores(&table, ridge).unwrap();
            assert!(found.gradient_max <= 1e-12 && found.iterations < 20);
            if ridge == 0.0 {
                let apart = |i: usize, j: usize| found.scores[i] - found.scores[j];
                assert!((apart(0, 20) - 10.0).abs() < 1e-8, "{}", apart(0, 20));
            }
        }
    }
}
