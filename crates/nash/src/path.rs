//! The equilibrium as a function of η, and the η at which actions come and go.
//!
//! ```text
//! π(η), η from η₀ to η₁ or ∞        support at η = {a : π(η)(a) > threshold}
//! ```
//! Each point starts from the one before it, moved along its tangent, and carries its own certificate.
//! Support changes are found between the points and enclosed by two solved points. At `η = ∞` the path
//! ends in the [`crate::MaximalEntropyWinner`].

mod crossing;
mod state;

use crate::winner::unregularized;
use crate::{MaximalEntropyWinner, Winner};
use crossing::Search;
use nlhf_core::{
    Distribution, Eta, GameError, Profile, RegularizedGame, SolveError, Status, ZeroSumGame,
};
use state::{Games, State};

/// Which part of the path to follow, and how closely.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `from` | | the first η | > 0 |
/// | `to` | | the last η | > `from`, or ∞ |
/// | `points` | 5 a decade | how many finite η are reported, in geometric progression | ≥ 2 |
/// | `tolerance` | 1e-10 | largest duality gap that counts as converged, in payoff units | ≥ 0 |
/// | `threshold` | 1e-3 | the mass above which an action is in the support | (0, 1) |
/// | `accuracy` | 1e-4 | the largest `before / after − 1` of a support change | (1e-12, 0.1] |
///
/// A field outside its range is a [`PathError`] of [`EquilibriumPath::new`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathSettings {
    /// The first η.
    pub from: Eta,
    /// The last η.
    pub to: PathEnd,
    /// How many finite η are reported; `None` for 5 a decade.
    pub points: Option<usize>,
    /// The largest duality gap that counts as converged, in units of the payoff.
    pub tolerance: f64,
    /// The probability above which an action is in the support.
    pub threshold: f64,
    /// How closely a support change is enclosed: the largest `before / after − 1`.
    pub accuracy: f64,
}

impl PathSettings {
    /// The defaults, from one η to another.
    pub const fn new(from: Eta, to: PathEnd) -> Self {
        Self { from, to, points: None, tolerance: 1e-10, threshold: 1e-3, accuracy: 1e-4 }
    }

    fn check(&self) -> Result<(), PathError> {
        let Self { threshold, accuracy, tolerance, .. } = *self;
        let fraction = threshold > 0.0 && threshold < 1.0;
        let enclosure = accuracy > 1e-12 && accuracy <= 0.1;
        let gap = tolerance >= 0.0 && tolerance.is_finite();
        for (what, range, given, fits) in [
            ("threshold", "above 0 and below 1", threshold, fraction),
            ("accuracy", "above 1e-12 and at most 0.1", accuracy, enclosure),
            ("tolerance", "non-negative and finite", tolerance, gap),
        ] {
            if !fits {
                return Err(PathError::Setting { what, range, given });
            }
        }
        Ok(())
    }
}

/// Where a path ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PathEnd {
    /// At this η.
    At(Eta),
    /// In the limit η → ∞, after the finite η up to 10⁶ divided by half the range of the payoffs.
    Infinity,
}

/// Settings that describe no path.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The last η is not beyond the first.
    #[error("a path must end at an eta above its first, but goes from {from} to {to}")]
    Order {
        /// The first η.
        from: f64,
        /// The last η.
        to: f64,
    },
    /// Too few points.
    #[error("a path must have at least 2 finite points, but has {given}")]
    Points {
        /// The number given.
        given: usize,
    },
    /// A fraction outside its range.
    #[error("the {what} of a path must be {range}, but is {given}")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// Where it must lie.
        range: &'static str,
        /// What was given.
        given: f64,
    },
    /// References that do not fit the payoffs.
    #[error(transparent)]
    Game(#[from] GameError),
}

