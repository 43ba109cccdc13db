//! Where a log-probability crosses a threshold between two solved points.
//!
//! Between two points a log-probability is read as the cubic in `t = log η` with the values and slopes
//! of both (Hermite). Its roots say where to solve next, never what is reported: a crossing is a pair
//! of solved points on both sides of the threshold. Its extrema say where a point may be missing,
//! because an action may enter and leave between two reported points.

use super::state::{Games, State};
use nlhf_core::SolveError;

/// An action that crosses the threshold between two solved points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Crossing {
    pub(super) player: usize,
    pub(super) action: usize,
    pub(super) enters: bool,
    pub(super) after: f64,
    pub(super) before: f64,
}

/// The search for crossings of one threshold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search<'a> {
    pub(super) games: Games<'a>,
    pub(super) log_threshold: f64,
    /// The largest `η_before / η_after − 1`.
    pub(super) accuracy: f64,
}

/// Points that may be added between two reported ones, as a power of two.
const DEPTH: usize = 6;

impl Search<'_> {
    /// All crossings between two solved points, by η; the points are solved with `iterations`.
    pub(super) fn between(
        &self,
        a: &State,
        b: &State,
        iterations: &mut usize,
    ) -> Result<Vec<Crossing>, SolveError> {
        let mut found = Vec::new();
        self.search(a, b, DEPTH, &mut found, iterations)?;
        found.sort_by(|x: &Crossing, y| x.after.total_cmp(&y.after));
        Ok(found)
    }

    fn search(
        &self,
        a: &State,
        b: &State,
        depth: usize,
        found: &mut Vec<Crossing>,
        iterations: &mut usize,
    ) -> Result<(), SolveError> {
        let missing = self
            .tracks(a)
            .find_map(|(player, action)| self.cubic(a, b, player, action).hidden_extremum());
        if let Some(at) = missing.filter(|_| depth > 0 && b.eta > a.eta * (1.0 + self.accuracy)) {
            let between = self.solve(at, a, b, iterations)?;
            self.search(a, &between, depth - 1, found, iterations)?;
            return self.search(&between, b, depth - 1, found, iterations);
        }
        for (player, action) in self.tracks(a) {
            let enters = self.is_played(b, player, action);
            if self.is_played(a, player, action) != enters {
                let (after, before) = self.refine(a, b, player, action, iterations)?;
                found.push(Crossing { player, action, enters, after, before });
            }
        }
        Ok(())
    }

    /// Every player that differs, with every action.
    fn tracks(&self, at: &State) -> impl Iterator<Item = (usize, usize)> {
        let players = if self.games.symmetric { 1 } else { 2 };
        let counts: Vec<usize> = (0..players).map(|player| at.policy(player).len()).collect();
        let all = counts.into_iter().enumerate();
        all.flat_map(|(player, n)| (0..n).map(move |action| (player, action)))
    }

    fn height(&self, at: &State, player: usize, action: usize) -> f64 {
        at.policy(player).log_probabilities()[action] - self.log_threshold
    }

    fn is_played(&self, at: &State, player: usize, action: usize) -> bool {
        self.height(at, player, action) > 0.0
    }

    fn cubic(&self, a: &State, b: &State, player: usize, action: usize) -> Cubic {
        Cubic {
            from: a.eta.ln(),
            to: b.eta.ln(),
            heights: [self.height(a, player, action), self.height(b, player, action)],
            slopes: [a.slopes[player][action], b.slopes[player][action]],
        }
    }

    /// Solves at `t = log η`, warm from the nearer of two points.
    fn solve(
        &self,
        t: f64,
        a: &State,
        b: &State,
        iterations: &mut usize,
    ) -> Result<State, SolveError> {
        let eta = t.exp();
        let near = if eta / a.eta < b.eta / eta { a } else { b };
        let state = self.games.solve(eta, Some(near))?;
        *iterations += state.solution.iterations;
        Ok(state)
    }

    /// The η of two solved points, within the accuracy of each other, that the action crosses between.
    fn refine(
        &self,
        a: &State,
        b: &State,
        player: usize,
        action: usize,
        iterations: &mut usize,
    ) -> Result<(f64, f64), SolveError> {
        let (mut a, mut b) = (a.clone(), b.clone());
        let margin = 0.25 * self.accuracy;
        let near = self.accuracy.ln_1p();
        loop {
            let (start, end) = (a.eta, b.eta);
            let width = end.ln() - start.ln();
            if width <= near {
                break;
            }
            let root = self.cubic(&a, &b, player, action).root();
            for (step, t) in [root - margin, root + margin, f64::NAN].into_iter().enumerate() {
                let (low, high) = (a.eta.ln(), b.eta.ln());
                // The two sides of the root end the search if the cubic is right. If they do not even
                // halve the bracket, its middle does.
                let t = if step < 2 { t } else { 0.5 * (low + high) };
                let wanted = if step < 2 { t > low && t < high } else { high - low > 0.5 * width };
                if !wanted || high - low <= near {
                    continue;
                }
                let state = self.solve(t, &a, &b, iterations)?;
                let same =
                    self.is_played(&state, player, action) == self.is_played(&a, player, action);
                *(if same { &mut a } else { &mut b }) = state;
            }
            // The resolution of f64 ends it too.
            if a.eta <= start && b.eta >= end {
                break;
            }
        }
        Ok((a.eta, b.eta))
    }
}

