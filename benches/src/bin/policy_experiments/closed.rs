//! Solvers within a class where the answer is known another way.
//!
//! ```text
//! features that span the simplex: the equilibrium of every prompt by itself (`Automatic`, gap 1e-14)
//! one feature: where  Cov_π(φ, Aπ − θφ/η) = 0 (equilibrium), or the shortfall is least, by bisection and golden section from a grid
//! ```

use crate::prompts::Prompts;
use nlhf::core::{Distribution, Menu, Policy, PolicyClass, SeedTree, Stream, Target, Weight};
use nlhf::nash::in_class::{ClassSelfPlay, InClassStatus, LeastShortfall, NashRegressionFit};
use nlhf::policy::{LogLinearClass, LogLinearConfig, LogLinearParameters, LogLinearPolicy};
use nlhf::preference::{FeatureTable, Features};
use nlhf_benches::experiments::Job;
use nlhf_benches::report::{Effort, Section, Table, short};
use nlhf_benches::world::{menus, pairs};
use nlhf_testkit::{cyclic_skew, random_prior};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use std::sync::Arc;

const SOLVERS: [&str; 4] = [
    "least shortfall, projections",
    "self-play, projections",
    "self-play, natural gradient",
    "Nash regression, expected pairs",
];
/// Regression contracts by 1/(1 + η²B²) a round.
const REGRESSION_ETA: f64 = 5.0;

/// The largest errors of a solver.
#[derive(Default, Clone, Copy)]
struct Errors {
    games: usize,
    policy: f64,
    /// η where the policy is farthest off.
    worst_eta: f64,
    shortfall: f64,
    /// Errors of the policy above [`VISIBLE`].
    visible: usize,
    unfinished: usize,
}

const VISIBLE: f64 = 1e-5;

/// A policy found, its mean shortfall, and how the search ended.
type Found = (LogLinearPolicy, f64, InClassStatus);

pub(crate) fn run(_: &Job, effort: Effort) -> anyhow::Result<Section> {
    let n = effort.pick(120, 3);
    let mut section = Section::new("Equilibria within a class against known answers");
    section.paragraph(&format!(
        "{n} seeded sets of cyclic games, η log-uniform in [0.1, 50], random references. Spanning: three prompts of 2 to 6 candidates and features that tell all candidates \
         apart, against the equilibria of the prompts. One parameter: one prompt of 3 to 5 candidates and one random feature, against bisection of the first-order condition, or golden \
         section of the shortfall. Regression, which takes some η² rounds, only for η ≤ {REGRESSION_ETA}. Policy: largest total variation, or largest error of θ. Shortfall: largest \
         difference of the mean shortfall. Projections as far as rounding lets them, residuals to 1e-9 nats, least shortfall to 1e-12."
    ));
    let (mut spanning, mut single) = ([Errors::default(); 4], [Errors::default(); 4]);
    let mut ambiguous = 0;
    for unit in 0..n {
        span(unit, &mut spanning)?;
        ambiguous += usize::from(one_parameter(unit, &mut single)?);
    }
    let mut table = Table::new(&[
        "class",
        "solver",
        "games",
        "policy",
        "there η",
        "above 1e-5",
        "shortfall",
        "not ended by its criterion",
    ]);
    for (class, errors) in [("spanning", spanning), ("one parameter", single)] {
        for (solver, errors) in SOLVERS.iter().zip(errors) {
            table.row(&[
                class.to_owned(),
                (*solver).to_owned(),
                errors.games.to_string(),
                short(errors.policy),
                short(errors.worst_eta),
                errors.visible.to_string(),
                short(errors.shortfall),
                errors.unfinished.to_string(),
            ]);
        }
    }
    section.table(&table);
    section.paragraph(&format!(
        "{ambiguous} of the {n} one-parameter games have more than one root; the error of an equilibrium is to the nearest."
    ));
    section.paragraph(include_str!("closed.md").trim_end());
    Ok(section)
}

/// What every prompt is answered with, by its number.
struct References(Vec<Distribution>);

impl Policy for References {
    fn distribution(&self, menu: Menu<'_>) -> Distribution {
        self.0[menu.prompt().index()].clone()
    }
}

