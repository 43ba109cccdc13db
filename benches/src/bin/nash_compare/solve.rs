//! Our solvers on the games of a job, a function for each regime.
//!
//! What is loaded are games as a user of the library holds them, in f64; everything after that is timed.

use anyhow::{Context, bail};
use nlhf::core::{
    DenseGame, Distribution, Eta, LowRankGame, NashSolver, Profile, RegularizedGame, Solution,
    SolveError, exploitability,
};
use nlhf::data::read_matrix_npy;
use nlhf::nash::{Automatic, Batch, BatchGame, BatchSolution, BatchSolutions};
use serde::Deserialize;
use std::path::PathBuf;

/// The games of a regime and what is asked of them. The prior is uniform.
#[derive(Debug, Deserialize)]
pub(crate) struct Job {
    /// Square games below one another.
    payoffs: Option<PathBuf>,
    /// The factors of one low-rank game.
    features: Option<PathBuf>,
    theta: Option<PathBuf>,
    /// 0 for no regularization at all.
    eta: f64,
    /// The largest duality gap that counts as solved.
    pub(crate) tolerance: f64,
}

/// A loaded job.
pub(crate) trait Solve {
    /// Solves all games.
    fn pass(&mut self) -> Result<(), SolveError>;
    /// The gaps of the last pass, certified anew from its profiles.
    fn gaps(&self) -> Vec<f64>;
}

/// Reads the games of a job for the candidate `nlhf/REGIME`.
pub(crate) fn prepare(candidate: &str, job: &Job) -> anyhow::Result<Box<dyn Solve>> {
    let tolerance = job.tolerance;
    let eta = || Eta::new(job.eta).context("the eta of the job");
    Ok(match candidate {
        "nlhf/batch" => Box::new(Flat::read(job, eta()?)?),
        "nlhf/single" => Box::new(Dense::read(job, eta()?, single)?),
        "nlhf/winner" => Box::new(Winner(Dense::read(job, Eta::new(LARGE_ETA)?, single)?)),
        "nlhf/low-rank" => {
            let features = job.features.as_deref().context("a low-rank job names its features")?;
            let theta = job.theta.as_deref().context("a low-rank job names its theta")?;
            let (features, theta) = (read_matrix_npy(features)?, read_matrix_npy(theta)?);
            let reference = Profile::uniform(features.nrows, features.nrows);
            let payoff = LowRankGame::skew(features.ncols, features.values, &theta.values)?;
            Box::new(LowRank { payoff, reference, eta: eta()?, tolerance, solution: None })
        }
        other => bail!("there is no candidate `{other}`"),
    })
}

