//! Every golden case, by both methods, within its stated tolerance.
//!
//! The files hold equilibria refined with 60-digit arithmetic and rounded to f64. Stated tolerances:
//! probabilities L1 1e-12, log-probabilities 1e-12 (1 + ηB), gaps 1e-10 relative. A gap is a square of
//! logit differences `x`, which f64 holds to `dx ≈ 2⁻⁵² (1 + ηB)` only, so that gaps are compared with
//! the further slack `(2x·dx + dx²)/η`. The gaps are those of precise certificates; certificates in f64
//! lie above them by what they are rounded up.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    Certificate, DenseGame, Distribution, Eta, NashSolver, Profile, RegularizedGame, Status,
};
use nlhf_nash::{Automatic, MirrorProx, Newton};
use nlhf_testkit::Sharpness;
use serde::Deserialize;

#[derive(Deserialize)]
struct File<C> {
    cases: Vec<C>,
}

#[derive(Deserialize)]
struct Symmetric {
    id: u32,
    n: usize,
    eta: f64,
    prior: Vec<f64>,
    #[serde(rename = "P")]
    p: Option<Vec<Vec<f64>>>,
    #[serde(rename = "R")]
    r: Option<Vec<Vec<f64>>>,
    ne: Vec<f64>,
    log_ne: Vec<f64>,
    subopt_prior: f64,
    gap_prior: f64,
    log_br_prior: Vec<f64>,
    subopt_br_prior: f64,
    kl_ne_prior: f64,
}

impl Symmetric {
    fn payoff(&self) -> DenseGame {
        match (&self.p, &self.r) {
            (Some(p), None) => DenseGame::from_probabilities(self.n, &p.concat()).unwrap(),
            (None, Some(r)) => DenseGame::from_log_odds(self.n, &r.concat()).unwrap(),
            _ => panic!("case {} has one payoff", self.id),
        }
    }
}

#[derive(Deserialize)]
struct General {
    id: u32,
    n: usize,
    m: usize,
    eta: f64,
    #[serde(rename = "M")]
    payoff: Vec<Vec<f64>>,
    prior_p: Vec<f64>,
    prior_q: Vec<f64>,
    p: Vec<f64>,
    q: Vec<f64>,
    log_p: Vec<f64>,
    log_q: Vec<f64>,
    value: f64,
    gap_prior: f64,
    upper_prior: f64,
    lower_prior: f64,
    br1_prior: Vec<f64>,
    br2_prior: Vec<f64>,
}

#[derive(Deserialize)]
struct IntransitiveFile {
    cases: Intransitive,
}

#[derive(Deserialize)]
struct Intransitive {
    #[serde(rename = "P")]
    p: Vec<Vec<f64>>,
    cases: Vec<IntransitiveCase>,
}

#[derive(Deserialize)]
struct IntransitiveCase {
    eta: f64,
    rlhf: Vec<f64>,
    rlhf_subopt: f64,
    ne: Vec<f64>,
}

fn symmetric() -> Vec<Symmetric> {
    serde_json::from_str::<File<_>>(include_str!("golden/symmetric.json")).unwrap().cases
}

fn general() -> Vec<General> {
    serde_json::from_str::<File<_>>(include_str!("golden/general.json")).unwrap().cases
}

fn l1(got: &Distribution, want: &[f64]) -> f64 {
    got.probabilities().iter().zip(want).map(|(p, q)| (p - q).abs()).sum()
}

fn log_distance(got: &Distribution, want: &[f64]) -> f64 {
    let pairs = got.log_probabilities().iter().zip(want);
    pairs.map(|(p, q)| (p - q).abs()).fold(0.0, f64::max)
}

/// The slack of a gap: see the head of this file.
fn gap_near(got: f64, want: f64, game: &RegularizedGame<'_>, what: &str) {
    let eta = game.eta().get();
    let dx = f64::EPSILON * (1.0 + eta * game.payoff().payoff_bound());
    let x = (2.0 * eta * want.abs()).sqrt();
    let slack = 1e-10 * want.abs() + (2.0 * x * dx + dx * dx) / eta;
    assert!((got - want).abs() <= slack, "{what}: got {got:e}, want {want:e}, slack {slack:e}");
}