/// Games, and the class over their references.
fn draw(
    n_prompts: usize,
    n: usize,
    features: Vec<f64>,
    rng: &mut dyn Rng,
) -> anyhow::Result<(Prompts, LogLinearClass)> {
    let eta = 0.1 * 500f64.powf(rng.random::<f64>());
    let payoffs = (0..n_prompts).map(|_| cyclic_skew(n, rng)).collect();
    let references: Vec<Distribution> = (0..n_prompts).map(|_| random_prior(n, 1.0, rng)).collect();
    let table = FeatureTable::new(features.len() / (n_prompts * n), features)?;
    let class = LogLinearClass::new(
        Arc::new(Features::new(table, None)?),
        Arc::new(References(references.clone())),
        LogLinearConfig::default().with_tolerance_nats(0.0),
    )?;
    Ok((Prompts::of_games(menus(n_prompts, n), payoffs, references, eta, 1e-14)?, class))
}

/// What each solver finds from the reference; regression nothing where it would take too long.
fn solve(prompts: &Prompts, class: &LogLinearClass) -> anyhow::Result<[Option<Found>; 4]> {
    let games = prompts.games()?;
    let targets = games.iter().map(|game| Target {
        menu: game.menu(),
        distribution: game.game().reference().row.clone(),
        weight: Weight::ONE,
    });
    let targets: Vec<Target<'_>> = targets.collect();
    let start = class.project(&targets, None)?.policy;
    let search =
        LeastShortfall { max_projections: 1000, tolerance: 1e-12, relative_tolerance: 1e-12 };
    let least = search.solve(class, &games, start.clone(), &mut ())?;
    let play = ClassSelfPlay { max_iterations: 5000, residual_nats: 1e-9 };
    let projected = play.solve(class, &games, start.clone(), &mut ())?;
    let natural = play.solve_parametrized(&games, start.clone(), &mut ())?;
    let regression = if prompts.eta.get() <= REGRESSION_ETA {
        let fit = NashRegressionFit {
            max_rounds: 5000,
            residual_nats: 1e-9,
            ..NashRegressionFit::default()
        };
        let found = fit.fit(&games, start, &mut ())?;
        Some((found.policy, found.mean_shortfall, found.status))
    } else {
        None
    };
    Ok([
        Some((least.policy, least.mean_shortfall, least.status)),
        Some((projected.policy, projected.mean_shortfall, projected.status)),
        Some((natural.policy, natural.mean_shortfall, natural.status)),
        regression,
    ])
}

impl Errors {
    fn add(&mut self, eta: f64, policy: f64, shortfall: f64, status: InClassStatus) {
        self.games += 1;
        if policy > self.policy {
            (self.policy, self.worst_eta) = (policy, eta);
        }
        self.visible += usize::from(policy > VISIBLE);
        self.shortfall = self.shortfall.max(shortfall.abs());
        let ended = matches!(status, InClassStatus::Converged | InClassStatus::Stationary);
        self.unfinished += usize::from(!ended);
    }
}

fn span(unit: u32, errors: &mut [Errors; 4]) -> anyhow::Result<()> {
    const PROMPTS: usize = 3;
    let mut rng = SeedTree::new(0).rng(Stream::Instance, unit);
    let n = rng.random_range(2..=6_u32) as usize;
    let dim = PROMPTS * (n - 1);
    let mut features = vec![0.0; PROMPTS * n * dim];
    for prompt in 0..PROMPTS {
        for a in 0..n - 1 {
            features[(prompt * n + a) * dim + prompt * (n - 1) + a] = 1.0;
        }
    }
    let (prompts, class) = draw(PROMPTS, n, features, &mut rng)?;
    for (errors, found) in errors.iter_mut().zip(solve(&prompts, &class)?) {
        let Some((policy, shortfall, status)) = found else { continue };
        let apart = prompts.menus.iter().zip(&prompts.equilibria).map(|(menu, wanted)| {
            let (p, q) = (policy.distribution(menu).probabilities(), wanted.probabilities());
            0.5 * p.iter().zip(&q).map(|(p, q)| (p - q).abs()).sum::<f64>()
        });
        errors.add(prompts.eta.get(), apart.fold(0.0, f64::max), shortfall, status);
    }
    Ok(())
}

