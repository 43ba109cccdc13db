//! Targets as every class weighs them: checked, without those that do not count, in an order of their own.
//!
//! ```text
//! share_x = ω_x / Σ ω        what is minimized is Σ_x share_x KL(t_x ‖ π(· | x))
//! ```
//! Sums over targets in one order, whichever order they were given in, are the same to the last bit: a search that goes through many
//! iterates would make any difference of them large.
//!
//! A weight that is less than 1e-323 of the largest is a share of 0 and counts like a weight of 0: not even what is infinitely far on
//! its menu adds to the mean.

use nlhf_core::{ProjectionError, Target};
use std::cmp::Ordering;

/// A target that counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share<'a> {
    pub(crate) target: &'a Target<'a>,
    /// Its part of all weight; together they are 1.
    pub(crate) share: f64,
}

/// The targets of positive share, sorted by what they are; none if no weight is positive.
///
/// # Errors
/// [`ProjectionError::Shape`], also where the weight is zero.
pub(crate) fn shares<'a>(targets: &'a [Target<'a>]) -> Result<Vec<Share<'a>>, ProjectionError> {
    for target in targets {
        let (required, given) = (target.menu.len(), target.distribution.len());
        if required != given {
            let prompt = target.menu.prompt();
            return Err(ProjectionError::Shape { prompt, required, given });
        }
    }
    // Relative to the largest, so that no sum of weights overflows.
    let largest = targets.iter().map(|target| target.weight.get()).fold(0.0, f64::max);
    let counted = targets.iter().filter(|target| target.weight.get() > 0.0);
    let mut shares: Vec<Share<'a>> =
        counted.map(|target| Share { target, share: target.weight.get() / largest }).collect();
    shares.sort_by(|one, other| order(one.target, other.target));
    let total: f64 = shares.iter().map(|share| share.share).sum();
    for share in &mut shares {
        share.share /= total;
    }
    shares.retain(|share| share.share > 0.0);
    Ok(shares)
}

fn order(one: &Target<'_>, other: &Target<'_>) -> Ordering {
    let logs = |target: &Target<'_>| -> Vec<f64> {
        let weight = std::iter::once(target.weight.get());
        target.distribution.log_probabilities().iter().copied().chain(weight).collect()
    };
    let menus = one.menu.prompt().cmp(&other.menu.prompt());
    menus.then_with(|| one.menu.responses().cmp(other.menu.responses())).then_with(|| {
        let (one, other) = (logs(one), logs(other));
        let differs = one.iter().zip(&other).map(|(x, y)| x.total_cmp(y)).find(|o| o.is_ne());
        differs.unwrap_or(Ordering::Equal)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{Distribution, Menu, PromptId, ResponseId, Weight};

    #[test]
    fn shares_sum_to_one_at_any_weights_and_come_in_one_order() {
        let responses = [ResponseId::new(0), ResponseId::new(1)];
        let target = |prompt, first: f64, weight| Target {
            menu: Menu::new(PromptId::new(prompt), &responses).unwrap(),
            distribution: Distribution::from_masses(&[first, 1.0]).unwrap(),
            weight: Weight::new(weight).unwrap(),
        };
        let mut targets =
            vec![target(2, 1.0, 1e308), target(1, 2.0, 1.5e308), target(1, 1.0, 1e308)];
        targets.push(target(0, 1.0, 0.0));
        targets.push(target(3, 1.0, 1e-20));
        let seen = |targets: &[Target<'_>]| -> Vec<(usize, f64, f64)> {
            let describe = |share: &Share<'_>| {
                let logs = share.target.distribution.log_probabilities();
                (share.target.menu.prompt().index(), logs[0], share.share)
            };
            shares(targets).unwrap().iter().map(describe).collect()
        };
        let forward = seen(&targets);
        assert_eq!(forward.len(), 3);
        assert!((forward.iter().map(|(_, _, share)| share).sum::<f64>() - 1.0).abs() < 1e-15);
        targets.reverse();
        assert_eq!(seen(&targets), forward);
        assert!(shares(&targets[1..2]).unwrap().is_empty(), "one target of weight zero");
        targets[0].distribution = Distribution::uniform(3);
        assert!(matches!(shares(&targets), Err(ProjectionError::Shape { given: 3, .. })));
    }
}