/// The precise certificate, once the one in f64 is found above it by no more than it may be.
fn certified(game: &RegularizedGame<'_>, profile: &Profile, what: &str) -> Certificate {
    let (precise, fast) = (game.certify_precisely(profile), game.certify(profile));
    let Certificate { duality_gap: gap, column_regret, .. } = precise;
    let bound = Sharpness::of_f64(game.payoff(), game.reference(), game.eta(), profile);
    let error = bound.excess_bound(gap) + 1e-9 * gap;
    for (fast, precise) in [(fast.duality_gap, gap), (fast.column_regret, column_regret)] {
        let above = fast >= precise * (1.0 - 1e-9) && fast <= precise + error;
        assert!(above, "{what}: {fast:e} in f64, {precise:e} precisely, error {error:e}");
    }
    precise
}

#[test]
fn symmetric_games_by_newton() {
    for case in symmetric() {
        let payoff = case.payoff();
        let reference = Profile::symmetric(Distribution::from_masses(&case.prior).unwrap());
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(case.eta).unwrap()).unwrap();
        let log_tolerance =
            1e-12 * (1.0 + case.eta * payoff.entries().iter().fold(0.0f64, |b, a| b.max(a.abs())));
        for solver in [&Newton::default() as &dyn NashSolver, &Automatic { tolerance: 1e-20 }] {
            let solution = solver.solve(&game, &reference, &mut ()).unwrap();
            let what = format!("case {} by {}", case.id, solution.method);
            assert_eq!(solution.status, Status::Converged, "{what}");
            assert!(
                solution.certificate.duality_gap <= 1e-20,
                "{what}: {:?}",
                solution.certificate
            );
            let policy = &solution.profile.row;
            let distance = l1(policy, &case.ne);
            assert!(solution.profile.row == solution.profile.column, "{what}");
            if solution.method == "newton-krylov" {
                // It stops at the tolerance: the policy is as near as its gap says.
                let bound = 2.0 * solution.certificate.total_variation_bound(game.eta());
                assert!(distance <= bound + 1e-12, "{what}: L1 {distance:e}, bound {bound:e}");
                continue;
            }
            assert!(distance <= 1e-12, "{what}: L1 {distance:e}");
            let distance = log_distance(policy, &case.log_ne);
            assert!(distance <= log_tolerance, "{what}: log {distance:e} > {log_tolerance:e}");
            let kl = policy.kl_nats(&reference.row);
            assert!((kl - case.kl_ne_prior).abs() <= 1e-10 * (kl + 1e-3), "{what}: KL {kl:e}");
        }
    }
}

#[test]
fn certificates_of_the_reference_and_its_response() {
    for case in symmetric() {
        let payoff = case.payoff();
        let reference = Profile::symmetric(Distribution::from_masses(&case.prior).unwrap());
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(case.eta).unwrap()).unwrap();
        let what = format!("case {}", case.id);
        let certificate = certified(&game, &reference, &what);
        gap_near(certificate.column_regret, case.subopt_prior, &game, &what);
        gap_near(certificate.duality_gap, case.gap_prior, &game, &what);
        let response = game.best_row_response(&reference.row);
        let slack = 1e-12 * (1.0 + case.eta * 20.0);
        assert!(log_distance(&response, &case.log_br_prior) <= slack, "{what}");
        let certificate = certified(&game, &Profile::symmetric(response), &what);
        gap_near(certificate.column_regret, case.subopt_br_prior, &game, &what);
    }
}