/// Games of any size one after another.
fn single(games: &[RegularizedGame<'_>], tolerance: f64) -> Result<Vec<Solution>, SolveError> {
    let solver = Automatic { tolerance };
    games.iter().map(|game| solver.solve(game, game.reference(), &mut ())).collect()
}

/// One game known by its factors.
fn low_rank(game: &RegularizedGame<'_>, tolerance: f64) -> Result<Solution, SolveError> {
    Automatic { tolerance }.solve(game, game.reference(), &mut ())
}

/// Where the regularized equilibrium stands for the unregularized one: it is within log(n)/η of it.
const LARGE_ETA: f64 = 1e7;

/// Many small games in one array, as a batch takes them.
struct Flat {
    n: usize,
    payoffs: Vec<f64>,
    log_reference: Vec<f64>,
    eta: Eta,
    tolerance: f64,
    solutions: Option<BatchSolutions>,
}

impl Flat {
    fn read(job: &Job, eta: Eta) -> anyhow::Result<Self> {
        let path = job.payoffs.as_deref().context("a batch job names its payoffs")?;
        let matrix = read_matrix_npy(path)?;
        let (n, payoffs, tolerance) = (matrix.ncols, matrix.values, job.tolerance);
        let log_reference = vec![-(n as f64).ln(); n];
        Ok(Self { n, payoffs, log_reference, eta, tolerance, solutions: None })
    }
}

impl Solve for Flat {
    fn pass(&mut self) -> Result<(), SolveError> {
        let games = self.payoffs.chunks_exact(self.n * self.n);
        let games: Result<Vec<_>, _> = games
            .map(|payoff| BatchGame::symmetric(payoff, &self.log_reference, self.eta))
            .collect();
        let games = games.expect("square finite games");
        let solutions = Batch { tolerance: self.tolerance }.solve(&games);
        if let Some(error) = solutions.outcomes().iter().find_map(|outcome| outcome.err()) {
            return Err(error);
        }
        self.solutions = Some(solutions);
        Ok(())
    }

    fn gaps(&self) -> Vec<f64> {
        let reference = Profile::uniform(self.n, self.n);
        let games = self.payoffs.chunks_exact(self.n * self.n);
        let gap = |(entries, solution): (&[f64], BatchSolution<'_>)| {
            let payoff = DenseGame::new(self.n, self.n, entries.to_vec()).expect("a square game");
            let game = RegularizedGame::new(&payoff, &reference, self.eta).expect("shapes fit");
            let policy = Distribution::from_logits(solution.log_row.to_vec()).expect("a policy");
            game.certify(&Profile::symmetric(policy)).duality_gap
        };
        self.solutions
            .iter()
            .flat_map(|solutions| games.clone().zip(solutions.iter()))
            .map(gap)
            .collect()
    }
}

type SolveAll = fn(&[RegularizedGame<'_>], f64) -> Result<Vec<Solution>, SolveError>;

struct Dense {
    payoffs: Vec<DenseGame>,
    reference: Profile,
    eta: Eta,
    tolerance: f64,
    solve: SolveAll,
    solutions: Vec<Solution>,
}

impl Dense {
    fn read(job: &Job, eta: Eta, solve: SolveAll) -> anyhow::Result<Self> {
        let path = job.payoffs.as_deref().context("a dense job names its payoffs")?;
        let matrix = read_matrix_npy(path)?;
        let n = matrix.ncols;
        let payoffs: Result<Vec<_>, _> = matrix
            .values
            .chunks_exact(n * n)
            .map(|entries| DenseGame::new(n, n, entries.to_vec()))
            .collect();
        let (reference, tolerance) = (Profile::uniform(n, n), job.tolerance);
        Ok(Self { payoffs: payoffs?, reference, eta, tolerance, solve, solutions: Vec::new() })
    }

    fn games(&self) -> Vec<RegularizedGame<'_>> {
        let game = |payoff| RegularizedGame::new(payoff, &self.reference, self.eta);
        self.payoffs.iter().map(|payoff| game(payoff).expect("square games")).collect()
    }
}

impl Solve for Dense {
    fn pass(&mut self) -> Result<(), SolveError> {
        let solutions = (self.solve)(&self.games(), self.tolerance)?;
        self.solutions = solutions;
        Ok(())
    }

    fn gaps(&self) -> Vec<f64> {
        let games = self.games();
        let solved = games.iter().zip(&self.solutions);
        solved.map(|(game, solution)| game.certify(&solution.profile).duality_gap).collect()
    }
}

/// The unregularized winner: what counts is what pure deviations could gain.
struct Winner(Dense);

impl Solve for Winner {
    fn pass(&mut self) -> Result<(), SolveError> {
        self.0.pass()
    }

    fn gaps(&self) -> Vec<f64> {
        let solved = self.0.payoffs.iter().zip(&self.0.solutions);
        solved.map(|(payoff, solution)| exploitability(payoff, &solution.profile)).collect()
    }
}

struct LowRank {
    payoff: LowRankGame,
    reference: Profile,
    eta: Eta,
    tolerance: f64,
    solution: Option<Solution>,
}

impl LowRank {
    fn game(&self) -> RegularizedGame<'_> {
        RegularizedGame::new(&self.payoff, &self.reference, self.eta).expect("a square game")
    }
}

impl Solve for LowRank {
    fn pass(&mut self) -> Result<(), SolveError> {
        let solution = low_rank(&self.game(), self.tolerance)?;
        self.solution = Some(solution);
        Ok(())
    }

    fn gaps(&self) -> Vec<f64> {
        let solved = self.solution.iter();
        solved.map(|solution| self.game().certify(&solution.profile).duality_gap).collect()
    }
}
