//! Experiments of learning: run by a program of the benches, and put on one page.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::TaskResult;
use crate::compare::{build, machine};

/// A page of experiments.
pub(super) struct Page {
    /// The program that computes them.
    program: &'static str,
    /// Of the command and of the folder of pictures.
    name: &'static str,
    /// What is experimented with.
    title: &'static str,
    /// What the quantities are, after who wrote the page.
    notation: &'static str,
}

pub(super) const OFFLINE: Page = Page {
    program: "offline_experiments",
    name: "offline",
    title: "offline learning",
    notation: "sub(π) = J* − min_q J(π, q) is what a policy loses against its best competitor under the truth, exact but for rounding, on average over prompts; \
               π* is the equilibrium of the truth, π̂ what was learned. P is the scale of probabilities, where sub is a win rate. Greedy: the \
               equilibrium of the estimate taken at its word; bonus and version space: the two forms of pessimism. |D| or n: all labels. Formulas: \
               [math.md](../math.md). Source: Ye et al. (arXiv 2402.07314), section 3.",
};

pub(super) const ONLINE: Page = Page {
    program: "online_experiments",
    name: "online",
    title: "online learning",
    notation: "sub(π) = J* − min_q J(π, q) is what the main agent of a round loses against its best competitor under the truth, exact but for rounding, on \
               average over prompts; π₀ is the reference, π* the equilibrium of the truth. P is the scale of probabilities, where sub is a win rate. All methods \
               share the model, its fit and the labels a round; labels are drawn from the truth. Optimistic, c β: the enhancer sees c times the widths of the theory. Formulas: \
               [math.md](../math.md). Source: Ye et al. (arXiv 2402.07314), section 4; those of the other methods stand with them in `nlhf::online::methods`.",
};

pub(super) const POLICY: Page = Page {
    program: "policy_experiments",
    name: "policy",
    title: "policy classes",
    notation: "What was learned. A preference model that can say what is true, solved on each new menu, is better than any class that scores candidates one by one: by \
               far on the simulated crowd, by a little or not at all on judgements of people and of GPT-4. A class is worth it where no model may be asked at play (it plays what the model \
               would, to half a percent), where the model is too small for the truth (it then loses less than the model does), and as a whole without any model, from tabular equilibria. \
               There the search in class makes up for much of what projections lose, where η is large; with more features than prompts it fits noise, and a bound on the norm holds it.\n\n\
               A class is learned on some prompts and plays others: whoever judged those was never learned from. sub(π) = J* − min_q J(π, q) is what a policy loses \
               against its best competitor in the regularized game, on average over prompts; P is the scale of probabilities, where it is a win rate. Projected: the \
               member of a class nearest to given equilibria; in class: what the learners go on to from there, the least sub(π) against any competitor. A model, solved: its own \
               equilibrium on every menu that is played, which asks for the model at play. Formulas: [math.md](../math.md).",
};

impl Page {
    /// The file that the page is published as.
    pub(super) fn file(&self) -> String {
        format!("{}.md", self.name)
    }

    /// The text of the page. Pictures go to a folder beside it in `folder`.
    pub(super) fn make(
        &self,
        root: &Path,
        data: Option<&Path>,
        only: &[String],
        folder: &Path,
        work: &Path,
    ) -> TaskResult<String> {
        let program = build(root, self.program)?;
        let page = work.join(format!("{}-sections.md", self.name));
        let figures = folder.join(self.name);
        let job = json!({"page": page, "figures": figures, "data": data, "only": only});
        let mut child = Command::new(program).stdin(Stdio::piped()).spawn()?;
        // Dropped at once, so that the program sees the end of its input.
        serde_json::to_writer(child.stdin.take().ok_or("a process has an input")?, &job)?;
        let status = child.wait()?;
        if !status.success() {
            return Err(format!("the experiments ended with {status}").into());
        }
        Ok(self.head(&machine::describe()?) + &fs::read_to_string(page)?)
    }

    fn head(&self, machine: &machine::Machine) -> String {
        format!(
            "# Experiments of {5}\n\n\
             Written by `cargo xtask repro {0} --data FOLDER`, {1}; not edited by hand. Seconds were measured on {2} with {3} cores; \
             all else depends on fixed seeds alone.\n\n{4}\n\n",
            self.name, machine.date, machine.cpu, machine.cores, self.notation, self.title
        )
    }
}
