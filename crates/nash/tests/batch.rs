//! Batches against Newton's method one game at a time, and against extended precision.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    DenseGame, Distribution, Eta, NashSolver, Profile, RegularizedGame, SeedTree, Status, Stream,
    ZeroSumGame,
};
use nlhf_nash::{Batch, BatchGame, BatchSolution, Newton};
use nlhf_testkit::{ExactGap, cyclic_skew, random_general, random_prior, random_skew};

/// A game that owns what a batch borrows.
struct Owned {
    payoff: DenseGame,
    reference: Profile,
    eta: Eta,
}

impl Owned {
    fn borrowed(&self) -> BatchGame<'_> {
        let (entries, row) = (self.payoff.entries(), self.reference.row.log_probabilities());
        if self.payoff.is_skew() && self.reference.row == self.reference.column {
            BatchGame::symmetric(entries, row, self.eta).unwrap()
        } else {
            let column = self.reference.column.log_probabilities();
            BatchGame::two_player(entries, row, column, self.eta).unwrap()
        }
    }
}

fn profile(solution: &BatchSolution<'_>) -> Profile {
    let policy = |logs: &[f64]| Distribution::from_log_probabilities(logs.to_vec()).unwrap();
    Profile { row: policy(solution.log_row), column: policy(solution.log_column) }
}

/// Games of all shapes that lanes take and a few that they do not.
fn mixed(n_games: usize, etas: &[f64], spread: f64, seed: u64) -> Vec<Owned> {
    let mut rng = SeedTree::new(seed).rng(Stream::Instance, 0);
    let shapes =
        [(1, 1), (2, 2), (3, 3), (5, 4), (8, 8), (7, 2), (9, 9), (16, 13), (12, 16), (21, 20)];
    (0..n_games)
        .map(|k| {
            let (n, m) = shapes[k % shapes.len()];
            let eta = Eta::new(etas[k / shapes.len() % etas.len()]).unwrap();
            let row = random_prior(n, spread, &mut rng);
            let (payoff, column) = match k % 3 {
                0 => (random_skew(n, 0.5, &mut rng), row.clone()),
                1 => (cyclic_skew(n, &mut rng), row.clone()),
                _ => (random_general(n, m, 2.0, &mut rng), random_prior(m, spread, &mut rng)),
            };
            // Some references exclude an action.
            let row = if n > 2 && k % 29 == 0 { without_first(&row) } else { row };
            let column = if k % 3 < 2 { row.clone() } else { column };
            Owned { payoff, reference: Profile { row, column }, eta }
        })
        .collect()
}

fn without_first(reference: &Distribution) -> Distribution {
    let mut masses = reference.probabilities();
    masses[0] = 0.0;
    Distribution::from_masses(&masses).unwrap()
}

fn total_variation(p: &Distribution, q: &Distribution) -> f64 {
    let pairs = p.probabilities().into_iter().zip(q.probabilities());
    pairs.map(|(p, q)| (p - q).abs()).sum::<f64>() / 2.0
}

#[test]
fn every_game_is_solved_and_agrees_with_newton() {
    let etas = [1e-3, 0.3, 1.0, 10.0, 100.0, 1e3, 1e4, 1e6];
    for (spread, seed) in [(0.0, 1), (3.0, 2), (300.0, 3)] {
        let games = mixed(480, &etas, spread, seed);
        let borrowed: Vec<BatchGame<'_>> = games.iter().map(Owned::borrowed).collect();
        let solutions = Batch::default().solve(&borrowed);
        assert_eq!(solutions.len(), games.len());
        for (game, solution) in games.iter().zip(solutions.iter()) {
            let outcome = solution.outcome.unwrap();
            assert_eq!(outcome.status, Status::Converged);
            let regularized =
                RegularizedGame::new(&game.payoff, &game.reference, game.eta).unwrap();
            let newton = Newton::default().solve(&regularized, &game.reference, &mut ()).unwrap();
            // Both are certified: the certificates bound how far apart they can be.
            let found = profile(&solution);
            let apart = total_variation(&found.row, &newton.profile.row)
                + total_variation(&found.column, &newton.profile.column);
            let bound = outcome.certificate.total_variation_bound(game.eta)
                + newton.certificate.total_variation_bound(game.eta);
            assert!(apart <= 2.0 * bound + 1e-14, "{apart:e} apart, bound {bound:e}");
            // And the policies are far better than a gap of 1e-10 asks for.
            let limit = 1e-5 * game.eta.get().sqrt().min(1e2);
            assert!(apart < limit, "{apart:e} apart at eta {:?} by {}", game.eta, outcome.method);
            let values = (outcome.certificate.value, newton.certificate.value);
            assert!((values.0 - values.1).abs() < 1e-9, "{values:?}");
        }
    }
}

