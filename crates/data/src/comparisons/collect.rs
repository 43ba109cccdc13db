//! What the formats have in common: names to ids, checks against the catalog, splits and menus.

use super::content::Said;
use super::merge::Rows;
use crate::error::{Place, quoted};
use crate::json::Field;
use crate::{BothBad, Catalog, DataError, Dataset, Format, Names, ReadOptions, Texts};
use nlhf_core::{AnnotatorId, Comparison, Label, Menus, PromptId, ResponseId, Weight};
use std::path::Path;

/// Grows a [`Dataset`] row by row.
pub(super) struct Collector {
    prompts: Names,
    responses: Names,
    annotators: Names,
    catalog: Option<Catalog>,
    rows: Rows,
    has_split: bool,
    n_self_comparisons: usize,
    n_both_bad: usize,
    n_unlisted: usize,
    options: ReadOptions,
    /// Of each prompt, the line of its first comparison; 0 if it has none.
    first_lines: Vec<u64>,
    texts: Option<Texts>,
}

/// The names in one row, each with the field that it stands in.
pub(super) struct Named<'a> {
    pub(super) prompt: &'a str,
    pub(super) first: (&'static str, &'a str),
    pub(super) second: (&'static str, &'a str),
}

/// What is known of a judgement beside the pair and the label.
pub(super) struct Judgement<'a> {
    pub(super) weight: Weight,
    pub(super) annotator: Option<&'a str>,
    pub(super) split: Option<&'a str>,
    pub(super) line: u64,
}

impl Collector {
    pub(super) fn new(catalog: Option<Catalog>, options: ReadOptions) -> Self {
        Self {
            prompts: Names::new(),
            responses: Names::new(),
            annotators: Names::new(),
            catalog,
            rows: Rows::default(),
            has_split: false,
            n_self_comparisons: 0,
            n_both_bad: 0,
            n_unlisted: 0,
            options,
            first_lines: Vec::new(),
            texts: options.keep_texts.then(Texts::default),
        }
    }

    pub(super) fn has_catalog(&self) -> bool {
        self.catalog.is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.comparisons.is_empty() && self.n_unlisted == 0 && self.n_both_bad == 0
    }

    /// Counts a battle in which both were bad, and says what to do with it.
    pub(super) fn count_both_bad(&mut self) -> BothBad {
        self.n_both_bad += 1;
        self.options.both_bad
    }

    /// Keeps what a prompt says, if texts are kept and it is new.
    pub(super) fn keep_prompt(&mut self, prompt: PromptId, said: Said<'_>) {
        if let Some(texts) = &mut self.texts {
            texts.keep_prompt(prompt, said);
        }
    }

    /// The same of a response.
    pub(super) fn keep_response(&mut self, response: ResponseId, said: Said<'_>) {
        if let Some(texts) = &mut self.texts {
            texts.keep_response(response, said);
        }
    }

    /// The ids of what a row names; `None`, and counted, if the catalog lets rows beyond it be skipped.
    pub(super) fn resolve(
        &mut self,
        names: &Named<'_>,
        place: Place<'_>,
    ) -> Result<Option<(PromptId, ResponseId, ResponseId)>, DataError> {
        let beyond = |catalog: &Catalog| {
            self.options.skip_unlisted
                && !catalog.lists(names.prompt, [names.first.1, names.second.1])
        };
        if self.catalog.as_ref().is_some_and(beyond) {
            self.n_unlisted += 1;
            return Ok(None);
        }
        let prompt = match &self.catalog {
            Some(catalog) => catalog.known_prompt(names.prompt, place)?,
            None => self.new_prompt(names.prompt),
        };
        let [first, second] = [names.first, names.second].map(|(field, name)| {
            match self.catalog.as_ref().filter(|catalog| catalog.responses_in.is_some()) {
                Some(catalog) => catalog.known_response(name, prompt, field, place),
                None => Ok(self.new_response(name)),
            }
        });
        Ok(Some((prompt, first?, second?)))
    }

    pub(super) fn new_prompt(&mut self, name: &str) -> PromptId {
        PromptId::new(self.prompts.intern(name))
    }

    pub(super) fn new_response(&mut self, name: &str) -> ResponseId {
        ResponseId::new(self.responses.intern(name))
    }

    pub(super) fn push(
        &mut self,
        (prompt, first, second): (PromptId, ResponseId, ResponseId),
        label: Label,
        judgement: &Judgement<'_>,
    ) {
        let annotator = judgement.annotator.map(|name| self.annotators.intern(name));
        let annotator = annotator.map(AnnotatorId::new);
        let weight = judgement.weight;
        if self.first_lines.len() <= prompt.index() {
            self.first_lines.resize(prompt.index() + 1, 0);
        }
        let first_line = &mut self.first_lines[prompt.index()];
        if *first_line == 0 {
            *first_line = judgement.line;
        }
        let held_out = judgement.split.is_some_and(|split| split != "train");
        let comparison = Comparison { prompt, first, second, label, weight, annotator };
        self.rows.push(comparison, held_out);
        self.has_split |= judgement.split.is_some();
        self.n_self_comparisons += usize::from(first == second);
    }

