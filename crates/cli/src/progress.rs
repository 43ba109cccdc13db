//! Progress on standard error: only where a person watches, and only for work that takes a while.

use crate::Global;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::borrow::Cow;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// How long work may take before it is worth a bar.
const PATIENCE: Duration = Duration::from_millis(700);

/// A bar that appears once the work has gone on for a while.
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
    shown: bool,
}

impl Progress {
    /// A bar over `total` units; never shown with `--quiet` or where standard error is no terminal.
    pub(crate) fn new(global: &Global, total: u64, unit: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        if let Ok(style) =
            ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {prefix}, {eta} left")
        {
            bar.set_style(style);
        }
        bar.set_prefix(unit);
        Self::watched(global, bar)
    }

    /// The same for work of unknown length.
    pub(crate) fn spinner(global: &Global) -> Self {
        Self::watched(global, ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()))
    }

    fn watched(global: &Global, bar: ProgressBar) -> Self {
        // Nobody watches: as good as shown already, and hidden for good.
        let shown = global.quiet || !std::io::stderr().is_terminal();
        Self { bar, started: Instant::now(), shown }
    }

    /// Says where the work is.
    pub(crate) fn update(&mut self, done: u64, message: impl Into<Cow<'static, str>>) {
        if !self.shown && self.started.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
            self.shown = true;
        }
        self.bar.set_message(message);
        self.bar.set_position(done);
    }

    /// Takes the bar off the screen, for another to follow.
    pub(crate) fn hide(&mut self) {
        self.bar.finish_and_clear();
        self.shown = true;
    }

    /// Takes the bar off the screen.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}
