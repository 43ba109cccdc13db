//! The laws of [`PolicyClass`].
//!
//! ```text
//! d(π) = Σ_x ω_x KL(t_x ‖ π(· | x)) / Σ_x ω_x       how far a policy is from the targets (t, ω), in nats
//! ```

use nlhf_core::{
    Distribution, Menu, Policy, PolicyClass, Projected, ProjectionError, Target, UniformPolicy,
    Weight,
};

/// Checks the laws of a policy class on the given targets, one a prompt.
///
/// * Total: also targets that all have weight zero, or all their mass on one response, menus of one candidate, an empty
///   list and two targets of a prompt (or [`ProjectionError::DuplicatePrompt`]) are projected onto a policy with one entry a response.
/// * Deterministic: projecting again gives the same to the last bit. The order of the targets does not matter.
/// * A warm start is never nearer to the targets than what comes of it, and what a member plays gives that member again if it
///   is the start.
/// * Where [`Projected::excess_nats`] is known it is not negative, and no member that the suite comes by is nearer by more.
///   Hence cold starts are idempotent too, and warm starts do not matter, up to what the bounds leave open.
///   In particular what is infinitely far from the targets has no finite excess where a rival or a start is not.
/// * A target of the wrong length is [`ProjectionError::Shape`].
/// * What a member plays does not depend on the order of the menu, to 1e-12 in total variation, and its entropy and KL are those of
///   its distributions, to 1e-12 of their size.
///
/// [`check_policy_class_at_extremes`] goes on to weights and wanted probabilities at the ends of the range of f64.
///
/// `rivals` are members of the class to start from and to hold against the projection; there may be none. `tolerance` is that of the
/// class, in total variation and in nats: 0 for an exact one.
///
/// # Panics
/// If a law is broken, or the class cannot be fitted to the targets.
pub fn check_policy_class<C: PolicyClass>(
    class: &C,
    targets: &[Target<'_>],
    rivals: &[C::Policy],
    tolerance: f64,
) {
    let suite = Suite { class, rivals, tolerance };
    let cold = suite.project("a cold start", targets, None);
    let certain: Vec<_> = targets.iter().map(certain).collect();
    let sharp = suite.project("targets without doubt", &certain, None).policy;
    suite.check_deterministic(targets, &cold.policy);
    suite.check_total(targets, &certain);
    suite.check_starts(targets, &cold, &sharp);
    suite.check_idempotence(targets, &cold.policy, "what was projected");
    for rival in rivals {
        suite.check_idempotence(targets, rival, "a rival");
    }
    suite.check_shape(targets);
    for target in targets {
        for policy in [&cold.policy, &sharp].into_iter().chain(rivals) {
            assert_orderly(policy, target.menu);
        }
    }
}

/// Checks the laws of starts and bounds on the given targets with weights from 1e-300 to 1e300, and with wanted probabilities
/// of e⁻⁷⁴⁴, the least above 0, for whatever but the likeliest response they play.
///
/// # Panics
/// If a law is broken, or the class cannot be fitted to such targets.
pub fn check_policy_class_at_extremes<C: PolicyClass>(
    class: &C,
    targets: &[Target<'_>],
    rivals: &[C::Policy],
    tolerance: f64,
) {
    let suite = Suite { class, rivals, tolerance };
    let certain: Vec<_> = targets.iter().map(certain).collect();
    let sharp = suite.project("targets without doubt", &certain, None).policy;
    let hardly: Vec<_> = targets.iter().map(hardly).collect();
    let weighing = |targets: &[Target<'_>], weights: [f64; 3]| -> Vec<Weight> {
        let weights = weights.iter().cycle().take(targets.len());
        weights.map(|weight| Weight::new(*weight).expect("a valid weight")).collect()
    };
    for (targets, weights) in [
        (targets, [1e300, 1e-300, 1.0]),
        (targets, [1e-5, 1e300, 1e-20]),
        (&hardly, [1.0, 0.01, 3.0]),
        (&hardly, [1e-5, 1e300, 1e-20]),
    ] {
        let weights = weighing(targets, weights).into_iter();
        let targets: Vec<_> =
            weights.zip(targets).map(|(weight, t)| Target { weight, ..t.clone() }).collect();
        let cold = suite.project("an extreme cold start", &targets, None);
        suite.check_starts(&targets, &cold, &sharp);
    }
}

struct Suite<'a, C: PolicyClass> {
    class: &'a C,
    rivals: &'a [C::Policy],
    tolerance: f64,
}

impl<C: PolicyClass> Suite<'_, C> {
    /// Projects, and checks what must hold of each projection by itself.
    fn project(
        &self,
        what: &str,
        targets: &[Target<'_>],
        warm: Option<&C::Policy>,
    ) -> Projected<C::Policy> {
        let name = self.class.name();
        let projected = self.class.project(targets, warm).unwrap_or_else(|error| {
            panic!("{what}: {name} cannot be fitted to {} targets: {error:?}", targets.len())
        });
        for target in targets {
            assert_distribution(what, &projected.policy, target.menu);
        }
        if let Some(excess) = projected.excess_nats {
            assert!(excess >= 0.0, "{what}: an excess is at least 0, but {name} says {excess}");
            let reached = mean_kl(targets, &projected.policy);
            for rival in self.rivals {
                self.assert_not_nearer(what, "a rival", mean_kl(targets, rival), reached, excess);
            }
        }
        projected
    }

    /// No other member is nearer by more than the excess.
    fn assert_not_nearer(&self, what: &str, other: &str, nearer: f64, reached: f64, excess: f64) {
        let limit = nearer + excess + self.tolerance;
        assert!(
            reached <= limit,
            "{what}: {reached} nats from the targets with an excess of {excess:e}, but {other} is at {nearer}"
        );
    }

    fn assert_same(&self, what: &str, targets: &[Target<'_>], one: &C::Policy, other: &C::Policy) {
        for target in targets {
            let at = target.menu.prompt();
            let (p, q) = (one.distribution(target.menu), other.distribution(target.menu));
            let distance = total_variation(&p, &q);
            assert!(distance <= self.tolerance, "{what}: moved by {distance:e} on {at:?}");
        }
    }

    fn check_deterministic(&self, targets: &[Target<'_>], cold: &C::Policy) {
        let again = self.project("projecting twice", targets, None).policy;
        for target in targets {
            let (got, expected) = (again.distribution(target.menu), cold.distribution(target.menu));
            assert!(got == expected, "projecting twice: {got:?}, before {expected:?}");
        }
        let reversed: Vec<_> = targets.iter().rev().cloned().collect();
        let other = self.project("reversed targets", &reversed, None).policy;
        self.assert_same("reversed targets", targets, &other, cold);
    }

    fn check_total(&self, targets: &[Target<'_>], certain: &[Target<'_>]) {
        let nobody = self.project("no targets", &[], None).policy;
        for target in targets {
            assert_distribution("no targets", &nobody, target.menu);
        }
        let weightless: Vec<_> =
            targets.iter().map(|t| Target { weight: Weight::ZERO, ..t.clone() }).collect();
        let _ = self.project("weights of zero", &weightless, None);
        let mut some = targets.to_vec();
        for target in some.iter_mut().step_by(2) {
            target.weight = Weight::ZERO;
        }
        let _ = self.project("some weights of zero", &some, None);
        let choices: Vec<_> = certain
            .iter()
            .map(|target| {
                let only = likeliest(&target.distribution);
                (target.menu.prompt(), &target.menu.responses()[only..=only])
            })
            .collect();
        let single: Vec<_> = choices
            .iter()
            .map(|&(prompt, response)| Target {
                menu: Menu::new(prompt, response).expect("one response is a menu"),
                distribution: Distribution::uniform(1),
                weight: Weight::ONE,
            })
            .collect();
        let _ = self.project("one candidate", &single, None);
        self.check_duplicates(targets, certain);
    }

    /// Targets of one prompt that contradict one another: refused in any order, or taken in any order.
    fn check_duplicates(&self, targets: &[Target<'_>], certain: &[Target<'_>]) {
        if targets.is_empty() {
            return;
        }
        let both: Vec<_> = targets.iter().chain(certain).cloned().collect();
        let reversed: Vec<_> = both.iter().rev().cloned().collect();
        let refused = [&both, &reversed].map(|targets| {
            let outcome = self.class.project(targets, None);
            matches!(outcome, Err(ProjectionError::DuplicatePrompt { .. }))
        });
        assert!(refused[0] == refused[1], "two targets a prompt: refused in one order only");
        if !refused[0] {
            let one = self.project("two targets a prompt", &both, None).policy;
            let other = self.project("two targets a prompt", &reversed, None).policy;
            self.assert_same("two targets a prompt, reversed", targets, &one, &other);
        }
    }

    /// From every start: no farther than it, and no nearer than the others by more than they say.
    fn check_starts(&self, targets: &[Target<'_>], cold: &Projected<C::Policy>, sharp: &C::Policy) {
        let starts = [&cold.policy, sharp].into_iter().chain(self.rivals);
        let reached_cold = mean_kl(targets, &cold.policy);
        for start in starts {
            let warm = self.project("a warm start", targets, Some(start));
            let (before, after) = (mean_kl(targets, start), mean_kl(targets, &warm.policy));
            assert!(
                after <= before + self.tolerance,
                "a warm start: {before} nats from the targets, and {after} after projecting"
            );
            if let Some(excess) = cold.excess_nats {
                self.assert_not_nearer("a cold start", "a warm one", after, reached_cold, excess);
                self.assert_not_nearer("a cold start", "a start", before, reached_cold, excess);
            }
            if let Some(excess) = warm.excess_nats {
                self.assert_not_nearer("a warm start", "a cold one", reached_cold, after, excess);
            }
        }
    }

    fn check_idempotence(&self, targets: &[Target<'_>], member: &C::Policy, what: &str) {
        let played: Vec<_> = targets
            .iter()
            .map(|t| Target { distribution: member.distribution(t.menu), ..t.clone() })
            .collect();
        let warm = self.project("idempotence", &played, Some(member)).policy;
        let counted: Vec<_> = played.iter().filter(|t| t.weight.get() > 0.0).cloned().collect();
        self.assert_same(&format!("idempotence of {what}"), &counted, &warm, member);
        let cold = self.project("idempotence from a cold start", &played, None);
        if let Some(excess) = cold.excess_nats {
            let reached = mean_kl(&played, &cold.policy);
            self.assert_not_nearer("idempotence from a cold start", what, 0.0, reached, excess);
        }
    }

    fn check_shape(&self, targets: &[Target<'_>]) {
        let Some(last) = targets.last() else { return };
        let n = last.menu.len();
        for wrong in [Some(n + 1), (n > 1).then(|| n - 1)].into_iter().flatten() {
            let mut given = targets.to_vec();
            let place = given.last_mut().expect("there is a last target");
            place.distribution = Distribution::uniform(wrong);
            let refused =
                matches!(self.class.project(&given, None), Err(ProjectionError::Shape { .. }));
            let name = self.class.name();
            assert!(refused, "{name} takes a target of {wrong} entries on a menu of {n}");
        }
    }
}

fn assert_distribution(what: &str, policy: &dyn Policy, menu: Menu<'_>) {
    let distribution = policy.distribution(menu);
    assert_eq!(distribution.len(), menu.len(), "{what}: entries on {menu:?}");
    let total: f64 = distribution.probabilities().iter().sum();
    assert!((total - 1.0).abs() <= 1e-9, "{what}: probabilities that sum to {total} on {menu:?}");
}

/// Nothing but the order of the entries depends on that of the menu, and what is said of the distribution is true.
fn assert_orderly(policy: &dyn Policy, menu: Menu<'_>) {
    let played = policy.distribution(menu);
    let turned: Vec<usize> = (1..menu.len()).chain([0]).collect();
    let backwards: Vec<usize> = (0..menu.len()).rev().collect();
    for order in [turned, backwards] {
        let responses: Vec<_> = order.iter().map(|&at| menu.responses()[at]).collect();
        let logs = order.iter().map(|&at| played.log_probabilities()[at]).collect();
        let other = Menu::new(menu.prompt(), &responses).expect("the responses of a menu");
        let expected = Distribution::from_logits(logs).expect("those of a distribution");
        let distance = total_variation(&policy.distribution(other), &expected);
        assert!(distance <= 1e-12, "another order of {menu:?}: moved by {distance:e}");
    }
    let uniform = Distribution::uniform(menu.len());
    for (what, said, true_value) in [
        ("an entropy", policy.entropy_nats(menu), played.entropy_nats()),
        ("a KL", policy.kl_nats(menu, &UniformPolicy), played.kl_nats(&uniform)),
        ("a KL from itself", policy.kl_nats(menu, policy), 0.0),
    ] {
        let near = (said - true_value).abs() <= 1e-12 * (1.0 + true_value.abs());
        assert!(near, "{what} of {said} on {menu:?}, but that of the distribution is {true_value}");
    }
}

/// The weighted mean of `KL(target ‖ policy)` in nats, 0 without weight. Weights that are no share of the largest are none.
fn mean_kl(targets: &[Target<'_>], policy: &dyn Policy) -> f64 {
    let counted = || targets.iter().filter(|target| target.weight.get() > 0.0);
    // Shares of the largest weight, so that no sum of weights overflows.
    let largest = counted().map(|target| target.weight.get()).fold(0.0, f64::max);
    let share = |target: &Target<'_>| target.weight.get() / largest;
    let total: f64 = counted().map(share).sum();
    let counted = || counted().filter(|target| share(target) / total > 0.0);
    let kl = |target: &Target<'_>| target.distribution.kl_nats(&policy.distribution(target.menu));
    counted().map(|target| share(target) / total * kl(target)).sum()
}

/// All mass on the likeliest response: a target that a class can play wherever it can play the given one.
fn certain<'a>(target: &Target<'a>) -> Target<'a> {
    let only = likeliest(&target.distribution);
    let mut masses = vec![0.0; target.distribution.len()];
    masses[only] = 1.0;
    let distribution = Distribution::from_masses(&masses).expect("one mass is positive");
    Target { distribution, ..target.clone() }
}

/// Nearly all mass on the likeliest response, and next to none on whatever else is played.
fn hardly<'a>(target: &Target<'a>) -> Target<'a> {
    let only = likeliest(&target.distribution);
    let logs = target.distribution.log_probabilities().iter().enumerate();
    let logits = logs.map(|(at, log_p)| match at {
        _ if at == only => 0.0,
        _ if log_p.is_finite() => -744.0,
        _ => f64::NEG_INFINITY,
    });
    let distribution = Distribution::from_logits(logits.collect()).expect("one logit is finite");
    Target { distribution, ..target.clone() }
}

fn likeliest(distribution: &Distribution) -> usize {
    let logs = distribution.log_probabilities();
    let better = |best: usize, at: usize| if logs[at] > logs[best] { at } else { best };
    (0..logs.len()).fold(0, better)
}

fn total_variation(p: &Distribution, q: &Distribution) -> f64 {
    assert_eq!(p.len(), q.len(), "distributions over the same menu");
    let pairs = p.probabilities().into_iter().zip(q.probabilities());
    0.5 * pairs.map(|(p, q)| (p - q).abs()).sum::<f64>()
}

#[cfg(test)]
mod tests;
