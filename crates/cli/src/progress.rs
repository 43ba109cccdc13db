//! Progress on standard error: only where a person watches, and only for work that takes a while.

use crate::Global;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// A bar over `total` units, hidden with `--quiet` and where standard error is no terminal.
pub(crate) fn bar(global: &Global, total: u64, unit: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), target(global));
    let style = ProgressStyle::with_template("{msg:24} {wide_bar} {pos}/{len} {prefix} {eta}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_prefix(unit);
    bar
}

/// A spinner for work of unknown length.
pub(crate) fn spinner(global: &Global, message: &'static str) -> ProgressBar {
    let spinner = ProgressBar::with_draw_target(None, target(global));
    spinner.set_message(message);
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

fn target(global: &Global) -> ProgressDrawTarget {
    if global.quiet || !std::io::stderr().is_terminal() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr_with_hz(8)
    }
}
