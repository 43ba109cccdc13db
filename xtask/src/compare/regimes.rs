//! What is compared: the games of each regime, and who plays.

use std::path::Path;

use serde_json::{Value, json};

/// How much is measured.
#[derive(Debug, Clone)]
pub(super) struct Effort {
    is_quick: bool,
    /// How often the candidates take turns.
    pub(super) rounds: usize,
    /// A run repeats passes until so many seconds are over.
    pub(super) seconds: f64,
    /// A pass ends after so many seconds, with games unsolved if it must.
    pub(super) limit: f64,
    /// Who needs more seconds for a pass is measured in one round only.
    pub(super) patience: f64,
}

impl Effort {
    pub(super) fn full() -> Self {
        Self { is_quick: false, rounds: 5, seconds: 1.0, limit: 120.0, patience: 20.0 }
    }

    pub(super) fn quick() -> Self {
        Self { is_quick: true, rounds: 2, seconds: 0.2, limit: 20.0, patience: 3.0 }
    }
}

/// The games of a regime.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Games {
    Dense { family: &'static str, games: u32, actions: usize },
    LowRank { actions: usize, rank: usize },
}

impl Games {
    /// The files that hold them and, for the generator, what they hold.
    pub(super) fn request(&self, folder: &Path) -> Value {
        match self {
            Games::Dense { family, games, actions } => {
                let path = folder.join(format!("{family}-{actions}x{games}.npy"));
                json!({"family": family, "games": games, "actions": actions, "payoffs": path})
            }
            Games::LowRank { actions, rank } => {
                let path = |what| folder.join(format!("low-rank-{actions}-{rank}-{what}.npy"));
                json!({
                    "family": "low-rank", "actions": actions, "rank": rank,
                    "features": path("features"), "theta": path("theta"),
                })
            }
        }
    }
}

/// One who solves the games.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    /// As the table calls it.
    pub(super) name: &'static str,
    /// As the processes call it.
    pub(super) id: &'static str,
    pub(super) tolerance: f64,
    /// Whether the others are measured against it.
    is_yardstick: bool,
}

impl Candidate {
    pub(super) fn is_ours(&self) -> bool {
        self.id.starts_with("nlhf/")
    }

    pub(super) fn is_yardstick(&self) -> bool {
        self.is_yardstick
    }
}

/// One table of the report.
#[derive(Debug, Clone)]
pub(super) struct Regime {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) games: Games,
    /// 0 for the unregularized game.
    pub(super) eta: f64,
    /// The gap that all must reach.
    pub(super) tolerance: f64,
    pub(super) candidates: Vec<Candidate>,
    pub(super) threads: &'static [usize],
}

/// Name in the table and name on the line.
type Names = (&'static str, &'static str);

const NUMPY_NEWTON: Names = ("numpy, Newton", "single/newton");
const SCIPY_HYBRID: Names = ("scipy, root(hybr) with Jacobian", "single/hybr");
const NEWTON_KRYLOV: Names = ("numpy + scipy gmres, Newton-Krylov", "large/newton-krylov");
const MIRROR_PROX: Names = ("numpy, adaptive mirror-prox", "large/mirror-prox");
const BATCH: [Names; 6] = [
    ("numpy, Newton", "numpy-batch/newton"),
    ("numpy, mirror-prox", "numpy-batch/mirror-prox"),
    ("torch, Newton (linalg.solve)", "torch-batch/newton"),
    ("torch, mirror-prox", "torch-batch/mirror-prox"),
    ("JAX jit, Newton (linalg.solve)", "jax-batch/newton"),
    ("JAX jit, mirror-prox", "jax-batch/mirror-prox"),
];
/// Unrolled, hence for few actions only: beyond, it takes longer to compile than anything to run.
const ELIMINATION: Names =
    ("JAX jit, Newton (elimination across games)", "jax-batch/newton-elimination");

const FAMILIES: [&str; 2] = ["random", "cyclic"];
const ETAS: [f64; 3] = [1.0, 10.0, 100.0];

/// All regimes, in the order of the report.
pub(super) fn all(effort: &Effort) -> Vec<Regime> {
    let mut regimes = Vec::new();
    let fewer = |full: u32, quick: u32| if effort.is_quick { quick } else { full };
    for (actions, games, etas) in [
        (8, fewer(100_000, 10_000), &ETAS[..]),
        (32, fewer(10_000, 1_000), &ETAS[1..2]),
        (64, fewer(10_000, 1_000), &ETAS[1..2]),
    ] {
        for family in FAMILIES {
            let threads: &'static [usize] = if effort.is_quick { &[1] } else { &[1, 2] };
            regimes.extend(etas.iter().map(|&eta| batch(family, games, actions, eta, threads)));
        }
    }
    let sizes: &[(usize, u32)] = &[(8, 64), (64, 16), (512, 4), (2048, 2), (8192, 1)];
    let sizes = if effort.is_quick { &sizes[..4] } else { sizes };
    for &(actions, games) in sizes {
        for family in FAMILIES {
            regimes.extend(ETAS.iter().map(|&eta| single(family, games, actions, eta)));
        }
    }
    let actions = if effort.is_quick { 100_000 } else { 1_000_000 };
    regimes.extend([8, 32].map(|rank| low_rank(actions, rank)));
    let actions = if effort.is_quick { 200 } else { 500 };
    regimes.extend(FAMILIES.map(|family| winner(family, actions)));
    regimes
}

