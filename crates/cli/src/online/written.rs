//! What `nlhf online` writes: a line a prompt, and the report with names in place of ids.

use super::learn::{Learned, Spent};
use crate::input::Problem;
use nlhf::core::ResponseId;
use nlhf::data::PolicyLine;
use nlhf::online::OnlineReport;
use serde::Serialize;

/// The lines of the policy file.
pub(super) fn policy_lines<'a>(
    problem: &'a Problem,
    learned: &'a Learned,
) -> impl Iterator<Item = PolicyLine<'a>> {
    let dataset = &problem.dataset;
    let offset = learned.report.config.scale.offset();
    learned.menus.iter().zip(&learned.report.prompts).map(move |(menu, prompt)| {
        let name = |id: &ResponseId| dataset.responses.name(id.index()).into();
        PolicyLine {
            prompt_id: dataset.prompts.name(prompt.prompt.index()).into(),
            response_ids: menu.responses().iter().map(name).collect(),
            probabilities: prompt.policy.probabilities(),
            log_probabilities: prompt.policy.clone(),
            value: offset - prompt.suboptimality_bound,
            duality_gap: prompt.duality_gap,
            suboptimality_bound: prompt.suboptimality_bound,
        }
    })
}

/// The report with names in place of ids.
#[derive(Serialize)]
pub(super) struct NamedReport<'a> {
    #[serde(flatten)]
    report: &'a OnlineReport,
    prompt_ids: Vec<&'a str>,
    response_ids: Vec<Vec<&'a str>>,
    /// Of each round, where the truth is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    true_suboptimality: Option<&'a [f64]>,
    /// What was asked of a judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<&'a Spent>,
}

/// The report as it is written.
pub(super) fn named_report<'a>(problem: &'a Problem, learned: &'a Learned) -> NamedReport<'a> {
    let (dataset, menus) = (&problem.dataset, &learned.menus);
    let name = |response: &ResponseId| dataset.responses.name(response.index());
    NamedReport {
        report: &learned.report,
        prompt_ids: menus.iter().map(|menu| dataset.prompts.name(menu.prompt().index())).collect(),
        response_ids: menus.iter().map(|m| m.responses().iter().map(name).collect()).collect(),
        true_suboptimality: learned.true_suboptimality.as_deref(),
        asked: learned.asked.as_ref(),
    }
}
