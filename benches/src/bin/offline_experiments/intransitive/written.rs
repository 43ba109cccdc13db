//! What the experiment on intransitivity says.

use super::{
    BOUND, ETAS, FAILURE, KNOWING, LEARNING, Measured, N, REFERENCE, SCALES, SHOWN, Settings,
    example_loss,
};
use nlhf_benches::figure::{Axis, Curve, Ink, Panel};
use nlhf_benches::report::{Section, Table, listed, short};
use nlhf_benches::statistics::{Mean, Spread};
use nlhf_benches::world::scale_name;

pub(super) fn introduce(section: &mut Section, settings: &Settings) {
    section.paragraph(
        "What does following a reward cost as preferences are less and less described by one?",
    );
    section.paragraph(&format!(
        "One prompt with {N} candidates, log-odds mixed from scores and a circle, {} instances each; the reference is uniform. The \
         methods know the population (every pair judged infinitely often, alike) or {} labels a pair. Reward-based: Bradley-Terry \
         by maximum likelihood, then π₀ exp(ηr), on log-odds whatever the scale; with the best η' it may choose η' \
         for each instance by its true loss. DPO and IPO at the optimum of their losses; on one prompt DPO is the \
         reward-based policy. Samples: win rates, with Hoeffding widths for the bonus (δ = {FAILURE}, |R| ≤ {BOUND}). The Nash policy of the \
         population loses nothing by definition.",
        settings.n_seeds,
        listed(&settings.per_pair.iter().map(ToString::to_string).collect::<Vec<_>>()),
    ));
    section.formula(
        "R_s(a, b) = (1 − s)(r_a − r_b) + s · 2 sin(φ_b − φ_a),   r uniform in [−1, 1],  φ around the circle",
    );
}

pub(super) struct Runs {
    pub(super) settings: Settings,
    pub(super) found: Vec<Measured>,
}

impl Runs {
    fn of(&self, share: usize, value: impl Fn(&Measured) -> f64) -> Vec<f64> {
        self.found.iter().filter(|m| m.share == share).map(value).collect()
    }

    fn known(&self, share: usize, scale: usize, eta: usize, method: usize) -> Vec<f64> {
        self.of(share, |m| m.population[scale][eta][method])
    }

    fn learned(&self, share: usize, scale: usize, size: usize, method: usize) -> Vec<f64> {
        self.of(share, |m| m.sample[scale][size][method])
    }

    pub(super) fn population_table(&self, scale: usize) -> Table {
        let mut heads = vec!["s".to_owned()];
        for eta in ETAS {
            heads.extend(KNOWING.map(|name| format!("{name}, η = {eta}")));
        }
        let mut table = Table::new(&heads.iter().map(String::as_str).collect::<Vec<_>>());
        for (share, s) in self.settings.shares.iter().enumerate() {
            let mut row = vec![s.to_string()];
            for eta in 0..ETAS.len() {
                let mean = |method| short(Mean::of(&self.known(share, scale, eta, method)).mean);
                row.extend((0..KNOWING.len()).map(mean));
            }
            table.row(&row);
        }
        table
    }

    pub(super) fn sample_table(&self, scale: usize) -> Table {
        let mut heads = vec!["s".to_owned()];
        for n in &self.settings.per_pair {
            heads.extend(LEARNING.map(|name| format!("{name}, {n} a pair")));
        }
        let mut table = Table::new(&heads.iter().map(String::as_str).collect::<Vec<_>>());
        for (share, s) in self.settings.shares.iter().enumerate() {
            let mut row = vec![s.to_string()];
            for size in 0..self.settings.per_pair.len() {
                row.extend(
                    (0..LEARNING.len())
                        .map(|method| Mean::of(&self.learned(share, scale, size, method)).shown()),
                );
            }
            table.row(&row);
        }
        table
    }

    pub(super) fn panels(&self) -> Vec<Panel> {
        let shares = &self.settings.shares;
        let y = || Axis::log("sub-optimality").within(1e-4, 4.0);
        let runs = |value: &dyn Fn(usize) -> Vec<f64>| -> Vec<Vec<f64>> {
            (0..shares.len()).map(value).collect()
        };
        let known = |scale: usize| Panel {
            title: format!("population, {}, η = {}", scale_name(SCALES[scale]), ETAS[SHOWN]),
            x: Axis::linear("s, the share of the circle"),
            y: y(),
            curves: [
                (0, "reward-based, DPO", 1),
                (1, "reward-based, best η", 5),
                (2, "IPO", 3),
                (REFERENCE, "reference", 7),
            ]
            .into_iter()
            .map(|(method, name, color)| {
                let values = runs(&|share| self.known(share, scale, SHOWN, method));
                Curve::medians(name, Ink::solid(color), shares, &values)
            })
            .collect(),
        };
        let learned = |scale: usize, size: usize| Panel {
            title: format!(
                "{} labels a pair, {}, η = {}",
                self.settings.per_pair[size],
                scale_name(SCALES[scale]),
                ETAS[SHOWN]
            ),
            x: Axis::linear("s, the share of the circle"),
            y: y(),
            curves: [
                (0, "Nash, greedy", 0),
                (1, "Nash, bonus", 2),
                (2, "reward-based, DPO", 1),
                (3, "IPO", 3),
            ]
            .into_iter()
            .map(|(method, name, color)| {
                let values = runs(&|share| self.learned(share, scale, size, method));
                Curve::medians(name, Ink::solid(color), shares, &values)
            })
            .collect(),
        };
        vec![known(0), known(1), learned(0, 0), learned(1, 0), learned(1, 1)]
    }

