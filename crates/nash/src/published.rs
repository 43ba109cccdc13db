//! Published methods for preference games, side by side, as their papers define them.
//!
//! All work on logits `θ = log(π/π₀)`, know the game only through products, and share one loop that
//! counts products, stops and certifies. With τ = 1/η, B ≥ |A| and the KL of both players added up:
//!
//! | method | converges to | proven for | rate |
//! |---|---|---|---|
//! | [`BestResponse`] | regularized | ηB < 1 | linear |
//! | [`Mmd`], [`Inpo`] | regularized | α ≤ τ/B², α ≤ τ/(τ² + B²) | KL ≤ (1 + ατ)⁻ᵗ KL₀, (1 − ατ)ᵗ KL₀ |
//! | [`NashMd`] decaying | regularized | α = 2/(τ(t + 2)) | KL ≤ 32B²/(τ²(T + 1)) |
//! | [`NashMd`] constant | near it | | bias O(α²) in KL |
//! | [`NashEma`] | regularized | | none published |
//! | [`Egpo`], [`NashMp`] | regularized | α ≤ 1/(τ + B), α ≤ 1/B | (1 − ατ)ᵗ KL₀, (1 + ατ)⁻ᵗ KL₀ |
//! | [`RegularizedOmwu`] | regularized | α ≤ min(1/(2τ + 2B), 1/(4B)) | (1 − ατ)ᵗ KL₀ |
//! | [`OnlineIpo`] | regularized; near it if γ > 0 | small steps, locally | none published |
//! | [`SmoothFictitiousPlay`] | regularized, average | | O(ηB² log(T)/T) |
//! | [`Spo`] | unregularized, average | α = √(8 log(n)/T)/(2B) | 4B√(log(n)/2T) |
//! | [`Sppo`], [`Dno`] | unregularized, but the last policy circles | | none |
//! | [`Onpo`] | unregularized, average | α ≤ 1/(2B) | 2 log(n)/(αT) |
//! | [`Mpo`], [`Comal`] | unregularized, last policy | | exact steps: KL does not increase |
//!
//! Steps that are not given are the largest proven ones, computed from η and the payoff bound of the game.
//! [`METHODS`] lists all methods.
//!
//! ```
//! use nlhf_core::{DenseGame, Eta, NashSolver, Profile, RegularizedGame, Status};
//! use nlhf_nash::published::{Egpo, Limits, METHODS, Target};
//!
//! let payoff = DenseGame::from_probabilities(3, &[0.5, 0.2, 0.95, 0.8, 0.5, 0.2, 0.05, 0.8, 0.5])?;
//! let reference = Profile::uniform(3, 3);
//! let game = RegularizedGame::new(&payoff, &reference, Eta::new(10.0)?)?;
//! let limits = Limits { tolerance: 1e-10, max_products: 10_000 };
//! let solution = Egpo::default().solver(limits).solve(&game, &reference, &mut ())?;
//! assert_eq!(solution.status, Status::Converged);
//! for method in METHODS.iter().filter(|method| method.target == Target::Unregularized) {
//!     let solution = method.solver(limits).solve(&game, &reference, &mut ())?;
//!     assert_eq!(solution.method, method.name);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod best_response;
mod driver;
mod extragradient;
mod fictitious_play;
mod ipo;
mod mirror;
mod mmd;
mod nash_ema;
mod nash_md;
mod optimistic;
mod play;
mod proximal;
mod self_play;

pub use best_response::BestResponse;
pub use driver::Published;
pub use extragradient::{Egpo, NashMp};
pub use fictitious_play::SmoothFictitiousPlay;
pub use ipo::OnlineIpo;
pub use mmd::{Inpo, Mmd};
pub use nash_ema::NashEma;
pub use nash_md::{NashMd, Schedule};
pub use optimistic::{Onpo, RegularizedOmwu};
pub use proximal::{Comal, Mpo};
pub use self_play::{Dno, Spo, Sppo};

/// Which equilibrium a method converges to, and which gap it is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// That of the KL-regularized game: the duality gap goes to zero.
    Regularized,
    /// A point near that, with a bias that the step or the mixing decides: the gap does not go to zero.
    NearRegularized,
    /// One of the game without KL terms: the exploitability goes to zero, the duality gap does not.
    Unregularized,
}

impl Target {
    /// The name in tables and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Regularized => "regularized",
            Self::NearRegularized => "near-regularized",
            Self::Unregularized => "unregularized",
        }
    }
}

