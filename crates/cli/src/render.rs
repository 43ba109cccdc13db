//! Numbers, tables and errors as people read them.

use nlhf::core::{FitEvidence, FitStatus, Scale};
use nlhf::preference::evidence::Score;

/// `1234567` as `1,234,567`.
pub(crate) fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `n` and the noun in singular or plural.
pub(crate) fn counted(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A quantity of order one, to four decimals; smaller ones with an exponent.
pub(crate) fn number(x: f64) -> String {
    if x == 0.0 || (1e-3..1e6).contains(&x.abs()) { format!("{x:.4}") } else { format!("{x:.1e}") }
}

/// The unit of payoffs on a scale.
pub(crate) fn unit(scale: Scale) -> &'static str {
    match scale {
        Scale::Probability => "win probability",
        Scale::LogOdds => "nats of log-odds",
    }
}

/// An error and its causes on one line, each said once.
pub(crate) fn error_chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.ends_with(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}

/// How a fit ended, after a comma.
pub(crate) fn ending(fit: &FitEvidence) -> String {
    match fit.status {
        FitStatus::Converged if fit.iterations == 0 => ", in closed form".to_owned(),
        FitStatus::Converged => format!(", {}", counted(fit.iterations, "iteration")),
        FitStatus::Stalled => format!(", stopped by rounding at gradient {:.0e}", fit.gradient_max),
        FitStatus::IterationLimit => format!(", NOT converged (gradient {:.0e})", fit.gradient_max),
    }
}

/// How contestants did in cross-validation, best first.
pub(crate) fn scores(scores: &[Score]) -> Table {
    let mut table = Table::new(&["model", "log-loss", "behind the best", "accuracy"]);
    for score in scores {
        let cells = match &score.failure {
            Some(failure) => vec![failure.clone()],
            None => vec![
                format!("{:.4} ± {:.4}", score.log_loss_nats, score.standard_error),
                format!("{:.4} ± {:.4}", score.behind, score.behind_standard_error),
                score.accuracy.map_or_else(String::new, |a| format!("{:.1} %", 100.0 * a)),
            ],
        };
        table.row([vec![score.name.clone()], cells].concat());
    }
    table
}

/// A table with a left-aligned first column and right-aligned others.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(header: &[&str]) -> Self {
        Self { rows: vec![header.iter().map(ToString::to_string).collect()] }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            write!(f, "  {:<width$}", row[0], width = widths[0])?;
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                write!(f, "  {cell:>width$}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        assert_eq!(count(7), "7");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "prompt"), "1 prompt");
        assert_eq!(counted(1000, "prompt"), "1,000 prompts");
    }

    #[test]
    fn causes_are_said_once() {
        let error = anyhow::anyhow!("the file is gone").context("cannot read x");
        assert_eq!(error_chain(&error), "cannot read x: the file is gone");
    }
}