/// One reported point of a path.
#[derive(Debug, Clone, PartialEq)]
pub struct PathPoint {
    /// The η; `None` for ∞.
    pub eta: Option<Eta>,
    /// The equilibrium.
    pub profile: Profile,
    /// The regularized value `J(p, q)`, at ∞ `p'Aq`; centred, in units of the payoff.
    pub value: f64,
    /// The duality gap, recomputed from `profile`; at ∞ the exploitability, which is its limit.
    pub duality_gap: f64,
    /// What both players could gain if there were no KL terms, by actions that their references play.
    pub exploitability: f64,
    /// Why the solver stopped.
    pub status: Status,
    /// Iterations for this point and for the support changes since the one before.
    pub iterations: usize,
    /// Of the row player.
    pub row: PathPolicy,
    /// Of the column player; equal to `row` in a symmetric game.
    pub column: PathPolicy,
    /// What came and went since the point before, by η.
    pub changes: Vec<SupportChange>,
    /// At ∞ only: the winner, with its exact support and margin.
    pub limit: Option<Winner>,
}

/// What one policy of a path is like.
#[derive(Debug, Clone, PartialEq)]
pub struct PathPolicy {
    /// `KL(π‖π₀)`, in nats.
    pub kl_to_reference: f64,
    /// The entropy, in nats.
    pub entropy: f64,
    /// The actions played with more than the threshold, ascending.
    pub support: Vec<usize>,
}

/// Whose action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The row player's, or both players' in a symmetric game.
    Row,
    /// The column player's.
    Column,
}

/// An action whose probability crosses the threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SupportChange {
    /// Whose action; in a symmetric game a change of both is told once, as the row player's.
    pub side: Side,
    /// The action.
    pub action: usize,
    /// Whether it enters the support with growing η, or leaves it.
    pub enters: bool,
    /// An η at which a solved equilibrium has it as before.
    pub after: f64,
    /// An η at which a solved equilibrium has it changed; ∞ if only the limit has.
    pub before: f64,
}

impl SupportChange {
    /// The η of the change: the geometric middle of its enclosure, or its lower end if that is open.
    pub fn eta(&self) -> f64 {
        if self.before.is_finite() { self.after.sqrt() * self.before.sqrt() } else { self.after }
    }
}

/// The finite η, from the first to the last.
fn grid(payoff: &dyn ZeroSumGame, settings: &PathSettings) -> Result<Vec<f64>, PathError> {
    /// `ηB` of the last finite point before the limit.
    const NEARLY_INFINITE: f64 = 1e6;
    const A_DECADE: f64 = 5.0;
    let from = settings.from.get();
    let to = match settings.to {
        PathEnd::At(to) => to.get(),
        PathEnd::Infinity => {
            let last = NEARLY_INFINITE / half_range(payoff);
            if last.is_finite() { last.max(10.0 * from) } else { 10.0 * from }
        }
    };
    if !(to > from && to.is_finite()) {
        return Err(PathError::Order { from, to });
    }
    let decades = to.log10() - from.log10();
    let points = settings.points.unwrap_or_else(|| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 3,000"
        )]
        let steps = (A_DECADE * decades).ceil() as usize;
        steps.max(1) + 1
    });
    if points < 2 {
        return Err(PathError::Points { given: points });
    }
    let last = points - 1;
    let step = (to.ln() - from.ln()) / last as f64;
    let eta = |k: usize| match k {
        0 => from,
        k if k == last => to,
        k => (from.ln() + step * k as f64).exp(),
    };
    Ok((0..points).map(eta).collect())
}

/// Half the distance between the largest and the smallest payoff, 0 if that is rounding.
fn half_range(payoff: &dyn ZeroSumGame) -> f64 {
    let mut entries = vec![0.0; payoff.nrows() * payoff.ncols()];
    payoff.write_dense(&mut entries);
    let low = entries.iter().copied().fold(f64::INFINITY, f64::min);
    let high = entries.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let range = 0.5 * high - 0.5 * low;
    if range > 4.0 * f64::EPSILON * high.abs().max(low.abs()) { range } else { 0.0 }
}

/// The points of a path, one after the other.
#[derive(Debug)]
pub struct EquilibriumPath<'a> {
    search: Search<'a>,
    etas: std::vec::IntoIter<f64>,
    /// Whether the limit is still to come.
    limit: bool,
    last: Option<State>,
}

