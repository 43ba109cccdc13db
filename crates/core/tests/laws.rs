//! Laws of the vocabulary, on random inputs from the ordinary to the adversarial.
//!
//! Laws that connect two certificates hold up to `certificate_error_bound` of the testkit; one
//! certificate against the definition is `tests/certificate.rs`.

use nlhf_core::{
    Certificate, DenseGame, Distribution, LowRankGame, MatrixFreeGame, Menu, Profile, PromptId,
    RegularizedGame, ResponseId, SeedTree, Stream, ZeroSumGame,
};
use nlhf_testkit::strategies::{self, Instance};
use nlhf_testkit::{
    ClosedForm, certificate_error_bound, check_zero_sum_game, closed_forms, random_prior,
};
use proptest::collection::vec;
use proptest::prelude::*;
use rand::Rng;

/// η from a whisper to payoffs of 4·10⁵ nats.
const ETAS: std::ops::RangeInclusive<f64> = 1e-4..=1e5;

/// `(2n + 128) ε` for the nine actions of the largest instances.
const VALUE_ERROR: f64 = 146.0 * f64::EPSILON;

fn instance() -> impl Strategy<Value = Instance> {
    prop_oneof![
        strategies::symmetric_instance(9, ETAS),
        strategies::general_instance(9, ETAS),
        // Near the equilibrium, where the plain form of the gap has no digits left.
        (strategies::symmetric_instance(6, 1e-4..=0.2), -18.0..0.0_f64).prop_map(near_equilibrium),
    ]
}

/// Iterates the best response, a contraction here, and then steps away by `10^log_step`.
fn near_equilibrium((mut instance, log_step): (Instance, f64)) -> Instance {
    let mut policy = instance.reference.row.clone();
    for _ in 0..200 {
        policy = instance.game().best_row_response(&policy);
    }
    let step = 10f64.powf(log_step);
    let logits = policy.log_probabilities().iter().zip(0..).map(|(log_p, i)| {
        let sign = if i % 2 == 0 { step } else { -step };
        log_p + sign
    });
    policy = Distribution::from_logits(logits.collect()).expect("finite logits");
    instance.profile = Profile::symmetric(policy);
    instance
}

fn error_bound(instance: &Instance) -> f64 {
    let Instance { payoff, reference, eta, profile } = instance;
    certificate_error_bound(payoff, reference, *eta, profile)
}

fn certify(instance: &Instance) -> Certificate {
    instance.game().certify(&instance.profile)
}

/// `1 + ηB` and the logarithms at play: what values are rounded relative to, in nats.
///
/// A value is rounded down by up to `(2n + 128) ε` of it, so that two differ by that of the larger.
fn size_nats(instance: &Instance) -> f64 {
    let Instance { payoff, reference, eta, profile } = instance;
    let policies = [&reference.row, &reference.column, &profile.row, &profile.column];
    let logs = policies.iter().flat_map(|policy| policy.log_probabilities());
    let spread = logs.fold(0.0, |most: f64, l| most.max(l.abs()));
    1.0 + eta.get() * payoff.payoff_bound() + spread
}

