//! The laws of [`PreferenceModel`] and [`ConfidenceWidth`].

use nlhf_core::logistic::sigmoid;
use nlhf_core::{
    ConfidenceWidth, Distribution, Menu, Menus, PreferenceModel, PromptId, ResponseId, Scale,
    VersionSpace, ZeroSumGame,
};

const SCALES: [Scale; 2] = [Scale::Probability, Scale::LogOdds];

/// Checks the laws of a preference model on all pairs of the menus, both orders, diagonal included.
///
/// * Log-odds are finite and antisymmetric to the last bit; so are payoffs on both scales.
/// * `P` lies in [0, 1], `P(a ≻ b) + P(b ≻ a) = 1` within 1e-12, and the payoff is `P − ½` within
///   1e-12. `σ(R)` is `P` within 1e-6: bounded log-odds may stand for preferences of 0 and 1.
/// * The payoff on the scale of log-odds is the log-odds.
/// * `game` is skew and, within 1e-12 of `1 + |R|`, what the entries say, also on single responses.
///
/// # Panics
/// If a law is broken, with the numbers that break it.
pub fn check_preference_model<M: PreferenceModel + ?Sized>(model: &M, menus: &Menus) {
    for menu in menus.iter() {
        for_pairs(menu, |x, a, b| {
            let at = format!("{x:?} {a:?} {b:?}");
            let (r, mirrored) = (model.log_odds(x, a, b), model.log_odds(x, b, a));
            assert!(r.is_finite(), "the log-odds of {at} are {r}");
            assert_opposite("log-odds", &at, r, mirrored);
            let (p, q) = (model.probability(x, a, b), model.probability(x, b, a));
            assert!((0.0..=1.0).contains(&p), "the probability of {at} is {p}");
            assert!((p + q - 1.0).abs() <= 1e-12, "probabilities of {at}: {p} + {q}");
            let logistic = sigmoid(r);
            assert!((p - logistic).abs() <= 1e-6, "{at}: P {p}, but sigmoid(R) {logistic}");
            for scale in SCALES {
                let payoff = model.payoff(x, a, b, scale);
                assert_opposite("payoffs", &at, payoff, model.payoff(x, b, a, scale));
                let expected = if scale == Scale::LogOdds { r } else { p - 0.5 };
                let tolerance = if scale == Scale::LogOdds { 0.0 } else { 1e-12 };
                let near = (payoff - expected).abs() <= tolerance;
                assert!(near, "{scale:?} payoff of {at} is {payoff}, not {expected}");
            }
        });
        for scale in SCALES {
            let game = model.game(menu, scale);
            assert_eq!((game.nrows(), game.ncols()), (menu.len(), menu.len()), "game of {menu:?}");
            assert!(game.is_skew(), "the {scale:?} game of {menu:?} is not skew");
            for (i, &a) in menu.responses().iter().enumerate() {
                for (j, &b) in menu.responses().iter().enumerate() {
                    let expected = model.payoff(menu.prompt(), a, b, scale);
                    let got = game.get(i, j);
                    let near = (got - expected).abs() <= 1e-12 * (1.0 + expected.abs());
                    assert!(near, "{scale:?} game, {a:?} {b:?}: {got}, not {expected}");
                }
            }
        }
    }
}