fn batch(
    family: &'static str,
    games: u32,
    actions: usize,
    eta: f64,
    threads: &'static [usize],
) -> Regime {
    let elimination = (actions <= 16).then_some(ELIMINATION);
    let mut candidates =
        candidates("nlhf", "nlhf/batch", 1e-6, BATCH.into_iter().chain(elimination));
    candidates.insert(
        1,
        Candidate {
            name: "nlhf, gap 1e-12",
            id: "nlhf/batch",
            tolerance: 1e-12,
            is_yardstick: false,
        },
    );
    Regime {
        name: format!("batch-{actions}-{family}-eta-{eta}"),
        title: format!("{} {family} games of {actions}, η = {eta}", grouped(games.into())),
        games: Games::Dense { family, games, actions },
        eta,
        tolerance: 1e-6,
        candidates,
        threads,
    }
}

fn single(family: &'static str, games: u32, actions: usize, eta: f64) -> Regime {
    let others: &[Names] = match actions {
        0..=100 => &[NUMPY_NEWTON, SCIPY_HYBRID],
        101..=1000 => &[NUMPY_NEWTON, NEWTON_KRYLOV, MIRROR_PROX],
        _ => &[NEWTON_KRYLOV, MIRROR_PROX],
    };
    Regime {
        name: format!("single-{actions}-{family}-eta-{eta}"),
        title: format!("One {family} game of {}, η = {eta}", grouped(actions as u64)),
        games: Games::Dense { family, games, actions },
        eta,
        tolerance: 1e-8,
        candidates: candidates("nlhf", "nlhf/single", 1e-8, others.iter().copied()),
        threads: &[1],
    }
}

fn low_rank(actions: usize, rank: usize) -> Regime {
    let eta = 10.0;
    Regime {
        name: format!("low-rank-{rank}"),
        title: format!(
            "One game of rank {rank} with {} actions on the log-odds scale, η = {eta}",
            grouped(actions as u64)
        ),
        games: Games::LowRank { actions, rank },
        eta,
        tolerance: 1e-8,
        candidates: candidates(
            "nlhf",
            "nlhf/low-rank",
            1e-8,
            [("numpy, Newton on the factors", "low-rank/newton")],
        ),
        threads: &[1],
    }
}

fn winner(family: &'static str, actions: usize) -> Regime {
    let others = [
        ("HiGHS interior point, by scipy", "linear-program/highs-ipm"),
        ("HiGHS simplex, by scipy", "linear-program/highs-ds"),
    ];
    Regime {
        name: format!("winner-{family}"),
        title: format!("The unregularized winner of a {family} game of {actions}"),
        games: Games::Dense { family, games: 2, actions },
        eta: 0.0,
        tolerance: 1e-6,
        candidates: candidates("nlhf", "nlhf/winner", 1e-6, others),
        threads: &[1],
    }
}

/// Ours first: the yardstick.
fn candidates(
    name: &'static str,
    id: &'static str,
    tolerance: f64,
    others: impl IntoIterator<Item = Names>,
) -> Vec<Candidate> {
    let ours = Candidate { name, id, tolerance, is_yardstick: true };
    let others = others.into_iter();
    let others = others.map(|(name, id)| Candidate { name, id, tolerance, is_yardstick: false });
    [ours].into_iter().chain(others).collect()
}

/// 1000000 as 1,000,000.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_regime_has_a_name_of_its_own_and_one_yardstick() {
        for effort in [Effort::full(), Effort::quick()] {
            let regimes = all(&effort);
            let names: HashSet<&str> = regimes.iter().map(|regime| regime.name.as_str()).collect();
            assert_eq!(names.len(), regimes.len());
            for regime in &regimes {
                let yardsticks = regime.candidates.iter().filter(|c| c.is_yardstick());
                let found: Vec<f64> = yardsticks.map(|c| c.tolerance).collect();
                assert_eq!(found, [regime.tolerance], "{}", regime.name);
                assert!(regime.candidates.iter().any(|c| !c.is_ours()), "{}", regime.name);
            }
        }
    }

    #[test]
    fn files_are_named_for_what_they_hold() {
        let games = Games::Dense { family: "cyclic", games: 10, actions: 8 };
        assert_eq!(games.request(Path::new("g"))["payoffs"], "g/cyclic-8x10.npy");
        let games = Games::LowRank { actions: 50, rank: 4 };
        assert_eq!(games.request(Path::new("g"))["theta"], "g/low-rank-50-4-theta.npy");
    }

    #[test]
    fn digits_are_grouped() {
        assert_eq!(
            [1, 12, 123, 1234, 1_000_000].map(grouped).join(" "),
            "1 12 123 1,234 1,000,000"
        );
    }
}