/// When a method stops.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `tolerance` | 1e-10 | the gap of the method's own target at which it stops, in payoff units | ≥ 0 |
/// | `max_products` | 1 000 000 | products `Aq` and `Aᵀp`; an iteration begun is finished | ≥ 0 |
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// The gap of the method's own target at which it stops, in units of the payoff.
    pub tolerance: f64,
    /// Products `Aq` and `Aᵀp` that may be spent; an iteration that has begun is finished.
    pub max_products: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { tolerance: 1e-10, max_products: 1_000_000 }
    }
}

/// One method of [`METHODS`].
#[derive(Debug, Clone, Copy)]
pub struct PublishedMethod {
    /// [`nlhf_core::NashSolver::name`] of the solver.
    pub name: &'static str,
    /// Authors and year.
    pub source: &'static str,
    /// Which equilibrium it converges to.
    pub target: Target,
    build: fn(Limits) -> Published,
}

impl PublishedMethod {
    /// The method with the steps that its theory asks for in the game that is then solved.
    pub fn solver(&self, limits: Limits) -> Published {
        (self.build)(limits)
    }

    /// The method of a name.
    pub fn from_name(name: &str) -> Option<&'static Self> {
        METHODS.iter().find(|method| method.name == name)
    }
}

/// γ of the `ipo-md` in [`METHODS`].
const MIXING: f64 = 0.125;

/// All published methods, by target; their defaults, and γ = 1/8 for `ipo-md`.
pub const METHODS: &[PublishedMethod] = &[
    regularized("best-response", "-", |limits| BestResponse.solver(limits)),
    regularized("mmd", "Sokota et al. 2022", |limits| Mmd::default().solver(limits)),
    regularized("inpo", "Zhang et al. 2024", |limits| Inpo::default().solver(limits)),
    regularized("nash-md", "Munos et al. 2023", |limits| NashMd::default().solver(limits)),
    regularized("nash-ema", "Munos et al. 2023", |limits| NashEma::default().solver(limits)),
    regularized("egpo", "Zhou et al. 2025", |limits| Egpo::default().solver(limits)),
    regularized("nash-mp", "Tiapkin et al. 2025", |limits| NashMp::default().solver(limits)),
    regularized("regularized-omwu", "Cen et al. 2021", |limits| {
        RegularizedOmwu::default().solver(limits)
    }),
    regularized("online-ipo", "Calandriello et al. 2024", |limits| {
        OnlineIpo::default().solver(limits)
    }),
    regularized("smooth-fictitious-play", "Fudenberg and Levine 1998", |limits| {
        SmoothFictitiousPlay.solver(limits)
    }),
    near("nash-md-constant", "Munos et al. 2023", |limits| {
        NashMd { schedule: Schedule::Constant(None) }.solver(limits)
    }),
    near("ipo-md", "Calandriello et al. 2024", |limits| {
        OnlineIpo { step: None, mixing: MIXING }.solver(limits)
    }),
    unregularized("spo", "Swamy et al. 2024", |limits| Spo::default().solver(limits)),
    unregularized("sppo", "Wu et al. 2024", |limits| Sppo::default().solver(limits)),
    unregularized("dno", "Rosset et al. 2024", |limits| Dno::default().solver(limits)),
    unregularized("onpo", "Zhang et al. 2025", |limits| Onpo::default().solver(limits)),
    unregularized("onpo-last", "Zhang et al. 2025", |limits| {
        Onpo { last: true, ..Onpo::default() }.solver(limits)
    }),
    unregularized("mpo", "Wang et al. 2024", |limits| Mpo::default().solver(limits)),
    unregularized("comal", "Liu et al. 2024", |limits| Comal::default().solver(limits)),
];

const fn entry(
    name: &'static str,
    source: &'static str,
    target: Target,
    build: fn(Limits) -> Published,
) -> PublishedMethod {
    PublishedMethod { name, source, target, build }
}

const fn regularized(
    name: &'static str,
    source: &'static str,
    build: fn(Limits) -> Published,
) -> PublishedMethod {
    entry(name, source, Target::Regularized, build)
}

const fn near(
    name: &'static str,
    source: &'static str,
    build: fn(Limits) -> Published,
) -> PublishedMethod {
    entry(name, source, Target::NearRegularized, build)
}

const fn unregularized(
    name: &'static str,
    source: &'static str,
    build: fn(Limits) -> Published,
) -> PublishedMethod {
    entry(name, source, Target::Unregularized, build)
}
