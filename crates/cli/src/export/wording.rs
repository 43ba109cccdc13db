//! What the prompts and answers of a policy say, from the files that it was learned from.

use super::TextArgs;
use anyhow::{Context, bail, ensure};
use nlhf::core::{Menu, PromptId, ResponseId};
use nlhf::data::{
    Catalog, Dataset, Names, ReadOptions, TextOrMessages, Texts, in_one_form, read_candidate_texts,
    read_comparisons, read_texts,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The texts of everything that a policy names.
#[derive(Debug)]
pub(super) struct Wording {
    prompts: Arc<Texts>,
    responses: Arc<Texts>,
    /// Of each prompt and response of the policy, its place in the texts.
    prompt_ids: Vec<PromptId>,
    response_ids: Vec<ResponseId>,
    /// How many prompts of the comparisons the policy says nothing about.
    pub(super) n_other_prompts: usize,
}

/// Named texts of one file, and the prompt of each response.
struct Source {
    path: PathBuf,
    texts: Arc<Texts>,
    prompts: Names,
    responses: Names,
    prompt_of_response: Vec<PromptId>,
}

impl Wording {
    /// Reads the texts and finds those of what the policy in `policy` names; `None` if there are no files to read.
    pub(super) fn load(
        args: &TextArgs,
        policy: &Path,
        named: &Dataset,
    ) -> anyhow::Result<Option<Self>> {
        if args.comparisons.is_none() && args.responses.is_none() && args.prompts.is_none() {
            return Ok(None);
        }
        let compared = args.comparisons.as_deref().map(Source::of_comparisons).transpose()?;
        let answers = args.responses.as_deref().map(Source::of_responses).transpose()?;
        let asked = args.prompts.as_deref().map(Source::of_prompts).transpose()?;
        // A file of prompts with their candidates says what both say.
        let told = answers.as_ref().filter(|answers| !answers.texts.prompts.is_empty());
        let (Some(asked), Some(answers)) =
            (asked.as_ref().or(told).or(compared.as_ref()), answers.as_ref().or(compared.as_ref()))
        else {
            let (given, missing) = if args.responses.is_some() {
                ("--responses", "--prompts FILE")
            } else {
                ("--prompts", "--responses FILE")
            };
            bail!("expected {missing} with \"text\" beside {given}, or --comparisons FILE");
        };
        for (source, texts, option) in [
            (asked, &asked.texts.prompts, "--prompts"),
            (answers, &answers.texts.responses, "--responses"),
        ] {
            ensure!(
                !texts.is_empty(),
                "{}: expected \"chosen\" and \"rejected\" texts, found none ({option} FILE lists texts, \
                 --ids-only does without)",
                source.path.display()
            );
        }
        let mut prompt_ids = Vec::with_capacity(named.menus.len());
        let mut response_ids = vec![ResponseId::new(0); named.responses.len()];
        for menu in named.menus.iter() {
            prompt_ids.push(asked.prompt(menu, named, policy)?);
            for response in menu.responses() {
                response_ids[response.index()] =
                    answers.response(menu, *response, named, policy)?;
            }
        }
        let n_prompts = compared.as_ref().map_or(0, |source| source.prompts.len());
        Ok(Some(Self {
            prompts: asked.texts.clone(),
            responses: answers.texts.clone(),
            prompt_ids,
            response_ids,
            n_other_prompts: n_prompts.saturating_sub(named.prompts.len()),
        }))
    }

    /// What is asked, and what each candidate of the menu answers, in a form that trainers take.
    pub(super) fn of_menu(&self, menu: Menu<'_>) -> (TextOrMessages<'_>, Vec<TextOrMessages<'_>>) {
        let mut prompt = self.prompts.prompt(self.prompt_ids[menu.prompt().index()]).expect(LOADED);
        let answer = |response: &ResponseId| {
            self.responses.response(self.response_ids[response.index()]).expect(LOADED)
        };
        let mut answers: Vec<_> = menu.responses().iter().map(answer).collect();
        in_one_form(&mut prompt, &mut answers);
        (prompt, answers)
    }

    /// How many prompts and answers say nothing.
    pub(super) fn n_empty(&self) -> (usize, usize) {
        let prompts =
            self.prompt_ids.iter().filter(|id| self.prompts.prompts[id.index()].is_empty());
        let answers =
            self.response_ids.iter().filter(|id| self.responses.responses[id.index()].is_empty());
        (prompts.count(), answers.count())
    }

    /// A prompt and one of its candidates as plain texts.
    pub(super) fn plain(&self, prompt: PromptId, response: ResponseId) -> (&str, &str) {
        let (prompt, response) =
            (self.prompt_ids[prompt.index()], self.response_ids[response.index()]);
        (&self.prompts.prompts[prompt.index()], &self.responses.responses[response.index()])
    }
}

const LOADED: &str = "every text was found when the files were read";

impl Source {
    fn of_comparisons(path: &Path) -> anyhow::Result<Self> {
        let options =
            ReadOptions { keep_texts: true, allow_single_candidates: true, ..Default::default() };
        let mut dataset = read_comparisons(path, None, options)?;
        let mut prompt_of_response = vec![PromptId::new(0); dataset.responses.len()];
        for c in &dataset.comparisons {
            for response in [c.first, c.second] {
                prompt_of_response[response.index()] = c.prompt;
            }
        }
        Ok(Self {
            path: path.to_path_buf(),
            texts: Arc::new(dataset.texts.take().unwrap_or_default()),
            prompts: dataset.prompts,
            responses: dataset.responses,
            prompt_of_response,
        })
    }

    fn of_responses(path: &Path) -> anyhow::Result<Self> {
        let texts = read_candidate_texts(path)?;
        Ok(Self::listed(path, Catalog::from_responses(path)?, texts))
    }

    fn of_prompts(path: &Path) -> anyhow::Result<Self> {
        let texts = Texts::new(read_texts(path)?, Vec::new());
        Ok(Self::listed(path, Catalog::from_prompts(path)?, texts))
    }

    fn listed(path: &Path, catalog: Catalog, texts: Texts) -> Self {
        Self {
            path: path.to_path_buf(),
            texts: Arc::new(texts),
            prompts: catalog.prompts,
            responses: catalog.responses,
            prompt_of_response: catalog.prompt_of_response,
        }
    }

    /// The place of the text of the prompt of a menu.
    fn prompt(&self, menu: Menu<'_>, named: &Dataset, policy: &Path) -> anyhow::Result<PromptId> {
        let name = named.prompts.name(menu.prompt().index());
        let found = self.prompts.get(name).map(PromptId::new);
        found.filter(|id| id.index() < self.texts.prompts.len()).with_context(|| {
            let (place, policy) = (self.path.display(), policy.display());
            format!("{place}: expected the text of prompt {name:?} of {policy}, found none")
        })
    }

    /// The place of the text of a candidate, which must answer the prompt of its menu here too.
    fn response(
        &self,
        menu: Menu<'_>,
        response: ResponseId,
        named: &Dataset,
        policy: &Path,
    ) -> anyhow::Result<ResponseId> {
        let (prompt, name) =
            (named.prompts.name(menu.prompt().index()), named.responses.name(response.index()));
        let expected = || {
            let (place, policy) = (self.path.display(), policy.display());
            format!(
                "{place}: expected the text of answer {name:?} of {policy} to prompt {prompt:?}"
            )
        };
        let found = self.responses.get(name).map(ResponseId::new);
        let found = found.filter(|id| id.index() < self.texts.responses.len());
        let id = found.with_context(|| format!("{}, found none", expected()))?;
        let owner = self.prompts.name(self.prompt_of_response[id.index()].index());
        ensure!(owner == prompt, "{}, found an answer to {owner:?}", expected());
        Ok(id)
    }
}
