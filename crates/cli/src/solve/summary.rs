//! What is said on standard error about the games of a run.

use super::SolveArgs;
use super::pipeline::{Piece, Times};
use crate::{Global, Outcome, render};
use anyhow::{bail, ensure};
use nlhf::data::{BadGame, GamePlace};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A file of a million games with the same habit is told about it a few times only.
const SHOWN: usize = 3;
/// With fewer games, speed says nothing.
const ENOUGH_GAMES: usize = 1000;

pub(super) struct Summary {
    quiet: bool,
    strict: bool,
    tolerance: f64,
    /// The input as messages name it.
    name: String,
    output: Option<PathBuf>,
    started: Instant,
    pub(super) time: Times,
    games: usize,
    invalid: usize,
    failed: usize,
    unconverged: usize,
    max_gap: f64,
    iterations: usize,
    methods: BTreeMap<(&'static str, &'static str), usize>,
    notes: usize,
    first_bad: Option<String>,
}

impl Summary {
    pub(super) fn new(args: &SolveArgs, global: &Global) -> Self {
        let name = args.games.to_str().filter(|name| *name != "-").unwrap_or("<stdin>");
        Self {
            quiet: global.quiet,
            strict: args.strict,
            tolerance: args.tolerance,
            name: name.to_owned(),
            output: args.output.clone(),
            started: Instant::now(),
            time: Times::default(),
            games: 0,
            invalid: 0,
            failed: 0,
            unconverged: 0,
            max_gap: 0.0,
            iterations: 0,
            methods: BTreeMap::new(),
            notes: 0,
            first_bad: None,
        }
    }

    /// Games that were read, good and bad.
    pub(super) fn n_games(&self) -> usize {
        self.games + self.invalid
    }

    pub(super) fn progress(&self) -> String {
        format!("{} solved", render::counted(self.games, "game"))
    }

    /// Counts a piece and names what is odd about its games; with --strict a bad one is an error.
    pub(super) fn add(&mut self, piece: &Piece) -> anyhow::Result<()> {
        for bad in piece.games.bad() {
            let text = self.named(bad);
            if self.strict {
                bail!(text);
            }
            if self.invalid < SHOWN && !self.quiet {
                eprintln!("nlhf: {text}");
            }
            self.first_bad.get_or_insert(text);
            self.invalid += 1;
        }
        for (at, note) in piece.games.notes() {
            if self.notes < SHOWN && !self.quiet {
                eprintln!("nlhf: game {}: {note}", piece.games.game(*at).id());
            }
            self.notes += 1;
        }
        let tally = &piece.tally;
        self.games += piece.games.len();
        self.failed += tally.failed;
        self.unconverged += tally.unconverged;
        self.max_gap = self.max_gap.max(tally.max_gap);
        self.iterations += tally.iterations;
        for (method, count) in &tally.methods {
            *self.methods.entry(*method).or_default() += count;
        }
        self.time.parsing += tally.time.parsing;
        self.time.solving += tally.time.solving;
        self.time.writing += tally.time.writing;
        Ok(())
    }

    fn named(&self, bad: &BadGame) -> String {
        match bad.place {
            GamePlace::Line(line) => format!("{}:{line}: {}", self.name, bad.reason),
            GamePlace::Index(index) => format!("{}, game {index}: {}", self.name, bad.reason),
        }
    }

    /// A file of which nothing is a game was not meant to be one.
    pub(super) fn check_any(&self) -> anyhow::Result<()> {
        if let (0, Some(first)) = (self.games, &self.first_bad) {
            bail!("{first}; none of {} can be solved", render::counted(self.invalid, "game"));
        }
        ensure!(self.games > 0, "{}: expected games, found an empty file", self.name);
        Ok(())
    }

    /// The last words.
    pub(super) fn finish(&self) -> Outcome {
        if !self.quiet {
            self.tell();
        }
        let marked = self.unconverged + self.failed + self.invalid;
        if marked == 0 { Outcome::Done } else { Outcome::Marked }
    }

    fn tell(&self) {
        if self.notes > SHOWN {
            eprintln!("nlhf: {} more notes of this kind", render::count(self.notes - SHOWN));
        }
        if self.invalid > SHOWN {
            eprintln!("nlhf: {} more that are no game", render::count(self.invalid - SHOWN));
        }
        eprintln!(
            "{}, {} with a duality gap of at most {:e}; largest gap {:.1e}; {:.1} iterations a game",
            render::counted(self.games, "game"),
            render::count(self.games - self.unconverged - self.failed),
            self.tolerance,
            self.max_gap,
            self.iterations as f64 / self.games.max(1) as f64
        );
        if !self.methods.is_empty() {
            let methods = self.methods.iter().map(|((method, reason), &count)| {
                format!("{} by {method} ({reason})", render::count(count))
            });
            eprintln!("{}", methods.collect::<Vec<_>>().join(", "));
        }
        if self.n_games() >= ENOUGH_GAMES {
            eprintln!("{}", self.speed(self.started.elapsed()));
        }
        if let Some(path) = &self.output {
            eprintln!("written to {}", path.display());
        }
        for (count, what) in [
            (self.unconverged, "did not reach the tolerance: the status says why, the gap how far"),
            (self.failed, "broke the solver and have no solution: the reason says how"),
            (self.invalid, "could not be read and are marked as invalid"),
        ] {
            if count > 0 {
                eprintln!("{} {what}", render::counted(count, "game"));
            }
        }
    }

    /// Games a second, and what the threads did.
    fn speed(&self, elapsed: Duration) -> String {
        let Times { reading, parsing, solving, writing } = self.time;
        let seconds = elapsed.as_secs_f64();
        let work = (reading + parsing + solving + writing).as_secs_f64();
        let share = |time: Duration| 100.0 * time.as_secs_f64() / work;
        let rate = self.n_games() as f64 / seconds;
        format!(
            "{seconds:.2} s, {rate:.3e} games a second; of the threads' time {:.0} % was reading, \
             {:.0} % parsing, {:.0} % solving, {:.0} % writing",
            share(reading),
            share(parsing),
            share(solving),
            share(writing)
        )
    }
}
