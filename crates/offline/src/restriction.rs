//! A class that cannot play the equilibria: from their projection to what is best within it.
//!
//! ```text
//! max over π in C of Σ_x min_q J_M(π, q)        M the payoffs that are played, pessimistic or not
//! ```
//! The projection is the nearest member of the class, which need not be the best: the search goes on from there and never ends
//! worse (`nlhf_nash::in_class`).

use crate::solving::{Found, PromptGame};
use crate::{OfflineData, OfflineError, OfflineEvent, OfflineLearner};
use nlhf_core::{
    ConfidenceWidth, DenseGame, Distribution, Observer, Policy, PolicyClass, Profile, Projected,
    Weight,
};
use nlhf_nash::in_class::{ClassGame, InClassStep, LeastShortfall, Restriction, restricted};
use rayon::prelude::*;

impl OfflineLearner {
    /// The policy and what its class costs; nothing if it plays the equilibria to the last bit.
    pub(crate) fn restrict<M: ConfidenceWidth, C: PolicyClass>(
        &self,
        model: &M,
        data: OfflineData<'_>,
        class: &C,
        found: &[Found],
        projected: Projected<C::Policy>,
        observer: &mut dyn Observer<OfflineEvent>,
    ) -> Result<(C::Policy, Option<Restriction>), OfflineError> {
        let mut both = data.menus.iter().zip(found);
        if both.all(|(menu, found)| projected.policy.distribution(menu) == found.policy) {
            return Ok((projected.policy, None));
        }
        let prompts: Vec<PromptGame<'_, M>> =
            data.menus.iter().map(|menu| self.prompt(model, menu, data.reference)).collect();
        let payoffs: Vec<DenseGame> = prompts.par_iter().map(PromptGame::payoff).collect();
        let references: Vec<Profile> = prompts.par_iter().map(PromptGame::reference).collect();
        let games: Result<Vec<ClassGame<'_>>, OfflineError> = (prompts.iter())
            .zip(payoffs.iter().zip(&references))
            .map(|(prompt, (payoff, reference))| {
                let game = prompt.regularized(payoff, reference)?;
                ClassGame::new(prompt.menu, game, Weight::ONE).map_err(OfflineError::InClass)
            })
            .collect();
        let equilibria: Vec<Distribution> =
            found.iter().map(|found| found.policy.clone()).collect();
        let limit = self.config().in_class_projections;
        let search = LeastShortfall { max_projections: limit, ..LeastShortfall::default() };
        // Who wants to stop is asked again after the first step.
        let _ = observer.observe(&OfflineEvent::Restricted { projections: 0, limit });
        let mut watch = |step: &InClassStep| {
            observer.observe(&OfflineEvent::Restricted { projections: step.projections, limit })
        };
        let (policy, restriction) =
            restricted(&search, class, &games?, &equilibria, projected, &mut watch)
                .map_err(OfflineError::InClass)?;
        Ok((policy, Some(restriction)))
    }
}