impl Iterator for EquilibriumPath<'_> {
    type Item = Result<PathPoint, SolveError>;

    fn next(&mut self) -> Option<Self::Item> {
        let point = match self.etas.next() {
            Some(eta) => self.finite(eta),
            None if std::mem::take(&mut self.limit) => self.infinite(),
            None => return None,
        };
        if point.is_err() {
            self.etas = Vec::new().into_iter();
            self.limit = false;
        }
        Some(point)
    }
}

impl<'a> EquilibriumPath<'a> {
    /// The path of the equilibrium of the game with these payoffs and references.
    ///
    /// The iterator yields a [`SolveError`], and ends, if an iterate is not finite.
    ///
    /// # Errors
    /// [`PathError`] for settings out of range and references that do not fit.
    pub fn new(
        payoff: &'a dyn ZeroSumGame,
        reference: &'a Profile,
        settings: &PathSettings,
    ) -> Result<Self, PathError> {
        let game = RegularizedGame::new(payoff, reference, settings.from)?;
        settings.check()?;
        let etas = grid(payoff, settings)?.into_iter();
        let (tolerance, symmetric) = (settings.tolerance, game.is_symmetric());
        let games = Games { payoff, reference, tolerance, symmetric };
        let log_threshold = settings.threshold.ln();
        let search = Search { games, log_threshold, accuracy: settings.accuracy };
        let limit = settings.to == PathEnd::Infinity;
        Ok(Self { search, etas, limit, last: None })
    }

    fn finite(&mut self, eta: f64) -> Result<PathPoint, SolveError> {
        let games = self.search.games;
        let game = games.at(eta)?;
        let state = games.solve(eta, self.last.as_ref())?;
        let mut iterations = state.solution.iterations;
        let crossings = match &self.last {
            Some(last) => self.search.between(last, &state, &mut iterations)?,
            None => Vec::new(),
        };
        let changes = crossings.into_iter().map(|crossing| SupportChange {
            side: if crossing.player == 0 { Side::Row } else { Side::Column },
            action: crossing.action,
            enters: crossing.enters,
            after: crossing.after,
            before: crossing.before,
        });
        let solution = &state.solution;
        let point = PathPoint {
            eta: Some(game.eta()),
            profile: solution.profile.clone(),
            value: solution.certificate.value,
            duality_gap: solution.certificate.duality_gap,
            exploitability: unregularized(&game, &solution.profile).1,
            status: solution.status,
            iterations,
            row: self.policy(&solution.profile.row, &games.reference.row),
            column: self.policy(&solution.profile.column, &games.reference.column),
            changes: changes.collect(),
            limit: None,
        };
        self.last = Some(state);
        Ok(point)
    }

    fn infinite(&mut self) -> Result<PathPoint, SolveError> {
        let games = self.search.games;
        let last = self.last.as_ref().expect("finite points come before the limit");
        let winner = MaximalEntropyWinner::default().solve(&games.at(last.eta)?)?;
        let row = self.policy(&winner.profile.row, &games.reference.row);
        let column = self.policy(&winner.profile.column, &games.reference.column);
        let mut changes = Vec::new();
        for (player, side, after) in [(0, Side::Row, &row), (1, Side::Column, &column)] {
            let before = self.support(last.policy(player));
            if player == 1 && games.symmetric {
                break;
            }
            for action in 0..last.policy(player).len() {
                let enters = after.support.contains(&action);
                if before.contains(&action) != enters {
                    let (after, before) = (last.eta, f64::INFINITY);
                    changes.push(SupportChange { side, action, enters, after, before });
                }
            }
        }
        Ok(PathPoint {
            eta: None,
            profile: winner.profile.clone(),
            value: winner.value,
            duality_gap: winner.exploitability,
            exploitability: winner.exploitability,
            status: winner.status,
            iterations: winner.iterations,
            row,
            column,
            changes,
            limit: Some(winner),
        })
    }

    fn policy(&self, policy: &Distribution, reference: &Distribution) -> PathPolicy {
        PathPolicy {
            kl_to_reference: policy.kl_nats(reference),
            entropy: policy.entropy_nats(),
            support: self.support(policy),
        }
    }

    fn support(&self, policy: &Distribution) -> Vec<usize> {
        let logs = policy.log_probabilities();
        (0..logs.len()).filter(|&action| logs[action] > self.search.log_threshold).collect()
    }
}