/// Checks the laws of confidence widths on all pairs of the menus, after those of the model itself.
///
/// * A width is finite, non-negative, symmetric to the last bit and zero on the diagonal, on both
///   scales; that of probabilities is at most a quarter of that of log-odds, and at most 1.
/// * `|log_odds| ≤ log_odds_bound`.
/// * `policy_width` is zero for a policy against itself and at most the mean width of pairs; it is the mean of
///   `policy_width_slopes` under the second policy.
/// * `widths` holds the pairwise widths, and `pessimistic_game` is below `game`, above the floor, and
///   equal to `max(game − widths, floor)`; all within 1e-9 of `1 + |·|`, because a batch adds up in
///   another order.
/// * A version space, where there is one, has a preference, names one of its own as the most likely, and each is a skew
///   game of the shape of the menu; the most likely one is the model itself.
///
/// # Panics
/// If a law is broken, with the numbers that break it.
pub fn check_confidence_width<M: ConfidenceWidth + ?Sized>(model: &M, menus: &Menus) {
    // A sized reference, because a trait object of one trait is none of the other.
    check_preference_model(&model, menus);
    let bound = model.log_odds_bound();
    assert!(bound > 0.0, "the bound of the log-odds is {bound}");
    for menu in menus.iter() {
        for_pairs(menu, |x, a, b| {
            let at = format!("{x:?} {a:?} {b:?}");
            let r = model.log_odds(x, a, b);
            assert!(r.abs() <= bound, "the log-odds of {at} are {r}, beyond the bound {bound}");
            let log_odds_width = model.log_odds_width(x, a, b);
            for scale in SCALES {
                let (width, mirrored) = (model.width(x, a, b, scale), model.width(x, b, a, scale));
                let valid = width >= 0.0 && width.is_finite();
                assert!(valid, "the {scale:?} width of {at} is {width}");
                let same = width.to_bits() == mirrored.to_bits();
                assert!(same, "{scale:?} widths of {at} differ: {width} and {mirrored}");
                assert!(a != b || width == 0.0, "the {scale:?} width of {at} is {width}, not 0");
                let limit = match scale {
                    Scale::LogOdds => log_odds_width,
                    Scale::Probability => (0.25 * log_odds_width).min(1.0),
                };
                let within = width <= limit * (1.0 + 1e-12) + 1e-15;
                assert!(within, "the {scale:?} width of {at} is {width}, beyond {limit}");
            }
        });
        for scale in SCALES {
            check_batch(model, menu, scale);
        }
        check_policy_width(model, menu);
        if let Some(space) = model.version_space() {
            check_version_space(space, &model, menu);
        }
    }
}

fn check_version_space(space: &dyn VersionSpace, model: &dyn PreferenceModel, menu: Menu<'_>) {
    let (n, best) = (space.n_preferences(), space.most_likely());
    assert!(best < n, "the most likely of {n} preferences is number {best}");
    for scale in SCALES {
        for preference in 0..n {
            let game = space.preference_game(preference, menu, scale);
            let shape = (game.nrows(), game.ncols());
            assert_eq!(shape, (menu.len(), menu.len()), "game of preference {preference}");
            assert!(game.is_skew(), "the {scale:?} game of preference {preference} is not skew");
        }
        let (likely, own) = (space.preference_game(best, menu, scale), model.game(menu, scale));
        for (likely, own) in likely.entries().iter().zip(own.entries()) {
            let near = (likely - own).abs() <= 1e-12 * (1.0 + own.abs());
            assert!(near, "the model says {own}, its most likely preference {likely}");
        }
    }
}

/// Between policies that play one response each it is the width of the pair, a policy against itself has none, and no
/// width exceeds the mean of those of the pairs.
fn check_policy_width<M: ConfidenceWidth + ?Sized>(model: &M, menu: Menu<'_>) {
    let n = menu.len();
    let widths = model.widths(menu, Scale::LogOdds);
    let falling = (0..n).map(|k| -(k as f64)).collect();
    let falling = Distribution::from_logits(falling).expect("finite logits");
    let even = Distribution::uniform(n);
    for (p, q) in [(&even, &falling), (&falling, &even), (&even, &even), (&falling, &falling)] {
        let width = model.policy_width(menu, p, q);
        let (left, right) = (p.probabilities(), q.probabilities());
        let mean = |(i, p): (usize, &f64)| -> f64 {
            right.iter().enumerate().map(|(j, q)| p * q * widths[i * n + j]).sum()
        };
        let mean: f64 = left.iter().enumerate().map(mean).sum();
        let valid = width >= 0.0 && width <= mean + 1e-9 * (1.0 + mean);
        assert!(valid, "the width of policies of {menu:?} is {width}, of the pairs {mean}");
        let same = std::ptr::eq(p, q);
        assert!(!same || width <= 1e-9 * (1.0 + mean), "a policy against itself: {width}");
        let slopes = model.policy_width_slopes(menu, p, q);
        assert_eq!(slopes.len(), n, "one slope a response of {menu:?}");
        let along: f64 = slopes.iter().zip(&right).map(|(slope, q)| slope * q).sum();
        let near = (along - width).abs() <= 1e-9 * (1.0 + mean);
        assert!(near, "slopes of the width of {menu:?} add up to {along}, not {width}");
    }
    let point = |k: usize| {
        let masses: Vec<f64> = (0..n).map(|i| f64::from(u8::from(i == k))).collect();
        Distribution::from_masses(&masses).expect("one positive mass")
    };
    for (i, j) in (0..n).flat_map(|i| (0..i).map(move |j| (i, j))) {
        let (width, pair) = (model.policy_width(menu, &point(i), &point(j)), widths[i * n + j]);
        let near = width <= pair * (1.0 + 1e-9) + 1e-12;
        assert!(near, "playing {i} against {j} in {menu:?}: {width}, the pair alone {pair}");
    }
}

