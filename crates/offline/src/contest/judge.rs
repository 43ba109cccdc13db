//! Who judges a contest: a truth, or a fitted model with what is known of its noise.

use nlhf_core::PreferenceModel;
use nlhf_preference::PairCounts;

/// A preference that judges, and copies of it that say how far off it may be.
#[derive(Clone)]
pub struct Judge<'a> {
    pub(super) estimate: &'a dyn PreferenceModel,
    /// Whether it is the truth.
    pub(super) known: bool,
    pub(super) members: Vec<&'a dyn PreferenceModel>,
    pub(super) halves: Option<[&'a dyn PreferenceModel; 2]>,
    pub(super) judged: Option<&'a PairCounts>,
}

impl std::fmt::Debug for Judge<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judge")
            .field("members", &self.members.len())
            .field("halves", &self.halves.is_some())
            .field("judged", &self.judged.map(|counts| counts.pairs().len()))
            .finish_non_exhaustive()
    }
}

impl<'a> Judge<'a> {
    /// The truth: only the choice of prompts is left to be uncertain of.
    pub fn known(truth: &'a dyn PreferenceModel) -> Self {
        Self { known: true, ..Self::fitted(truth) }
    }

    /// A fitted preference. Without members its noise is not known, and no interval accounts for it.
    pub fn fitted(estimate: &'a dyn PreferenceModel) -> Self {
        Self { estimate, known: false, members: Vec::new(), halves: None, judged: None }
    }

    /// With models fitted to resamples of the judge's comparisons.
    #[must_use]
    pub fn with_members(
        self,
        members: impl IntoIterator<Item = &'a (dyn PreferenceModel + 'a)>,
    ) -> Self {
        Self { members: members.into_iter().collect(), ..self }
    }

    /// With models fitted to two halves of the comparisons, for the cross-fitted exploitability.
    #[must_use]
    pub fn with_halves(self, halves: [&'a dyn PreferenceModel; 2]) -> Self {
        Self { halves: Some(halves), ..self }
    }

    /// With comparisons that say which pairs count as judged, those that it was fitted to or is held against; without them all
    /// do.
    #[must_use]
    pub fn with_judged(self, counts: &'a PairCounts) -> Self {
        Self { judged: Some(counts), ..self }
    }
}
