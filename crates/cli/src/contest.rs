//! Contests as people read them: who beats whom, how sure that is, and how each policy stands by itself.

use crate::render::{Table, count, number, unit};
use nlhf::core::Scale;
use nlhf::offline::{Contest, Estimate, Interval, Maximum, WinRate};
use std::fmt::Write;

/// Policies up to which the table of win rates has room for half-widths.
const WITH_WIDTHS: usize = 5;
/// Pairs that a sentence names.
const NAMED: usize = 6;

/// The table of win rates, and that of the policies.
pub(crate) fn render(contest: &Contest) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    if contest.standings.len() > 1 {
        let _ = write_win_rates(&mut text, contest);
    }
    let _ = write_standings(&mut text, contest);
    text
}

fn write_win_rates(out: &mut String, contest: &Contest) -> std::fmt::Result {
    let n = contest.standings.len();
    let level = 100.0 * contest.config.confidence.get();
    let sure = contest.config.replicates > 0;
    let wide = n > WITH_WIDTHS;
    write!(out, "Win rates of the row against the column, in percent")?;
    match (sure, wide) {
        (false, _) => writeln!(out, ":\n")?,
        (true, false) => writeln!(
            out,
            ", ± half of the {level} % interval\n(* differs from 50 by more than noise):\n"
        )?,
        (true, true) => writeln!(
            out,
            " (* differs from 50 by more than\nnoise at {level} %; the intervals are in the report):\n"
        )?,
    }
    let numbers: Vec<String> = (1..=n).map(|number| number.to_string()).collect();
    let header: Vec<&str> = std::iter::once("").chain(numbers.iter().map(String::as_str)).collect();
    let mut table = Table::new(&header);
    for (k, (standing, row)) in contest.standings.iter().zip(&contest.win_rates).enumerate() {
        let cells = row.iter().enumerate().map(|(j, rate)| match (j == k, wide) {
            (true, _) => "· ".to_owned(),
            (_, true) => format!("{:.1}{}", 100.0 * rate.rate, mark(rate)),
            (_, false) => format!("{}{}", percent(rate), mark(rate)),
        });
        table.row(std::iter::once(format!("{} {}", k + 1, standing.name)).chain(cells).collect());
    }
    writeln!(out, "{table}")
}

fn write_standings(out: &mut String, contest: &Contest) -> std::fmt::Result {
    writeln!(
        out,
        "Each by itself; in brackets from where to where it may lie. Exploitability and suboptimality\nare what a \
         best competitor gains without and with the KL terms, in {}:\n",
        match contest.config.scale {
            Scale::Probability => unit(Scale::Probability).to_owned(),
            Scale::LogOdds => {
                format!("{} and {}", unit(Scale::Probability), unit(Scale::LogOdds))
            }
        }
    )?;
    let mut table =
        Table::new(&["", "against the reference", "exploitability", "suboptimality", "KL, nats"]);
    for standing in &contest.standings {
        let infinite = || "infinite".to_owned();
        table.row(vec![
            standing.name.clone(),
            format!("{} %", percent(&standing.against_reference)),
            maximum(&standing.exploitability),
            standing.suboptimality.as_ref().map_or_else(infinite, maximum),
            standing.kl_nats.as_ref().map_or_else(infinite, estimate),
        ]);
    }
    write!(out, "{table}")
}

/// A win rate in percent, with half of its interval, to a tenth of a point or less where that says more.
pub(crate) fn percent(rate: &WinRate) -> String {
    let Some(interval) = rate.interval else { return format!("{:.1}", 100.0 * rate.rate) };
    let width = 100.0 * interval.half_width();
    let digits = if width > 0.0 && width < 0.1 { 2 } else { 1 };
    format!("{:.digits$} ± {width:.digits$}", 100.0 * rate.rate)
}

fn mark(rate: &WinRate) -> &'static str {
    if rate.beyond_noise { "*" } else { " " }
}

fn maximum(maximum: &Maximum) -> String {
    format!("{:.3}{}", maximum.value, brackets(maximum.interval))
}

fn estimate(estimate: &Estimate) -> String {
    format!("{:.3}{}", estimate.value, brackets(estimate.interval))
}

fn brackets(interval: Option<Interval>) -> String {
    interval.map_or_else(String::new, |Interval { low, high }| format!(" [{low:.3}, {high:.3}]"))
}

