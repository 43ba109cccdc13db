//! One prompt between two rounds, without a learner around it, and a preference that is given.

use nlhf_core::{
    Comparison, ConfidenceWidth, DenseGame, Distribution, Eta, Label, Menus, PreferenceModel,
    Profile, PromptId, ResponseId, Scale, Status, Weight, pessimistic_payoffs, suboptimality,
};
use nlhf_nash::Automatic;
use nlhf_online::{Agents, OnlineConfig, Plan, PromptRound, Strategy};

/// Log-odds by place in the menu, row-major, and one width for all pairs.
pub(crate) struct Given {
    n: usize,
    log_odds: Vec<f64>,
    width: f64,
}

impl Given {
    pub(crate) fn skew(n: usize, width: f64, upper: impl FnMut(usize, usize) -> f64) -> Self {
        Self { n, log_odds: DenseGame::skew_from_upper(n, upper).entries().to_vec(), width }
    }
}

impl PreferenceModel for Given {
    fn log_odds(&self, _: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        self.log_odds[first.index() * self.n + second.index()]
    }
}

impl ConfidenceWidth for Given {
    fn log_odds_width(&self, _: PromptId, first: ResponseId, second: ResponseId) -> f64 {
        if first == second { 0.0 } else { self.width }
    }
}

/// One prompt between two rounds, without a learner around it.
pub(crate) struct Bench {
    pub(crate) menus: Menus,
    pub(crate) reference: Profile,
    pub(crate) config: OnlineConfig,
    pub(crate) model: Given,
    pub(crate) comparisons: Vec<Comparison>,
    pub(crate) round: u32,
    pub(crate) previous: Agents,
}

impl Bench {
    pub(crate) fn new(
        strategy: &dyn Strategy,
        model: Given,
        reference: Distribution,
        config: OnlineConfig,
    ) -> Self {
        let mut menus = Menus::new();
        let ids: Vec<ResponseId> = (0..model.n).map(ResponseId::from_index).collect();
        menus.push(PromptId::new(0), &ids).unwrap();
        let previous = Agents {
            main: reference.clone(),
            asks: strategy.opening(&reference),
            suboptimality_bound: f64::INFINITY,
            policy_level_bound: None,
            duality_gap: 0.0,
            status: Status::Converged,
        };
        let reference = Profile::symmetric(reference);
        Self { menus, reference, config, model, comparisons: Vec::new(), round: 1, previous }
    }

    pub(crate) fn plan(&self, strategy: &dyn Strategy) -> Plan {
        let (menu, scale) = (self.menus.get(0), self.config.scale);
        let (estimate, widths) = (self.model.game(menu, scale), self.model.widths(menu, scale));
        let feared = pessimistic_payoffs(&estimate, &widths, self.model.payoff_floor(scale));
        let solver = Automatic { tolerance: 1e-12 };
        let prompt = PromptRound {
            round: self.round,
            config: &self.config,
            position: 0,
            menu,
            reference: &self.reference,
            previous: &self.previous,
            model: &self.model,
            estimate: &estimate,
            widths: &widths,
            feared: &feared,
            comparisons: &self.comparisons,
            solver: &solver,
        };
        let plan = strategy.plan(&prompt).unwrap();
        let again = strategy.plan(&prompt).unwrap();
        assert_eq!(plan, again, "{} is decided by what it is shown", strategy.name());
        plan
    }

    /// Plans a round and goes on to the next.
    pub(crate) fn step(&mut self, strategy: &dyn Strategy) -> Plan {
        let plan = self.plan(strategy);
        self.round += 1;
        self.previous.main = plan.main.clone();
        self.previous.asks.clone_from(&plan.asks);
        self.previous.suboptimality_bound = 1.0;
        plan
    }

    /// Adds labels of the weight of `times` that say what the model says.
    pub(crate) fn label(&mut self, first: usize, second: usize, times: f64) {
        let (a, b) = (ResponseId::from_index(first), ResponseId::from_index(second));
        let share = Label::new(self.model.probability(PromptId::new(0), a, b)).unwrap();
        let weight = Weight::new(times).unwrap();
        let comparison = Comparison { weight, ..Comparison::new(PromptId::new(0), a, b, share) };
        self.comparisons.push(comparison);
    }

    pub(crate) fn label_all_pairs(&mut self, times: f64) {
        for i in 0..self.model.n {
            for j in i + 1..self.model.n {
                self.label(i, j, times);
            }
        }
    }

    /// How much a policy loses if the model is the truth.
    pub(crate) fn lost(&self, policy: &Distribution) -> f64 {
        let (menu, reference) = (self.menus.get(0), &self.reference.row);
        let (eta, scale) = (self.config.eta, self.config.scale);
        suboptimality(&self.model, menu, reference, eta, scale, policy)
    }
}

pub(crate) fn settings(eta: f64, scale: Scale) -> OnlineConfig {
    OnlineConfig::default().with_eta(Eta::new(eta).unwrap()).with_scale(scale)
}

pub(crate) fn tilted_reference() -> Distribution {
    Distribution::from_masses(&[0.1, 0.2, 0.3, 0.4]).unwrap()
}

pub(crate) fn mixed(i: usize, j: usize) -> f64 {
    ((3 * i + 5 * j + 1) as f64).sin()
}

pub(crate) fn l1(one: &Distribution, other: &Distribution) -> f64 {
    one.probabilities().iter().zip(other.probabilities()).map(|(p, q)| (p - q).abs()).sum()
}
