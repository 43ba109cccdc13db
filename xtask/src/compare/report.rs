//! The report: a table for each regime, and one paragraph that says who wins.
//!
//! Every figure and every sentence that names a winner is written from what was measured.

use std::fmt::Write;

use super::machine::Machine;
use super::measure::{Measured, Outcome, Timed};
use super::regimes::Regime;

/// What stands above the tables.
pub(super) struct Head {
    pub(super) command: String,
    pub(super) rounds: usize,
    pub(super) machine: Machine,
    pub(super) versions: Vec<String>,
    pub(super) pinned: bool,
}

impl Head {
    /// Machine, date, command and versions, a line each.
    pub(super) fn write(&self, text: &mut String) {
        for (name, value) in [
            ("Machine", &self.machine.cpu),
            ("Cores", &self.machine.cores.to_string()),
            ("Vector extensions", &self.machine.vectors),
            ("Date", &self.machine.date),
            ("Command", &format!("`{}`", self.command)),
            ("Versions", &self.versions.join(", ")),
        ] {
            line(text, format_args!("* {name}: {value}"));
        }
    }

    /// Where candidates run.
    pub(super) fn cores(&self) -> &'static str {
        if self.pinned {
            "each on as many cores as threads"
        } else {
            "with the number of threads set by environment variables alone"
        }
    }
}

pub(super) fn render(head: &Head, measured: &[(&Regime, Vec<Measured>)]) -> String {
    let mut text = String::new();
    text.push_str("# Equilibria side by side with the alternatives\n\n");
    text.push_str("Written by `cargo xtask compare`; not edited by hand.\n\n");
    head.write(&mut text);
    text.push('\n');
    line(&mut text, format_args!("{}", how(head)));
    text.push('\n');
    line(&mut text, format_args!("{}", verdict(measured)));
    for (regime, tables) in measured {
        line(&mut text, format_args!("\n## {}\n", regime.title));
        line(&mut text, format_args!("`{}`, required gap {:e}", regime.name, regime.tolerance));
        for table in tables {
            text.push('\n');
            write_table(&mut text, regime, table);
        }
    }
    text
}

pub(super) fn line(text: &mut String, arguments: std::fmt::Arguments) {
    writeln!(text, "{arguments}").expect("a string can be written to");
}

fn how(head: &Head) -> String {
    let cores = head.cores();
    format!(
        "Every candidate is one long-lived process, {cores}, that has loaded the games and compiled its code \
         before. It starts from float64 payoffs in memory; conversions and its float64 certificate count. \
         The candidates take turns over {} rounds, and medians are given: wall and CPU time a game, and \
         the ratio of wall times to ours within a round. Solved is what a second, untimed certificate \
         finds within the required gap. Ratios are the message: times belong to this machine.",
        head.rounds
    )
}

fn write_table(text: &mut String, regime: &Regime, table: &Measured) {
    let threads =
        if table.threads == 1 { "1 thread" } else { &format!("{} threads", table.threads) };
    line(text, format_args!("| {threads} | wall | CPU | solved | largest gap | ratio to ours |"));
    line(text, format_args!("|---|---|---|---|---|---|"));
    let mut noise: f64 = 1.0;
    for (candidate, outcome) in regime.candidates.iter().zip(&table.results) {
        let name = candidate.name;
        match outcome {
            Outcome::Failed(reason) => {
                line(text, format_args!("| {name} | failed: {reason} | | | | |"));
            }
            Outcome::Timed(timed) => {
                noise = noise.max(timed.noise);
                let gap = timed.gap.map_or("not finite".to_owned(), |gap| format!("{gap:.1e}"));
                let ratio = timed.ratio.map_or("-".to_owned(), ratio);
                let once = if timed.rounds == 1 { " (one round)" } else { "" };
                line(
                    text,
                    format_args!(
                        "| {name}{once} | {} | {} | {} | {gap} | {ratio} |",
                        duration(timed.wall),
                        duration(timed.cpu),
                        share(timed),
                    ),
                );
            }
        }
    }
    line(
        text,
        format_args!(
            "\nThe longest round of a candidate took up to {noise:.2} times its shortest."
        ),
    );
}

/// The fastest that solved every game, apart from us, with its ratio.
fn best_alternative<'a>(regime: &'a Regime, table: &Measured) -> Option<(&'a str, f64)> {
    let others = regime.candidates.iter().zip(&table.results).filter(|(c, _)| !c.is_ours());
    let solved = others.filter_map(|(candidate, outcome)| match outcome {
        Outcome::Timed(timed) if timed.solves_all() => Some((candidate.name, timed.ratio?)),
        _ => None,
    });
    solved.min_by(|(_, one), (_, other)| one.total_cmp(other))
}

/// Whether we solved every game.
fn is_solved(regime: &Regime, table: &Measured) -> bool {
    let mut both = regime.candidates.iter().zip(&table.results);
    both.any(|(candidate, outcome)| {
        candidate.is_yardstick() && matches!(outcome, Outcome::Timed(timed) if timed.solves_all())
    })
}

