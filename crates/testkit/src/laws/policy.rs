//! The laws of [`Policy`] and [`PolicyClass`].

use nlhf_core::{
    Distribution, Menu, Policy, PolicyClass, ProjectionError, SeedTree, Stream, Target,
};

/// Checks the laws of a policy class on the given targets, one a prompt.
///
/// * The projected policy has one entry a response, and they sum to one.
/// * Projecting twice, or from a warm start, gives the same: to the last bit, and within `tolerance`.
/// * The order of the targets does not matter, and projecting what a projected policy plays gives
///   that policy again: within `tolerance`, in total variation on every menu.
/// * A target of the wrong length is [`ProjectionError::Shape`].
///
/// `tolerance` is that of the class: 0 for an exact one.
///
/// # Panics
/// If a law is broken, or the class cannot be fitted to the targets.
pub fn check_policy_class<C: PolicyClass>(class: &C, targets: &[Target<'_>], tolerance: f64) {
    let project = |targets: &[Target<'_>], warm: Option<&C::Policy>| {
        let projected = class.project(targets, warm).unwrap_or_else(|error| {
            panic!("{} cannot be fitted to {} targets: {error}", class.name(), targets.len())
        });
        projected.policy
    };
    let policy = project(targets, None);
    let played: Vec<_> = targets.iter().map(|target| policy.distribution(target.menu)).collect();
    for (target, distribution) in targets.iter().zip(&played) {
        assert_eq!(distribution.len(), target.menu.len(), "entries on {:?}", target.menu);
        let total: f64 = distribution.probabilities().iter().sum();
        assert!((total - 1.0).abs() <= 1e-9, "sum of probabilities {total} on {:?}", target.menu);
    }
    let assert_same = |what: &str, other: &C::Policy, tolerance: f64| {
        for (target, expected) in targets.iter().zip(&played) {
            let distance = total_variation(&other.distribution(target.menu), expected);
            let at = target.menu.prompt();
            assert!(distance <= tolerance, "{what}: moved by {distance:e} on {at:?}");
        }
    };
    let again = project(targets, None);
    for (target, expected) in targets.iter().zip(&played) {
        let got = again.distribution(target.menu);
        assert!(got == *expected, "projecting twice: {got:?}, before {expected:?}");
    }
    assert_same("a warm start", &project(targets, Some(&policy)), tolerance);
    let reversed: Vec<_> = targets.iter().rev().cloned().collect();
    assert_same("reversed targets", &project(&reversed, None), tolerance);
    let fixed: Vec<_> = targets
        .iter()
        .zip(&played)
        .map(|(target, played)| Target { distribution: played.clone(), ..target.clone() })
        .collect();
    assert_same("idempotence", &project(&fixed, None), tolerance);
    if let Some(target) = targets.first() {
        let distribution = Distribution::uniform(target.menu.len() + 1);
        let wrong = Target { distribution, ..target.clone() };
        let refused = matches!(class.project(&[wrong], None), Err(ProjectionError::Shape { .. }));
        assert!(refused, "{} takes a target that is longer than its menu", class.name());
    }
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
    let draw = |n: usize| -> Vec<usize> {
        let rng = &mut seeds.rng(Stream::Responses, 0);
        let draw = |_| {
            let response = policy.sample(menu, rng);
            let position = menu.responses().iter().position(|r| *r == response);
            position.unwrap_or_else(|| panic!("{response:?} was drawn, but is not in {menu:?}"))
        };
        (0..n).map(draw).collect()
    };
    let drawn = draw(DRAWS);
    assert_eq!(draw(100), drawn[..100], "the same seed draws the same");
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

fn total_variation(p: &Distribution, q: &Distribution) -> f64 {
    assert_eq!(p.len(), q.len(), "distributions over the same menu");
    let pairs = p.probabilities().into_iter().zip(q.probabilities());
    0.5 * pairs.map(|(p, q)| (p - q).abs()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{PromptId, ResponseId};
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
