//! Truths that are known entry by entry, and comparisons drawn from them.

use nlhf::core::logistic::{centered_sigmoid, logit};
use nlhf::core::{
    Comparison, DenseGame, Distribution, Eta, Label, Menu, Menus, NashSolver, Policy,
    PreferenceModel, Profile, PromptId, RegularizedGame, ResponseId, Scale, Weight, suboptimality,
};
use nlhf::nash::Newton;
use rand::Rng;
use rand_distr::{Binomial, Distribution as _};

/// Centred probabilities and log-odds of all pairs of each prompt. Response `k` of prompt `x` has id `x n + k`.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    n: usize,
    /// `P − ½`, prompt by prompt, row-major.
    centred: Vec<f64>,
    log_odds: Vec<f64>,
}

/// Where log-odds of certain preferences are cut off.
const CERTAIN: f64 = 30.0;

impl Truth {
    /// The log-odds of place `a` against `b` on a prompt, for `a < b`.
    pub fn from_log_odds(
        n_prompts: usize,
        n: usize,
        mut upper: impl FnMut(usize, usize, usize) -> f64,
    ) -> Self {
        let games = (0..n_prompts).map(|x| DenseGame::skew_from_upper(n, |a, b| upper(x, a, b)));
        let log_odds: Vec<f64> = games.flat_map(|game| game.entries().to_vec()).collect();
        let centred = log_odds.iter().map(|r| centered_sigmoid(*r)).collect();
        Self { n, centred, log_odds }
    }

    /// One prompt, by `P(a ≻ b)` for `a < b`.
    pub fn from_probabilities(n: usize, mut upper: impl FnMut(usize, usize) -> f64) -> Self {
        let game = DenseGame::skew_from_upper(n, |a, b| upper(a, b) - 0.5);
        let odds = |c: &f64| if *c < 0.0 { -logit(0.5 - c) } else { logit(0.5 + c) };
        let log_odds = game.entries().iter().map(|c| odds(c).clamp(-CERTAIN, CERTAIN)).collect();
        Self { n, centred: game.entries().to_vec(), log_odds }
    }

    /// The log-odds of two places on a prompt.
    pub fn place(&self, prompt: usize, a: usize, b: usize) -> f64 {
        self.log_odds[(prompt * self.n + a) * self.n + b]
    }

    fn at(&self, prompt: PromptId, a: ResponseId, b: ResponseId) -> usize {
        // The row of a response is its id, since all prompts have as many.
        let first = prompt.index() * self.n;
        a.index() * self.n + b.index() - first
    }
}

impl PreferenceModel for Truth {
    fn log_odds(&self, prompt: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        self.log_odds[self.at(prompt, first, second)]
    }

    fn payoff(&self, prompt: PromptId, first: ResponseId, second: ResponseId, scale: Scale) -> f64 {
        let at = self.at(prompt, first, second);
        match scale {
            Scale::Probability => self.centred[at],
            Scale::LogOdds => self.log_odds[at],
        }
    }
}

/// Menus of so many prompts and candidates, ids as in [`Truth`].
///
/// # Panics
/// If there are more candidates than ids.
pub fn menus(n_prompts: usize, n: usize) -> Menus {
    let mut menus = Menus::new();
    for x in 0..n_prompts {
        let responses: Vec<ResponseId> = (x * n..(x + 1) * n).map(ResponseId::from_index).collect();
        let prompt = PromptId::from_index(x);
        menus.push(prompt, &responses).expect("fresh ids, each once");
    }
    menus
}

/// The pairs of a menu of n, by place, lower first.
pub fn pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |a| (a + 1..n).map(move |b| (a, b)))
}

/// So many labels on a pair, drawn from the truth: those won and those lost, as two rows that count so often.
///
/// # Panics
/// If the menu is none of the truth's.
pub fn judge(
    truth: &Truth,
    menu: Menu<'_>,
    (a, b): (usize, usize),
    count: u64,
    rng: &mut dyn Rng,
) -> Vec<Comparison> {
    let (first, second) = (menu.responses()[a], menu.responses()[b]);
    let p = 0.5 + truth.payoff(menu.prompt(), first, second, Scale::Probability);
    let wins = Binomial::new(count, p.clamp(0.0, 1.0)).expect("a probability").sample(rng);
    let rows = [(Label::WIN, wins), (Label::LOSS, count - wins)];
    let row = |(label, times): (Label, u64)| Comparison {
        weight: Weight::new(times as f64).expect("a count"),
        ..Comparison::new(menu.prompt(), first, second, label)
    };
    rows.into_iter().filter(|(_, times)| *times > 0).map(row).collect()
}