#[test]
fn gaps_are_never_below_the_true_ones() {
    let games = mixed(900, &[1e-3, 1.0, 10.0, 100.0, 1e3], 5.0, 4);
    let borrowed: Vec<BatchGame<'_>> = games.iter().map(Owned::borrowed).collect();
    // A loose tolerance lets coarser policies out, too.
    for tolerance in [1e-3, 1e-12] {
        let mut in_lanes = 0;
        for (game, solution) in games.iter().zip(Batch { tolerance }.solve(&borrowed).iter()) {
            let outcome = solution.outcome.unwrap();
            in_lanes += usize::from(outcome.method == "newton-lanes");
            let certificate = outcome.certificate;
            let exact = ExactGap::new(&game.payoff, &game.reference, game.eta, &profile(&solution));
            let gap = certificate.duality_gap;
            assert!(gap <= tolerance && gap >= exact.duality_gap, "{gap:e} for {exact:?}");
            assert!(certificate.row_regret >= exact.row_regret, "{certificate:?} for {exact:?}");
            assert!(certificate.column_regret >= exact.column_regret, "{certificate:?}, {exact:?}");
            let shortfall = certificate.worst_shortfall();
            assert!(shortfall >= exact.shortfall, "{shortfall:e} for {exact:?}");
            assert!(certificate.value <= exact.value + 1e-80, "{certificate:?} for {exact:?}");
            let regrets = certificate.row_regret + certificate.column_regret;
            assert!((gap - regrets).abs() <= 1e-15 * gap);
        }
        assert!(in_lanes > 700, "only {in_lanes} games in lanes");
    }
}

#[test]
fn neighbours_order_and_threads_do_not_matter() {
    // Several chunks, long queues for lanes, and stages of eta that make lanes wait for each other.
    let mut rng = SeedTree::new(5).rng(Stream::Instance, 1);
    let many = (0..5000).map(|k| Owned {
        payoff: random_skew(8, 0.5, &mut rng),
        reference: Profile::uniform(8, 8),
        eta: Eta::new([0.5, 10.0, 300.0, 5000.0][k % 4]).unwrap(),
    });
    let games: Vec<Owned> =
        mixed(500, &[0.1, 5.0, 200.0], 4.0, 5).into_iter().chain(many).collect();
    let borrowed: Vec<BatchGame<'_>> = games.iter().map(Owned::borrowed).collect();
    let together = Batch::default().solve(&borrowed);
    let backwards: Vec<BatchGame<'_>> = borrowed.iter().rev().copied().collect();
    let reversed = Batch::default().solve(&backwards);
    for (at, solution) in together.iter().enumerate() {
        assert_eq!(solution, reversed.get(games.len() - 1 - at), "game {at}");
    }
    for at in (7..games.len()).step_by(211) {
        let alone = Batch::default().solve(&borrowed[at..=at]);
        assert_eq!(alone.get(0), together.get(at), "game {at}");
    }
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let serial = one_thread.install(|| Batch::default().solve(&borrowed));
    assert_eq!(serial, together);
}

#[test]
fn an_excluded_action_is_never_played() {
    let payoff = [0.0, 0.4, -0.4, -0.4, 0.0, 0.4, 0.4, -0.4, 0.0];
    let logs = [0.5f64.ln(), f64::NEG_INFINITY, 0.5f64.ln()];
    let game = BatchGame::symmetric(&payoff, &logs, Eta::new(10.0).unwrap()).unwrap();
    let solutions = Batch::default().solve(&[game]);
    let solution = solutions.get(0);
    assert!(solution.outcome.unwrap().certificate.duality_gap < 1e-12);
    // Two actions are left, of which the last beats the first by 0.4: theta_3 - theta_1 = 10 · 0.4.
    assert!(solution.log_row[1] == f64::NEG_INFINITY);
    assert!((solution.log_row[2] - solution.log_row[0] - 4.0).abs() < 1e-10);
}

#[test]
fn nothing_to_solve_is_no_error() {
    let solutions = Batch::default().solve(&[]);
    assert!(solutions.is_empty() && solutions.iter().len() == 0);
}
