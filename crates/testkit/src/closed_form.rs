//! Games whose regularized equilibrium is known, each with its derivation.
//!
//! ```text
//! J(p, q) = p'Aq − KL(p‖π₀)/η + KL(q‖μ₀)/η
//! p* ∝ π₀ exp(+ηAq*)        q* ∝ μ₀ exp(−ηA'p*)
//! ```
//! The fixed point is unique, so that a profile that satisfies it *is* the equilibrium: every
//! derivation below only has to put the claimed profile in. "Exact" means up to the rounding of the
//! f64 in which the answer is written, a relative `ε(1 + ηB)` of each probability.

use nlhf_core::log_space::log_sum_exp;
use nlhf_core::{DenseGame, Distribution, Eta, Profile, RegularizedGame, ZeroSumGame};

/// A game with its answer.
#[derive(Debug, Clone)]
pub struct ClosedForm {
    /// Which family it is of.
    pub name: &'static str,
    /// The payoffs.
    pub payoff: DenseGame,
    /// The references of both players.
    pub reference: Profile,
    /// The factor of the payoffs.
    pub eta: Eta,
    /// The equilibrium.
    pub equilibrium: Profile,
    /// `J` at the equilibrium, centred: 0 in every symmetric game.
    pub value: f64,
}

impl ClosedForm {
    /// The regularized game.
    ///
    /// # Panics
    /// If the fields were changed so that they do not fit.
    pub fn game(&self) -> RegularizedGame<'_> {
        RegularizedGame::new(&self.payoff, &self.reference, self.eta)
            .expect("references that fit the payoff")
    }

    /// One action each: nothing to choose, and the value is the only payoff.
    ///
    /// # Panics
    /// If `payoff` is not finite.
    pub fn one_action(payoff: f64, eta: Eta) -> Self {
        Self {
            name: "one action",
            payoff: DenseGame::new(1, 1, vec![payoff]).expect("a finite payoff"),
            reference: Profile::uniform(1, 1),
            eta,
            equilibrium: Profile::uniform(1, 1),
            value: payoff,
        }
    }

    /// Two actions, `A = [[0, a], [−a, 0]]`.
    ///
    /// `(Aπ)₁ − (Aπ)₂ = a π₂ + a π₁ = a` whatever `π` is, hence
    /// `log π*₁/π*₂ = log π₀₁/π₀₂ + ηa`.
    ///
    /// # Panics
    /// If `prior` does not have two entries.
    pub fn two_actions(payoff: f64, prior: &Distribution, eta: Eta) -> Self {
        assert_eq!(prior.len(), 2, "two actions have a prior of two entries");
        let game = DenseGame::skew_from_upper(2, |_, _| payoff);
        let logs = prior.log_probabilities();
        let policy = from_logits(vec![logs[0] + eta.get() * payoff, logs[1]]);
        Self::symmetric("two actions", game, prior, eta, policy)
    }

    /// Bradley and Terry's log-odds `A = r1' − 1r'`.
    ///
    /// `Aπ = r − ⟨r, π⟩1` and the constant cancels, hence `π* = π₀ exp(ηr) / Z`: what reward-based
    /// alignment computes, and only on the scale of log-odds.
    ///
    /// # Panics
    /// If there is not one score an entry of the prior.
    pub fn bradley_terry(scores: &[f64], prior: &Distribution, eta: Eta) -> Self {
        assert_eq!(prior.len(), scores.len(), "one score an entry of the prior");
        let game = DenseGame::skew_from_upper(scores.len(), |i, j| scores[i] - scores[j]);
        let policy = tilted(prior, scores, eta);
        Self::symmetric("bradley-terry", game, prior, eta, policy)
    }

    /// Weighted rock, paper, scissors with the prior at its balance.
    ///
    /// ```text
    ///         0    w₃  −w₂
    /// A = s  −w₃   0    w₁      A w = 0
    ///         w₂  −w₁   0
    /// ```
    /// With `π₀ = w / Σw` every action gains nothing against `π₀`, so that `π* = π₀` at every η. Equal
    /// weights give the usual game and the uniform policy.
    ///
    /// # Panics
    /// If a weight is not positive and finite.
    pub fn rock_paper_scissors(weights: [f64; 3], stake: f64, eta: Eta) -> Self {
        assert!(weights.iter().all(|w| *w > 0.0), "weights {weights:?} must be positive");
        let [x, y, z] = weights;
        let game = DenseGame::skew_from_upper(3, |i, j| match (i, j) {
            (0, 1) => stake * z,
            (0, 2) => -stake * y,
            _ => stake * x,
        });
        let prior = Distribution::from_masses(&weights).expect("positive weights");
        Self::symmetric("rock, paper, scissors", game, &prior, eta, prior.clone())
    }

    /// No preference at all: the KL terms alone decide, and both players stay at their references.
    ///
    /// # Panics
    /// Never: zeros are payoffs.
    pub fn zero_payoff(reference: Profile, eta: Eta) -> Self {
        let (nrows, ncols) = (reference.row.len(), reference.column.len());
        let entries = vec![0.0; nrows * ncols];
        let payoff = DenseGame::new(nrows, ncols, entries).expect("zeros of the right shape");
        let equilibrium = reference.clone();
        Self { name: "zero payoff", payoff, reference, eta, equilibrium, value: 0.0 }
    }

    /// Matching pennies, `A = s[[1, −1], [−1, 1]]`, a general game: `A'` is `A`, not `−A`.
    ///
    /// `Au = 0` and `A'u = 0` for the uniform `u`, which is also both references.
    ///
    /// # Panics
    /// If `stake` is not finite.
    pub fn matching_pennies(stake: f64, eta: Eta) -> Self {
        let entries = vec![stake, -stake, -stake, stake];
        Self {
            name: "matching pennies",
            payoff: DenseGame::new(2, 2, entries).expect("finite stakes"),
            reference: Profile::uniform(2, 2),
            eta,
            equilibrium: Profile::uniform(2, 2),
            value: 0.0,
        }
    }

    /// A general game that falls apart, `A[a, b] = u_a − v_b`.
    ///
    /// `p'Aq = p'u − q'v`, so that each player solves a problem of its own. The row player maximizes
    /// `p'u − KL(p‖π₀)/η`, the column player `q'v − KL(q‖μ₀)/η` (it minimizes `J`, where `−q'v` and
    /// `+KL` stand). Hence `p* = π₀ exp(ηu) / Z`, `q* = μ₀ exp(+ηv) / Z`, and
    /// `J* = [lse(log π₀ + ηu) − lse(log μ₀ + ηv)] / η`.
    ///
    /// # Panics
    /// If there is not one utility an entry of each reference.
    pub fn additive(row: &[f64], column: &[f64], reference: &Profile, eta: Eta) -> Self {
        assert_eq!(reference.row.len(), row.len(), "one utility a row");
        assert_eq!(reference.column.len(), column.len(), "one utility a column");
        let entries = row.iter().flat_map(|u| column.iter().map(move |v| u - v)).collect();
        let payoff = DenseGame::new(row.len(), column.len(), entries).expect("finite utilities");
        let equilibrium = Profile {
            row: tilted(&reference.row, row, eta),
            column: tilted(&reference.column, column, eta),
        };
        let total = |reference: &Distribution, utilities: &[f64]| {
            log_sum_exp(&tilted_logits(reference, utilities, eta)) / eta.get()
        };
        let value = total(&reference.row, row) - total(&reference.column, column);
        Self { name: "additive", payoff, reference: reference.clone(), eta, equilibrium, value }
    }

    /// Any payoff and any full-support profile `(p*, q*)`, made an equilibrium by the references.
    ///
    /// `π₀ ∝ p* exp(−ηAq*)` and `μ₀ ∝ q* exp(+ηA'p*)` is the fixed point solved for the references.
    /// A skew payoff with `p* = q*` gives a symmetric game. The value is `J(p*, q*)`.
    ///
    /// # Panics
    /// If the profile does not fit the payoff.
    pub fn planted(payoff: DenseGame, equilibrium: Profile, eta: Eta) -> Self {
        let (p, q) = (equilibrium.row.probabilities(), equilibrium.column.probabilities());
        let (mut gains, mut losses) = (vec![0.0; p.len()], vec![0.0; q.len()]);
        payoff.apply(&q, &mut gains);
        let row = tilted(&equilibrium.row, &gains.iter().map(|g| -g).collect::<Vec<_>>(), eta);
        if payoff.is_skew() && equilibrium.row == equilibrium.column {
            return Self::symmetric("planted", payoff, &row, eta, equilibrium.row);
        }
        payoff.apply_transpose(&p, &mut losses);
        let column = tilted(&equilibrium.column, &losses, eta);
        let expected: f64 = p.iter().zip(&gains).map(|(p, g)| p * g).sum();
        let kl_row = equilibrium.row.kl_nats(&row);
        let kl_column = equilibrium.column.kl_nats(&column);
        let value = expected + (kl_column - kl_row) / eta.get();
        let reference = Profile { row, column };
        Self { name: "planted general", payoff, reference, eta, equilibrium, value }
    }

    /// The same game with actions that come in several copies: `row_shares[a]` holds the shares of
    /// action `a`'s prior that its copies get, and so for the columns.
    ///
    /// Copies gain the same against anything, so that they keep the ratios of the prior:
    /// `p*(copy) = p*(a)·share`. Merged again, mass, payoff and KL are those of the game given, because
    /// `KL` adds nothing where the conditional shares agree; the value stays.
    ///
    /// # Panics
    /// If there is not one list an action, or the shares of an action do not sum to 1.
    #[must_use]
    pub fn with_copies(self, row_shares: &[Vec<f64>], column_shares: &[Vec<f64>]) -> Self {
        let origins = |shares: &[Vec<f64>]| -> Vec<usize> {
            shares.iter().enumerate().flat_map(|(a, s)| s.iter().map(move |_| a)).collect()
        };
        let (rows, columns) = (origins(row_shares), origins(column_shares));
        let entries = rows
            .iter()
            .flat_map(|&a| columns.iter().map(move |&b| (a, b)))
            .map(|(a, b)| self.payoff.get(a, b));
        let payoff = DenseGame::new(rows.len(), columns.len(), entries.collect())
            .expect("at least one copy an action");
        let split = |profile: &Profile| Profile {
            row: split(&profile.row, row_shares),
            column: split(&profile.column, column_shares),
        };
        Self {
            name: "copies",
            payoff,
            reference: split(&self.reference),
            eta: self.eta,
            equilibrium: split(&self.equilibrium),
            value: self.value,
        }
    }

    fn symmetric(
        name: &'static str,
        payoff: DenseGame,
        prior: &Distribution,
        eta: Eta,
        policy: Distribution,
    ) -> Self {
        let reference = Profile::symmetric(prior.clone());
        let equilibrium = Profile::symmetric(policy);
        Self { name, payoff, reference, eta, equilibrium, value: 0.0 }
    }
}

fn tilted_logits(reference: &Distribution, utilities: &[f64], eta: Eta) -> Vec<f64> {
    let logs = reference.log_probabilities().iter().zip(utilities);
    logs.map(|(log_r, u)| log_r + eta.get() * u).collect()
}

/// `reference · exp(η · utilities) / Z`.
fn tilted(reference: &Distribution, utilities: &[f64], eta: Eta) -> Distribution {
    from_logits(tilted_logits(reference, utilities, eta))
}

fn split(distribution: &Distribution, shares: &[Vec<f64>]) -> Distribution {
    assert_eq!(distribution.len(), shares.len(), "one list of shares an action");
    let mut logits = Vec::new();
    for (log_p, shares) in distribution.log_probabilities().iter().zip(shares) {
        let total: f64 = shares.iter().sum();
        assert!((total - 1.0).abs() < 1e-12, "shares of an action must sum to 1, but to {total}");
        logits.extend(shares.iter().map(|share| log_p + share.ln()));
    }
    from_logits(logits)
}

fn from_logits(logits: Vec<f64>) -> Distribution {
    Distribution::from_logits(logits).expect("at least one finite logit")
}
