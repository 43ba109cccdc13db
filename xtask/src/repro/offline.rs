//! Experiments of offline learning: run by a program of the benches, and put on one page.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::TaskResult;
use crate::compare::{build, machine};

/// The page. Pictures go to a folder beside it, which the page takes to be named `offline`.
pub(super) fn run(
    root: &Path,
    data: Option<&Path>,
    only: &[String],
    figures: &Path,
    work: &Path,
) -> TaskResult<String> {
    let program = build(root, "offline_experiments")?;
    let page = work.join("offline-sections.md");
    let job = json!({"page": page, "figures": figures, "data": data, "only": only});
    let mut child = Command::new(program).stdin(Stdio::piped()).spawn()?;
    // Dropped at once, so that the program sees the end of its input.
    serde_json::to_writer(child.stdin.take().ok_or("a process has an input")?, &job)?;
    let status = child.wait()?;
    if !status.success() {
        return Err(format!("the experiments ended with {status}").into());
    }
    Ok(head(&machine::describe()?) + &fs::read_to_string(page)?)
}

fn head(machine: &machine::Machine) -> String {
    format!(
        "# Experiments of offline learning\n\n\
         Written by `cargo xtask repro offline --data FOLDER`, {}; not edited by hand. Seconds were measured on {} with {} cores; \
         all else depends on fixed seeds alone.\n\n\
         sub(π) = J* − min_q J(π, q) is what a policy loses against its best competitor under the truth, exact but for rounding, on average over prompts; \
         π* is the equilibrium of the truth, π̂ what was learned. P is the scale of probabilities, where sub is a win rate. Greedy: the \
         equilibrium of the estimate taken at its word; bonus and version space: the two forms of pessimism. |D| or n: all labels. Formulas: \
         [math.md](../math.md). Source: Ye et al. (arXiv 2402.07314), section 3.\n\n",
        machine.date, machine.cpu, machine.cores
    )
}
