//! What summaries say of a policy class: what it costs, and what to do with a policy that was kept.

use crate::render::{counted, number};
use nlhf::nash::in_class::{InClassStatus, Restriction};
use std::fmt::Write;
use std::path::Path;

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
    writeln!(
        out,
        "  class         {class}: falls short of even by at most {} ({unit}) on average; its projection of the",
        told(restriction.in_class_shortfall)
    )?;
    writeln!(
        out,
        "                equilibria by {}, and they themselves, prompt by prompt, by {}",
        told(restriction.projected_shortfall),
        told(restriction.free_shortfall)
    )?;
    let ended = match restriction.status {
        InClassStatus::Budget => "; more might do better",
        _ => "",
    };
    let nearest = match restriction.projection_excess_nats {
        Some(excess) => format!("nearest to {excess:.0e} nats"),
        None => "nearest as far as is known".to_owned(),
    };
    writeln!(
        out,
        "                the projection is {} nats away, {nearest}; {} from there on{ended}",
        number(restriction.projection_kl_nats),
        counted(restriction.n_projections, "step")
    )
}

/// What to do with a policy that was kept.
pub(crate) fn saved_step(path: &Path) -> String {
    format!("let it choose among other candidates: nlhf act {} CANDIDATES", path.display())
}
