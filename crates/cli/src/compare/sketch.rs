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

#[cfg(test)]
mod tests {
    use super::super::curve::Curve;
    use super::*;
    use nlhf::nash::published::Target;

    #[test]
    fn both_axes_are_logarithmic_and_the_first_curve_is_on_top() {
        let curve =
            |letter, points| Curve { name: "", target: Target::Regularized, letter, points };
        let falling = (0..=9).map(|k| (10f64.powf(f64::from(k) / 3.0), 10f64.powi(-k))).collect();
        let curves = vec![curve('a', falling), curve('b', vec![(1.0, 1e-9), (1000.0, 1e-9)])];
        let chart = Chart { curves, products: (1.0, 1000.0), gaps: (1e-9, 1.0), n_games: 1 };
        let text = draw(&chart);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        // A power law is a straight line: every third of a decade is 7 columns to the right.
        let columns: Vec<usize> = lines.iter().filter_map(|line| line.find('a')).collect();
        assert_eq!(columns, (0..=9).map(|k| 10 + 7 * k).collect::<Vec<usize>>(), "{text}");
        assert_eq!(lines[0].find('a'), Some(10), "{text}");
        // In the last line b starts alone, and is under a where both end.
        assert_eq!(lines[HEIGHT - 1].matches(['a', 'b']).collect::<String>(), "ba", "{text}");
        assert!(lines.last().unwrap().ends_with("1000 products"), "{text}");
    }
}
