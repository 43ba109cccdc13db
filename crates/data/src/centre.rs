//! Payoffs as files give them, centred in place.
//!
//! ```text
//! probability, log-odds:   A = (X − Xᵀ)/2        payoff:   A = X
//! ```
//! What [`nlhf_core::DenseGame`] computes, in one pass without memory of its own. Only what is certainly
//! fine passes: everything else is left for [`crate::games::game`] to accept or to name.

use crate::GameScale;

/// By how much `X + Xᵀ` may miss its value here; `DenseGame` allows at least this.
const CLOSE: f64 = 1e-6;

/// What is known of payoffs once they are centred.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Centred {
    /// The largest absolute value.
    pub(crate) bound: f64,
    /// Whether `Aᵀ = −A` to the last bit.
    pub(crate) skew: bool,
}

/// Centres an `nrows × ncols` matrix; nothing if something may be wrong with it, which is then spoilt.
pub(crate) fn centre(
    scale: GameScale,
    nrows: usize,
    ncols: usize,
    entries: &mut [f64],
) -> Option<Centred> {
    debug_assert_eq!(nrows * ncols, entries.len());
    if nrows == 0 || ncols == 0 {
        return None;
    }
    if scale == GameScale::Payoff {
        let bound = entries.iter().fold(0.0, |bound: f64, payoff| bound.max(payoff.abs()));
        let finite = entries.iter().all(|payoff| payoff.is_finite());
        return finite.then(|| Centred { bound, skew: is_skew(nrows, ncols, entries) });
    }
    if nrows != ncols {
        return None;
    }
    let n = nrows;
    let (required, lowest, highest) = match scale {
        GameScale::Probability => (1.0, 0.0, 1.0),
        GameScale::LogOdds | GameScale::Payoff => (0.0, -f64::MAX, f64::MAX),
    };
    // No branch within: a comparison with a number that is none is false.
    let (mut fine, mut bound) = (true, 0.0_f64);
    for i in 0..n {
        let diagonal = &mut entries[i * n + i];
        fine &= (*diagonal + *diagonal - required).abs() <= CLOSE;
        *diagonal = 0.0;
        for j in i + 1..n {
            let (above, below) = (entries[i * n + j], entries[j * n + i]);
            fine &= (above + below - required).abs() <= CLOSE;
            fine &= lowest <= above && above <= highest && lowest <= below && below <= highest;
            let payoff = 0.5 * (above - below);
            bound = bound.max(payoff.abs());
            entries[i * n + j] = payoff;
            entries[j * n + i] = -payoff;
        }
    }
    fine.then_some(Centred { bound, skew: true })
}

fn is_skew(nrows: usize, ncols: usize, entries: &[f64]) -> bool {
    nrows == ncols
        && (0..nrows)
            .all(|i| (0..=i).all(|j| entries[i * ncols + j] + entries[j * ncols + i] == 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{DenseGame, ZeroSumGame};
    use proptest::prelude::*;

    fn checked(scale: GameScale, n: usize, m: usize, entries: &[f64]) -> Option<DenseGame> {
        crate::games::game(scale, n, m, entries.to_vec()).ok()
    }

    fn agree(scale: GameScale, n: usize, m: usize, entries: &[f64]) -> Option<Centred> {
        let mut centred = entries.to_vec();
        let fast = centre(scale, n, m, &mut centred);
        if let Some(fast) = fast {
            let game = checked(scale, n, m, entries).unwrap();
            let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&centred), bits(game.entries()));
            assert_eq!((fast.bound, fast.skew), (game.payoff_bound(), game.is_skew()));
        }
        fast
    }

    #[test]
    fn what_is_not_fine_is_left_alone() {
        for (scale, entries) in [
            (GameScale::Probability, [0.5, 0.3, 0.6, 0.5]),
            (GameScale::Probability, [0.5, 1.3, -0.3, 0.5]),
            (GameScale::Probability, [0.5, f64::NAN, 0.3, 0.5]),
            (GameScale::Probability, [0.4, 0.3, 0.7, 0.5]),
            (GameScale::LogOdds, [0.0, f64::INFINITY, f64::NEG_INFINITY, 0.0]),
            (GameScale::LogOdds, [0.0, 1.0, 1.0, 0.0]),
            (GameScale::Payoff, [0.0, 1.0, f64::NAN, 0.0]),
            (GameScale::Payoff, [f64::INFINITY, 1.0, 0.0, 0.0]),
        ] {
            assert_eq!(agree(scale, 2, 2, &entries), None, "{scale:?} {entries:?}");
            assert!(checked(scale, 2, 2, &entries).is_none());
        }
        assert_eq!(agree(GameScale::LogOdds, 1, 2, &[0.0, 0.0]), None);
        assert_eq!(agree(GameScale::Payoff, 0, 0, &[]), None);
        let skew = agree(GameScale::Payoff, 2, 2, &[0.0, 2.0, -2.0, 0.0]).unwrap();
        assert_eq!(skew, Centred { bound: 2.0, skew: true });
        assert!(!agree(GameScale::Payoff, 1, 2, &[0.0, 0.0]).unwrap().skew);
    }

    proptest! {
        #[test]
        fn centred_like_a_dense_game(
            n in 1_usize..7,
            values in prop::collection::vec(0.0..1.0_f64, 49),
            off in prop_oneof![Just(0.0), -2e-6..2e-6_f64],
        ) {
            let mut entries = vec![0.5; n * n];
            for i in 0..n {
                for j in i + 1..n {
                    entries[i * n + j] = values[i * n + j];
                    entries[j * n + i] = 1.0 - values[i * n + j] + off;
                }
            }
            let fast = agree(GameScale::Probability, n, n, &entries);
            prop_assert!(off != 0.0 || fast.is_some());
            let odds: Vec<f64> = entries.iter().map(|p| p - 0.5).collect();
            agree(GameScale::LogOdds, n, n, &odds);
            prop_assert!(agree(GameScale::Payoff, n, n, &entries).is_some());
        }
    }
}
