//! The laws of [`ZeroSumGame`]: products that fit each other, a bound that bounds.

use crate::exact_gap::exact_products;
use crate::random_prior;
use nlhf_core::ZeroSumGame;
use rand::Rng;

/// Checks the laws of a game on random policies and signed vectors.
///
/// * `p'(Aq) = (A'p)'q`, and both products are those of the entries of `write_dense`.
/// * Products overwrite what was in `out`, and are the same at each call.
/// * No entry exceeds `payoff_bound`, which is finite.
/// * No product is off by more than `product_error_bound`, by arithmetic in 320 bits.
/// * If it `is_skew`, then it is square and `A' = −A`, up to `1e-12` of the bound.
///
/// # Panics
/// If a law is broken, with the numbers that break it.
pub fn check_zero_sum_game(game: &dyn ZeroSumGame, rng: &mut dyn Rng) {
    let (n, m, bound) = (game.nrows(), game.ncols(), game.payoff_bound());
    assert!(n > 0 && m > 0, "a game needs an action a player, but is {n} x {m}");
    assert!(bound >= 0.0 && bound.is_finite(), "the payoff bound is {bound}");
    let mut entries = vec![f64::NAN; n * m];
    game.write_dense(&mut entries);
    let tolerance = 1e-12 * bound;
    for (at, entry) in entries.iter().enumerate() {
        let (i, j) = (at / m, at % m);
        assert!(entry.abs() <= bound + tolerance, "entry ({i}, {j}) is {entry}, bound {bound}");
        if game.is_skew() {
            assert_eq!(n, m, "a skew game is square");
            let mirrored = entries[j * n + i];
            assert!((entry + mirrored).abs() <= tolerance, "({i}, {j}): {entry} and {mirrored}");
        }
    }
    for round in 0..8 {
        let (mut p, mut q) =
            (random_prior(n, 4.0, rng).probabilities(), random_prior(m, 4.0, rng).probabilities());
        if round >= 4 {
            // Any vector of L1 norm one, not only policies.
            p.iter_mut().step_by(2).for_each(|x| *x = -*x);
            q.iter_mut().skip(1).step_by(2).for_each(|x| *x = -*x);
        }
        let gains = product("apply", |out| game.apply(&q, out), n);
        let losses = product("apply_transpose", |out| game.apply_transpose(&p, out), m);
        for (i, gain) in gains.iter().enumerate() {
            let expected: f64 =
                entries[i * m..(i + 1) * m].iter().zip(&q).map(|(a, q)| a * q).sum();
            assert!((gain - expected).abs() <= tolerance, "(Aq)[{i}] is {gain}, not {expected}");
        }
        for (j, loss) in losses.iter().enumerate() {
            let expected: f64 = p.iter().enumerate().map(|(i, p)| p * entries[i * m + j]).sum();
            assert!((loss - expected).abs() <= tolerance, "(A'p)[{j}] is {loss}, not {expected}");
        }
        let (exact_gains, exact_losses) = exact_products(game, &p, &q);
        let pairs = gains.iter().zip(&exact_gains).chain(losses.iter().zip(&exact_losses));
        let norm = |x: &[f64]| x.iter().map(|x| x.abs()).sum::<f64>();
        let allowed = game.product_error_bound() * norm(&p).max(norm(&q)) * (1.0 + 1e-12);
        for (got, exact) in pairs {
            let error = (got - exact).abs() - 0.5 * f64::EPSILON * exact.abs();
            assert!(error <= allowed, "a product is {got}, exactly {exact}: {allowed:e} allowed");
        }
        let by_rows: f64 = p.iter().zip(&gains).map(|(p, gain)| p * gain).sum();
        let by_columns: f64 = q.iter().zip(&losses).map(|(q, loss)| q * loss).sum();
        assert!(
            (by_rows - by_columns).abs() <= tolerance,
            "p'(Aq) {by_rows}, (A'p)'q {by_columns}"
        );
    }
}

/// The product, twice into different garbage.
fn product(name: &str, multiply: impl Fn(&mut [f64]), len: usize) -> Vec<f64> {
    let (mut first, mut second) = (vec![f64::NAN; len], vec![1e300; len]);
    multiply(&mut first);
    multiply(&mut second);
    let same = first.iter().zip(&second).all(|(x, y)| x.to_bits() == y.to_bits());
    assert!(same, "{name} depends on what was in `out` or on the call: {first:?} {second:?}");
    first
}
