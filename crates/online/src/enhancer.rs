//! Enhancers: opponents of the main agent that are worth a label.
//!
//! ```text
//! M = max(R̂ − width, −B)                    payoffs as bad for the main agent as they may be
//! sub(π¹) ≤ −min_q J_M(π¹, q)               whatever the enhancer
//! ```
//! | | enhancer | file |
//! |---|---|---|
//! | E1 | the best response to π¹ in M | here |
//! | E2 | the largest mean width among the policies that may be best responses | `confidence_set` |
//! | E3 | the best response where the two policies are as uncertain as their own width says | `policy_width` |
//!
//! Source: Ye et al. (arXiv 2402.07314), section 4.

pub(crate) mod confidence_set;
pub(crate) mod policy_width;

use nlhf_core::{Distribution, RegularizedGame};

/// E1 in closed form: `π² ∝ π₀ exp(−η M'π¹)`, which is `π¹ exp(ηΓπ¹)` where no payoff reaches its floor.
pub(crate) fn optimistic_opponent(
    feared: &RegularizedGame<'_>,
    main: &Distribution,
) -> Distribution {
    feared.best_column_response(main)
}