proptest! {
    #[test]
    fn logits_are_known_up_to_a_constant(logits in vec(-50.0..50.0, 1..9), shift in -1e10..1e10_f64) {
        let shifted = logits.iter().map(|l| l + shift).collect();
        let (d, e) =
            (Distribution::from_logits(logits).unwrap(), Distribution::from_logits(shifted).unwrap());
        for (x, y) in d.log_probabilities().iter().zip(e.log_probabilities()) {
            prop_assert!((x - y).abs() <= 4.0 * f64::EPSILON * (100.0 + shift.abs()));
        }
    }

    #[test]
    fn distributions_sum_to_one_and_have_bounded_entropy(d in strategies::sparse_distribution(7)) {
        let total: f64 = d.probabilities().iter().sum();
        prop_assert!((total - 1.0).abs() <= 1e-12);
        prop_assert!((0.0..=7f64.ln() + 1e-12).contains(&d.entropy_nats()));
    }

    #[test]
    fn kl_is_non_negative_and_zero_on_the_diagonal(
        p in strategies::sparse_distribution(6),
        q in strategies::sparse_distribution(6),
    ) {
        prop_assert!(p.kl_nats(&q) >= 0.0);
        prop_assert!(p.kl_nats(&p) == 0.0);
        // KL to the uniform distribution is what the entropy lacks.
        let lacking = 6f64.ln() - p.entropy_nats();
        prop_assert!((p.kl_nats(&Distribution::uniform(6)) - lacking).abs() <= 1e-12);
    }

    #[test]
    fn kl_bounds_total_variation(
        p in strategies::distribution(5),
        q in strategies::distribution(5),
    ) {
        let pairs = p.probabilities().into_iter().zip(q.probabilities());
        let distance = 0.5 * pairs.map(|(p, q)| (p - q).abs()).sum::<f64>();
        prop_assert!(2.0 * distance * distance <= p.kl_nats(&q) + 1e-14);
    }

    #[test]
    fn distributions_keep_every_bit_through_json(d in strategies::sparse_distribution(8)) {
        let text = serde_json::to_string(&d).unwrap();
        prop_assert_eq!(serde_json::from_str::<Distribution>(&text).unwrap(), d);
    }

    #[test]
    fn dense_low_rank_and_matrix_free_games_are_one_game(
        n in 1_usize..12,
        k in 1_usize..5,
        factors in vec(-1.0..1.0, 12 * 4 + 16),
        eta in strategies::eta(1e-3..=1e3),
        seed in any::<u64>(),
    ) {
        let rng = &mut SeedTree::new(seed).rng(Stream::Instance, 0);
        let low_rank =
            LowRankGame::skew(k, factors[..n * k].to_vec(), &factors[48..48 + k * k]).unwrap();
        let mut entries = vec![0.0; n * n];
        low_rank.write_dense(&mut entries);
        let dense = DenseGame::skew_from_upper(n, |i, j| {
            0.5 * (entries[i * n + j] - entries[j * n + i])
        });
        let matrix_free = MatrixFreeGame::new(
            n, n, low_rank.payoff_bound(),
            |q, out| low_rank.apply(q, out),
            |p, out| low_rank.apply_transpose(p, out),
        );
        check_zero_sum_game(&low_rank, rng);
        check_zero_sum_game(&dense, rng);
        check_zero_sum_game(&matrix_free, rng);
        let reference = Profile::symmetric(random_prior(n, 3.0, rng));
        let profile = Profile { row: random_prior(n, 5.0, rng), column: random_prior(n, 5.0, rng) };
        let tolerance = 1e-12 * (10.0 / eta.get() + low_rank.payoff_bound());
        let games: [&dyn ZeroSumGame; 3] = [&dense, &low_rank, &matrix_free];
        let certificates = games.map(|payoff| {
            RegularizedGame::new(payoff, &reference, eta).unwrap().certify(&profile)
        });
        for other in &certificates[1..] {
            prop_assert!((other.duality_gap - certificates[0].duality_gap).abs() <= tolerance);
            prop_assert!((other.row_regret - certificates[0].row_regret).abs() <= tolerance);
            prop_assert!((other.value - certificates[0].value).abs() <= tolerance);
        }
    }

    #[test]
    fn general_games_keep_their_laws(game in strategies::general_game(10), seed in any::<u64>()) {
        check_zero_sum_game(&game, &mut SeedTree::new(seed).rng(Stream::Instance, 0));
    }

    #[test]
    fn the_certificate_is_never_negative(instance in instance()) {
        let certificate = certify(&instance);
        prop_assert!(certificate.row_regret >= 0.0 && certificate.column_regret >= 0.0);
        let sum = certificate.row_regret + certificate.column_regret;
        prop_assert!((certificate.duality_gap - sum).abs() <= 1e-15 * sum);
        prop_assert!(certificate.value.is_finite());
    }

    #[test]
    fn regrets_are_what_best_responses_gain(instance in instance()) {
        let game = instance.game();
        let Profile { row, column } = &instance.profile;
        let value = |row: &Distribution, column: &Distribution| {
            game.certify(&Profile { row: row.clone(), column: column.clone() }).value
        };
        let certificate = certify(&instance);
        let best_row = value(&game.best_row_response(column), column);
        let best_column = value(row, &game.best_column_response(row));
        let rounding = 2.0 * VALUE_ERROR * size_nats(&instance) / instance.eta.get();
        let tolerance = error_bound(&instance) + rounding;
        let near = |x: f64, y: f64| (x - y).abs() <= tolerance;
        prop_assert!(near(certificate.row_regret, best_row - certificate.value));
        prop_assert!(near(certificate.column_regret, certificate.value - best_column));
        prop_assert!(near(certificate.duality_gap, best_row - best_column));
    }

    #[test]
    fn the_order_of_actions_does_not_matter(instance in instance(), turn in 0_usize..8) {
        let turned = |policy: &Distribution| {
            let mut logs = policy.log_probabilities().to_vec();
            let middle = turn % logs.len();
            logs.rotate_left(middle);
            Distribution::from_log_probabilities(logs).unwrap()
        };
        let profile =
            |p: &Profile| Profile { row: turned(&p.row), column: turned(&p.column) };
        let (n, m) = (instance.payoff.nrows(), instance.payoff.ncols());
        let payoff = instance.payoff.map_entries(|i, j, _| {
            instance.payoff.get((i + turn) % n, (j + turn) % m)
        });
        let other = Instance {
            payoff: payoff.unwrap(),
            reference: profile(&instance.reference),
            profile: profile(&instance.profile),
            ..instance
        };
        let (here, there) = (certify(&instance), certify(&other));
        let bound = error_bound(&instance) + error_bound(&other);
        prop_assert!((here.duality_gap - there.duality_gap).abs() <= bound);
        let tolerance = VALUE_ERROR * size_nats(&instance) / instance.eta.get();
        prop_assert!((here.value - there.value).abs() <= tolerance);
    }

    #[test]
    fn a_constant_moves_the_value_and_nothing_else(
        instance in strategies::general_instance(8, 1e-4..=1e5),
        shift in -10.0..10.0_f64,
    ) {
        let payoff = instance.payoff.map_entries(|_, _, payoff| payoff + shift).unwrap();
        let other = Instance { payoff, ..instance.clone() };
        let (here, there) = (certify(&instance), certify(&other));
        let bound = error_bound(&instance) + error_bound(&other);
        prop_assert!((here.duality_gap - there.duality_gap).abs() <= bound);
        let size = size_nats(&instance) + size_nats(&other);
        let tolerance = VALUE_ERROR * size / instance.eta.get();
        prop_assert!((here.value + shift - there.value).abs() <= tolerance + 1e-14);
    }

    #[test]
    fn the_symmetric_shortcut_is_the_general_path(
        instance in strategies::symmetric_instance(9, ETAS),
    ) {
        let dense = &instance.payoff;
        let n = dense.nrows();
        let general = MatrixFreeGame::new(
            n, n, dense.payoff_bound(),
            |q, out| dense.apply(q, out),
            |p, out| dense.apply_transpose(p, out),
        );
        let game = RegularizedGame::new(&general, &instance.reference, instance.eta).unwrap();
        prop_assert!(instance.game().is_symmetric() && !game.is_symmetric());
        let (here, there) = (certify(&instance), game.certify(&instance.profile));
        let bound = 2.0 * error_bound(&instance);
        prop_assert!((here.duality_gap - there.duality_gap).abs() <= bound);
        prop_assert!((here.column_regret - there.column_regret).abs() <= bound);
        let tolerance = VALUE_ERROR * size_nats(&instance) / instance.eta.get();
        prop_assert!((here.value - there.value).abs() <= tolerance);
    }

    #[test]
    fn menus_come_back_as_they_went_in(menus in strategies::menus(6, 7)) {
        let mut n_pairs = 0;
        for (position, menu) in menus.iter().enumerate() {
            prop_assert_eq!(menus.position(menu.prompt()), Some(position));
            prop_assert_eq!(menus.get(position), menu);
            prop_assert_eq!(Menu::new(menu.prompt(), menu.responses()).unwrap(), menu);
            n_pairs += menu.len() * (menu.len() - 1) / 2;
        }
        prop_assert_eq!(menus.n_pairs(), n_pairs);
        prop_assert_eq!(menus.position(PromptId::from_index(menus.len())), None);
    }

    #[test]
    fn a_response_named_twice_is_refused(
        ids in vec(0_u32..50, 1..8),
        copied in any::<prop::sample::Index>(),
    ) {
        let mut responses: Vec<_> = ids.iter().copied().map(ResponseId::new).collect();
        responses.push(responses[copied.index(ids.len())]);
        prop_assert!(Menu::new(PromptId::new(0), &responses).is_err());
    }

    #[test]
    fn streams_depend_on_seed_purpose_and_unit_only(
        seed in any::<u64>(),
        unit in any::<u32>(),
        skipped in 0_usize..20,
    ) {
        let seeds = SeedTree::new(seed);
        let drawn = seeds.rng(Stream::Oracle, unit).next_u64();
        let mut other = seeds.rng(Stream::Start, unit);
        for _ in 0..skipped {
            other.next_u64();
        }
        prop_assert_eq!(seeds.rng(Stream::Oracle, unit).next_u64(), drawn);
        prop_assert_ne!(seeds.rng(Stream::Prompts, unit).next_u64(), drawn);
        prop_assert_ne!(seeds.rng(Stream::Oracle, unit.wrapping_add(1)).next_u64(), drawn);
        prop_assert_ne!(SeedTree::new(seed ^ 1).rng(Stream::Oracle, unit).next_u64(), drawn);
    }

    #[test]
    fn samples_are_played_actions(d in strategies::sparse_distribution(6), seed in any::<u64>()) {
        let rng = &mut SeedTree::new(seed).rng(Stream::Responses, 0);
        for _ in 0..20 {
            prop_assert!(d.probabilities()[d.sample(rng)] > 0.0);
        }
    }
}

