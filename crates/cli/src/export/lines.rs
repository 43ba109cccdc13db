//! The lines of each format, prompts in the order of the policy file, and figures of what was written.

use super::wording::Wording;
use nlhf::core::Menu;
use nlhf::data::{
    BestAnswerLine, MarginLine, NamedPolicies, PairRules, WeightLine, margin_pairs, write_csv,
    write_jsonl,
};
use rayon::prelude::*;
use std::io::{self, Write};

/// Prompts whose lines are held in memory at once.
const BLOCK: usize = 4096;

/// A policy ready to be written.
#[derive(Clone, Copy)]
pub(super) struct Export<'a> {
    pub(super) named: &'a NamedPolicies,
    /// ln π/π₀ over each menu.
    pub(super) log_ratios: &'a [Vec<f64>],
    pub(super) wording: Option<&'a Wording>,
}

/// What was written.
pub(super) enum Written {
    Pairs(PairFigures),
    Weights(WeightFigures),
    BestAnswers { mean_probability: f64, n_decided: usize },
}

#[derive(Default)]
pub(super) struct PairFigures {
    pub(super) n_pairs: usize,
    pub(super) n_left_out: usize,
    pub(super) n_prompts_without: usize,
    pub(super) n_floored: usize,
    pub(super) sum_nats: f64,
    pub(super) largest_nats: f64,
}

#[derive(Default)]
pub(super) struct WeightFigures {
    pub(super) n_answers: usize,
    pub(super) n_zero: usize,
    pub(super) largest: f64,
    /// The mean over prompts of 1/E[w²] under the reference, which is one if all weights are.
    pub(super) effective_share: f64,
}

impl Export<'_> {
    pub(super) fn pairs(self, rules: PairRules, out: &mut dyn Write) -> io::Result<Written> {
        let mut figures = PairFigures::default();
        let render = |menu: Menu<'_>, position: usize, text: &mut Vec<u8>| {
            let found = margin_pairs(&self.log_ratios[position], rules);
            let said = self.wording.map(|wording| wording.of_menu(menu));
            let (prompt, answers) = said.as_ref().map(|(p, a)| (p, a.as_slice())).unzip();
            let name = |at: usize| self.response_name(menu, at);
            for pair in &found.pairs {
                let line = MarginLine {
                    prompt,
                    chosen: answers.map(|answers| &answers[pair.chosen]),
                    rejected: answers.map(|answers| &answers[pair.rejected]),
                    margin: pair.margin_nats,
                    prompt_id: self.prompt_name(menu),
                    chosen_id: name(pair.chosen),
                    rejected_id: name(pair.rejected),
                };
                write_jsonl(text, &line)?;
            }
            Ok(found)
        };
        self.write(out, render, |_, found| {
            figures.n_pairs += found.pairs.len();
            figures.n_left_out += found.n_left_out;
            figures.n_prompts_without += usize::from(found.pairs.is_empty());
            figures.n_floored += found.n_floored;
            for pair in &found.pairs {
                figures.sum_nats += pair.margin_nats;
                figures.largest_nats = figures.largest_nats.max(pair.margin_nats);
            }
        })?;
        Ok(Written::Pairs(figures))
    }

    pub(super) fn weights(self, out: &mut dyn Write) -> io::Result<Written> {
        let mut figures = WeightFigures::default();
        // JSON has no infinity, and a reference of e^-700 is as good as none.
        let weight = |log_ratio: f64| log_ratio.exp().min(f64::MAX);
        let render = |menu: Menu<'_>, position: usize, text: &mut Vec<u8>| {
            let said = self.wording.map(|wording| wording.of_menu(menu));
            let (prompt, answers) = said.as_ref().map(|(p, a)| (p, a.as_slice())).unzip();
            let probabilities = self.named.policies[position].probabilities();
            for (at, probability) in probabilities.into_iter().enumerate() {
                let line = WeightLine {
                    prompt,
                    completion: answers.map(|answers| &answers[at]),
                    weight: weight(self.log_ratios[position][at]),
                    probability,
                    prompt_id: self.prompt_name(menu),
                    response_id: self.response_name(menu, at),
                };
                write_jsonl(text, &line)?;
            }
            Ok(())
        };
        let mut shares = 0.0;
        self.write(out, render, |position, ()| {
            // E[w²] under the reference is E[w] under the policy.
            let mut mean_square = 0.0;
            let probabilities = self.named.policies[position].probabilities();
            for (log_ratio, probability) in self.log_ratios[position].iter().zip(probabilities) {
                let weight = weight(*log_ratio);
                figures.n_answers += 1;
                figures.n_zero += usize::from(weight == 0.0);
                figures.largest = figures.largest.max(weight);
                mean_square += probability * weight;
            }
            shares += 1.0 / mean_square;
        })?;
        figures.effective_share = shares / self.named.policies.len() as f64;
        Ok(Written::Weights(figures))
    }

    pub(super) fn best_answers(self, out: &mut dyn Write) -> io::Result<Written> {
        let (mut sum, mut n_decided) = (0.0, 0);
        let menus = self.named.dataset.menus.iter().enumerate();
        let lines = menus.map(|(position, menu)| {
            let logs = self.named.policies[position].log_probabilities();
            // The first of equals.
            let best =
                (1..logs.len()).fold(0, |best, k| if logs[k] > logs[best] { k } else { best });
            let probability = logs[best].exp();
            sum += probability;
            n_decided += usize::from(probability > 0.9);
            let said = self.wording.map(|w| w.plain(menu.prompt(), menu.responses()[best]));
            let (prompt, response) = said.unzip();
            BestAnswerLine {
                prompt_id: self.prompt_name(menu),
                response_id: self.response_name(menu, best),
                probability,
                log_ratio_nats: self.log_ratios[position][best],
                n_candidates: menu.len(),
                suboptimality_bound: self.named.suboptimality_bounds[position]
                    .filter(|bound| bound.is_finite()),
                prompt,
                response,
            }
        });
        write_csv(out, lines)?;
        let mean_probability = sum / self.named.policies.len() as f64;
        Ok(Written::BestAnswers { mean_probability, n_decided })
    }

    /// Renders the menus of a block side by side, and writes and counts them in their order.
    fn write<T: Send>(
        self,
        out: &mut dyn Write,
        render: impl Fn(Menu<'_>, usize, &mut Vec<u8>) -> io::Result<T> + Sync,
        mut count: impl FnMut(usize, T),
    ) -> io::Result<()> {
        let menus = &self.named.dataset.menus;
        for start in (0..menus.len()).step_by(BLOCK) {
            let block = start..menus.len().min(start + BLOCK);
            let rendered = block.clone().into_par_iter().map(|position| {
                let mut text = Vec::new();
                render(menus.get(position), position, &mut text).map(|found| (text, found))
            });
            let rendered = rendered.collect::<io::Result<Vec<_>>>()?;
            for (position, (text, found)) in block.zip(rendered) {
                out.write_all(&text)?;
                count(position, found);
            }
        }
        Ok(())
    }

    fn prompt_name(&self, menu: Menu<'_>) -> &str {
        self.named.dataset.prompts.name(menu.prompt().index())
    }

    fn response_name(&self, menu: Menu<'_>, at: usize) -> &str {
        self.named.dataset.responses.name(menu.responses()[at].index())
    }
}