/// Whether there is more than one root.
fn one_parameter(unit: u32, errors: &mut [Errors; 4]) -> anyhow::Result<bool> {
    let mut rng = SeedTree::new(1).rng(Stream::Instance, unit);
    let n = rng.random_range(3..=5_u32) as usize;
    // At least 0.2 apart, so that roots are within 5 η.
    let mut features: Vec<f64> =
        (0..n).map(|a| 0.4 * a as f64 + 0.2 * rng.random::<f64>() - 0.8).collect();
    features.shuffle(&mut rng);
    let (prompts, class) = draw(1, n, features.clone(), &mut rng)?;
    let eta = prompts.eta.get();
    let table: Arc<Features> =
        Arc::new(Features::new(FeatureTable::new(1, features.clone())?, None)?);
    let base: Arc<dyn Policy> = {
        let games = prompts.games()?;
        Arc::new(References(games.iter().map(|game| game.game().reference().row.clone()).collect()))
    };
    let play = |theta: f64| {
        let parameters = LogLinearParameters::new(vec![theta], 1.0).expect("finite");
        let policy = LogLinearPolicy::new(parameters, table.clone(), Arc::clone(&base));
        policy.expect("one weight").distribution(prompts.menus.get(0))
    };
    let slope = |theta: f64| {
        let p = play(theta).probabilities();
        let gain = |a: usize| {
            let wins: f64 = (0..n).map(|b| prompts.payoffs[0].get(a, b) * p[b]).sum();
            wins - theta * features[a] / eta
        };
        // Pair by pair nothing cancels, however sure the policy is.
        let pair = |(a, b): (usize, usize)| {
            p[a] * p[b] * (gain(a) - gain(b)) * (features[a] - features[b])
        };
        pairs(n).map(pair).sum::<f64>()
    };
    let shortfall = |theta: f64| prompts.suboptimality(&[play(theta)]);
    // Payoffs differ by at most one. The grid is finer where θ is small.
    let grid = (-2000..=2000).map(|k| f64::from(k) / 2000.0);
    let grid: Vec<f64> = grid.map(|t| 5.0 * eta * t * t.abs()).collect();
    let roots: Vec<f64> = grid
        .windows(2)
        .filter(|ends| (slope(ends[0]) > 0.0) != (slope(ends[1]) > 0.0))
        .map(|ends| bisection(slope, ends[0], ends[1]))
        .collect();
    let least = (1..grid.len() - 1)
        .min_by(|a, b| shortfall(grid[*a]).total_cmp(&shortfall(grid[*b])))
        .expect("a grid");
    let least = golden_section(shortfall, grid[least - 1], grid[least + 1]);
    for (at, (errors, found)) in errors.iter_mut().zip(solve(&prompts, &class)?).enumerate() {
        let Some((policy, found, status)) = found else { continue };
        let theta = policy.log_linear_parameters().weights()[0];
        let near = |a: &&f64, b: &&f64| (*a - theta).abs().total_cmp(&(*b - theta).abs());
        let wanted =
            if at == 0 { least } else { *roots.iter().min_by(near).expect("there is a root") };
        errors.add(eta, (theta - wanted).abs(), found - shortfall(wanted), status);
    }
    Ok(roots.len() > 1)
}

fn bisection(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let rising = f(high) > 0.0;
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if (f(middle) > 0.0) == rising { high = middle } else { low = middle }
    }
    0.5 * (low + high)
}

fn golden_section(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let share = 0.5 * (5f64.sqrt() - 1.0);
    for _ in 0..100 {
        let (left, right) = (high - share * (high - low), low + share * (high - low));
        if f(left) < f(right) { high = right } else { low = left }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_found() {
        let (mut spanning, mut single) = ([Errors::default(); 4], [Errors::default(); 4]);
        for unit in 0..2 {
            span(unit, &mut spanning).unwrap();
            one_parameter(unit, &mut single).unwrap();
        }
        assert!(spanning[2].policy < 1e-6 && single[2].policy < 1e-6);
        assert!(spanning.iter().chain(&single).all(|errors| errors.shortfall < 1e-6));
        assert!((golden_section(|x| (x - 0.3) * (x - 0.3), 0.0, 1.0) - 0.3).abs() < 1e-6);
    }
}