    /// The data set; `path` is the file that was read.
    pub(super) fn finish(mut self, format: Format, path: &Path) -> Result<Dataset, DataError> {
        self.rows.finish();
        let Rows { comparisons, held_out, n_merged, .. } = self.rows;
        let (mut prompts, mut responses) = (self.prompts, self.responses);
        let mut listed = Vec::new();
        let (mut menus_in, mut lines) = (path.to_path_buf(), Vec::new());
        if let Some(catalog) = self.catalog {
            prompts = catalog.prompts;
            if let Some(responses_in) = catalog.responses_in {
                responses = catalog.responses;
                listed = catalog.candidates;
                (menus_in, lines) = (responses_in, catalog.line_of_candidate);
            }
        }
        let n_responses = responses.len();
        let menus = if listed.is_empty() {
            // A response that was compared with itself alone is no choice.
            let single = self.options.allow_single_candidates;
            let seen = comparisons.iter().filter(|c| single || c.first != c.second);
            // Where a row tells no order, the response that was named first comes first.
            let ordered = format.tells_order();
            let seen = seen.flat_map(|c| {
                let turned = !ordered && c.second < c.first;
                let (one, other) = if turned { (c.second, c.first) } else { (c.first, c.second) };
                [(c.prompt, one), (c.prompt, other)]
            });
            group(prompts.len(), n_responses, seen)
        } else {
            group(prompts.len(), n_responses, listed.iter().copied())
        };
        let single = menus.iter().find(|menu| menu.len() == 1);
        if let Some(menu) = single.filter(|_| !self.options.allow_single_candidates) {
            let mut listed = listed.iter().zip(lines);
            let line = match listed.find(|((prompt, _), _)| *prompt == menu.prompt()) {
                Some((_, line)) => line,
                None => self.first_lines[menu.prompt().index()],
            };
            let name = quoted(prompts.name(menu.prompt().index()));
            return Err(DataError::SingleCandidate { path: menus_in, line, prompt: name });
        }
        Ok(Dataset {
            prompts,
            responses,
            annotators: self.annotators,
            comparisons,
            held_out,
            has_split: self.has_split,
            n_merged,
            n_self_comparisons: self.n_self_comparisons,
            n_both_bad: self.n_both_bad,
            n_unlisted: self.n_unlisted,
            menus,
            format,
            both_bad: self.options.both_bad,
            texts: self.texts.filter(|texts| !texts.prompts.is_empty()),
        })
    }
}

/// The label in a field of JSON.
pub(super) fn label(field: &Field<'_>, place: Place<'_>) -> Result<Label, DataError> {
    let label = field.as_number().and_then(|number| Label::new(number).ok());
    label.ok_or_else(|| place.error("\"label\" in [0, 1]", field.found()))
}

/// The weight in a field of JSON, one if there is none.
pub(super) fn weight(field: &Field<'_>, place: Place<'_>) -> Result<Weight, DataError> {
    if !field.is_present() {
        return Ok(Weight::ONE);
    }
    let weight = field.as_number().and_then(counted_weight);
    weight.ok_or_else(|| bad_weight(field.found(), place))
}

/// The weight in a cell of CSV, one if it is empty.
pub(super) fn weight_of_cell(cell: &str, place: Place<'_>) -> Result<Weight, DataError> {
    if cell.is_empty() {
        return Ok(Weight::ONE);
    }
    let weight = cell.parse().ok().and_then(counted_weight);
    weight.ok_or_else(|| bad_weight(quoted(cell), place))
}

/// Repetitions beyond which sums of them lose what single judgements say.
const MOST_REPETITIONS: f64 = 1e12;

fn counted_weight(number: f64) -> Option<Weight> {
    Weight::new(number).ok().filter(|weight| weight.get() <= MOST_REPETITIONS)
}

fn bad_weight(found: String, place: Place<'_>) -> DataError {
    place.error("\"weight\" in [0, 1e12]", found)
}

/// Menus in the order of the prompts, each response once, in the order of `pairs`.
fn group(
    n_prompts: usize,
    n_responses: usize,
    pairs: impl Iterator<Item = (PromptId, ResponseId)> + Clone,
) -> Menus {
    // A counting sort by prompt; within a prompt the order stays.
    let mut starts = vec![0_usize; n_prompts + 1];
    for (prompt, _) in pairs.clone() {
        starts[prompt.index() + 1] += 1;
    }
    for prompt in 0..n_prompts {
        starts[prompt + 1] += starts[prompt];
    }
    let mut next = starts.clone();
    let mut sorted = vec![ResponseId::new(0); starts[n_prompts]];
    for (prompt, response) in pairs {
        let at = &mut next[prompt.index()];
        sorted[*at] = response;
        *at += 1;
    }
    let mut last_seen_in = vec![usize::MAX; n_responses];
    let mut menus = Menus::new();
    let mut menu = Vec::new();
    for prompt in 0..n_prompts {
        menu.clear();
        for response in &sorted[starts[prompt]..starts[prompt + 1]] {
            if std::mem::replace(&mut last_seen_in[response.index()], prompt) != prompt {
                menu.push(*response);
            }
        }
        if !menu.is_empty() {
            let pushed = menus.push(PromptId::from_index(prompt), &menu);
            pushed.expect("each prompt comes once, and each of its responses once");
        }
    }
    menus
}
