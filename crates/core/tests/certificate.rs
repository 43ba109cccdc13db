//! Certificates are never wrong: both kinds against the definition in 320 bits, on adversarial profiles.
//!
//! ```text
//! Gap ≤ certify, certify_precisely             everywhere, and so for regrets, value and shortfall
//! certify, certify_precisely ≤ Gap + excess    as derived, `Sharpness::excess_bound`
//! certify_precisely ≤ (1 + 1e-9) Gap           from some (10¹⁰ δ)² nats on, δ the error of an exponent:
//! certify ≤ (1 + 1e-9) Gap                     1e-40 nats and 1e-8 at ηB of order one
//! ```

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nlhf_core::{
    Certificate, DenseGame, Distribution, Eta, LowRankGame, MatrixFreeGame, Profile,
    RegularizedGame, ZeroSumGame,
};
use nlhf_testkit::{ExactGap, Sharpness, closed_forms};
use proptest::collection::vec;
use proptest::prelude::*;

/// Everything that a certificate depends on.
#[derive(Debug, Clone)]
struct Question {
    payoff: DenseGame,
    reference: Profile,
    eta: Eta,
    profile: Profile,
}

/// How far the definition itself may be off, in nats: 2⁻³²⁰ of what it subtracts, with room.
fn noise(question_size: f64) -> f64 {
    1e-90 * question_size
}

/// All that is promised of one certificate.
fn check(
    certificate: Certificate,
    exact: &ExactGap,
    sharpness: &Sharpness,
    noise: f64,
    value_error: f64,
    what: &str,
) -> Result<(), TestCaseError> {
    let Certificate { value, duality_gap, row_regret, column_regret } = certificate;
    let shortfall = certificate.worst_shortfall();
    let at = format!("{what}: {certificate:?}, exactly {exact:?}, {sharpness:?}");
    if exact.duality_gap.is_infinite() {
        prop_assert!(duality_gap.is_infinite() && shortfall.is_infinite(), "{at}");
        return Ok(());
    }
    prop_assert!(duality_gap.is_finite() && shortfall.is_finite(), "{at}");
    let down = |x: f64| x - noise - 0.5 * f64::EPSILON * x.abs();
    prop_assert!(duality_gap >= down(exact.duality_gap), "{at}");
    prop_assert!(row_regret >= down(exact.row_regret).max(0.0), "{at}");
    prop_assert!(column_regret >= down(exact.column_regret).max(0.0), "{at}");
    prop_assert!(shortfall >= down(exact.shortfall), "{at}");
    prop_assert!(-value >= down(-exact.value), "{at}");
    prop_assert!(value >= exact.value - value_error, "{at}: {value_error:e} below");
    prop_assert!(duality_gap.to_bits() == (row_regret + column_regret).to_bits(), "{at}");

    let excess = duality_gap - exact.duality_gap;
    let bound = sharpness.excess_bound(exact.duality_gap.max(0.0)) + noise;
    prop_assert!(excess <= bound, "{at}: {excess:e} above, {bound:e} allowed");
    if exact.duality_gap >= sharpness.floor() {
        let relative = excess / exact.duality_gap;
        prop_assert!(relative <= 1e-9, "{at}: {relative:e} above");
    }
    Ok(())
}

fn check_both(
    payoff: &dyn ZeroSumGame,
    reference: &Profile,
    eta: Eta,
    profile: &Profile,
) -> Result<(), TestCaseError> {
    let exact = ExactGap::new(payoff, reference, eta, profile);
    let game = RegularizedGame::new(payoff, reference, eta).unwrap();
    let policies = [&reference.row, &reference.column, &profile.row, &profile.column];
    let logs = policies.iter().flat_map(|policy| policy.log_probabilities());
    let size = logs.filter(|l| l.is_finite()).fold(1.0, |most: f64, l| most.max(l.abs()));
    let (noise, bound) =
        (noise(size + eta.get() * payoff.payoff_bound()) / eta.get(), payoff.payoff_bound());
    let n = payoff.nrows().max(payoff.ncols()) as f64;
    let relative = (2.0 * n + 128.0) * f64::EPSILON * (bound + (1.0 + 2.0 * size) / eta.get());
    let value_error = relative + 2.0 * payoff.product_error_bound();
    let fast = Sharpness::of_f64(payoff, reference, eta, profile);
    check(game.certify(profile), &exact, &fast, noise, value_error, "in f64")?;
    let precise = Sharpness::of_double_double(payoff, reference, eta, profile);
    check(game.certify_precisely(profile), &exact, &precise, noise, value_error, "precisely")
}

impl Question {
    fn check(&self) -> Result<(), TestCaseError> {
        check_both(&self.payoff, &self.reference, self.eta, &self.profile)
    }
}

