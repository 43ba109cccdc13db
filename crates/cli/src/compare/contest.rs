//! One method on one game: how its gap fell, product by product, and what it ended with.

use nlhf::core::{Iteration, NashSolver, RegularizedGame, SolveError, Status, exploitability};
use nlhf::data::GameRecord;
use nlhf::nash::published::{Limits, METHODS, PublishedMethod, Target};
use nlhf::nash::{Automatic, Newton};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// A method that can be compared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Entrant {
    Newton,
    Automatic,
    Published(&'static PublishedMethod),
}

impl Entrant {
    /// All of them, ours first.
    pub(super) fn all() -> Vec<Self> {
        let ours = [Self::Automatic, Self::Newton];
        ours.into_iter().chain(METHODS.iter().map(Self::Published)).collect()
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Newton => "newton",
            Self::Automatic => "automatic",
            Self::Published(method) => method.name,
        }
    }

    pub(super) fn target(self) -> Target {
        match self {
            Self::Newton | Self::Automatic => Target::Regularized,
            Self::Published(method) => method.target,
        }
    }

    fn solver(self, limits: Limits) -> Box<dyn NashSolver> {
        let tolerance = limits.tolerance;
        match self {
            Self::Newton => Box::new(Newton { tolerance, ..Newton::default() }),
            Self::Automatic => Box::new(Automatic { tolerance }),
            Self::Published(method) => Box::new(method.solver(limits)),
        }
    }
}

/// The gap of a method's own target after so many products.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(super) struct Point {
    pub(super) products: usize,
    pub(super) gap: f64,
}

/// How a method did on a game.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) trace: Vec<Point>,
    pub(super) status: Status,
    pub(super) iterations: usize,
    pub(super) products: usize,
    pub(super) duality_gap: f64,
    pub(super) exploitability: f64,
    /// That of the method's own target.
    pub(super) gap: f64,
    pub(super) time: Duration,
}

impl Run {
    /// The products after which the gap was first at most `level`.
    pub(super) fn products_to(&self, level: f64) -> Option<usize> {
        self.trace.iter().find(|point| point.gap <= level).map(|point| point.products)
    }

    /// The gap after so many products; the last one stays. `None` before the first measurement.
    pub(super) fn gap_at(&self, products: f64) -> Option<f64> {
        let end = self.trace.partition_point(|point| point.products as f64 <= products);
        self.trace[..end].last().map(|point| point.gap)
    }
}

/// Lets a method play; `None` if it is not defined for such a game.
pub(super) fn play(
    entrant: Entrant,
    record: &GameRecord,
    limits: Limits,
) -> anyhow::Result<Option<Run>> {
    let game = RegularizedGame::new(&record.payoff, &record.reference, record.eta)?;
    let is_published = matches!(entrant, Entrant::Published(_));
    let mut trace = Vec::new();
    let mut products = 0;
    let mut watch = |event: &Iteration| {
        products = event.products;
        if is_published {
            // Their residual is η times the gap of their target.
            trace.push(Point { products, gap: event.residual / event.eta });
        }
        ControlFlow::Continue(())
    };
    let started = Instant::now();
    let solved = entrant.solver(limits).solve(&game, &record.reference, &mut watch);
    let time = started.elapsed();
    let solution = match solved {
        Err(SolveError::Unsupported { .. }) => return Ok(None),
        solved => solved?,
    };
    let duality_gap = solution.certificate.duality_gap;
    let exploitability = exploitability(&record.payoff, &solution.profile);
    let gap = match entrant.target() {
        Target::Regularized | Target::NearRegularized => duality_gap,
        Target::Unregularized => exploitability,
    };
    if trace.is_empty() {
        // Newton's residual is no gap, and a start may be good enough: what counts is the end.
        trace.push(Point { products, gap });
    }
    let (status, iterations) = (solution.status, solution.iterations);
    Ok(Some(Run { trace, status, iterations, products, duality_gap, exploitability, gap, time }))
}
