//! The suite on classes that break one law each.

use super::*;
use nlhf_core::{PromptId, ResponseId};
use std::sync::atomic::{AtomicU32, Ordering};

/// Mixes the uniform policy with always answering the candidate that was numbered first.
#[derive(Debug, Clone)]
struct Mixed {
    first: f64,
    n_more: usize,
}

impl Policy for Mixed {
    fn distribution(&self, menu: Menu<'_>) -> Distribution {
        let n = menu.len() + self.n_more;
        let rest = (1.0 - self.first) / n as f64;
        let mut masses = vec![rest; n];
        let numbers = menu.responses();
        let lowest = (0..numbers.len()).min_by_key(|&at| numbers[at]).expect("a menu is not empty");
        masses[lowest] += self.first;
        Distribution::from_masses(&masses).expect("masses are not negative")
    }
}

/// What a class does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// None either, but it knows no bound.
    Local,
    WrongLength,
    DrawsLots,
    LooksAtTheFirstTarget,
    KeepsTheLastTarget,
    TakesAnyShape,
    WalksAway,
    NeedsTargets,
    NeedsChoices,
    NeedsWeight,
    StaysAtUniform,
    SaysItKnows,
    SaysLessThanNothing,
    NeedsAStart,
    StopsHalfWay,
    ForgetsWhatIsHardlyWanted,
}

#[derive(Debug)]
struct FirstOrUniform {
    fault: Fault,
    calls: AtomicU32,
}

impl PolicyClass for FirstOrUniform {
    type Policy = Mixed;

    fn name(&self) -> &'static str {
        "first or uniform"
    }

    fn project(
        &self,
        targets: &[Target<'_>],
        warm: Option<&Mixed>,
    ) -> Result<Projected<Mixed>, ProjectionError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let fault = self.fault;
        let refuse = || ProjectionError::Class { source: "not like this".into() };
        for target in targets {
            let (prompt, required) = (target.menu.prompt(), target.menu.len());
            let given = target.distribution.len();
            if given != required && fault != Fault::TakesAnyShape {
                return Err(ProjectionError::Shape { prompt, required, given });
            }
        }
        let weighs = targets.iter().any(|target| target.weight.get() > 0.0);
        let chooses = targets.iter().all(|target| target.menu.len() > 1);
        if fault == Fault::NeedsTargets && targets.is_empty()
            || fault == Fault::NeedsChoices && !chooses
            || fault == Fault::NeedsWeight && !targets.is_empty() && !weighs
        {
            return Err(refuse());
        }
        let seen = match fault {
            Fault::LooksAtTheFirstTarget => &targets[..targets.len().min(1)],
            Fault::KeepsTheLastTarget if targets.len() > 4 => &targets[targets.len() - 1..],
            _ => targets,
        };
        let mut first = nearest(seen);
        match fault {
            Fault::DrawsLots => first *= 1.0 - 1e-12 * f64::from(call),
            Fault::WalksAway if warm.is_some() => first *= 0.5,
            Fault::StaysAtUniform | Fault::SaysItKnows => first = 0.0,
            Fault::NeedsAStart if warm.is_none() => first = 0.0,
            Fault::ForgetsWhatIsHardlyWanted if first > 1.0 - 2e-9 => first = 1.0,
            // Unless it is there already.
            Fault::StopsHalfWay if warm.is_none_or(|warm| warm.first < first - 1e-7) => {
                first = first.min(0.8);
            }
            _ => {}
        }
        let excess_nats = match fault {
            Fault::Local
            | Fault::LooksAtTheFirstTarget
            | Fault::KeepsTheLastTarget
            | Fault::WalksAway
            | Fault::StaysAtUniform => None,
            Fault::SaysLessThanNothing => Some(-1e-9),
            _ => Some(1e-12),
        };
        let n_more = usize::from(fault == Fault::WrongLength);
        Ok(Projected { policy: Mixed { first, n_more }, excess_nats })
    }
}

