//! Unregularized games by linear programming, to check the winner with code that shares nothing.

use good_lp::{
    Expression, ProblemVariables, Solution, SolverModel, Variable, constraint, microlp, variable,
};
use nlhf_core::DenseGame;

/// What the equilibria of one player look like.
pub(crate) struct Equilibria {
    /// The value of the game.
    pub(crate) value: f64,
    /// For every action of the row player an equilibrium that plays it as much as any.
    pub(crate) most: Vec<Vec<f64>>,
}

impl Equilibria {
    /// The largest probability of each action over all equilibria.
    pub(crate) fn largest(&self) -> Vec<f64> {
        self.most.iter().enumerate().map(|(a, policy)| policy[a]).collect()
    }
}

/// The row player's equilibria of the `n × m` game with these payoffs.
pub(crate) fn equilibria(n: usize, m: usize, payoff: &dyn Fn(usize, usize) -> f64) -> Equilibria {
    let (value, _) = solve(n, m, payoff, None);
    // The value is known to the solver's tolerance only; without slack its own equilibrium may not fit.
    let floor = value - 1e-9;
    let most = (0..n).map(|a| solve(n, m, payoff, Some((a, floor))).1).collect();
    Equilibria { value, most }
}

/// `max v` over policies with `A'p ≥ v`, or `max p_a` over those with `A'p ≥ floor`.
fn solve(
    n: usize,
    m: usize,
    payoff: &dyn Fn(usize, usize) -> f64,
    most: Option<(usize, f64)>,
) -> (f64, Vec<f64>) {
    let mut variables = ProblemVariables::new();
    let policy: Vec<Variable> = (0..n).map(|_| variables.add(variable().min(0.0))).collect();
    let value = variables.add(variable());
    let objective = most.map_or(value, |(a, _)| policy[a]);
    let mut model = variables.maximise(objective).using(microlp);
    model = model.with(constraint!(policy.iter().sum::<Expression>() == 1.0));
    if let Some((_, floor)) = most {
        model = model.with(constraint!(value == floor));
    }
    for j in 0..m {
        let earned: Expression = (0..n).map(|i| payoff(i, j) * policy[i]).sum();
        model = model.with(constraint!(earned >= value));
    }
    let solution = model.solve().unwrap();
    (solution.value(value), policy.iter().map(|p| solution.value(*p)).collect())
}

/// The equilibria of both players, the columns' as rows of the game `−A'`.
pub(crate) fn of(payoff: &DenseGame, n: usize, m: usize) -> [Equilibria; 2] {
    [equilibria(n, m, &|i, j| payoff.get(i, j)), equilibria(m, n, &|j, i| -payoff.get(i, j))]
}
