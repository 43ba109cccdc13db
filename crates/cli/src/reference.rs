//! The reference policy: uniform, or read from a policy file.

use crate::Global;
use crate::input::Problem;
use crate::render;
use nlhf::core::{Policy, PolicyClass, Target, UniformPolicy, Weight};
use nlhf::data::read_policies;
use nlhf::policy::TabularClass;
use std::path::Path;

/// Reads the reference for the problem's menus; prompts that the file does not name get the uniform one.
pub(crate) fn load(
    path: Option<&Path>,
    problem: &Problem,
    global: &Global,
) -> anyhow::Result<Box<dyn Policy>> {
    let Some(path) = path else { return Ok(Box::new(UniformPolicy)) };
    let dataset = &problem.dataset;
    let policies = read_policies(path, dataset)?;
    let missing = policies.iter().filter(|policy| policy.is_none()).count();
    if missing > 0 && !global.quiet {
        eprintln!(
            "nlhf: {} has no line for {}; uniform there",
            path.display(),
            render::counted(missing, "prompt")
        );
    }
    let known = dataset.menus.iter().zip(policies);
    let targets: Vec<Target<'_>> = known
        .filter_map(|(menu, policy)| {
            policy.map(|distribution| Target { menu, distribution, weight: Weight::ONE })
        })
        .collect();
    Ok(Box::new(TabularClass.project(&targets, None)?))
}