/// The cross-entropy is convex in the one parameter: its slope is bisected.
fn nearest(targets: &[Target<'_>]) -> f64 {
    let slope = |first: f64| -> f64 {
        let term = |target: &Target<'_>| {
            let n = target.menu.len() as f64;
            let p = target.distribution.probabilities()[0];
            let (on, off) = (first + (1.0 - first) / n, (1.0 - first) / n);
            target.weight.get() * (p * (1.0 - 1.0 / n) / on - (1.0 - p) / (n * off))
        };
        targets.iter().map(term).sum()
    };
    let (mut low, mut high) = (0.0, 1.0 - 1e-9);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if slope(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// What the suite says of a class with the given fault; nothing if it passes.
fn verdict(fault: Fault, rivals: &[Mixed]) -> Option<String> {
    let masses = [&[0.7, 0.2, 0.1][..], &[0.5, 0.5], &[0.9, 0.0, 0.1]];
    verdict_on(&masses, fault, rivals)
}

fn verdict_on(masses: &[&[f64]], fault: Fault, rivals: &[Mixed]) -> Option<String> {
    let responses: Vec<_> = (0..4).map(ResponseId::new).collect();
    let menu = |prompt, n| Menu::new(PromptId::new(prompt), &responses[..n]).unwrap();
    let targets: Vec<_> = (0..)
        .zip(masses)
        .map(|(prompt, masses)| Target {
            menu: menu(prompt, masses.len()),
            distribution: Distribution::from_masses(masses).unwrap(),
            weight: Weight::new(f64::from(prompt) + 0.5).unwrap(),
        })
        .collect();
    let class = FirstOrUniform { fault, calls: AtomicU32::new(0) };
    let check = || check_policy_class(&class, &targets, rivals, 1e-8);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).err()?;
    let text = panicked.downcast_ref::<String>().cloned();
    text.or_else(|| panicked.downcast_ref::<&str>().map(|text| (*text).to_owned()))
}

#[test]
fn lawful_classes_pass_with_and_without_a_bound() {
    let rivals = [0.0, 0.3, 0.9].map(|first| Mixed { first, n_more: 0 });
    for fault in [Fault::None, Fault::Local] {
        assert_eq!(verdict(fault, &rivals), None);
    }
    // Never called further than by its own projections, it need not be more.
    assert_eq!(verdict(Fault::None, &[]), None);
}

#[test]
fn every_broken_law_is_named() {
    let rival = Mixed { first: 0.05, n_more: 0 };
    for (fault, named) in [
        (Fault::WrongLength, "a cold start: entries on"),
        (Fault::DrawsLots, "projecting twice"),
        (Fault::LooksAtTheFirstTarget, "reversed targets: moved"),
        (Fault::KeepsTheLastTarget, "two targets a prompt, reversed: moved"),
        (Fault::TakesAnyShape, "takes a target of 4 entries on a menu of 3"),
        (Fault::WalksAway, "a warm start: "),
        (Fault::NeedsTargets, "no targets: "),
        (Fault::NeedsChoices, "one candidate: "),
        (Fault::NeedsWeight, "weights of zero: "),
        (Fault::StaysAtUniform, "a warm start: "),
        (Fault::SaysItKnows, "but a rival is at"),
        (Fault::SaysLessThanNothing, "an excess is at least 0"),
    ] {
        let verdict = verdict(fault, std::slice::from_ref(&rival));
        let text = verdict.unwrap_or_else(|| panic!("{fault:?} passes"));
        assert!(text.contains(named), "{fault:?}: {text}");
    }
}

#[test]
fn bounds_that_only_some_starts_keep_are_found_out() {
    let text = verdict(Fault::NeedsAStart, &[]).expect("cold and warm starts differ");
    assert!(text.contains("a cold start: ") && text.contains("but a warm one is at"), "{text}");
    // The first response is wanted less than others, so that only the rival shows how far the class does not go.
    let rival = Mixed { first: 0.95, n_more: 0 };
    let text = verdict_on(&[&[0.2, 0.8]], Fault::StopsHalfWay, &[rival]);
    let text = text.expect("a cold start does not reach the rival");
    assert!(text.contains("idempotence from a cold start"), "{text}");
}

#[test]
fn what_is_infinitely_far_has_no_finite_excess() {
    let responses = [ResponseId::new(0), ResponseId::new(1)];
    let menu = Menu::new(PromptId::new(0), &responses).unwrap();
    let distribution = Distribution::from_masses(&[0.9, 0.1]).unwrap();
    let target = Target { menu, distribution, weight: Weight::ONE };
    let rival = Mixed { first: 0.5, n_more: 0 };
    let check = |fault| {
        let class = FirstOrUniform { fault, calls: AtomicU32::new(0) };
        let targets = std::slice::from_ref(&target);
        // Targets that are wanted with every chance are played so.
        check_policy_class(&class, targets, std::slice::from_ref(&rival), 1e-8);
        check_policy_class_at_extremes(&class, targets, std::slice::from_ref(&rival), 1e-8);
    };
    check(Fault::None);
    let forgetful = || check(Fault::ForgetsWhatIsHardlyWanted);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(forgetful)).unwrap_err();
    let text = panicked.downcast_ref::<String>().expect("a formatted message");
    assert!(text.contains("an extreme cold start: inf nats"), "{text}");
}

