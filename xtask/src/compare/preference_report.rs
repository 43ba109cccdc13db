//! The report on preference fits: a table for each job, and a paragraph that says who wins.

use super::preference::{Job, Measured, Timed};
use super::report::{Head, duration, line, ratio};

pub(super) fn render(head: &Head, measured: &[(&Job, Measured)]) -> String {
    let mut text = String::from(
        "# Preference fits side by side with the alternatives\n\n\
         Written by `cargo xtask compare preference`; not edited by hand. What the models find on real data: \
         [preference.md](preference.md).\n\n",
    );
    head.write(&mut text);
    text.push('\n');
    line(
        &mut text,
        format_args!(
            "Every candidate is one long-lived process, {}, that has loaded the data before. It starts from \
             float64 arrays in memory, or from a file where that is said; counting and conversions are a part \
             of the fit. The candidates take turns over {} rounds, and medians are given: wall and CPU time \
             a fit, and the ratio of wall times to ours in the first row within a round. Memory is the most \
             that the process ever held, the data included. All fits have a ridge of 1 apart from choix and \
             evalica, which have none.",
            head.cores(),
            head.rounds
        ),
    );
    text.push('\n');
    line(&mut text, format_args!("{}", verdict(measured)));
    for (job, found) in measured {
        line(&mut text, format_args!("\n## {}\n", job.title));
        let loss = job.loss.unwrap_or("loss");
        line(
            &mut text,
            format_args!(
                "| `{}`, {} threads | wall | CPU | {loss} | memory | ratio to ours |\n|---|---|---|---|---|---|",
                job.name, found.threads
            ),
        );
        for (candidate, outcome) in job.candidates.iter().zip(&found.outcomes) {
            let row = match outcome {
                Ok(timed) => row(timed),
                Err(reason) => format!("failed: {reason} | | | |"),
            };
            line(&mut text, format_args!("| {} | {row} |", candidate.name));
        }
        let noise = found.outcomes.iter().flatten().map(|timed| timed.noise).fold(1.0, f64::max);
        line(
            &mut text,
            format_args!(
                "\nThe longest round of a candidate took up to {noise:.2} times its shortest."
            ),
        );
    }
    text
}

fn row(timed: &Timed) -> String {
    let loss = timed.loss.map_or("–".to_owned(), |loss| format!("{loss:.5}"));
    let memory =
        timed.memory.map_or("–".to_owned(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6));
    let (wall, cpu) = (duration(timed.wall), duration(timed.cpu));
    format!("{wall} | {cpu} | {loss} | {memory} | {}", ratio(timed.ratio))
}

/// Loss beyond that of the best at which a fit is not the same fit.
const SAME_LOSS: f64 = 2e-3;

/// Where an alternative that fits as well is faster than ours, and by how much.
fn verdict(measured: &[(&Job, Measured)]) -> String {
    let (mut won, mut lost) = (Vec::new(), Vec::new());
    for (job, found) in measured {
        let all = || job.candidates.iter().zip(&found.outcomes);
        let losses = found.outcomes.iter().flatten().filter_map(|timed| timed.loss);
        let least = losses.fold(f64::INFINITY, f64::min);
        let as_good = |timed: &Timed| timed.loss.is_none_or(|loss| loss <= least + SAME_LOSS);
        let timed = |ours: bool| {
            all()
                .filter(move |(candidate, _)| candidate.is_ours() == ours)
                .filter_map(|(candidate, outcome)| Some((candidate.name, outcome.as_ref().ok()?)))
                .filter(|(_, timed)| as_good(timed))
                .min_by(|(_, x), (_, y)| x.ratio.total_cmp(&y.ratio))
        };
        match (timed(true), timed(false)) {
            (Some((_, ours)), Some((name, other))) => {
                let lead = other.ratio / ours.ratio;
                let place = format!("{} ({name}, {} of our time)", job.name, ratio(lead));
                if lead < 1.0 { &mut lost } else { &mut won }.push(place);
            }
            (None, _) => lost.push(format!("{} (ours does not fit as well)", job.name)),
            (_, None) => won.push(format!("{} (no other fits as well)", job.name)),
        }
    }
    let mut sentences = format!(
        "In {} of {} jobs nlhf is the fastest of those whose loss is within {SAME_LOSS} of the least; the \
         best alternative of each: {}.",
        won.len(),
        measured.len(),
        if won.is_empty() { "none".to_owned() } else { won.join("; ") }
    );
    if !lost.is_empty() {
        sentences += &[" An alternative wins: ", &lost.join("; "), "."].concat();
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::super::preference::all;
    use super::*;

    fn timed(ratio: f64, loss: f64) -> Timed {
        Timed { wall: ratio, cpu: ratio, ratio, noise: 1.0, loss: Some(loss), memory: None }
    }

    #[test]
    fn whoever_is_faster_and_as_good_is_named() {
        let jobs = all(true);
        let planes = jobs.iter().find(|job| job.name == "planes").unwrap();
        let measured = |outcomes| vec![(planes, Measured { threads: 2, outcomes })];
        let text = verdict(&measured(vec![
            Ok(timed(1.0, 0.6)),
            Ok(timed(0.9, 0.59999)),
            Ok(timed(9.0, 0.6)),
        ]));
        assert!(text.contains("An alternative wins: planes (torch L-BFGS, counted pairs, 0.90x"));
        let text =
            verdict(&measured(vec![Ok(timed(1.0, 0.6)), Ok(timed(0.9, 0.7)), Ok(timed(9.0, 0.6))]));
        assert!(
            text.contains("In 1 of 1 jobs") && text.contains("rows, 9.00x of our time"),
            "{text}"
        );
        let text =
            verdict(&measured(vec![Ok(timed(1.0, 0.7)), Ok(timed(2.0, 0.6)), Err("x".to_owned())]));
        assert!(text.contains("ours does not fit as well"), "{text}");
        assert!(row(&timed(1.0, 0.6)).starts_with("1.00 s | 1.00 s | 0.60000 | – |"));
    }
}