/// One paragraph: where we are the fastest, where not, and by how much.
fn verdict(measured: &[(&Regime, Vec<Measured>)]) -> String {
    let (mut won, mut lost, mut unsolved) = (Vec::new(), Vec::new(), Vec::new());
    let mut n_tables = 0;
    for (regime, tables) in measured {
        for table in tables {
            n_tables += 1;
            let place = if regime.threads.len() == 1 {
                regime.name.clone()
            } else {
                format!("{} with {} thread(s)", regime.name, table.threads)
            };
            let best = best_alternative(regime, table);
            if !is_solved(regime, table) {
                let by = best.map_or("and neither did anyone else".to_owned(), |(name, _)| {
                    format!("but {name} did")
                });
                unsolved.push(format!("{place} ({by})"));
            } else if let Some((name, found)) = best {
                if found < 1.0 {
                    lost.push(format!("{place} ({name}, {} of our time)", ratio(found)));
                } else {
                    won.push((place, name, found));
                }
            } else {
                won.push((place, "", f64::INFINITY));
            }
        }
    }
    let mut sentences = vec![format!(
        "Of {n_tables} tables, nlhf solves every game and is the fastest to do so in {}.",
        won.len()
    )];
    let alone = won.iter().filter(|(.., found)| found.is_infinite()).count();
    if alone > 0 {
        sentences.push(format!("In {alone} of these no alternative solves every game."));
    }
    won.retain(|(.., found)| found.is_finite());
    won.sort_by(|(.., one), (.., other)| one.total_cmp(other));
    if let (Some((place, name, least)), Some((farthest, _, most))) = (won.first(), won.last()) {
        sentences.push(format!(
            "Its lead over the best alternative is least in {place}, {} ({name}), and most in \
             {farthest}, {}.",
            ratio(*least),
            ratio(*most)
        ));
    }
    if lost.is_empty() {
        sentences.push("No alternative that solves every game is faster anywhere.".to_owned());
    } else {
        sentences.push(format!("An alternative wins in {}: {}.", lost.len(), lost.join("; ")));
    }
    if !unsolved.is_empty() {
        sentences.push(format!("nlhf left games unsolved in {}.", unsolved.join("; ")));
    }
    sentences.join(" ")
}

pub(super) fn ratio(ratio: f64) -> String {
    let digits = if ratio >= 99.5 {
        0
    } else if ratio >= 9.95 {
        1
    } else {
        2
    };
    format!("{ratio:.digits$}x")
}

/// Seconds with a unit and three digits.
pub(super) fn duration(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 1e-6 => (s * 1e9, "ns"),
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    let digits = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

/// "all", or the share with what is missing.
fn share(timed: &Timed) -> String {
    if timed.solves_all() {
        "all".to_owned()
    } else {
        format!("{} of {}", timed.solved, timed.games)
    }
}

#[cfg(test)]
mod tests {
    use super::super::regimes::{Effort, all};
    use super::*;

    fn timed(ratio: f64, solved: u64) -> Outcome {
        Outcome::Timed(Timed {
            wall: 1e-6 * ratio,
            cpu: 1e-6 * ratio,
            ratio: Some(ratio),
            noise: 1.25,
            rounds: 2,
            games: 64,
            solved,
            gap: Some(1e-9),
        })
    }

    fn measured(regime: &Regime, results: &[(f64, u64)]) -> Vec<Measured> {
        assert_eq!(results.len(), regime.candidates.len());
        let results = results.iter().map(|&(ratio, solved)| timed(ratio, solved)).collect();
        vec![Measured { threads: 1, results }]
    }

    fn regime(name: &str) -> Regime {
        all(&Effort::full()).into_iter().find(|regime| regime.name == name).unwrap()
    }

    #[test]
    fn whoever_is_faster_is_named() {
        let (small, large) = (regime("single-8-random-eta-1"), regime("single-64-cyclic-eta-10"));
        let won = (&small, measured(&small, &[(1.0, 64), (12.0, 64), (3.0, 64)]));
        let lost = (&large, measured(&large, &[(1.0, 64), (0.8, 64), (2.0, 64)]));
        let text = verdict(&[won.clone(), lost]);
        assert!(
            text.starts_with(
                "Of 2 tables, nlhf solves every game and is the fastest to do so in 1."
            )
        );
        assert!(text.contains("least in single-8-random-eta-1, 3.00x (scipy"), "{text}");
        assert!(text.contains("wins in 1: single-64-cyclic-eta-10 (numpy, Newton, 0.80x of our"));
        assert!(verdict(&[won]).contains("No alternative"));
    }

    #[test]
    fn who_does_not_solve_every_game_wins_nothing() {
        let small = regime("single-8-random-eta-1");
        let others = verdict(&[(&small, measured(&small, &[(1.0, 64), (0.1, 63), (0.2, 0)]))]);
        assert!(others.contains("In 1 of these no alternative solves every game"), "{others}");
        let ours = verdict(&[(&small, measured(&small, &[(1.0, 63), (5.0, 64), (6.0, 64)]))]);
        assert!(ours.contains("fastest to do so in 0."), "{ours}");
        assert!(ours.contains("unsolved in single-8-random-eta-1 (but numpy, Newton did)"));
    }

    #[test]
    fn tables_have_a_row_for_each_candidate() {
        let small = regime("single-8-random-eta-1");
        let mut tables = measured(&small, &[(1.0, 64), (12.0, 63), (3.0, 64)]);
        tables[0].results[2] = Outcome::Failed("it ended".to_owned());
        let mut text = String::new();
        write_table(&mut text, &small, &tables[0]);
        assert!(text.contains("| nlhf | 1.00 µs | 1.00 µs | all | 1.0e-9 | 1.00x |\n"), "{text}");
        assert!(text.contains("| numpy, Newton | 12.0 µs | 12.0 µs | 63 of 64 | 1.0e-9 | 12.0x |"));
        assert!(text.contains("| failed: it ended | | | | |\n"), "{text}");
        assert!(text.ends_with("took up to 1.25 times its shortest.\n"));
    }

    #[test]
    fn times_have_three_digits() {
        let texts = [7.5e-8, 1.234e-5, 0.1234, 99.9, 123.4].map(duration);
        assert_eq!(texts, ["75.0 ns", "12.3 µs", "123 ms", "99.9 s", "123 s"]);
        assert_eq!([0.8, 12.34, 123.4].map(ratio), ["0.80x", "12.3x", "123x"]);
    }
}