fn check_batch<M: ConfidenceWidth + ?Sized>(model: &M, menu: Menu<'_>, scale: Scale) {
    let n = menu.len();
    let widths = model.widths(menu, scale);
    assert_eq!(widths.len(), n * n, "the widths of {menu:?}");
    let game = model.game(menu, scale);
    let pessimistic = model.pessimistic_game(menu, scale);
    let floor = match scale {
        Scale::Probability => -0.5,
        Scale::LogOdds => -model.log_odds_bound(),
    };
    for (i, &a) in menu.responses().iter().enumerate() {
        for (j, &b) in menu.responses().iter().enumerate() {
            let (got, expected) = (widths[i * n + j], model.width(menu.prompt(), a, b, scale));
            let near = (got - expected).abs() <= 1e-9 * (1.0 + expected);
            assert!(near, "{scale:?} widths, {a:?} {b:?}: {got}, not {expected}");
            let (payoff, feared) = (game.get(i, j), pessimistic.get(i, j));
            assert!(
                feared <= payoff,
                "{scale:?} {a:?} {b:?}: pessimism raises {payoff} to {feared}"
            );
            let expected = (payoff - expected).max(floor);
            let near = (feared - expected).abs() <= 1e-9 * (1.0 + expected.abs());
            assert!(near, "{scale:?} pessimistic payoff, {a:?} {b:?}: {feared}, not {expected}");
        }
    }
}

fn for_pairs(menu: Menu<'_>, mut check: impl FnMut(PromptId, ResponseId, ResponseId)) {
    for &a in menu.responses() {
        for &b in menu.responses() {
            check(menu.prompt(), a, b);
        }
    }
}

/// `x = −y` to the last bit; the two zeros count as one.
fn assert_opposite(what: &str, at: &str, x: f64, y: f64) {
    let opposite = x.to_bits() == (-y).to_bits() || (x == 0.0 && y == 0.0);
    assert!(opposite, "{what} of {at} are {x} and {y}, not opposite to the last bit");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bradley and Terry's scores 0, 0.3, 0.6, … with a width that grows with the distance.
    struct Ladder;

    impl PreferenceModel for Ladder {
        fn log_odds(&self, _: PromptId, first: ResponseId, second: ResponseId) -> f64 {
            0.3 * (first.index() as f64 - second.index() as f64)
        }
    }

    impl ConfidenceWidth for Ladder {
        fn log_odds_width(&self, _: PromptId, first: ResponseId, second: ResponseId) -> f64 {
            0.1 * (first.index().abs_diff(second.index()) as f64)
        }
    }

    /// Breaks antisymmetry by a constant.
    struct FirstIsBetter;

    impl PreferenceModel for FirstIsBetter {
        fn log_odds(&self, _: PromptId, _: ResponseId, _: ResponseId) -> f64 {
            0.1
        }
    }

    fn menus() -> Menus {
        let mut menus = Menus::new();
        for (prompt, n) in [(3, 1), (0, 2), (1, 5)] {
            let responses: Vec<_> = (0..n).rev().map(ResponseId::new).collect();
            menus.push(PromptId::new(prompt), &responses).unwrap();
        }
        menus
    }

    #[test]
    fn a_lawful_model_passes_and_an_unlawful_one_does_not() {
        check_confidence_width(&Ladder, &menus());
        let unlawful = std::panic::catch_unwind(|| {
            check_preference_model(&FirstIsBetter, &menus());
        });
        assert!(unlawful.is_err());
    }
}
