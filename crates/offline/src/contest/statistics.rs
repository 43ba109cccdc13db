//! What is computed of one prompt under one judge, in one flat vector, and what means of it are called.
//!
//! ```text
//! margins      π_i'Aπ_j for i < j ≤ K         K entrants, and the reference as number K
//! exploitability   max_b (Aπ_k)_b             for each entrant
//! suboptimality    J* − min_q J(π_k, q)       for each entrant
//! divergence       KL(π_k‖π₀)                 for each entrant; the judge does not matter
//! cross-fitted     what the best competitor under one half is worth under the other, the mean of both ways:
//!   exploitability   (A₂π_k)_b,  b = argmax A₁π_k
//!   suboptimality    −J₂(π_k, q),  q ∝ π₀ exp(ηA₁π_k),  −J₂ = q'A₂π_k + [KL(π_k‖π₀) − KL(q‖π₀)]/η
//! ```
//! Both cross-fitted values are of one fixed competitor, and no competitor is better than the best.

use super::intervals::Replicates;
use super::{
    ContestConfig, ContestData, Entrant, Estimate, Interval, Judge, Maximum, Standing, WinRate,
};
use nlhf_core::{
    DenseGame, Distribution, Eta, PreferenceModel, Profile, RegularizedGame, Scale, ZeroSumGame,
};
use rayon::prelude::*;

/// Everything that a vector of statistics is computed from, but the judge.
pub(super) struct Statistics<'a> {
    pub(super) data: ContestData<'a>,
    pub(super) references: &'a [Distribution],
    pub(super) config: &'a ContestConfig,
    /// Of each prompt the probabilities of each entrant, the reference last: every member of a judge asks for them.
    played: Vec<Vec<Vec<f64>>>,
}

impl<'a> Statistics<'a> {
    pub(super) fn new(
        data: ContestData<'a>,
        references: &'a [Distribution],
        config: &'a ContestConfig,
    ) -> Self {
        let of_prompt = |(at, reference): (usize, &Distribution)| {
            let entrants = data.entrants.iter().map(|entrant| &entrant.policies[at]);
            entrants.chain([reference]).map(Distribution::probabilities).collect()
        };
        let played = references.par_iter().enumerate().map(of_prompt).collect();
        Self { data, references, config, played }
    }

    fn n_entrants(&self) -> usize {
        self.data.entrants.len()
    }

    /// The place of the margin of `i` over `j`, `i < j ≤ K`.
    pub(super) fn margin(&self, i: usize, j: usize) -> usize {
        // Row i holds the margins over i + 1, …, K.
        i * self.n_entrants() - i * i.saturating_sub(1) / 2 + (j - i - 1)
    }

    pub(super) fn n_margins(&self) -> usize {
        let k = self.n_entrants();
        k * (k + 1) / 2
    }

    fn exploitability(&self, k: usize) -> usize {
        self.n_margins() + k
    }

    fn suboptimality(&self, k: usize) -> usize {
        self.n_margins() + self.n_entrants() + k
    }

    /// How many statistics the judge's members have a say in: the first.
    pub(super) fn n_judged(&self) -> usize {
        self.n_margins() + 2 * self.n_entrants()
    }

    fn divergence(&self, k: usize) -> usize {
        self.n_judged() + k
    }

    /// The place of the cross-fitted value of a maximum.
    fn cross_fitted(&self, maximum: usize) -> usize {
        maximum + 3 * self.n_entrants()
    }

    /// The statistic whose noise of labels a statistic has; that of a cross-fitted value is taken for that of the
    /// maximum itself.
    pub(super) fn source(&self, at: usize) -> Option<usize> {
        if at < self.n_judged() {
            Some(at)
        } else {
            at.checked_sub(3 * self.n_entrants()).filter(|maximum| *maximum >= self.n_margins())
        }
    }

    /// The entrants' policies on one prompt.
    fn policies(&self, at: usize) -> impl Iterator<Item = &Distribution> {
        self.data.entrants.iter().map(move |entrant| &entrant.policies[at])
    }

