//! The loop that keeps all lanes busy: load, step, finish in f64, load the next game.
//!
//! A lane whose residual is small gets its last step from the f64 residual and the f32 factors, which
//! makes the policy accurate far beyond f32; then it is certified in f64. Large η is reached in stages,
//! each started from the equilibrium of the last. A lane that stalls gives its game back unsolved.

use super::BatchGame;
use super::finish::{Certified, Finished, Padded};
use super::group::Group;
use super::lanes::Lanes;
use pulp::{Simd, WithSimd};

/// Games of one shape on the machine's vectors; the sink gets the index of each game with its solution.
pub(super) struct Kernel<'a, const N: usize, const PLAYERS: usize, F> {
    pub(super) tolerance: f64,
    pub(super) games: &'a [BatchGame<'a>],
    /// The games to solve.
    pub(super) which: &'a [usize],
    pub(super) sink: F,
}

/// What the sink gets: log-probabilities with their certificate, or nothing for a game that was given up.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) log_policy: &'a [f64],
    pub(super) certified: Certified,
    pub(super) iterations: u32,
}

/// The residual below which f64 takes over.
const NEAR: f32 = 1e-3;
/// The first η of the stages in units of 1 / max |A|, and the factor between them.
const FIRST_STAGE: f32 = 10.0;
const STAGE_FACTOR: f32 = 4.0;
/// The shortest step of the line search.
const SHORTEST: f32 = 1e-3;
/// Newton steps after which a lane gives up.
const MAX_STEPS: u32 = 60;

/// What a lane works on.
#[derive(Debug, Clone, Copy, Default)]
struct Job {
    /// The index in the list of games.
    game: usize,
    /// Its own Newton steps, whatever its neighbours do.
    steps: u32,
}

impl<const N: usize, const PLAYERS: usize, F> WithSimd for Kernel<'_, N, PLAYERS, F>
where
    F: FnMut(usize, Option<Found<'_>>),
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Some(&first) = self.which.first() else { return };
        let (rows, columns) = (self.games[first].nrows(), self.games[first].ncols());
        let mut log_policy = Vec::with_capacity(N);
        let count = Lanes::<S, N, PLAYERS>::count();
        let mut lanes = Box::new(Lanes::<S, N, PLAYERS>::new(Group(simd), rows, columns));
        let mut jobs = vec![Job::default(); count];
        let mut staged = Staged::<N, PLAYERS>::new(self.games, self.which, count);
        let mut slots = vec![0; count];
        let mut accurate = vec![[0.0; N]; count];
        let mut finished = vec![Finished::<N>::empty(); count];
        let mut busy = 0_u32;
        // Lanes whose last step waits for its factors, with their f64 residual.
        let mut finishing = 0_u32;
        macro_rules! load {
            ($at:expr) => {{
                let at: usize = $at;
                if let Some((game, slot)) = staged.next() {
                    jobs[at] = Job { game, steps: 0 };
                    slots[at] = slot;
                    let game = &self.games[game];
                    staged.pool[slot].load_lane(&mut lanes, at, stage(game, 0.0));
                    busy |= 1 << at;
                } else {
                    lanes.idle(at);
                    busy &= !(1 << at);
                }
            }};
        }
        for at in 0..count {
            load!(at);
        }
        while busy != 0 {
            lanes.try_steps();
            let waiting = mask::<S>(lanes.lengths(), |length| length == 0.0) & busy;
            let near = mask::<S>(lanes.norms2(), |norm2| norm2 <= NEAR * NEAR) & waiting;
            let stuck = mask::<S>(lanes.lengths(), |length| length < SHORTEST) & busy & !waiting;
            for at in bits(stuck) {
                (self.sink)(jobs[at].game, None);
                staged.free.push(slots[at]);
                load!(at);
            }
            let mut ready = 0;
            for at in bits(near & !finishing) {
                let game = &self.games[jobs[at].game];
                let eta = lanes.eta(at);
                if eta < game.eta() as f32 {
                    lanes.raise_eta(at, stage(game, eta));
                } else {
                    accurate[at] = lanes.logits(at);
                    ready |= 1 << at;
                }
            }
            // One kind of work at a time: what was written lane by lane is then read as a whole.
            for at in bits(ready) {
                finished[at].residual = staged.pool[slots[at]].residual(simd, &accurate[at]);
            }
            for at in bits(ready) {
                lanes.set_residual(at, &finished[at].residual);
            }
            finishing |= ready;
            // Worth it once half of the lanes wait for a step; the others halve theirs meanwhile.
            if 2 * waiting.count_ones() < busy.count_ones() {
                continue;
            }
            lanes.newton_steps();
            for at in bits(waiting) {
                jobs[at].steps += 1;
            }
            for at in bits(finishing) {
                lanes.add_step(at, &mut accurate[at]);
            }
            for at in bits(finishing) {
                finished[at] = staged.pool[slots[at]].finish(simd, &accurate[at]);
            }
            for at in bits(finishing) {
                let finished = &finished[at];
                let job = jobs[at];
                let name = job.game;
                match finished.certified {
                    Some(certified)
                        if certified.row_regret + certified.column_regret <= self.tolerance =>
                    {
                        staged.pool[slots[at]].actions(&finished.log_policy, &mut log_policy);
                        let (log_policy, iterations) = (&log_policy[..], job.steps);
                        (self.sink)(name, Some(Found { log_policy, certified, iterations }));
                        staged.free.push(slots[at]);
                        load!(at);
                    }
                    _ if job.steps > MAX_STEPS => {
                        (self.sink)(name, None);
                        staged.free.push(slots[at]);
                        load!(at);
                    }
                    _ => lanes.restart(at, &accurate[at]),
                }
            }
            finishing = 0;
        }
    }
}

