//! What `nlhf offline` writes: a line a prompt, and the report with names in place of ids.

use super::coverage::{self, NamedCoverage};
use super::learn::Learned;
use crate::input::Problem;
use nlhf::core::ResponseId;
use nlhf::data::PolicyLine;
use nlhf::offline::{Contest, OfflineReport, PromptReport};
use nlhf::preference::evidence::Misfit;
use serde::Serialize;

/// The line of a policy file.
pub(super) fn policy_line<'a>(problem: &'a Problem, prompt: &PromptReport) -> PolicyLine<'a> {
    let dataset = &problem.dataset;
    let position = dataset.menus.position(prompt.prompt).expect("a report is about a menu");
    let responses = dataset.menus.get(position).responses().iter();
    PolicyLine {
        prompt_id: dataset.prompts.name(prompt.prompt.index()).into(),
        response_ids: responses.map(|r| dataset.responses.name(r.index()).into()).collect(),
        probabilities: prompt.policy.probabilities(),
        log_probabilities: prompt.policy.clone(),
        value: prompt.value,
        duality_gap: prompt.certificate.duality_gap,
        // A greedy policy is not bounded by anything: infinity is written as null.
        suboptimality_bound: prompt.suboptimality_bound.unwrap_or(f64::INFINITY),
    }
}

/// The report with names in place of ids.
#[derive(Serialize)]
pub(super) struct NamedReport<'a> {
    #[serde(flatten)]
    report: &'a OfflineReport,
    prompt_ids: Vec<&'a str>,
    response_ids: Vec<Vec<&'a str>>,
    /// How well the comparisons cover the policy; `None` where no formula says so.
    coverage: Option<NamedCoverage<'a>>,
    /// How many times the comparisons there are would halve the bound, where it was tried.
    times_to_halve: Option<f64>,
    /// Whether the comparisons contradict the model, pairs by place among the ids.
    misfit: Option<&'a Misfit>,
    /// The policy beside what other methods learn from the same comparisons.
    #[serde(skip_serializing_if = "Option::is_none")]
    contest: Option<&'a Contest>,
}

/// The report as it is written.
pub(super) fn named_report<'a>(problem: &'a Problem, learned: &'a Learned) -> NamedReport<'a> {
    let dataset = &problem.dataset;
    let menus = || dataset.menus.iter();
    let name = |response: &ResponseId| dataset.responses.name(response.index());
    NamedReport {
        report: &learned.report,
        prompt_ids: menus().map(|menu| dataset.prompts.name(menu.prompt().index())).collect(),
        response_ids: menus().map(|menu| menu.responses().iter().map(name).collect()).collect(),
        coverage: learned.coverage.as_ref().map(|known| coverage::named(problem, known)),
        times_to_halve: learned.times_to_halve,
        misfit: learned.misfit.as_ref(),
        contest: learned.contest.as_ref(),
    }
}
