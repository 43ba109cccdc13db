//! The class of all policies, for tests.

use nlhf_core::{
    Distribution, Menu, Policy, PolicyClass, Projected, ProjectionError, PromptId, Target,
};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tabular(pub(crate) BTreeMap<PromptId, Distribution>);

impl Policy for Tabular {
    fn distribution(&self, menu: Menu<'_>) -> Distribution {
        self.0[&menu.prompt()].clone()
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct TabularClass;

impl PolicyClass for TabularClass {
    type Policy = Tabular;

    fn name(&self) -> &'static str {
        "test-tabular"
    }

    fn project(
        &self,
        targets: &[Target<'_>],
        _: Option<&Tabular>,
    ) -> Result<Projected<Tabular>, ProjectionError> {
        let entries = targets.iter().map(|t| (t.menu.prompt(), t.distribution.clone()));
        Ok(Projected { policy: Tabular(entries.collect()), excess_nats: Some(0.0) })
    }
}