/// Games on their way into lanes: they are read from memory many at a time, in order.
struct Staged<'a, const N: usize, const PLAYERS: usize> {
    games: &'a [BatchGame<'a>],
    /// The games that were not read yet.
    rest: std::slice::Iter<'a, usize>,
    pool: Vec<Padded<N, PLAYERS>>,
    /// Places in the pool without a game.
    free: Vec<usize>,
    /// Games that were read, with their places, last one first.
    ready: Vec<(usize, usize)>,
}

impl<'a, const N: usize, const PLAYERS: usize> Staged<'a, N, PLAYERS> {
    fn new(games: &'a [BatchGame<'a>], which: &'a [usize], lanes: usize) -> Self {
        let pool = vec![Padded::<N, PLAYERS>::empty(); 2 * lanes];
        let free = (0..pool.len()).collect();
        Self { games, rest: which.iter(), pool, free, ready: Vec::with_capacity(2 * lanes) }
    }

    /// The next game and its place in the pool.
    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        if self.ready.is_empty() {
            while let Some(&slot) = self.free.last() {
                let Some(&game) = self.rest.next() else { break };
                self.free.pop();
                self.pool[slot].load(&self.games[game]);
                self.ready.push((game, slot));
            }
            self.ready.reverse();
        }
        self.ready.pop()
    }
}

/// A bit for each value with a property.
#[inline(always)]
fn mask<S: Simd>(values: &[f32], has: impl Fn(f32) -> bool) -> u32 {
    let mut mask = 0;
    for (at, &value) in values.iter().enumerate().take(Group::<S>::LANES) {
        mask |= u32::from(has(value)) << at;
    }
    mask
}

/// The places of the bits that are set.
fn bits(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        (at < 32).then_some(at)
    })
}

/// The η of the next stage.
#[inline(always)]
fn stage(game: &BatchGame<'_>, eta: f32) -> f32 {
    let target = game.eta() as f32;
    let next = if eta == 0.0 { FIRST_STAGE / game.bound() as f32 } else { STAGE_FACTOR * eta };
    // The last stage is not a small one.
    if next * 2.0 >= target { target } else { next }
}
