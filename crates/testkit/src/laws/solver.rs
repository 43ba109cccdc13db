//! The laws of [`NashSolver`], and what follows from the equilibrium being unique.
//!
//! ```text
//! TV(p, p*) ≤ √(η·Gap/2)     so two certified answers to one question differ by at most the sum
//! ```
//! Every transformation below keeps the equilibrium or moves it in a known way. The bound asks little
//! of a solver that stopped early and everything of one that converged to a small gap.

use crate::ClosedForm;
use nlhf_core::{
    DenseGame, Distribution, Eta, Iteration, NashSolver, Profile, RegularizedGame, Solution,
    SolveError, Status, ZeroSumGame,
};
use std::ops::ControlFlow;

/// Checks the laws of a solver on each game; `tolerance` is the duality gap that it calls converged.
///
/// * The certificate is the one recomputed from the returned profile, to the last bit; policies are
///   distributions; `Converged` only if the gap is at most `tolerance`; the method is named.
/// * Solving again gives the same bits; another start and an observer that stops give a lawful
///   solution too, and a start of the wrong shape is [`SolveError::StartShape`].
/// * The answer does not depend, beyond its certificate, on the start, on the order of actions, on a
///   constant added to the payoffs of a general game (the value moves by it), or on moving a factor
///   of two from the payoffs to η.
///
/// Games that the solver says are [`SolveError::Unsupported`] are passed over, but not all of them.
///
/// # Panics
/// If a law is broken, with the numbers that break it.
pub fn check_solver(solver: &dyn NashSolver, tolerance: f64, games: &[RegularizedGame<'_>]) {
    let mut n_solved = 0;
    for game in games {
        let Some(solution) = solve(solver, tolerance, game, game.reference()) else { continue };
        n_solved += 1;
        check_calls(solver, tolerance, game, &solution);
        check_order(solver, tolerance, game, &solution);
        check_scaling(solver, tolerance, game, &solution);
        if !game.is_symmetric() {
            check_shift(solver, tolerance, game, &solution);
        }
    }
    assert!(n_solved > 0, "{} supports none of {} games", solver.name(), games.len());
}

/// Checks a solver against a known answer and returns its solution, none if it does not support the
/// game.
///
/// The solution must be lawful, and be as near to the equilibrium as its certificate claims: policies
/// in total variation, the value within the duality gap.
///
/// # Panics
/// If it is not.
pub fn check_closed_form(
    solver: &dyn NashSolver,
    tolerance: f64,
    form: &ClosedForm,
) -> Option<Solution> {
    let game = form.game();
    let solution = solve(solver, tolerance, &game, game.reference())?;
    let claimed = solution.certificate.total_variation_bound(form.eta) + rounding(&game);
    let (got, exact) = (&solution.profile, &form.equilibrium);
    let at = format!("{} on {:?}", solver.name(), form);
    let distance =
        total_variation(&got.row, &exact.row).max(total_variation(&got.column, &exact.column));
    assert!(distance <= claimed, "{at}: {distance:e} off, but {claimed:e} is certified");
    // J(p*, q) ≥ J* ≥ J(p, q*) puts J(p, q) within the two regrets of J*.
    let value_slack = solution.certificate.duality_gap + value_rounding(&game);
    let value = solution.certificate.value;
    assert!((value - form.value).abs() <= value_slack, "{at}: value {value}");
    Some(solution)
}

/// Solves and checks what must hold of any solution.
fn solve(
    solver: &dyn NashSolver,
    tolerance: f64,
    game: &RegularizedGame<'_>,
    start: &Profile,
) -> Option<Solution> {
    match solver.solve(game, start, &mut ()) {
        Ok(solution) => {
            check_solution(solver, tolerance, game, &solution);
            assert!(solution.status != Status::Stopped, "stopped, but nobody asked");
            Some(solution)
        }
        Err(SolveError::Unsupported { .. }) => None,
        Err(error) => panic!("{} fails on {}: {error}", solver.name(), describe(game)),
    }
}

fn check_solution(
    solver: &dyn NashSolver,
    tolerance: f64,
    game: &RegularizedGame<'_>,
    solution: &Solution,
) {
    let at = format!("{} on {}", solver.name(), describe(game));
    let recomputed = game.certify(&solution.profile);
    let given = solution.certificate;
    assert!(given == recomputed, "{at}: {given:?} was given, {recomputed:?} recomputed");
    let gap = given.duality_gap;
    assert!(gap >= 0.0 && given.value.is_finite(), "{at}: {given:?}");
    let converged = solution.status == Status::Converged;
    assert!(!converged || gap <= tolerance, "{at}: converged at {gap:e}, not {tolerance:e}");
    for policy in [&solution.profile.row, &solution.profile.column] {
        let total: f64 = policy.probabilities().iter().sum();
        assert!((total - 1.0).abs() <= 1e-9, "{at}: probabilities sum to {total}");
    }
    if game.is_symmetric() {
        let (row, column) = (&solution.profile.row, &solution.profile.column);
        let claimed = 2.0 * given.total_variation_bound(game.eta()) + rounding(game);
        let distance = total_variation(row, column);
        assert!(distance <= claimed, "{at}: one equilibrium, but policies {distance:e} apart");
    }
    assert!(!solution.method.is_empty(), "{at}: no method is named");
}

/// The same call again, another start, an observer that stops at once, and a start that does not fit.
fn check_calls(
    solver: &dyn NashSolver,
    tolerance: f64,
    game: &RegularizedGame<'_>,
    solution: &Solution,
) {
    let at = describe(game);
    let again = solve(solver, tolerance, game, game.reference());
    assert!(again.as_ref() == Some(solution), "{} on {at}: not the same twice", solver.name());
    let start = Profile {
        row: game.best_row_response(&game.reference().column),
        column: game.best_column_response(&game.reference().row),
    };
    if let Some(other) = solve(solver, tolerance, game, &start) {
        assert_same(game, solution, &other, &other.profile, "another start");
    }
    let mut stop = |_: &Iteration| ControlFlow::Break(());
    let stopped = solver.solve(game, game.reference(), &mut stop);
    let stopped = stopped.unwrap_or_else(|error| panic!("{at}: stopped by an observer: {error}"));
    check_solution(solver, tolerance, game, &stopped);
    let wrong = Profile::uniform(game.payoff().nrows() + 1, game.payoff().ncols());
    let refused = matches!(solver.solve(game, &wrong, &mut ()), Err(SolveError::StartShape { .. }));
    assert!(refused, "{} on {at}: takes a start that does not fit", solver.name());
}

/// Reversed actions: the policies are reversed.
fn check_order(
    solver: &dyn NashSolver,
    tolerance: f64,
    game: &RegularizedGame<'_>,
    solution: &Solution,
) {
    let dense = dense(game);
    let (n, m) = (dense.nrows(), dense.ncols());
    let turned = map(&dense, |i, j, _| dense.get(n - 1 - i, m - 1 - j));
    let reference = reversed(game.reference());
    let other = regularized(&turned, &reference, game.eta());
    if let Some(other) = solve(solver, tolerance, &other, &reference) {
        assert_same(game, solution, &other, &reversed(&other.profile), "reversed actions");
    }
}

/// `(2A, η/2)` is the same game with values in half the unit.
fn check_scaling(
    solver: &dyn NashSolver,
    tolerance: f64,
    game: &RegularizedGame<'_>,
    solution: &Solution,
) {
    let eta = Eta::new(0.5 * game.eta().get()).expect("half of eta is positive");
    let doubled = map(&dense(game), |_, _, payoff| 2.0 * payoff);
    let other = regularized(&doubled, game.reference(), eta);
    if let Some(mut other) = solve(solver, tolerance, &other, game.reference()) {
        other.certificate.value *= 0.5;
        other.certificate.duality_gap *= 0.5;
        assert_same(game, solution, &other, &other.profile, "a factor moved to eta");
    }
}

/// `A + c`: the same policies, and `c` more in value.
fn check_shift(
    solver: &dyn NashSolver,
    tolerance: f64,
    game: &RegularizedGame<'_>,
    solution: &Solution,
) {
    let shift = 0.25;
    let shifted = map(&dense(game), |_, _, payoff| payoff + shift);
    let other = regularized(&shifted, game.reference(), game.eta());
    if let Some(mut other) = solve(solver, tolerance, &other, game.reference()) {
        other.certificate.value -= shift;
        assert_same(game, solution, &other, &other.profile, "shifted payoffs");
    }
}

/// Two answers to one question: no farther apart than both certificates allow.
fn assert_same(
    game: &RegularizedGame<'_>,
    solution: &Solution,
    other: &Solution,
    profile: &Profile,
    what: &str,
) {
    let (mine, theirs) = (solution.certificate, other.certificate);
    let claimed = mine.total_variation_bound(game.eta())
        + theirs.total_variation_bound(game.eta())
        + rounding(game);
    let distance = total_variation(&solution.profile.row, &profile.row)
        .max(total_variation(&solution.profile.column, &profile.column));
    let at = format!("{} on {}", solution.method, describe(game));
    assert!(distance <= claimed, "{at}: {what} move it by {distance:e}, certified {claimed:e}");
    let slack = mine.duality_gap + theirs.duality_gap + value_rounding(game);
    let (value, moved) = (mine.value, theirs.value);
    assert!((value - moved).abs() <= slack, "{at}: {what} move the value {value} to {moved}");
}

/// What rounding the payoffs, products and logits may move a policy by.
fn rounding(game: &RegularizedGame<'_>) -> f64 {
    1e-12 * size_nats(game)
}

fn value_rounding(game: &RegularizedGame<'_>) -> f64 {
    1e-12 * size_nats(game) / game.eta().get()
}

fn size_nats(game: &RegularizedGame<'_>) -> f64 {
    let policies = [&game.reference().row, &game.reference().column];
    let logs = policies.iter().flat_map(|policy| policy.log_probabilities());
    let spread = logs.filter(|l| l.is_finite()).fold(0.0, |most: f64, l| most.max(l.abs()));
    1.0 + spread + game.eta().get() * game.payoff().payoff_bound()
}

fn describe(game: &RegularizedGame<'_>) -> String {
    let payoff = game.payoff();
    let (n, m, bound) = (payoff.nrows(), payoff.ncols(), payoff.payoff_bound());
    format!("a {n} x {m} game with eta {} and payoffs up to {bound}", game.eta().get())
}

fn dense(game: &RegularizedGame<'_>) -> DenseGame {
    let (n, m) = (game.payoff().nrows(), game.payoff().ncols());
    let mut entries = vec![0.0; n * m];
    game.payoff().write_dense(&mut entries);
    if game.payoff().is_skew() {
        // Products may leave a low-rank form skew up to rounding only.
        return DenseGame::skew_from_upper(n, |i, j| {
            0.5 * (entries[i * n + j] - entries[j * n + i])
        });
    }
    DenseGame::new(n, m, entries).expect("finite payoffs")
}

fn map(game: &DenseGame, change: impl FnMut(usize, usize, f64) -> f64) -> DenseGame {
    game.map_entries(change).expect("finite payoffs")
}

fn regularized<'a>(payoff: &'a DenseGame, reference: &'a Profile, eta: Eta) -> RegularizedGame<'a> {
    RegularizedGame::new(payoff, reference, eta).expect("the shape did not change")
}

fn reversed(profile: &Profile) -> Profile {
    let reversed = |policy: &Distribution| {
        let logs = policy.log_probabilities().iter().rev().copied().collect();
        Distribution::from_log_probabilities(logs).expect("the same numbers in another order")
    };
    Profile { row: reversed(&profile.row), column: reversed(&profile.column) }
}

fn total_variation(p: &Distribution, q: &Distribution) -> f64 {
    assert_eq!(p.len(), q.len(), "policies of the same player");
    let pairs = p.probabilities().into_iter().zip(q.probabilities());
    0.5 * pairs.map(|(p, q)| (p - q).abs()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::closed_forms;
    use nlhf_core::{ASKED_FOR, Certificate, Observer};

    /// Best responses in turn, a contraction for small ηB, with a fault to choose.
    struct BestResponses {
        fault: Fault,
    }

    #[derive(PartialEq)]
    enum Fault {
        None,
        AlwaysConverged,
        WrongCertificate,
        HalfSolved,
        AnyStart,
    }

    const TOLERANCE: f64 = 1e-12;

    impl NashSolver for BestResponses {
        fn name(&self) -> &'static str {
            "best-responses"
        }

        fn solve(
            &self,
            game: &RegularizedGame<'_>,
            start: &Profile,
            observer: &mut dyn Observer<Iteration>,
        ) -> Result<Solution, SolveError> {
            let (nrows, ncols) = (game.payoff().nrows(), game.payoff().ncols());
            let (row, column) = (start.row.len(), start.column.len());
            let fits = (nrows, ncols) == (row, column);
            if !fits && self.fault != Fault::AnyStart {
                return Err(SolveError::StartShape { nrows, ncols, row, column });
            }
            let mut profile = if fits { start.clone() } else { game.reference().clone() };
            let mut iterations = 0;
            let mut stopped = false;
            while iterations < 200 && !stopped {
                iterations += 1;
                let column = game.best_column_response(&profile.row);
                profile = Profile { row: game.best_row_response(&profile.column), column };
                let (eta, step) = (game.eta().get(), 1.0);
                let residual = f64::NAN;
                let products = 4 * iterations;
                let event = Iteration { iteration: iterations, products, eta, residual, step };
                stopped = observer.observe(&event).is_break();
            }
            if self.fault == Fault::HalfSolved {
                profile = Profile { row: profile.row, column: game.reference().column.clone() };
            }
            let mut certificate: Certificate = game.certify(&profile);
            if self.fault == Fault::WrongCertificate {
                certificate.duality_gap *= 0.5;
                certificate.duality_gap += 1e-20;
            }
            let converged =
                certificate.duality_gap <= TOLERANCE || self.fault == Fault::AlwaysConverged;
            let status = if stopped {
                Status::Stopped
            } else if converged {
                Status::Converged
            } else {
                Status::IterationLimit
            };
            Ok(Solution {
                profile,
                certificate,
                status,
                iterations,
                method: self.name(),
                reason: ASKED_FOR,
            })
        }
    }

    /// Those small enough in ηB for best responses to contract, and some where they only cycle.
    fn forms() -> Vec<ClosedForm> {
        closed_forms().into_iter().filter(|form| form.eta.get() <= 10.0).collect()
    }

    fn passes(fault: Fault) -> bool {
        let solver = BestResponses { fault };
        std::panic::catch_unwind(|| {
            for form in forms() {
                check_solver(&solver, TOLERANCE, &[form.game()]);
            }
        })
        .is_ok()
    }

    #[test]
    fn a_lawful_solver_passes_also_where_it_does_not_converge() {
        let solver = BestResponses { fault: Fault::None };
        let mut n_converged = 0;
        for form in forms() {
            let solution = check_closed_form(&solver, TOLERANCE, &form).unwrap();
            n_converged += usize::from(solution.status == Status::Converged);
        }
        assert!(n_converged > 60, "only {n_converged} of {} converged", forms().len());
        assert!(passes(Fault::None));
    }

    #[test]
    fn unlawful_solvers_do_not_pass() {
        assert!(!passes(Fault::AlwaysConverged));
        assert!(!passes(Fault::WrongCertificate));
        assert!(!passes(Fault::AnyStart));
        // A wrong answer with an honest certificate is lawful: the certificate says how wrong.
        assert!(passes(Fault::HalfSolved));
    }
}
