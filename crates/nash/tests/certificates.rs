//! Certificates of what solvers return: of every family, at every η, against the definition in 320 bits.
//!
//! Both kinds are never below the true gap, and above it by no more than they may be; the precise one
//! is within 1e-9 of every gap above its floor, which equilibria in f64 hardly ever reach.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    DenseGame, Distribution, Eta, LowRankGame, NashSolver, Profile, RegularizedGame, SeedTree,
    Stream,
};
use nlhf_nash::published::{Limits, METHODS};
use nlhf_nash::{Automatic, LowRankNewton, MirrorProx, Newton, NewtonKrylov};
use nlhf_testkit::{
    ExactGap, Sharpness, closed_forms, cyclic_skew, random_general, random_prior, random_skew,
};
use rand::{Rng, RngExt};

/// Counts gaps above 1e-80 nats, and those that the precise certificate has to nine digits.
#[derive(Default)]
struct Count {
    nine_digits: usize,
    all: usize,
}

impl Count {
    fn check(&mut self, game: &RegularizedGame<'_>, profile: &Profile, what: &str) {
        let (payoff, reference, eta) = (game.payoff(), game.reference(), game.eta());
        let exact = ExactGap::new(payoff, reference, eta, profile);
        let gap = exact.duality_gap;
        let fast = Sharpness::of_f64(payoff, reference, eta, profile);
        let precise = Sharpness::of_double_double(payoff, reference, eta, profile);
        for (name, certificate, sharpness) in [
            ("f64", game.certify(profile), fast),
            ("precise", game.certify_precisely(profile), precise),
        ] {
            let at = format!("{what}, {name}: {certificate:?}, exactly {exact:?}");
            let below = |x: f64| x - 0.5 * f64::EPSILON * x.abs() - 1e-80 / eta.get();
            assert!(certificate.duality_gap >= below(gap), "{at}");
            assert!(certificate.row_regret >= below(exact.row_regret), "{at}");
            assert!(certificate.column_regret >= below(exact.column_regret), "{at}");
            assert!(certificate.worst_shortfall() >= below(exact.shortfall), "{at}");
            let excess = certificate.duality_gap - gap;
            assert!(excess <= sharpness.excess_bound(gap.max(0.0)), "{at}: {excess:e} above");
            assert!(gap < sharpness.floor() || excess <= 1e-9 * gap, "{at}: {excess:e} above");
            // Where masses off one action are e^−100 and below, the gap is that small itself.
            if name == "precise" && gap * eta.get() > 1e-80 {
                self.nine_digits += usize::from(excess <= 1e-9 * gap);
                self.all += 1;
            }
        }
    }
}

fn prior(n: usize, rng: &mut dyn Rng) -> Distribution {
    let spread = [0.0, 3.0, 600.0][rng.random_range(0..3u32) as usize];
    Distribution::from_logits((0..n).map(|_| -spread * rng.random::<f64>()).collect()).unwrap()
}

fn payoff(family: u32, n: usize, rng: &mut dyn Rng) -> DenseGame {
    match family {
        0 => random_skew(n, 0.5, rng),
        1 => cyclic_skew(n, rng),
        2 => random_general(n, n, 4.0, rng),
        3 => random_general(n, n + 2, 0.5, rng),
        // Ties, and actions that are copies of each other.
        4 => random_general(n, n, 1.5, rng).map_entries(|_, _, a| a.round()).unwrap(),
        _ => {
            let half = random_skew(n.div_ceil(2), 0.5, rng);
            let middle = n.div_ceil(2);
            DenseGame::skew_from_upper(n, |i, j| half.get(i % middle, j % middle))
        }
    }
}

#[test]
fn equilibria_of_every_family_at_every_eta() {
    let mut count = Count::default();
    for family in 0..6 {
        let mut rng = SeedTree::new(21).rng(Stream::Instance, family);
        for exponent in -3..=7 {
            for n in [2, 3, 5, 8] {
                let payoff = payoff(family, n, &mut rng);
                let row = prior(n, &mut rng);
                let reference = if family == 2 || family == 3 || family == 4 {
                    let columns = payoff.entries().len() / n;
                    Profile { row, column: prior(columns, &mut rng) }
                } else {
                    Profile::symmetric(row)
                };
                let eta = Eta::new(10f64.powi(exponent)).unwrap();
                let game = RegularizedGame::new(&payoff, &reference, eta).unwrap();
                let solution = Newton::default().solve(&game, &reference, &mut ()).unwrap();
                let what = format!("family {family}, n {n}, eta 1e{exponent}");
                count.check(&game, &solution.profile, &what);
            }
        }
    }
    let Count { nine_digits, all } = count;
    assert!(all > 150 && 100 * nine_digits >= 98 * all, "{nine_digits} of {all} to nine digits");
}