/// `10^x` with `x` uniform in the range.
fn decade(range: std::ops::Range<f64>) -> impl Strategy<Value = f64> {
    range.prop_map(|exponent| 10f64.powf(exponent))
}

fn eta() -> impl Strategy<Value = Eta> {
    decade(-3.0..7.0).prop_map(|eta| Eta::new(eta).unwrap())
}

/// Payoffs of one size, of all magnitudes at once, or ties of a few values; skew or not, any shape.
fn payoff() -> impl Strategy<Value = DenseGame> {
    let entry = (-1.0..1.0_f64, -9.0..2.0_f64);
    (1_usize..8, 1_usize..8, vec(entry, 49), 0..3, any::<bool>()).prop_map(
        |(n, m, numbers, kind, skew)| {
            let entry = |at: usize| {
                let (x, exponent) = numbers[at];
                match kind {
                    0 => 0.5 * x,
                    1 => x * 10f64.powf(exponent),
                    _ => 0.5 * (1.5 * x).round(),
                }
            };
            if skew {
                DenseGame::skew_from_upper(n, |i, j| entry(i * 7 + j))
            } else {
                DenseGame::new(n, m, (0..n * m).map(|at| entry(at / m * 7 + at % m)).collect())
                    .unwrap()
            }
        },
    )
}

/// Logits of sizes 1e-3 to 1e6, of e^−700 and e^−100000 among ordinary ones, of priors of 1e-300;
/// some −∞ if `sparse`.
fn policy(n: usize, sparse: bool) -> impl Strategy<Value = Distribution> {
    let logit = (-1.0..1.0_f64, 0..10);
    (vec(logit, n), decade(-3.0..6.0), 0..4, 0..n).prop_map(move |(logits, scale, kind, kept)| {
        let logits = logits.iter().enumerate().map(|(i, (x, rare))| match (kind, rare) {
            (_, 0..2) if sparse && i != kept => f64::NEG_INFINITY,
            (0, _) => scale * x,
            (1, 2..6) => -700.0 + 60.0 * x,
            (1, 6) => -1e5 * x.abs(),
            (2, 2..5) => 1e-300_f64.ln(),
            _ => 3.0 * x,
        });
        Distribution::from_logits(logits.collect()).unwrap()
    })
}

fn profile(payoff: &DenseGame, sparse: bool) -> impl Strategy<Value = Profile> + use<> {
    let (n, m, skew) = (payoff.nrows(), payoff.ncols(), payoff.is_skew());
    (policy(n, sparse), policy(m, sparse), any::<bool>()).prop_map(move |(row, column, same)| {
        if same && skew { Profile::symmetric(row) } else { Profile { row, column } }
    })
}

/// Any profile against any reference; where both may be sparse, some gaps are infinite.
fn far(sparse_profile: bool, sparse_reference: bool) -> impl Strategy<Value = Question> {
    (payoff(), eta()).prop_flat_map(move |(payoff, eta)| {
        let policies = (profile(&payoff, sparse_reference), profile(&payoff, sparse_profile));
        policies.prop_map(move |(reference, profile)| Question {
            payoff: payoff.clone(),
            reference,
            eta,
            profile,
        })
    })
}

/// `log p − factor · Aq`, the reference that makes `p` the equilibrium up to rounding.
fn planted(policy: &Distribution, factor: f64, gains: &[f64]) -> Distribution {
    let logs = policy.log_probabilities().iter().zip(gains);
    Distribution::from_logits(logs.map(|(log_p, gain)| log_p - factor * gain).collect()).unwrap()
}

/// Equilibria to the last bit at every η, and steps of 1e-17 to 1 away from them.
fn near() -> impl Strategy<Value = Question> {
    let steps = (decade(-17.0..0.0), vec(-1.0..1.0_f64, 7), any::<bool>());
    (payoff(), eta(), steps).prop_flat_map(|(payoff, eta, (size, steps, exact))| {
        profile(&payoff, false).prop_map(move |equilibrium| {
            let (n, m) = (payoff.nrows(), payoff.ncols());
            let (mut gains, mut losses) = (vec![0.0; n], vec![0.0; m]);
            payoff.apply(&equilibrium.column.probabilities(), &mut gains);
            payoff.apply_transpose(&equilibrium.row.probabilities(), &mut losses);
            let row = planted(&equilibrium.row, eta.get(), &gains);
            let column = planted(&equilibrium.column, -eta.get(), &losses);
            let same = equilibrium.row == equilibrium.column && payoff.is_skew();
            let reference = if same { Profile::symmetric(row) } else { Profile { row, column } };
            let moved = |policy: &Distribution| {
                let logs = policy.log_probabilities().iter().zip(&steps);
                Distribution::from_logits(logs.map(|(l, step)| l + size * step).collect()).unwrap()
            };
            let profile = if exact {
                equilibrium.clone()
            } else {
                Profile { row: moved(&equilibrium.row), column: moved(&equilibrium.column) }
            };
            Question { payoff: payoff.clone(), reference, eta, profile }
        })
    })
}

