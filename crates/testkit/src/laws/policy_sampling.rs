//! The laws of sampling from a [`Policy`].

use nlhf_core::{Menu, Policy, SeedTree, Stream};

/// The positions on the menu of the first `n` responses that a policy draws from unit 0 of [`Stream::Responses`]: tests of value
/// stability compare them with recorded ones.
///
/// # Panics
/// If a response is drawn that is not on the menu.
pub fn drawn_positions<P: Policy + ?Sized>(
    policy: &P,
    menu: Menu<'_>,
    seeds: SeedTree,
    n: usize,
) -> Vec<usize> {
    let rng = &mut seeds.rng(Stream::Responses, 0);
    let draw = |_| {
        let response = policy.sample(menu, rng);
        let position = menu.responses().iter().position(|r| *r == response);
        position.unwrap_or_else(|| panic!("{response:?} was drawn, but is not in {menu:?}"))
    };
    (0..n).map(draw).collect()
}

/// Checks that samples of a policy follow its distribution on `menu`.
///
/// * What is drawn is in the menu and never of probability zero.
/// * The same seed draws the same.
/// * Pearson's χ² over 20 000 draws stays below its quantile of about 1 − 3e-7; responses expected less
///   than 10 times count together.
///
/// # Panics
/// If a law is broken, with the numbers that break it.
pub fn check_policy_sampling<P: Policy + ?Sized>(policy: &P, menu: Menu<'_>, seeds: SeedTree) {
    const DRAWS: usize = 20_000;
    let drawn = drawn_positions(policy, menu, seeds, DRAWS);
    let again = drawn_positions(policy, menu, seeds, 100);
    assert_eq!(again, drawn[..100], "the same seed draws the same");
    let probabilities = policy.distribution(menu).probabilities();
    let mut counts = vec![0.0; menu.len()];
    for position in drawn {
        counts[position] += 1.0;
    }
    let (mut pooled_count, mut pooled_expected) = (0.0, 0.0);
    let (mut statistic, mut cells) = (0.0, 0);
    let mut add = |count: f64, expected: f64| {
        statistic += (count - expected).powi(2) / expected;
        cells += 1;
    };
    for (position, (&count, p)) in counts.iter().zip(&probabilities).enumerate() {
        let expected = p * DRAWS as f64;
        assert!(*p > 0.0 || count == 0.0, "entry {position} has probability 0, but was drawn");
        if expected >= 10.0 {
            add(count, expected);
        } else {
            pooled_count += count;
            pooled_expected += expected;
        }
    }
    if pooled_expected >= 1e-3 {
        add(pooled_count, pooled_expected);
    } else {
        assert!(pooled_count <= 1.0, "responses of total expectation {pooled_expected} were drawn");
    }
    let limit = chi_square_limit(f64::from(cells - 1));
    assert!(statistic <= limit, "chi-square {statistic} over {cells} cells, at most {limit}");
}

/// The quantile of χ² at five standard deviations, by Wilson and Hilferty's cube (1931); the 20 more
/// leave room where a pooled cell expects little.
fn chi_square_limit(freedom: f64) -> f64 {
    if freedom < 1.0 {
        return 1e-6;
    }
    let spread = 2.0 / (9.0 * freedom);
    freedom * (1.0 - spread + 5.0 * spread.sqrt()).powi(3) + 20.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{Distribution, PromptId, ResponseId};
    use rand::Rng;

    /// Says that it is uniform, but draws the first response twice as often where it cheats.
    struct Loaded {
        cheats: bool,
    }

    impl Policy for Loaded {
        fn distribution(&self, menu: Menu<'_>) -> Distribution {
            Distribution::uniform(menu.len())
        }

        fn sample(&self, menu: Menu<'_>, rng: &mut dyn Rng) -> ResponseId {
            let n = menu.len() + usize::from(self.cheats);
            let drawn = Distribution::uniform(n).sample(rng);
            menu.responses()[drawn % menu.len()]
        }
    }

    #[test]
    fn loaded_dice_are_found_out() {
        for n in [1, 2, 6, 40] {
            let responses: Vec<_> = (0..n).map(ResponseId::from_index).collect();
            let menu = Menu::new(PromptId::new(0), &responses).unwrap();
            let passes = |cheats| {
                let check = || check_policy_sampling(&Loaded { cheats }, menu, SeedTree::new(9));
                std::panic::catch_unwind(check).is_ok()
            };
            assert!(passes(false));
            // One response of one can only be drawn; one of 40, drawn twice as often, shows too.
            assert_eq!(passes(true), n == 1, "{n} responses");
        }
    }
}