    /// All statistics of one prompt; the cross-fitted ones only if there are halves.
    pub(super) fn of_prompt(&self, at: usize, judge: &Judge<'_>) -> Vec<f64> {
        let mut values = self.judged_of_prompt(at, judge.estimate);
        let reference = &self.references[at];
        values.extend(self.policies(at).map(|policy| policy.kl_nats(reference)));
        let Some(halves) = judge.halves else { return values };
        let menu = self.data.menus.get(at);
        for (scale, eta) in [(Scale::Probability, None), (self.config.scale, Some(self.config.eta))]
        {
            let games = halves.map(|half| half.game(menu, scale));
            values.extend(self.policies(at).zip(&self.played[at]).map(|(policy, played)| {
                let [first, second] = games.each_ref().map(|game| gains(game, played));
                let way = |chosen: &[f64], judged: &[f64]| match eta {
                    None => judged[best(chosen)],
                    Some(eta) => gain_of_response(chosen, judged, policy, reference, eta),
                };
                0.5 * (way(&first, &second) + way(&second, &first))
            }));
        }
        values
    }

    /// Those that the judge has a say in.
    pub(super) fn judged_of_prompt(&self, at: usize, judge: &dyn PreferenceModel) -> Vec<f64> {
        let menu = self.data.menus.get(at);
        let payoff = judge.game(menu, Scale::Probability);
        let played = &self.played[at];
        let gains: Vec<Vec<f64>> = played.iter().map(|policy| gains(&payoff, policy)).collect();
        let mut values = Vec::with_capacity(self.n_judged() + self.n_entrants());
        for (i, policy) in played.iter().enumerate() {
            values.extend(gains[i + 1..].iter().map(|gains| dot(policy, gains)));
        }
        let entrants = &gains[..self.n_entrants()];
        values.extend(entrants.iter().map(|gains| gains.iter().copied().fold(0.0, f64::max)));
        let payoff = match self.config.scale {
            Scale::Probability => payoff,
            Scale::LogOdds => judge.game(menu, Scale::LogOdds),
        };
        let reference = Profile::symmetric(self.references[at].clone());
        let game = RegularizedGame::new(&payoff, &reference, self.config.eta)
            .expect("references that were checked");
        values.extend(
            self.policies(at)
                .map(|policy| game.certify(&Profile::symmetric(policy.clone())).column_regret),
        );
        values
    }

    /// The share of each margin that the judge has comparisons of, in the order of the margins.
    pub(super) fn judged(&self, at: usize, judge: &Judge<'_>) -> Vec<f64> {
        let menu = self.data.menus.get(at);
        let Some(counts) = judge.judged else { return vec![1.0; self.n_margins()] };
        let (prompt, responses, n) = (menu.prompt(), menu.responses(), menu.len());
        let mut compared = vec![1.0; n * n];
        for i in 0..n {
            for j in 0..i {
                let known = counts.get(prompt, responses[i], responses[j]).is_some();
                compared[i * n + j] = f64::from(u8::from(known));
                compared[j * n + i] = compared[i * n + j];
            }
        }
        let compared = DenseGame::new(n, n, compared).expect("a square of ones and zeros");
        let played = &self.played[at];
        let reached: Vec<Vec<f64>> = played.iter().map(|policy| gains(&compared, policy)).collect();
        let of_policy = |(i, policy): (usize, &Vec<f64>)| -> Vec<f64> {
            reached[i + 1..].iter().map(|reached| dot(policy, reached).clamp(0.0, 1.0)).collect()
        };
        played.iter().enumerate().flat_map(of_policy).collect()
    }

    /// Win rates of all entrants against each other.
    pub(super) fn win_rates(
        &self,
        means: &[f64],
        replicates: &Replicates,
        judged: &[f64],
    ) -> Vec<Vec<WinRate>> {
        let k = self.n_entrants();
        let against = |i: usize, j: usize| self.win_rate(i, j, means, replicates, judged);
        (0..k).map(|i| (0..k).map(|j| against(i, j)).collect()).collect()
    }