/// How far the equilibrium of a closed form, rounded to f64, may be off in its logarithms.
fn rounding_nats(form: &ClosedForm) -> f64 {
    let policies = [&form.reference.row, &form.reference.column];
    let logs = policies.iter().flat_map(|policy| policy.log_probabilities());
    let spread = logs.fold(0.0, |most: f64, l| most.max(l.abs()));
    8.0 * f64::EPSILON * (1.0 + form.eta.get() * form.payoff.payoff_bound() + spread)
}

#[test]
fn the_certificate_vanishes_at_every_known_equilibrium() {
    for form in closed_forms() {
        let certificate = form.game().certify(&form.equilibrium);
        let nats = certificate.duality_gap * form.eta.get();
        let error =
            certificate_error_bound(&form.payoff, &form.reference, form.eta, &form.equilibrium);
        let floor = rounding_nats(&form).powi(2) + error * form.eta.get();
        assert!(nats <= floor, "{}: {nats:e} nats, rounding {floor:e}, {form:?}", form.name);
    }
}

/// `J(p*, q) − J* = KL(q‖q*)/η` and its mirror image: the gap holds both distances.
#[test]
fn the_certificate_sees_how_far_a_profile_is_from_the_equilibrium() {
    let rng = &mut SeedTree::new(3).rng(Stream::Instance, 0);
    for form in closed_forms() {
        for spread in [1e-6, 1e-3, 0.3, 10.0] {
            let mut moved = |policy: &Distribution| {
                let steps = random_prior(policy.len(), spread, rng);
                let logs = policy.log_probabilities().iter().zip(steps.log_probabilities());
                Distribution::from_logits(logs.map(|(log_p, step)| log_p + step).collect()).unwrap()
            };
            let (row, column) = (moved(&form.equilibrium.row), moved(&form.equilibrium.column));
            let kl_nats =
                row.kl_nats(&form.equilibrium.row) + column.kl_nats(&form.equilibrium.column);
            let profile = Profile { row, column };
            let nats = form.game().certify(&profile).duality_gap * form.eta.get();
            let delta = rounding_nats(&form);
            let rounding = delta * kl_nats.sqrt() + delta * delta + 1e-12 * kl_nats;
            let far = nats >= kl_nats - rounding;
            assert!(far, "{}: {nats:e} nats certified, {kl_nats:e} off, {form:?}", form.name);
        }
    }
}
