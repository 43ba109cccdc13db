//! The laws of [`FeatureMap`].

use nlhf_core::{FeatureMap, FitError, Menu, PromptId, ResponseId};

/// Checks the laws of a map from prompts and responses to features, on all candidates of the given menus.
///
/// * The length is at least one, and features are that long: every entry is written, whatever stood there.
/// * Features are finite, and whether there are any is said by [`FitError::MissingPromptFeatures`] or
///   [`FitError::MissingResponseFeatures`].
/// * They depend on the prompt and the response alone: asked again, in another order, they are the same to the last bit.
///
/// # Panics
/// If a law is broken, with the candidate that breaks it.
pub fn check_feature_map<F: FeatureMap + ?Sized>(features: &F, menus: &[Menu<'_>]) {
    assert!(features.dim() >= 1, "features have at least one entry");
    let candidates: Vec<(PromptId, ResponseId)> = menus
        .iter()
        .flat_map(|menu| menu.responses().iter().map(|&response| (menu.prompt(), response)))
        .collect();
    let look = |(prompt, response), before: f64| {
        let mut out = vec![before; features.dim()];
        match features.write(prompt, response, &mut out) {
            Ok(()) => Some(out),
            Err(
                FitError::MissingPromptFeatures { .. } | FitError::MissingResponseFeatures { .. },
            ) => None,
            Err(error) => {
                panic!("{prompt:?} with {response:?}: {error}, which is not missing features")
            }
        }
    };
    let seen: Vec<_> = candidates.iter().map(|&candidate| look(candidate, f64::NAN)).collect();
    for (candidate, row) in candidates.iter().zip(&seen) {
        let finite = row.iter().flatten().all(|feature| feature.is_finite());
        assert!(finite, "{candidate:?} has features that are not finite, or not written: {row:?}");
    }
    for (&candidate, before) in candidates.iter().zip(&seen).rev() {
        let bits = |row: &[f64]| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let (again, before) =
            (look(candidate, 7.5).as_deref().map(bits), before.as_deref().map(bits));
        assert_eq!(again, before, "{candidate:?} has other features when asked again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fault {
        None,
        Empty,
        NotFinite,
        LeavesOneOut,
        Counts,
        OtherError,
    }

    #[derive(Debug)]
    struct Faulty(Fault, AtomicU32);

    impl FeatureMap for Faulty {
        fn dim(&self) -> usize {
            if self.0 == Fault::Empty { 0 } else { 2 }
        }

        fn write(
            &self,
            _: PromptId,
            response: ResponseId,
            out: &mut [f64],
        ) -> Result<(), FitError> {
            let call = self.1.fetch_add(1, Ordering::Relaxed);
            if response.index() > 2 {
                return Err(if self.0 == Fault::OtherError {
                    FitError::NoComparisons { given: 0 }
                } else {
                    FitError::MissingResponseFeatures { response, given: 3 }
                });
            }
            out[0] = match self.0 {
                Fault::NotFinite => f64::INFINITY,
                Fault::Counts => f64::from(call),
                _ => response.index() as f64,
            };
            if self.0 != Fault::LeavesOneOut {
                out[1] = 1.0;
            }
            Ok(())
        }
    }

    #[test]
    fn a_lawful_map_passes_and_unlawful_ones_do_not() {
        let responses = [0, 2, 5].map(ResponseId::new);
        let menus = [Menu::new(PromptId::new(1), &responses).unwrap()];
        for (fault, passes) in [
            (Fault::None, true),
            (Fault::Empty, false),
            (Fault::NotFinite, false),
            (Fault::LeavesOneOut, false),
            (Fault::Counts, false),
            (Fault::OtherError, false),
        ] {
            let map = Faulty(fault, AtomicU32::new(0));
            let check = || check_feature_map(&map, &menus);
            let passed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_ok();
            assert_eq!(passed, passes, "{fault:?}");
        }
    }
}
