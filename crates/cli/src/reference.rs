//! The reference policy: uniform, or read from a policy file.

use crate::Global;
use crate::input::Problem;
use crate::render;
use nlhf::core::{Distribution, Policy, PolicyClass, Target, UniformPolicy, Weight};
use nlhf::data::{Dataset, read_policies};
use nlhf::policy::TabularClass;
use std::path::Path;
use std::sync::Arc;

/// Reads the reference for the problem's menus; prompts that the file does not name get the uniform one.
pub(crate) fn load(
    path: Option<&Path>,
    problem: &Problem,
    global: &Global,
) -> anyhow::Result<Arc<dyn Policy>> {
    let Some(path) = path else { return Ok(Arc::new(UniformPolicy)) };
    let policies = read(path, &problem.dataset, global)?;
    let known = problem.dataset.menus.iter().zip(policies);
    let targets: Vec<Target<'_>> = known
        .filter_map(|(menu, policy)| {
            policy.map(|distribution| Target { menu, distribution, weight: Weight::ONE })
        })
        .collect();
    Ok(Arc::new(TabularClass.project(&targets, None)?.policy))
}

/// Reads the reference of each menu that the file names, and says how many it does not.
pub(crate) fn read(
    path: &Path,
    dataset: &Dataset,
    global: &Global,
) -> anyhow::Result<Vec<Option<Distribution>>> {
    let policies = read_policies(path, dataset)?;
    let missing = policies.iter().filter(|policy| policy.is_none()).count();
    if missing > 0 && !global.quiet {
        eprintln!(
            "nlhf: {} has no line for {}; uniform there",
            path.display(),
            render::counted(missing, "prompt")
        );
    }
    Ok(policies)
}