    fn win_rate(
        &self,
        i: usize,
        j: usize,
        means: &[f64],
        replicates: &Replicates,
        judged: &[f64],
    ) -> WinRate {
        if i == j {
            let even = Interval { low: 0.5, high: 0.5 };
            let interval = (!replicates.is_empty()).then_some(even);
            return WinRate { rate: 0.5, interval, beyond_noise: false, judged: 1.0 };
        }
        if i > j {
            let turned = self.win_rate(j, i, means, replicates, judged);
            let turn = |Interval { low, high }| Interval { low: 1.0 - high, high: 1.0 - low };
            let (rate, interval) = (1.0 - turned.rate, turned.interval.map(turn));
            return WinRate { rate, interval, ..turned };
        }
        let at = self.margin(i, j);
        let interval = replicates.interval(at, means[at]);
        let clipped = |Interval { low, high }| Interval {
            low: (0.5 + low).clamp(0.0, 1.0),
            high: (0.5 + high).clamp(0.0, 1.0),
        };
        WinRate {
            rate: 0.5 + means[at],
            interval: interval.map(clipped),
            beyond_noise: replicates.beyond_noise(at, means[at]),
            judged: judged[at],
        }
    }

    /// What is said of each entrant by itself.
    pub(super) fn standings(
        &self,
        means: &[f64],
        replicates: &Replicates,
        judged: &[f64],
    ) -> Vec<Standing> {
        let divergence = |at: usize| Estimate {
            value: means[at],
            interval: replicates.interval(at, means[at]).map(not_negative),
        };
        let standing = |(k, entrant): (usize, &Entrant)| Standing {
            name: entrant.name.clone(),
            against_reference: self.win_rate(k, self.n_entrants(), means, replicates, judged),
            exploitability: self.maximum(self.exploitability(k), means, replicates),
            suboptimality: Some(self.suboptimality(k)).filter(|at| means[*at].is_finite()).map(
                |at| {
                    let found = self.maximum(at, means, replicates);
                    // Log-odds of shares are biased, which no replicate shows.
                    let biased = self.config.scale == Scale::LogOdds && !replicates.is_known();
                    Maximum { interval: found.interval.filter(|_| !biased), ..found }
                },
            ),
            kl_nats: Some(self.divergence(k)).filter(|at| means[*at].is_finite()).map(divergence),
        };
        self.data.entrants.iter().enumerate().map(standing).collect()
    }

    /// A maximum over competitors, with the interval from its cross-fitted value to itself.
    fn maximum(&self, at: usize, means: &[f64], replicates: &Replicates) -> Maximum {
        let cross_fitted = means.get(self.cross_fitted(at)).copied();
        let own = replicates.interval(at, means[at]);
        let low = match cross_fitted {
            Some(value) => replicates.interval(self.cross_fitted(at), value).map(|own| own.low),
            // Nothing is known of the bias but its direction.
            None if !replicates.is_known() => own.map(|_| 0.0),
            None => own.map(|own| own.low),
        };
        let interval = low.zip(own).map(|(low, own)| Interval { low: low.min(own.low), ..own });
        Maximum { value: means[at], cross_fitted, interval: interval.map(not_negative) }
    }
}

fn not_negative(Interval { low, high }: Interval) -> Interval {
    Interval { low: low.max(0.0), high: high.max(0.0) }
}

/// What the best response to a policy under one half's gains wins under the other's, in the regularized game.
fn gain_of_response(
    chosen: &[f64],
    judged: &[f64],
    policy: &Distribution,
    reference: &Distribution,
    eta: Eta,
) -> f64 {
    let logs = reference.log_probabilities().iter().zip(chosen);
    let logits = logs.map(|(log_p, gain)| log_p + eta.get() * gain).collect();
    let response = Distribution::from_logits(logits).expect("a reference with finite tilts");
    let divergence = policy.kl_nats(reference) - response.kl_nats(reference);
    dot(&response.probabilities(), judged) + divergence / eta.get()
}

fn gains(payoff: &DenseGame, policy: &[f64]) -> Vec<f64> {
    let mut gains = vec![0.0; policy.len()];
    payoff.apply(policy, &mut gains);
    gains
}

fn dot(policy: &[f64], gains: &[f64]) -> f64 {
    policy.iter().zip(gains).map(|(p, gain)| p * gain).sum()
}

/// The place of the largest entry, the first of several.
fn best(gains: &[f64]) -> usize {
    (1..gains.len()).fold(0, |best, at| if gains[at] > gains[best] { at } else { best })
}