/// The best response to the best response to anything, and steps away from it.
fn response() -> impl Strategy<Value = Question> {
    let steps = (decade(-17.0..0.0), vec(-1.0..1.0_f64, 7));
    (far(false, false), steps).prop_map(|(question, (size, steps))| {
        let Question { payoff, reference, eta, profile } = &question;
        let game = RegularizedGame::new(payoff, reference, *eta).unwrap();
        let row = game.best_row_response(&profile.column);
        let column = game.best_column_response(&row);
        let moved = |policy: &Distribution| {
            let logs = policy.log_probabilities().iter().zip(&steps);
            Distribution::from_logits(logs.map(|(l, step)| l + size * step).collect()).unwrap()
        };
        Question { profile: Profile { row: moved(&row), column: moved(&column) }, ..question }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn far_from_the_equilibrium(question in far(false, false)) {
        question.check()?;
    }

    #[test]
    fn policies_that_never_play_some_actions(question in far(true, false)) {
        question.check()?;
    }

    #[test]
    fn references_that_never_play_some_actions(question in far(true, true)) {
        question.check()?;
    }

    #[test]
    fn at_the_equilibrium_and_next_to_it(question in near()) {
        question.check()?;
    }

    #[test]
    fn best_responses_and_next_to_them(question in response()) {
        question.check()?;
    }

    #[test]
    fn low_rank_and_matrix_free_games(
        question in near(),
        rank in 1_usize..4,
        factors in vec(-1.0..1.0_f64, 7 * 6 + 9),
        skew in any::<bool>(),
    ) {
        let Question { payoff, reference, eta, profile } = &question;
        let (n, m) = (payoff.nrows(), payoff.ncols());
        let matrix_free = MatrixFreeGame::new(
            n, m, payoff.payoff_bound(),
            |q: &[f64], out: &mut [f64]| payoff.apply(q, out),
            |p: &[f64], out: &mut [f64]| payoff.apply_transpose(p, out),
        );
        check_both(&matrix_free, reference, *eta, profile)?;
        let low_rank = if skew && n == m {
            LowRankGame::skew(rank, factors[..n * rank].to_vec(), &factors[42..42 + rank * rank])
        } else {
            LowRankGame::new(
                rank,
                factors[..n * rank].to_vec(),
                factors[21..21 + m * rank].to_vec(),
            )
        }.unwrap();
        check_both(&low_rank, reference, *eta, profile)?;
        // The equilibrium of the low-rank game, as far as best responses find it.
        let eta = Eta::new(0.1 * eta.get().min(1.0)).unwrap();
        let game = RegularizedGame::new(&low_rank, reference, eta).unwrap();
        let mut found = profile.clone();
        for _ in 0..60 {
            found = if found.row == found.column && game.is_symmetric() {
                Profile::symmetric(game.best_row_response(&found.row))
            } else {
                let row = game.best_row_response(&found.column);
                Profile { column: game.best_column_response(&row), row }
            };
        }
        check_both(&low_rank, reference, eta, &found)?;
    }
}

#[test]
fn every_known_equilibrium() {
    for form in closed_forms() {
        let checked = check_both(&form.payoff, &form.reference, form.eta, &form.equilibrium);
        checked.unwrap_or_else(|error| panic!("{}: {error}", form.name));
    }
}

/// Near a vertex the gap is as small as the other masses, and so is what it is rounded up by.
#[test]
fn gaps_of_tiny_masses_keep_nine_digits() {
    for (log_mass, bits) in [(-100.0, 500), (-300.0, 1000), (-600.0, 2000)] {
        let payoff = DenseGame::new(2, 1, vec![0.0, log_mass]).unwrap();
        let (reference, eta) = (Profile::uniform(2, 1), Eta::new(1.0).unwrap());
        let row = Distribution::from_logits(vec![0.0, log_mass + 0.5]).unwrap();
        let profile = Profile { row, column: Distribution::uniform(1) };
        let game = RegularizedGame::new(&payoff, &reference, eta).unwrap();
        let exact = ExactGap::with_bits(bits, &payoff, &reference, eta, &profile).duality_gap;
        // e^m (½ e^½ + 1 − e^½): KL of a mass that is e^½ times too large.
        let expected = log_mass.exp() * (1.0 - 0.5 * 0.5_f64.exp());
        assert!((exact / expected - 1.0).abs() < 1e-12, "{exact:e} and {expected:e}");
        for certificate in [game.certify(&profile), game.certify_precisely(&profile)] {
            let relative = certificate.duality_gap / exact - 1.0;
            assert!((0.0..=1e-9).contains(&relative), "{relative:e} above {exact:e}");
        }
    }
}
