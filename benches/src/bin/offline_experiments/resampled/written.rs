//! What the experiment on public tables says.

use super::{ETAS, FAILURE, METHODS, Measured, PLANES, REPLICATES, Settings, Source};
use nlhf::core::Scale;
use nlhf_benches::figure::{Axis, Curve, Ink, Panel};
use nlhf_benches::report::{Section, Table, short};
use nlhf_benches::statistics::Mean;
use nlhf_benches::world::Rules;

pub(super) fn introduce(section: &mut Section, runs: &Runs) {
    section.paragraph(
        "What do the methods make of comparisons from preferences that nobody made up, by models that assume more and less?",
    );
    let what: Vec<String> =
        runs.sources.iter().map(|source| format!("`{}`, {}", source.name, source.what)).collect();
    section.paragraph(&format!(
        "The tables are taken for the truth and comparisons are drawn from them, the same number on every pair, {} data sets of each size: \
         {}. P scale, uniform reference. Tabular: win rates with Hoeffding widths, δ = {FAILURE}; low-rank: scores and {PLANES} \
         planes, with {REPLICATES} resamples for the version space of the bootstrap ensemble; Bradley-Terry played as a game on P, or followed as a reward on \
         log-odds.",
        runs.settings.n_seeds,
        what.join("; ")
    ));
}

pub(super) struct Runs {
    pub(super) sources: Vec<Source>,
    pub(super) settings: Settings,
    pub(super) found: Vec<Measured>,
}

impl Runs {
    /// Of all seeds the `quantity`-th number of a method.
    fn values(
        &self,
        source: usize,
        size: usize,
        (eta, method, quantity): (usize, usize, usize),
    ) -> Vec<f64> {
        let own = self.found.iter().filter(|m| m.source == source && m.size == size);
        own.map(|m| m.found[eta][method][quantity]).collect()
    }

    fn lost(&self, source: usize, size: usize, eta: usize, method: usize) -> Mean {
        Mean::of(&self.values(source, size, (eta, method, 0)))
    }

    pub(super) fn middle(&self) -> usize {
        self.settings.per_pair.len() / 2
    }

    pub(super) fn losses(&self, eta: usize) -> Table {
        let mut heads = vec!["table", "a pair"];
        heads.extend(METHODS);
        let mut table = Table::new(&heads);
        for (source, of) in self.sources.iter().enumerate() {
            for (size, per_pair) in self.settings.per_pair.iter().enumerate() {
                let mut row = vec![of.name.to_owned(), per_pair.to_string()];
                row.extend(
                    (0..METHODS.len()).map(|method| self.lost(source, size, eta, method).shown()),
                );
                table.row(&row);
            }
        }
        table
    }

    pub(super) fn details(&self) -> Table {
        let mut heads = vec!["table".to_owned(), "method".to_owned()];
        for eta in ETAS {
            heads.extend(["sub", "exploitability", "KL"].map(|what| format!("{what}, η = {eta}")));
        }
        let mut table = Table::new(&heads.iter().map(String::as_str).collect::<Vec<_>>());
        for (source, of) in self.sources.iter().enumerate() {
            let mut row = vec![of.name.to_owned(), "Nash of the table".to_owned()];
            for eta in ETAS {
                let rules = Rules::uniform(eta, Scale::Probability, of.menus.get(0).len());
                let star = rules.equilibria(&of.truth, &of.menus);
                let [_, gained, kl] = of.judge(&rules, &star[0]);
                row.extend(["0".to_owned(), short(gained), short(kl)]);
            }
            table.row(&row);
            for (method, name) in METHODS.iter().enumerate() {
                let mut row = vec![of.name.to_owned(), (*name).to_owned()];
                for eta in 0..ETAS.len() {
                    row.extend((0..3).map(|quantity| {
                        let key = (eta, method, quantity);
                        short(Mean::of(&self.values(source, self.middle(), key)).mean)
                    }));
                }
                table.row(&row);
            }
        }
        table
    }

    pub(super) fn panels(&self) -> Vec<Panel> {
        let mut panels = Vec::new();
        for (source, of) in self.sources.iter().enumerate() {
            let n = of.menus.n_pairs() as f64;
            let sizes: Vec<f64> =
                self.settings.per_pair.iter().map(|per_pair| *per_pair as f64 * n).collect();
            for (eta, factor) in ETAS.iter().enumerate() {
                let curve = |(method, name): (usize, &&str)| {
                    let lost: Vec<Vec<f64>> = (0..sizes.len())
                        .map(|size| self.values(source, size, (eta, method, 0)))
                        .collect();
                    Curve::medians(name, Ink::solid(method), &sizes, &lost).without_band()
                };
                panels.push(Panel {
                    title: format!("{}, η = {factor}", of.name),
                    x: Axis::log("comparisons"),
                    y: Axis::log("sub-optimality, in win rate").within(1e-4, 0.6),
                    curves: METHODS.iter().enumerate().map(curve).collect(),
                });
            }
        }
        panels
    }

    pub(super) fn conclude(&self, section: &mut Section) {
        let best = |source: usize, size: usize, eta: usize| {
            let by_loss = |a: &usize, b: &usize| {
                let mean = |method: usize| self.lost(source, size, eta, method).mean;
                mean(*a).total_cmp(&mean(*b))
            };
            let best = (0..METHODS.len()).min_by(by_loss).unwrap_or(0);
            format!("{} ({})", METHODS[best], short(self.lost(source, size, eta, best).mean))
        };
        let mut sentences = Vec::new();
        for (source, of) in self.sources.iter().enumerate() {
            for (eta, factor) in ETAS.iter().enumerate() {
                let sizes: Vec<String> = (0..self.settings.per_pair.len())
                    .map(|size| {
                        format!("{} {}", self.settings.per_pair[size], best(source, size, eta))
                    })
                    .collect();
                sentences.push(format!("`{}` at η = {factor}: {}", of.name, sizes.join(", ")));
            }
        }
        let winners: Vec<String> = self.sources.iter().map(Source::winner).collect();
        section.paragraph(&format!(
            "What it says. {} The least mean loss, by labels a pair: {}. No model here contains its table but the tabular one; the others are \
             short cuts whose error does not vanish.",
            winners.join(" "),
            sentences.join("; ")
        ));
    }
}