#[test]
fn equilibria_of_closed_forms() {
    let mut count = Count::default();
    for form in closed_forms() {
        let game = form.game();
        let solution = Newton::default().solve(&game, &form.reference, &mut ()).unwrap();
        count.check(&game, &solution.profile, form.name);
        count.check(&game, &form.equilibrium, form.name);
    }
}

#[test]
fn iterates_on_the_way() {
    let mut count = Count::default();
    let mut rng = SeedTree::new(22).rng(Stream::Instance, 0);
    for n in [2, 4, 7] {
        let payoff = random_general(n, n + 1, 0.5, &mut rng);
        let reference = Profile {
            row: random_prior(n, 3.0, &mut rng),
            column: random_prior(n + 1, 300.0, &mut rng),
        };
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(5.0).unwrap()).unwrap();
        for max_iterations in [1, 3, 10, 30, 100, 300, 1000] {
            let solver = MirrorProx { tolerance: 0.0, max_iterations };
            let solution = solver.solve(&game, &reference, &mut ()).unwrap();
            count.check(&game, &solution.profile, &format!("n {n}, {max_iterations} steps"));
        }
    }
    assert!(count.nine_digits == count.all, "{} of {}", count.nine_digits, count.all);
}

#[test]
fn whatever_a_solver_returns() {
    let mut count = Count::default();
    let mut rng = SeedTree::new(23).rng(Stream::Instance, 0);
    for family in 0..6 {
        for (n, eta) in [(3, 0.1), (6, 10.0), (9, 1000.0), (30, 30.0)] {
            let payoff = payoff(family, n, &mut rng);
            let symmetric = family < 2 || family == 5;
            let row = prior(n, &mut rng);
            let column =
                if symmetric { row.clone() } else { prior(payoff.entries().len() / n, &mut rng) };
            let reference = Profile { row, column };
            let game = RegularizedGame::new(&payoff, &reference, Eta::new(eta).unwrap()).unwrap();
            let mut solvers: Vec<Box<dyn NashSolver>> = vec![
                Box::new(Automatic::default()),
                Box::new(NewtonKrylov { max_products: 2000, ..NewtonKrylov::default() }),
            ];
            let limits = Limits { tolerance: 1e-6, max_products: 60 };
            for method in METHODS {
                solvers.push(Box::new(method.solver(limits)));
            }
            for solver in solvers {
                let Ok(solution) = solver.solve(&game, &reference, &mut ()) else { continue };
                assert_eq!(solution.certificate, game.certify(&solution.profile));
                let what = format!("family {family}, n {n}, eta {eta} by {}", solver.name());
                count.check(&game, &solution.profile, &what);
            }
        }
    }
    let mut factors =
        |len: usize| -> Vec<f64> { (0..len).map(|_| rng.random::<f64>() - 0.5).collect() };
    for (n, rank) in [(5, 2), (9, 3), (4, 7), (40, 4)] {
        let payoff = LowRankGame::skew(rank, factors(n * rank), &factors(rank * rank)).unwrap();
        let reference = Profile::uniform(n, n);
        for eta in [0.1, 10.0, 300.0] {
            let game = RegularizedGame::new(&payoff, &reference, Eta::new(eta).unwrap()).unwrap();
            let solvers: [&dyn NashSolver; 2] = [&LowRankNewton::default(), &Automatic::default()];
            for solver in solvers {
                let solution = solver.solve(&game, &reference, &mut ()).unwrap();
                assert_eq!(solution.certificate, game.certify(&solution.profile));
                count.check(&game, &solution.profile, &format!("{n} of rank {rank}, eta {eta}"));
            }
        }
    }
    assert!(count.all > 300, "{}", count.all);
}