#[test]
fn policies_that_look_at_the_order_or_misstate_themselves_are_found_out() {
    #[derive(Clone, Copy, PartialEq)]
    enum Odd {
        Order,
        Entropy,
        Kl,
    }
    impl Policy for Odd {
        fn distribution(&self, menu: Menu<'_>) -> Distribution {
            let mut masses = vec![1.0; menu.len()];
            masses[0] += if *self == Odd::Order { 1e-9 } else { 0.0 };
            Distribution::from_masses(&masses).expect("masses are positive")
        }
        fn entropy_nats(&self, menu: Menu<'_>) -> f64 {
            let off = if *self == Odd::Entropy { 1e-9 } else { 0.0 };
            self.distribution(menu).entropy_nats() + off
        }
        fn kl_nats(&self, menu: Menu<'_>, reference: &dyn Policy) -> f64 {
            let off = if *self == Odd::Kl { 1e-9 } else { 0.0 };
            self.distribution(menu).kl_nats(&reference.distribution(menu)) + off
        }
    }
    let responses = [4, 2, 3].map(ResponseId::new);
    let menu = Menu::new(PromptId::new(0), &responses).unwrap();
    assert_orderly(&UniformPolicy, menu);
    for (odd, named) in
        [(Odd::Order, "another order"), (Odd::Entropy, "an entropy"), (Odd::Kl, "a KL")]
    {
        let panicked = std::panic::catch_unwind(|| assert_orderly(&odd, menu)).unwrap_err();
        let text = panicked.downcast_ref::<String>().expect("a formatted message");
        assert!(text.starts_with(named), "{text}");
    }
}

#[test]
fn a_class_that_does_not_come_back_to_its_member_is_no_projection() {
    // Whatever it is shown, it ends a little nearer to the first response than it should.
    struct Eager;
    impl PolicyClass for Eager {
        type Policy = Mixed;
        fn name(&self) -> &'static str {
            "eager"
        }
        fn project(
            &self,
            targets: &[Target<'_>],
            _: Option<&Mixed>,
        ) -> Result<Projected<Mixed>, ProjectionError> {
            let lawful = FirstOrUniform { fault: Fault::Local, calls: AtomicU32::new(0) };
            let mut projected = lawful.project(targets, None)?;
            projected.policy.first = (projected.policy.first + 1e-5).min(1.0 - 1e-9);
            Ok(projected)
        }
    }
    let responses = [ResponseId::new(0), ResponseId::new(1)];
    let menu = Menu::new(PromptId::new(0), &responses).unwrap();
    let distribution = Distribution::from_masses(&[0.8, 0.2]).unwrap();
    let target = Target { menu, distribution, weight: Weight::ONE };
    let check = || check_policy_class(&Eager, std::slice::from_ref(&target), &[], 1e-8);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).unwrap_err();
    let text = panicked.downcast_ref::<String>().expect("a formatted message");
    assert!(text.contains("idempotence of what was projected: moved"), "{text}");
}
