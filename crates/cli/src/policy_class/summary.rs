//! What summaries say of a policy class: what it costs, and what to do with a policy that was kept.

use super::PolicyArgs;
use crate::input::Problem;
use crate::render::{counted, number};
use nlhf::nash::in_class::{InClassStatus, Restriction};
use std::fmt::Write;

/// What the class costs, in the unit of the payoff.
pub(crate) fn write_restriction(
    out: &mut String,
    class: &str,
    restriction: &Restriction,
    unit: &str,
) -> std::fmt::Result {
    let told = |shortfall: f64| {
        if shortfall.is_finite() { number(shortfall) } else { "no bound".to_owned() }
    };
    let nearer = match restriction.projection_excess_nats {
        Some(excess) => format!("no member of the class is nearer by more than {excess:.0e}"),
        None => "a member of the class may be nearer".to_owned(),
    };
    let ended = match restriction.status {
        Some(InClassStatus::Budget) => "more might do better: --policy-steps",
        Some(InClassStatus::Stopped) => "stopped",
        Some(_) => "no further step helps",
        None => "with this pessimism none are taken",
    };
    writeln!(
        out,
        "  class         {class}; what is won at most against it on average, in the game that was solved ({unit}):"
    )?;
    writeln!(
        out,
        "                {} against the equilibria, prompt by prompt",
        told(restriction.free_shortfall)
    )?;
    writeln!(
        out,
        "                {} against their projection, {} nats away; {nearer}",
        told(restriction.projected_shortfall),
        number(restriction.projection_kl_nats)
    )?;
    writeln!(
        out,
        "                {} against what is returned, {} on from there; {ended}",
        told(restriction.in_class_shortfall),
        counted(restriction.n_projections, "step")
    )
}

/// What to do with a policy of features: let it choose elsewhere, or keep it first.
pub(crate) fn next_step(args: &PolicyArgs, problem: &Problem) -> Option<String> {
    let Some(path) = &args.save_policy else {
        let plays_others = !args.is_tabular();
        return plays_others
            .then(|| "keep the policy for other prompts: --save-policy policy.json".to_owned());
    };
    let features = match problem.text_features {
        Some(buckets) => format!("--text-features {buckets}"),
        None => "--response-embeddings FILE.npy".to_owned(),
    };
    let path = path.display();
    Some(format!("let it choose among other candidates: nlhf act {path} CANDIDATES {features}"))
}
