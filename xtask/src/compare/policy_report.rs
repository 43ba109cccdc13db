//! The report on projections: a table for each job, and a sentence on each.

use super::preference::{Job, Measured, Timed};
use super::report::{Head, duration, line, ratio};

pub(super) fn render(head: &Head, measured: &[(&Job, Measured)]) -> String {
    let mut text = String::from(
        "# Projections onto log-linear policies side by side with the alternatives\n\n\
         Written by `cargo xtask compare policy`; not edited by hand.\n\n",
    );
    head.write(&mut text);
    text.push('\n');
    line(
        &mut text,
        format_args!(
            "Every candidate is one long-lived process, {}, that has loaded the data before. It starts from \
             float64 arrays in memory, ours from distributions and a feature table; conversions are a part of the fit. The \
             candidates take turns over {} rounds, and medians are given: wall and CPU time a fit, and the ratio of \
             wall times to ours within a round. The loss is the mean KL divergence from the targets to the \
             policy, in nats, and beside it what it is above the least of all candidates. Memory is the most that \
             the process ever held, the data included. Ours ends with a bound of 1e-10 on what could be gained within the \
             ball of radius 1000; the others know no bound, and end at a largest entry of the gradient of 1e-6, without a ball.",
            head.cores(),
            head.rounds
        ),
    );
    text.push_str(
        "\nWhat is comparable: nothing in scikit-learn fits soft labels over candidates that have features of their own, a \
         conditional logit, so that there users write the loss themselves. Its multinomial logistic regression is the \
         same model where all prompts share one menu, and only prompts have features; there it, and the \
         loss in numpy, multiply 64 features by 8 classes at once, while ours is given 512 features a candidate, seven eighths of them zero.\n",
    );
    for (job, found) in measured {
        line(&mut text, format_args!("\n## {}\n", job.title));
        let threads =
            if found.threads == 1 { "1 thread" } else { &format!("{} threads", found.threads) };
        line(
            &mut text,
            format_args!(
                "| `{}`, {threads} | wall | CPU | mean KL | above the least | memory | ratio to ours |\n\
                 |---|---|---|---|---|---|---|",
                job.name
            ),
        );
        let least = least(found);
        for (candidate, outcome) in job.candidates.iter().zip(&found.outcomes) {
            let row = match outcome {
                Ok(timed) => row(timed, least),
                Err(reason) => format!("failed: {reason} | | | | |"),
            };
            line(&mut text, format_args!("| {} | {row} |", candidate.name));
        }
        let noise = found.outcomes.iter().flatten().map(|timed| timed.noise).fold(1.0, f64::max);
        line(
            &mut text,
            format_args!(
                "\n{} The longest round of a candidate took up to {noise:.2} times its shortest.",
                verdict(job, found)
            ),
        );
    }
    text
}

/// Nats above the least loss at which a projection is as good.
const SAME_LOSS: f64 = 1e-7;

fn least(found: &Measured) -> f64 {
    let losses = found.outcomes.iter().flatten().filter_map(|timed| timed.loss);
    losses.fold(f64::INFINITY, f64::min)
}

fn row(timed: &Timed, least: f64) -> String {
    let loss = timed.loss.map_or("–".to_owned(), |loss| format!("{loss:.9}"));
    let above = timed.loss.map_or("–".to_owned(), |loss| format!("{:.0e}", loss - least));
    let memory =
        timed.memory.map_or("–".to_owned(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6));
    let (wall, cpu) = (duration(timed.wall), duration(timed.cpu));
    // Without ours there is nothing to divide by.
    let times = if timed.ratio.is_finite() { ratio(timed.ratio) } else { "–".to_owned() };
    format!("{wall} | {cpu} | {loss} | {above} | {memory} | {times}")
}

/// The fastest alternative that is as good as ours.
fn verdict(job: &Job, found: &Measured) -> String {
    if found.outcomes[0].is_err() {
        return "Ours did not end.".to_owned();
    }
    let least = least(found);
    let others = job.candidates.iter().zip(&found.outcomes).skip(1);
    let as_good = others.filter_map(|(candidate, outcome)| {
        let timed = outcome.as_ref().ok()?;
        timed
            .loss
            .is_some_and(|loss| loss <= least + SAME_LOSS)
            .then_some((candidate.name, timed.ratio))
    });
    match as_good.min_by(|(_, x), (_, y)| x.total_cmp(y)) {
        Some((name, times)) => format!(
            "The fastest alternative within {SAME_LOSS:e} nats of the least is {name}, at {} of our time.",
            ratio(times)
        ),
        None => format!("No alternative comes within {SAME_LOSS:e} nats of the least."),
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::all;
    use super::*;

    #[test]
    fn whoever_is_fast_but_worse_is_not_named() {
        let jobs = all(true);
        let timed = |ratio, loss| {
            Ok(Timed { wall: ratio, cpu: ratio, ratio, noise: 1.0, loss: Some(loss), memory: None })
        };
        let outcomes =
            vec![timed(1.0, 0.5), timed(9.0, 0.5 + 1e-9), timed(0.5, 0.6), Err("x".to_owned())];
        let text = verdict(&jobs[0], &Measured { threads: 1, outcomes });
        assert!(text.contains("is scipy L-BFGS-B, loss in numpy, at 9.00x of our time"), "{text}");
        let text = verdict(&jobs[0], &Measured { threads: 1, outcomes: vec![timed(1.0, 0.5)] });
        assert!(text.starts_with("No alternative"), "{text}");
        let outcomes = vec![Err("x".to_owned()), timed(f64::NAN, 0.5)];
        assert_eq!(verdict(&jobs[0], &Measured { threads: 1, outcomes }), "Ours did not end.");
    }
}