    /// The smallest share at which the first has the larger mean.
    fn first_share(&self, larger: impl Fn(usize) -> (f64, f64)) -> String {
        let at = (0..self.settings.shares.len()).find(|share| {
            let (first, second) = larger(*share);
            first > second
        });
        at.map_or("at no s".to_owned(), |at| format!("from s = {}", self.settings.shares[at]))
    }

    pub(super) fn conclude(&self, section: &mut Section) {
        let mean = |values: &[f64]| Mean::of(values).mean;
        let last = self.settings.shares.len() - 1;
        let worse_than_reference = |scale: usize, eta: usize| {
            let from = self.first_share(|share| {
                let of = |method| mean(&self.known(share, scale, eta, method));
                (of(0), of(REFERENCE))
            });
            format!("{from} at η = {} on {}", ETAS[eta], scale_name(SCALES[scale]))
        };
        let everywhere: Vec<String> = (0..SCALES.len())
            .flat_map(|scale| (0..ETAS.len()).map(move |eta| (scale, eta)))
            .map(|(scale, eta)| worse_than_reference(scale, eta))
            .collect();
        let sampled = || {
            let sizes = 0..self.settings.per_pair.len();
            (0..SCALES.len()).flat_map(move |scale| sizes.clone().map(move |size| (scale, size)))
        };
        let kind = |scale: usize, size: usize| {
            format!("{} a pair on {}", self.settings.per_pair[size], scale_name(SCALES[scale]))
        };
        let overtakes: Vec<String> = sampled()
            .map(|(scale, size)| {
                let from = self.first_share(|share| {
                    let of = |method| mean(&self.learned(share, scale, size, method));
                    (of(2), of(0))
                });
                format!("{from} with {}", kind(scale, size))
            })
            .collect();
        let bonus: Vec<String> = sampled()
            .map(|(scale, size)| {
                let ratio = |share| {
                    let of = |method| mean(&self.learned(share, scale, size, method));
                    short(of(1) / of(0))
                };
                format!("{} and {} times with {}", ratio(0), ratio(last), kind(scale, size))
            })
            .collect();
        let at_last = |scale, method| short(mean(&self.known(last, scale, SHOWN, method)));
        let exact = Spread::of(&self.known(0, 1, SHOWN, 0)).high;
        section.paragraph(&format!(
            "What it says. On log-odds at s = 0 the reward-based policy is the Nash policy (95 % of instances below {}); on P it is not even \
             then, because its scores are log-odds, up to four times as far apart as P. It is worse than the reference: {}. At s = 1, \
             η = {} on P, it loses {}, IPO {}, the reward with the best η' {} and the reference {}; on log-odds {}, {}, {} and {}. From \
             samples greedy Nash loses less than the reward-based policy {}. Relative to greedy, the bonus loses at s = 0 and at s = 1 {}.",
            short(exact),
            everywhere.join(", "),
            ETAS[SHOWN],
            at_last(0, 0),
            at_last(0, 2),
            at_last(0, 1),
            at_last(0, REFERENCE),
            at_last(1, 0),
            at_last(1, 2),
            at_last(1, 1),
            at_last(1, REFERENCE),
            overtakes.join(", "),
            bonus.join(", "),
        ));
    }
}

pub(super) fn example(section: &mut Section) -> anyhow::Result<()> {
    let etas = [1.0, 5.0, 10.0, 20.0, 50.0, 100.0];
    let mut heads = vec!["η".to_owned()];
    heads.extend(etas.map(|eta| eta.to_string()));
    let mut table = Table::new(&heads.iter().map(String::as_str).collect::<Vec<_>>());
    let mut row = vec!["sub of reward-based, P".to_owned()];
    for eta in etas {
        row.push(short(example_loss(eta)?));
    }
    table.row(&row);
    section.paragraph(
        "The smallest example, P(a ≻ b) = 0.2, P(b ≻ c) = 0.2, P(a ≻ c) = 0.95, whose Bradley-Terry scores are 0.202, 0 and −0.202: \
         the larger η, the more of the policy goes to a, which b beats with 0.8.",
    );
    section.table(&table);
    Ok(())
}
