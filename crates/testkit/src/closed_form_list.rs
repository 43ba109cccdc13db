//! An assortment of closed-form games: every family over six decades and more of η, and priors whose
//! smallest entry is 1e-300.

use crate::{ClosedForm, cyclic_skew, random_general, random_prior, random_skew};
use nlhf_core::{Distribution, Eta, Profile, SeedTree, Stream};

/// The values of η of [`closed_forms`].
const ETAS: [f64; 7] = [1e-3, 0.1, 1.0, 10.0, 300.0, 1e4, 1e6];

/// About 150 games with their equilibria, the same ones at each call.
///
/// # Panics
/// Never: the inputs are fixed.
pub fn closed_forms() -> Vec<ClosedForm> {
    let mut games = Vec::new();
    for eta in ETAS {
        let eta = Eta::new(eta).expect("a positive number");
        symmetric(eta, &mut games);
        general(eta, &mut games);
    }
    games
}

fn symmetric(eta: Eta, games: &mut Vec<ClosedForm>) {
    games.push(ClosedForm::one_action(0.0, eta));
    for masses in [[0.5, 0.5], [0.9, 0.1], [1.0, 1e-300]] {
        let prior = distribution(&masses);
        games.push(ClosedForm::two_actions(0.3, &prior, eta));
        games.push(ClosedForm::two_actions(-2.0, &prior, eta));
    }
    let priors = [Distribution::uniform(5), distribution(&[0.3, 1e-12, 0.5, 0.2, 1e-300])];
    for prior in priors {
        games.push(ClosedForm::bradley_terry(&[0.7, 2.0, -1.1, 0.0, 1.3], &prior, eta));
        games.push(ClosedForm::zero_payoff(Profile::symmetric(prior), eta));
    }
    let scissors = ClosedForm::rock_paper_scissors([1.0; 3], 0.5, eta);
    let shares = [vec![1.0], vec![0.25, 0.5, 0.25], vec![0.999, 0.001]];
    games.push(scissors.clone().with_copies(&shares, &shares));
    games.push(scissors);
    games.push(ClosedForm::rock_paper_scissors([1.0, 1e-3, 5.0], 0.2, eta));
    let rng = &mut SeedTree::new(0).rng(Stream::Instance, 0);
    for n in [4, 12] {
        let policy = random_prior(n, 3.0, rng);
        let equilibrium = Profile::symmetric(policy);
        games.push(ClosedForm::planted(cyclic_skew(n, rng), equilibrium.clone(), eta));
        games.push(ClosedForm::planted(random_skew(n, 2.0, rng), equilibrium, eta));
    }
}

fn general(eta: Eta, games: &mut Vec<ClosedForm>) {
    games.push(ClosedForm::one_action(-0.7, eta));
    games.push(ClosedForm::matching_pennies(0.5, eta));
    let reference =
        Profile { row: distribution(&[0.2, 0.8, 1e-300]), column: distribution(&[0.1, 0.9]) };
    let additive = ClosedForm::additive(&[0.5, -0.25, 1.0], &[0.75, 0.0], &reference, eta);
    let (row_shares, column_shares) =
        ([vec![0.5, 0.5], vec![1.0], vec![0.9, 0.1]], [vec![1.0], vec![0.2, 0.8]]);
    games.push(additive.clone().with_copies(&row_shares, &column_shares));
    games.push(additive);
    games.push(ClosedForm::zero_payoff(reference, eta));
    let rng = &mut SeedTree::new(0).rng(Stream::Instance, 1);
    for (nrows, ncols) in [(3, 5), (8, 2)] {
        let row = random_prior(nrows, 3.0, rng);
        let column = random_prior(ncols, 3.0, rng);
        let payoff = random_general(nrows, ncols, 1.5, rng);
        games.push(ClosedForm::planted(payoff, Profile { row, column }, eta));
    }
}

fn distribution(masses: &[f64]) -> Distribution {
    Distribution::from_masses(masses).expect("positive masses")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exact_gap;
    use nlhf_core::ZeroSumGame;

    #[test]
    fn every_claimed_equilibrium_is_one() {
        for form in closed_forms() {
            // The probabilities are rounded to ε(1 + ηB), and the gap is the square of that, in nats.
            let spread = 1000.0 + form.eta.get() * form.payoff.payoff_bound();
            let rounding = (8.0 * f64::EPSILON * spread).powi(2);
            let gap = exact_gap(&form.payoff, &form.reference, form.eta, &form.equilibrium);
            let nats = gap * form.eta.get();
            assert!(nats.abs() <= rounding, "{nats:e} nats of {form:?}");
        }
    }

    #[test]
    fn every_claimed_value_is_that_of_the_profile() {
        for form in closed_forms() {
            let value = form.game().certify(&form.equilibrium).value;
            let size = form.payoff.payoff_bound() + 1000.0 / form.eta.get();
            assert!((value - form.value).abs() <= 1e-13 * size, "{value} of {form:?}");
        }
    }

    #[test]
    fn the_sign_of_the_column_player_is_the_right_one() {
        // The second column costs the column player nothing but a payoff of 1 less to the row player.
        let eta = Eta::new(2.0).unwrap();
        let form = ClosedForm::additive(&[0.0], &[0.0, 1.0], &Profile::uniform(1, 2), eta);
        assert!(form.payoff.get(0, 1) < form.payoff.get(0, 0));
        let column = form.equilibrium.column.log_probabilities();
        assert!((column[1] - column[0] - 2.0).abs() < 1e-15);
        assert!(form.value < 0.0);
    }
}