/// What can be said of the order of the policies, a sentence each.
pub(crate) fn findings(contest: &Contest) -> Vec<String> {
    let names: Vec<&str> =
        contest.standings.iter().map(|standing| standing.name.as_str()).collect();
    let rate = |i: usize, j: usize| &contest.win_rates[i][j];
    let beats = |i: usize, j: usize| rate(i, j).beyond_noise && rate(i, j).rate > 0.5;
    let all = || 0..names.len();
    let n_beaten = |i: usize| all().filter(|&j| beats(i, j)).count();
    let mut said = Vec::new();
    let champion = all().find(|&i| names.len() > 2 && n_beaten(i) + 1 == names.len());
    if let Some(champion) = champion {
        said.push(format!("{} beats every other", names[champion]));
    }
    for i in all().filter(|&i| n_beaten(i) > 0 && Some(i) != champion) {
        let beaten = all().filter(|&j| beats(i, j));
        let told = beaten.map(|j| format!("{} ({} %)", names[j], percent(rate(i, j))));
        said.push(format!("{} beats {}", names[i], listed(told.collect())));
    }
    let circle = all()
        .flat_map(|i| all().map(move |j| (i, j)))
        .filter(|&(i, j)| beats(i, j))
        .find_map(|(i, j)| all().find(|&k| beats(j, k) && beats(k, i)).map(|k| [i, j, k]));
    if let Some([i, j, k]) = circle {
        said.push(format!(
            "{} beats {}, which beats {}, which beats the first: no order ranks them",
            names[i], names[j], names[k]
        ));
    }
    let mut even: Vec<(usize, usize)> =
        all().flat_map(|i| (i + 1..names.len()).map(move |j| (i, j))).collect();
    even.retain(|&(i, j)| !rate(i, j).beyond_noise);
    if contest.config.replicates > 0 && !even.is_empty() {
        let told = even
            .iter()
            .map(|&(i, j)| format!("{} and {} ({} %)", names[i], names[j], percent(rate(i, j))));
        said.push(format!("no more apart than noise: {}", listed(told.collect())));
    }
    said.extend(against_reference(contest));
    said.extend(safest(contest));
    said
}

/// Which policies win against the reference, and which lose.
fn against_reference(contest: &Contest) -> Option<String> {
    let named = |wins: bool| -> Vec<String> {
        let all = contest.standings.iter();
        let own = all.filter(|standing| {
            let rate = &standing.against_reference;
            rate.beyond_noise && (rate.rate > 0.5) == wins
        });
        own.map(|standing| standing.name.clone()).collect()
    };
    let said: Vec<String> = [(named(true), "it loses to"), (named(false), "it beats")]
        .into_iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, what)| format!("{what} {}", listed(names)))
        .collect();
    (!said.is_empty()).then(|| format!("the reference: {}", said.join("; ")))
}

/// Which policy is the hardest to exploit, if their brackets tell.
fn safest(contest: &Contest) -> Option<String> {
    let brackets: Option<Vec<(&str, Interval)>> = contest
        .standings
        .iter()
        .map(|standing| Some((standing.name.as_str(), standing.exploitability.interval?)))
        .collect();
    let brackets = brackets.filter(|brackets| brackets.len() > 1)?;
    let best = brackets.iter().min_by(|a, b| a.1.high.total_cmp(&b.1.high))?;
    let others = || brackets.iter().filter(|other| other.0 != best.0);
    if others().all(|other| other.1.low > best.1.high) {
        let most = number(best.1.high);
        return Some(format!("{} is the hardest to exploit, by {most} at most", best.0));
    }
    Some("which of them is the hardest to exploit is not known: the brackets overlap".to_owned())
}

/// The first of some and how many more there are.
fn listed(mut told: Vec<String>) -> String {
    let more = told.len().saturating_sub(NAMED);
    told.truncate(NAMED);
    let told = told.join(", ");
    if more == 0 { told } else { format!("{told} and {} more", count(more)) }
}

/// The pair within noise that is nearest to being told apart, and how many times the prompts that would take.
pub(crate) fn nearly_told_apart(contest: &Contest) -> Option<(&str, &str, f64)> {
    let n = contest.standings.len();
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
    let within = pairs.filter_map(|(i, j)| {
        let rate = &contest.win_rates[i][j];
        let times = (rate.interval?.half_width() / (rate.rate - 0.5).abs()).powi(2);
        (!rate.beyond_noise && times.is_finite()).then_some((i, j, times))
    });
    let (i, j, times) = within.min_by(|a, b| a.2.total_cmp(&b.2))?;
    Some((&contest.standings[i].name, &contest.standings[j].name, times))
}