#[test]
fn general_games_by_newton() {
    for case in general() {
        let payoff = DenseGame::new(case.n, case.m, case.payoff.concat()).unwrap();
        let reference = Profile {
            row: Distribution::from_masses(&case.prior_p).unwrap(),
            column: Distribution::from_masses(&case.prior_q).unwrap(),
        };
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(case.eta).unwrap()).unwrap();
        let what = format!("case {}", case.id);
        let solution = Newton::default().solve(&game, &reference, &mut ()).unwrap();
        assert_eq!(solution.status, Status::Converged, "{what}");
        assert!(solution.certificate.duality_gap <= 1e-20, "{what}: {:?}", solution.certificate);
        let bound = case.payoff.concat().iter().fold(0.0f64, |b, a| b.max(a.abs()));
        let log_tolerance = 1e-12 * (1.0 + case.eta * bound);
        for (got, want, log_want) in [
            (&solution.profile.row, &case.p, &case.log_p),
            (&solution.profile.column, &case.q, &case.log_q),
        ] {
            assert!(l1(got, want) <= 1e-12, "{what}: L1 {:e}", l1(got, want));
            assert!(log_distance(got, log_want) <= log_tolerance, "{what}");
        }
        assert!((solution.certificate.value - case.value).abs() <= 1e-12, "{what}");

        let at_prior = certified(&game, &reference, &what);
        gap_near(at_prior.duality_gap, case.gap_prior, &game, &what);
        let upper = at_prior.value + at_prior.row_regret;
        let lower = at_prior.value - at_prior.column_regret;
        assert!((upper - case.upper_prior).abs() <= 1e-12, "{what}: upper {upper}");
        assert!((lower - case.lower_prior).abs() <= 1e-12, "{what}: lower {lower}");
        assert!(l1(&game.best_row_response(&reference.column), &case.br1_prior) <= 1e-12, "{what}");
        assert!(l1(&game.best_column_response(&reference.row), &case.br2_prior) <= 1e-12, "{what}");
    }
}

#[test]
fn mirror_prox_agrees_where_it_is_affordable() {
    // (1 + ηB) log(1/gap) iterations: all cases with ηB ≤ 100, to TV(π, π*) ≤ √(η gap / 2).
    let solver = MirrorProx { tolerance: 1e-18, ..MirrorProx::default() };
    let mut solved = 0;
    for case in symmetric() {
        let payoff = case.payoff();
        let reference = Profile::symmetric(Distribution::from_masses(&case.prior).unwrap());
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(case.eta).unwrap()).unwrap();
        if case.eta * payoff.entries().iter().fold(0.0f64, |b, a| b.max(a.abs())) > 100.0 {
            continue;
        }
        let solution = solver.solve(&game, &reference, &mut ()).unwrap();
        assert_eq!(solution.status, Status::Converged, "case {}", case.id);
        assert!(l1(&solution.profile.row, &case.ne) <= 1e-7, "case {}", case.id);
        solved += 1;
    }
    for case in general().into_iter().filter(|case| case.eta <= 30.0) {
        let payoff = DenseGame::new(case.n, case.m, case.payoff.concat()).unwrap();
        let reference = Profile {
            row: Distribution::from_masses(&case.prior_p).unwrap(),
            column: Distribution::from_masses(&case.prior_q).unwrap(),
        };
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(case.eta).unwrap()).unwrap();
        let solution = solver.solve(&game, &reference, &mut ()).unwrap();
        assert_eq!(solution.status, Status::Converged, "case {}", case.id);
        assert!(l1(&solution.profile.row, &case.p) <= 1e-7, "case {}", case.id);
        assert!(l1(&solution.profile.column, &case.q) <= 1e-7, "case {}", case.id);
        solved += 1;
    }
    assert!(solved >= 25, "{solved} cases");
}

#[test]
fn reward_based_policies_lose_on_the_intransitive_example() {
    let example: IntransitiveFile =
        serde_json::from_str(include_str!("golden/intransitive_example.json")).unwrap();
    let payoff = DenseGame::from_probabilities(3, &example.cases.p.concat()).unwrap();
    let reference = Profile::uniform(3, 3);
    for case in &example.cases.cases {
        let what = format!("eta {}", case.eta);
        let game = RegularizedGame::new(&payoff, &reference, Eta::new(case.eta).unwrap()).unwrap();
        let solution = Newton::default().solve(&game, &reference, &mut ()).unwrap();
        assert!(l1(&solution.profile.row, &case.ne) <= 1e-12, "{what}");
        // The reward-based policy is given in f64: near a vertex its own rounding moves the gap.
        let rlhf = Distribution::from_masses(&case.rlhf).unwrap();
        let lost = game.certify(&Profile::symmetric(rlhf)).column_regret;
        assert!((lost / case.rlhf_subopt - 1.0).abs() <= 1e-10, "{what}: {lost}");
    }
}
