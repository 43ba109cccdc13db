//! The lines of a path, one an η.

use super::player;
use nlhf::core::{Distribution, Eta, Status};
use nlhf::data::GameRecord;
use nlhf::nash::PathPoint;
use serde::Serialize;

/// One point, as a line of JSON.
#[derive(Debug, Serialize)]
pub(super) struct PointLine<'a> {
    id: &'a str,
    /// `null` is infinity.
    eta: Option<f64>,
    status: Status,
    value: f64,
    duality_gap: Option<f64>,
    exploitability: f64,
    policy: Vec<f64>,
    log_policy: &'a Distribution,
    kl_to_reference: f64,
    entropy: f64,
    support: &'a [usize],
    #[serde(skip_serializing_if = "Option::is_none")]
    opponent: Option<OpponentLine<'a>>,
    changes: Vec<ChangeLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<LimitLine<'a>>,
    iterations: usize,
}

#[derive(Debug, Serialize)]
struct OpponentLine<'a> {
    policy: Vec<f64>,
    log_policy: &'a Distribution,
    kl_to_reference: f64,
    entropy: f64,
    support: &'a [usize],
}

/// `before` is `null` where only the limit has changed.
#[derive(Debug, Serialize)]
struct ChangeLine {
    player: &'static str,
    action: usize,
    change: &'static str,
    after: f64,
    before: Option<f64>,
}

/// What the winner plays however little, and what is tied with it.
#[derive(Debug, Serialize)]
struct LimitLine<'a> {
    support: &'a [usize],
    tied: &'a [usize],
    #[serde(skip_serializing_if = "Option::is_none")]
    opponent_support: Option<&'a [usize]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opponent_tied: Option<&'a [usize]>,
    margin: Option<f64>,
}

fn finite(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}

impl<'a> PointLine<'a> {
    pub(super) fn new(record: &'a GameRecord, point: &'a PathPoint, symmetric: bool) -> Self {
        let opponent = (!symmetric).then(|| OpponentLine {
            policy: point.profile.column.probabilities(),
            log_policy: &point.profile.column,
            kl_to_reference: point.column.kl_to_reference,
            entropy: point.column.entropy,
            support: &point.column.support,
        });
        let changes = point.changes.iter().map(|change| ChangeLine {
            player: player(change, symmetric),
            action: change.action,
            change: if change.enters { "enters" } else { "leaves" },
            after: change.after,
            before: finite(change.before),
        });
        let limit = point.limit.as_ref().map(|limit| LimitLine {
            support: &limit.row.support,
            tied: &limit.row.tied,
            opponent_support: (!symmetric).then_some(&limit.column.support),
            opponent_tied: (!symmetric).then_some(&limit.column.tied),
            margin: limit.margin,
        });
        Self {
            id: &record.id,
            eta: point.eta.map(Eta::get),
            status: point.status,
            value: point.value + record.scale.offset(),
            duality_gap: finite(point.duality_gap),
            exploitability: point.exploitability,
            policy: point.profile.row.probabilities(),
            log_policy: &point.profile.row,
            kl_to_reference: point.row.kl_to_reference,
            entropy: point.row.entropy,
            support: &point.row.support,
            opponent,
            changes: changes.collect(),
            limit,
            iterations: point.iterations,
        }
    }
}