/// A cubic on an interval, by its heights and slopes at both ends.
#[derive(Debug, Clone, Copy)]
struct Cubic {
    from: f64,
    to: f64,
    heights: [f64; 2],
    slopes: [f64; 2],
}

impl Cubic {
    /// Coefficients of `h₀ + c₁x + c₂x² + c₃x³` for `x` from 0 to 1.
    fn coefficients(&self) -> [f64; 3] {
        let width = self.to - self.from;
        let [m, n] = self.slopes.map(|slope| slope * width);
        let rise = self.heights[1] - self.heights[0];
        [m, 3.0 * rise - 2.0 * m - n, m + n - 2.0 * rise]
    }

    fn at(&self, x: f64) -> f64 {
        let [c1, c2, c3] = self.coefficients();
        self.heights[0] + x * (c1 + x * (c2 + x * c3))
    }

    /// Where the height is zero, if its signs at the ends differ; by bisection of the cubic.
    fn root(&self) -> f64 {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            let same = (self.at(middle) > 0.0) == (self.heights[0] > 0.0);
            *(if same { &mut low } else { &mut high }) = middle;
        }
        self.from + (self.to - self.from) * low
    }

    /// An extremum within the interval whose sign neither end explains.
    fn hidden_extremum(&self) -> Option<f64> {
        if !self.heights.iter().all(|h| h.is_finite()) {
            return None;
        }
        let [c1, c2, c3] = self.coefficients();
        // 3c₃x² + 2c₂x + c₁ = 0, by the form that does not cancel.
        let discriminant = c2 * c2 - 3.0 * c1 * c3;
        if discriminant < 0.0 {
            return None;
        }
        let sum = -(c2 + c2.signum() * discriminant.sqrt());
        let mut extrema = [sum / (3.0 * c3), c1 / sum];
        extrema.sort_by(f64::total_cmp);
        let inside = extrema.into_iter().filter(|x| *x > 1e-6 && *x < 1.0 - 1e-6);
        let inside: Vec<f64> = inside.collect();
        let starts_above = self.heights[0] > 0.0;
        let leaves = |x: &&f64| (self.at(**x) > 0.0) != starts_above;
        let crosses = (self.heights[1] > 0.0) != starts_above;
        // One crossing needs no explanation; two or three do.
        let hidden = match (crosses, inside.as_slice()) {
            (false, all) => all.iter().find(leaves),
            (true, [first, second]) => Some(first).filter(|x| leaves(x) && !leaves(&second)),
            (true, _) => None,
        };
        hidden.map(|x| self.from + (self.to - self.from) * x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cubic_is_met_at_its_root_and_its_hidden_extremum() {
        // x³ − 3x + 1 on [0, 2]: extremum −1 at x = 1 between heights 1 and 3.
        let cubic = Cubic { from: 0.0, to: 2.0, heights: [1.0, 3.0], slopes: [-3.0, 9.0] };
        assert!((cubic.hidden_extremum().unwrap() - 1.0).abs() < 1e-12);
        let left = Cubic { to: 1.0, heights: [1.0, -1.0], slopes: [-3.0, 0.0], ..cubic };
        assert!(left.hidden_extremum().is_none());
        // The root between 0 and 1 is 2 sin(π/18).
        let want = 2.0 * (std::f64::consts::PI / 18.0).sin();
        assert!((left.root() - want).abs() < 1e-14);
    }

    #[test]
    fn of_three_crossings_the_first_extremum_is_told() {
        // x(x − 1)(x + 1) on [−2, 2] leaves its sign at −1/√3 and has it again at 1/√3.
        let cubic = Cubic { from: -2.0, to: 2.0, heights: [-6.0, 6.0], slopes: [11.0, 11.0] };
        assert!((cubic.hidden_extremum().unwrap() + 1.0 / 3_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_straight_line_hides_nothing() {
        let line = Cubic { from: 1.0, to: 3.0, heights: [-1.0, 1.0], slopes: [1.0, 1.0] };
        assert!(line.hidden_extremum().is_none());
        assert!((line.root() - 2.0).abs() < 1e-14);
    }
}
