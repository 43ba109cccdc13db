//! Who plays where: the policies of all files on the prompts that can be judged.

use crate::input::Problem;
use crate::render;
use anyhow::bail;
use nlhf::core::{Comparison, Menus};
use nlhf::data::read_policies;
use nlhf::offline::Entrant;
use std::path::PathBuf;

/// The prompts that are played on, and what each policy does there.
pub(super) struct Field {
    pub(super) menus: Menus,
    pub(super) entrants: Vec<Entrant>,
    /// Prompts that some policy has no line for.
    pub(super) n_unanswered: usize,
    /// Prompts that all policies answer, and no comparison is about.
    pub(super) n_unjudged: usize,
}

impl Field {
    /// Reads the policies, and keeps the prompts that all of them answer and a comparison is about.
    pub(super) fn gather(
        paths: &[PathBuf],
        problem: &Problem,
        rows: &[Comparison],
    ) -> anyhow::Result<Self> {
        let dataset = &problem.dataset;
        let read = |path: &PathBuf| Ok(read_policies(path, dataset)?);
        let policies: Vec<Vec<_>> = paths.iter().map(read).collect::<anyhow::Result<_>>()?;
        let mut judged = vec![false; dataset.menus.len()];
        let telling = rows.iter().filter(|row| row.first != row.second && row.weight.get() > 0.0);
        for position in telling.filter_map(|row| dataset.menus.position(row.prompt)) {
            judged[position] = true;
        }
        let names = names(paths);
        let entrant = |name| Entrant { name, policies: Vec::new() };
        let mut field = Self {
            menus: Menus::new(),
            entrants: names.into_iter().map(entrant).collect(),
            n_unanswered: 0,
            n_unjudged: 0,
        };
        for (at, menu) in dataset.menus.iter().enumerate() {
            let all: Option<Vec<_>> =
                policies.iter().map(|policies| policies[at].clone()).collect();
            match all {
                None => field.n_unanswered += 1,
                Some(_) if !judged[at] => field.n_unjudged += 1,
                Some(all) => {
                    field.menus.push(menu.prompt(), menu.responses())?;
                    for (entrant, policy) in field.entrants.iter_mut().zip(all) {
                        entrant.policies.push(policy);
                    }
                }
            }
        }
        if field.menus.is_empty() {
            bail!(
                "expected a prompt that all policies answer and a comparison is about, found none: {} without a \
                 policy, {} without a comparison",
                render::counted(field.n_unanswered, "prompt"),
                render::count(field.n_unjudged)
            );
        }
        Ok(field)
    }
}

/// A name for each file: without folder and ending where that tells them apart.
fn names(paths: &[PathBuf]) -> Vec<String> {
    let short = |path: &PathBuf| {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        name.split('.').next().filter(|stem| !stem.is_empty()).unwrap_or(&name).to_owned()
    };
    let all: Vec<String> = paths.iter().map(short).collect();
    let alone = |name: &String| all.iter().filter(|other| *other == name).count() == 1;
    let name = |(path, short): (&PathBuf, &String)| {
        if alone(short) { short.clone() } else { path.display().to_string() }
    };
    paths.iter().zip(&all).map(name).collect()
}
