//! Elimination without pivoting of `I − A diag(w)`, a matrix a lane.
//!
//! Row by row (Doolittle), in blocks of columns whose partial sums stay in registers: an entry costs one
//! load and one fused multiply-add for every row above it. Right-hand sides are carried along.

use super::group::{Group, Vector};
use pulp::Simd;
use std::cmp::Ordering;
use std::ops::Range;

/// Columns that are eliminated together.
const BLOCK: usize = 4;

/// `M⁻¹F`, and `M⁻¹` times the indicator of each player.
pub(super) type Solved<V, const N: usize, const PLAYERS: usize> = ([V; N], [[V; N]; PLAYERS]);

/// Solves with `M = I − A diag(weights)`, `A` skew and given above its diagonal.
///
/// `sides` are the actions of each player; what lies between them is left out. In a game of two, the row
/// player's own block of `A` is zero: nothing is to eliminate in its rows. `factor` is overwritten.
#[inline(always)]
pub(super) fn eliminate<S: Simd, const N: usize, const PLAYERS: usize>(
    simd: Group<S>,
    sides: &[Range<usize>; PLAYERS],
    payoff: &[[Vector<S>; N]; N],
    weights: &[Vector<S>; N],
    residual: &[Vector<S>; N],
    factor: &mut [[Vector<S>; N]; N],
) -> Solved<Vector<S>, N, PLAYERS> {
    let (zero, one) = (simd.splat(0.0), simd.splat(1.0));
    let mut inverse_pivots = [zero; N];
    let mut solution = [zero; N];
    let mut borders = [[zero; N]; PLAYERS];
    let mut negative = *weights;
    for weight in &mut negative {
        *weight = simd.neg(*weight);
    }
    let places = N / PLAYERS;
    for i in 0..N {
        let player = i / places;
        if !sides[player].contains(&i) {
            continue;
        }
        let mut multipliers = [zero; N];
        let identity = PLAYERS == 2 && player == 0;
        for start in (0..N).step_by(BLOCK) {
            let mut sums = [zero; BLOCK];
            if start > i {
                for c in 0..BLOCK {
                    sums[c] = simd.mul(payoff[i][start + c], negative[start + c]);
                }
            } else if start + BLOCK <= i {
                for c in 0..BLOCK {
                    sums[c] = simd.mul(payoff[start + c][i], weights[start + c]);
                }
            } else {
                for c in 0..BLOCK {
                    let j = start + c;
                    sums[c] = match j.cmp(&i) {
                        Ordering::Less => simd.mul(payoff[j][i], weights[j]),
                        Ordering::Equal => one,
                        Ordering::Greater => simd.mul(payoff[i][j], negative[j]),
                    };
                }
            }
            if !identity {
                for (above, &multiplier) in factor.iter().zip(&multipliers).take(start.min(i)) {
                    for (sum, &u) in sums.iter_mut().zip(&above[start..start + BLOCK]) {
                        *sum = simd.minus_mul(multiplier, u, *sum);
                    }
                }
                for k in 0..BLOCK {
                    if start + k < i {
                        let multiplier = simd.mul(sums[k], inverse_pivots[start + k]);
                        multipliers[start + k] = multiplier;
                        let above = &factor[start + k][start..start + BLOCK];
                        for c in k + 1..BLOCK {
                            sums[c] = simd.minus_mul(multiplier, above[c], sums[c]);
                        }
                    }
                }
            }
            factor[i][start..start + BLOCK].copy_from_slice(&sums);
        }
        inverse_pivots[i] = simd.div(one, factor[i][i]);
        let mut x = residual[i];
        let mut z = [zero; PLAYERS];
        z[player] = one;
        if !identity {
            for k in 0..i {
                x = simd.minus_mul(multipliers[k], solution[k], x);
                for (z, border) in z.iter_mut().zip(&borders) {
                    *z = simd.minus_mul(multipliers[k], border[k], *z);
                }
            }
        }
        solution[i] = x;
        for (z, border) in z.iter().zip(&mut borders) {
            border[i] = *z;
        }
    }
    for i in (0..N).rev() {
        if !sides[i / places].contains(&i) {
            continue;
        }
        let mut x = solution[i];
        let mut z = [zero; PLAYERS];
        for (z, border) in z.iter_mut().zip(&borders) {
            *z = border[i];
        }
        // Beyond a player's actions the factor is zero.
        for j in i + 1..N {
            let u = factor[i][j];
            x = simd.minus_mul(u, solution[j], x);
            for (z, border) in z.iter_mut().zip(&borders) {
                *z = simd.minus_mul(u, border[j], *z);
            }
        }
        solution[i] = simd.mul(x, inverse_pivots[i]);
        for (z, border) in z.iter().zip(&mut borders) {
            border[i] = simd.mul(*z, inverse_pivots[i]);
        }
    }
    (solution, borders)
}
