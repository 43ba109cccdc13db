//! The chart as text, for a terminal: both axes logarithmic, a letter a method.

use super::curve::Chart;
use std::fmt::Write as _;

const WIDTH: usize = 64;
const HEIGHT: usize = 18;

/// Draws the curves; where two cross, the one that is listed first is on top.
pub(super) fn draw(chart: &Chart) -> String {
    let mut cells = vec![[' '; WIDTH]; HEIGHT];
    let place = |x: f64, (low, high): (f64, f64), cells: usize| {
        let share = (x.ln() - low.ln()) / (high.ln() - low.ln());
        // Shares of the range fit an index whatever the platform.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in 0..=1")]
        let cell = (share.clamp(0.0, 1.0) * (cells - 1) as f64).round() as usize;
        cell
    };
    for curve in chart.curves.iter().rev() {
        for (products, gap) in &curve.points {
            let row = HEIGHT - 1 - place(*gap, chart.gaps, HEIGHT);
            cells[row][place(*products, chart.products, WIDTH)] = curve.letter;
        }
    }
    let mut text = String::from("  gap of the method's own target\n");
    for (at, line) in cells.iter().enumerate() {
        let label = match at {
            0 => format!("{:.0e}", chart.gaps.1),
            at if at == HEIGHT - 1 => format!("{:.0e}", chart.gaps.0),
            _ => String::new(),
        };
        let line: String = line.iter().collect();
        let _ = writeln!(text, "  {label:>6} |{}", line.trim_end());
    }
    let _ = writeln!(text, "         +{}", "-".repeat(WIDTH));
    let most = format!("{:.0}", chart.products.1);
    let _ = writeln!(text, "          1{most:>width$} products", width = WIDTH - 1);
    text
}
