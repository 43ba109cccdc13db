//! The agents of a round on one prompt, and what observers see of a round.

use nlhf_core::{
    ConfidenceWidth, Distribution, Eta, Menu, NashSolver, Profile, RegularizedGame, Scale,
    SolveError, Status,
};

/// Main agent, enhancer and certificate on one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Agents {
    /// The equilibrium of the estimated game.
    pub main: Distribution,
    /// The opponent that looks best against the main agent when every doubt is in its favour.
    pub enhancer: Distribution,
    /// `−min_q J_M(main, q)`: with the confidence of the widths, the main agent loses no more than
    /// this against any competitor, in units of the payoff.
    pub suboptimality_bound: f64,
    /// The duality gap of the main agent in the estimated game.
    pub duality_gap: f64,
    /// Why the solver stopped.
    pub status: Status,
}

/// One round, as observers see it.
#[derive(Debug, Clone, Copy)]
pub struct Round<'a> {
    /// Counted from one.
    pub round: u32,
    /// All rounds planned.
    pub rounds: u32,
    /// Labels used so far.
    pub n_labels: usize,
    /// The agents on each prompt, in the order of the menus.
    pub agents: &'a [Agents],
    /// The mean of the bounds over the prompts: the certificate of the round.
    pub suboptimality_bound: f64,
}

/// Solves the estimated game of a menu, and finds the optimistic opponent (E1).
pub(crate) fn agents<M: ConfidenceWidth>(
    model: &M,
    menu: Menu<'_>,
    reference: &Profile,
    start: &Profile,
    eta: Eta,
    scale: Scale,
    solver: &dyn NashSolver,
) -> Result<Agents, SolveError> {
    let fits = "the reference was checked against its menu before the first round";
    let estimate = model.game(menu, scale);
    let game = RegularizedGame::new(&estimate, reference, eta).expect(fits);
    let solution = solver.solve(&game, start, &mut ())?;
    let pessimistic = model.pessimistic_game(menu, scale);
    let feared = RegularizedGame::new(&pessimistic, reference, eta).expect(fits);
    let main = solution.profile.row;
    let enhancer = feared.best_column_response(&main);
    let profile = Profile { row: main, column: enhancer };
    let certificate = feared.certify(&profile);
    Ok(Agents {
        suboptimality_bound: certificate.worst_shortfall(),
        main: profile.row,
        enhancer: profile.column,
        duality_gap: solution.certificate.duality_gap,
        status: solution.status,
    })
}