/// The same number of labels on every pair of every menu.
pub fn judge_all(
    truth: &Truth,
    menus: &Menus,
    per_pair: u64,
    rng: &mut dyn Rng,
) -> Vec<Comparison> {
    let mut data = Vec::new();
    for menu in menus.iter() {
        for pair in pairs(menu.len()) {
            data.extend(judge(truth, menu, pair, per_pair, rng));
        }
    }
    data
}

/// A game that is known: η, its scale, and the reference of all prompts.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The factor of the payoffs against the KL term.
    pub eta: Eta,
    /// Which game the preference is played as.
    pub scale: Scale,
    /// π₀ of every prompt.
    pub reference: Distribution,
}

impl Policy for Rules {
    /// The reference.
    fn distribution(&self, _: Menu<'_>) -> Distribution {
        self.reference.clone()
    }
}

impl Rules {
    /// With a uniform reference over `n` candidates.
    ///
    /// # Panics
    /// If η is not positive and finite.
    pub fn uniform(eta: f64, scale: Scale, n: usize) -> Self {
        let eta = Eta::new(eta).expect("a positive eta");
        Self { eta, scale, reference: Distribution::uniform(n) }
    }

    /// π* of each prompt.
    ///
    /// # Panics
    /// If the reference does not fit a menu.
    pub fn equilibria(&self, truth: &Truth, menus: &Menus) -> Vec<Distribution> {
        let reference = Profile::symmetric(self.reference.clone());
        let solve = |menu| {
            let payoff = truth.game(menu, self.scale);
            let game = RegularizedGame::new(&payoff, &reference, self.eta).expect("one shape");
            let solved = Newton::default().solve(&game, &reference, &mut ());
            solved.expect("finite payoffs").profile.row
        };
        menus.iter().map(solve).collect()
    }

    /// What policies lose under the truth, on average over prompts: exact but for rounding.
    pub fn suboptimality(&self, truth: &Truth, menus: &Menus, policies: &[Distribution]) -> f64 {
        let lost = |(menu, policy): (_, &Distribution)| {
            suboptimality(truth, menu, &self.reference, self.eta, self.scale, policy)
        };
        mean(menus.iter().zip(policies).map(lost))
    }
}

/// The name of a scale in tables.
pub fn scale_name(scale: Scale) -> &'static str {
    match scale {
        Scale::Probability => "P",
        Scale::LogOdds => "log-odds",
    }
}

/// Their mean; `NaN` of none.
pub fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf::core::{SeedTree, Stream};

    #[test]
    fn truths_answer_by_place_and_labels_follow_them() {
        let truth = Truth::from_log_odds(2, 3, |x, a, b| (x + 1) as f64 * (b as f64 - a as f64));
        let menus = menus(2, 3);
        let menu = menus.get(1);
        let ids = menu.responses();
        assert!((truth.log_odds(menu.prompt(), ids[0], ids[2]) - 4.0).abs() < 1e-15);
        assert!((truth.log_odds(menu.prompt(), ids[2], ids[1]) + 2.0).abs() < 1e-15);
        let mut rng = SeedTree::new(0).rng(Stream::Oracle, 0);
        let data = judge_all(&truth, &menus, 10_000, &mut rng);
        let weight: f64 = data.iter().map(|c| c.weight.get()).sum();
        assert!((weight - 60_000.0).abs() < 1e-9);
        // σ(1) = 0.731 on the first pair; five standard deviations are 0.022.
        assert!((data[0].weight.get() / 10_000.0 - 0.7311).abs() < 0.022);
    }

    #[test]
    fn certain_preferences_keep_their_payoff() {
        let truth = Truth::from_probabilities(2, |_, _| 1.0);
        let menus = menus(1, 2);
        let (prompt, ids) = (menus.get(0).prompt(), menus.get(0).responses());
        assert!((truth.payoff(prompt, ids[0], ids[1], Scale::Probability) - 0.5).abs() < 1e-15);
        assert!((truth.log_odds(prompt, ids[1], ids[0]) + CERTAIN).abs() < 1e-15);
        let rules = Rules::uniform(5.0, Scale::Probability, 2);
        let star = rules.equilibria(&truth, &menus);
        assert!(rules.suboptimality(&truth, &menus, &star) < 1e-12);
        assert!(rules.suboptimality(&truth, &menus, &[Distribution::uniform(2)]) > 0.1);
    }
}
