//! Who judges a contest: a truth, or a fitted model with what is known of its noise.

use nlhf_core::PreferenceModel;
use nlhf_preference::PairCounts;

/// A preference that judges, and copies of it that say how far off it may be.
#[derive(Clone)]
pub struct Judge<'a> {
    pub(super) estimate: &'a dyn PreferenceModel,
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
    /// A preference taken at its word: the truth, or a model whose noise is not known. Only the choice of
    /// prompts is left to be uncertain of.
    pub fn known(preference: &'a dyn PreferenceModel) -> Self {
        Self { estimate: preference, members: Vec::new(), halves: None, judged: None }
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

    /// With the comparisons that it was fitted to; without them every pair counts as judged.
    #[must_use]
    pub fn with_judged(self, counts: &'a PairCounts) -> Self {
        Self { judged: Some(counts), ..self }
    }
}
