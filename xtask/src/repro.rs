//! `cargo xtask repro`: the results in docs/results, made again.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::TaskResult;
use crate::ci::cargo_program;

mod learning;
mod preference;
mod preference_report;

pub(crate) const HELP: &str = "\
Make the results of docs/results again.

Usage: cargo xtask repro <EXPERIMENT> [OPTIONS]

Experiments:
  preference       Models of preferences on real data; writes docs/results/preference.md
  offline          Offline learning: bounds, pessimism and greedy, baselines, cost; writes docs/results/offline.md
                   and its pictures beside it in offline/
  online           Online learning: methods label by label, how boldly to explore, growth; writes docs/results/online.md
                   and its pictures beside it in online/
  policy           Policy classes on prompts that nobody judged, what they cost; writes docs/results/policy.md

Options:
  --data FOLDER    Where the data are (required by preference): see below
  --out PATH       Where the result goes (default as above)
  --only NAME      Of offline, online or policy only this one; may be given several times. Offline: rate, unilateral,
                   impossible, intransitive, resampled, cost; online: methods, exploration, growth; policy: crowd,
                   people, vicuna, price, closed, cost

Without --data offline, online and policy leave out what is done on public tables. What is not whole goes to target/repro unless
--out is given.

preference reads public sets, which are not a part of this project, from FOLDER:
  oasst/   battles.csv; prompts.jsonl, prompt_embeddings.npy     artidoro/qlora (MIT), OASST1 (Apache-2.0)
  vicuna/  comparisons, prompts, responses .jsonl; embeddings    artidoro/qlora (MIT)
  people/  the same                                              dustalov/llmfao (CC BY 4.0), PandaLM, LLMBar
  matrices/ rrps_bots43, pokemon_types_battles18, llmfao_crowd59, llmfao_gpt4_59 (.csv, and _n.npy with
           numbers of comparisons)                               open_spiel (Apache-2.0), Kaggle, llmfao
offline reads the first two of matrices/ (.npy), online the first, policy vicuna/ and people/.

Exit codes: 0 written; 1 something is missing or failed.";

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Options {
    experiment: Experiment,
    data: Option<PathBuf>,
    out: Option<PathBuf>,
    only: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Experiment {
    #[default]
    Preference,
    Offline,
    Online,
    Policy,
}

impl Options {
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self, String> {
        let mut options = Options::default();
        let mut experiment = None;
        let mut rest = arguments.iter();
        while let Some(&argument) = rest.next() {
            let mut value = || rest.next().copied().ok_or(format!("`{argument}` needs a value"));
            match argument {
                "--data" => options.data = Some(value()?.into()),
                "--out" => options.out = Some(value()?.into()),
                "--only" => options.only.push(value()?.to_owned()),
                "preference" => experiment = Some(Experiment::Preference),
                "offline" => experiment = Some(Experiment::Offline),
                "online" => experiment = Some(Experiment::Online),
                "policy" => experiment = Some(Experiment::Policy),
                other => return Err(format!("`repro` has no argument `{other}`")),
            }
        }
        options.experiment = experiment.ok_or("`repro` needs the name of an experiment")?;
        if options.experiment == Experiment::Preference && !options.only.is_empty() {
            return Err(
                "`--only` is an option of `repro offline`, `online` and `policy`".to_owned()
            );
        }
        Ok(options)
    }

    /// Where the result goes: to the published ones only if it is whole.
    fn out(&self, root: &Path) -> PathBuf {
        let of_all = self.data.is_some() && self.only.is_empty();
        let (name, whole) = match self.experiment {
            Experiment::Preference => ("preference.md".to_owned(), true),
            Experiment::Offline => (learning::OFFLINE.file(), of_all),
            Experiment::Online => (learning::ONLINE.file(), of_all),
            Experiment::Policy => (learning::POLICY.file(), of_all),
        };
        let folder = if whole { "docs/results" } else { "target/repro" };
        self.out.clone().unwrap_or_else(|| root.join(folder).join(name))
    }
}

pub(crate) fn run(root: &Path, options: &Options) -> TaskResult {
    let (out, work) = (options.out(root), root.join("target/repro"));
    fs::create_dir_all(&work)?;
    let learn = |page: &learning::Page| {
        let folder = out.parent().ok_or("--out must be a file")?;
        page.make(root, options.data.as_deref(), &options.only, folder, &work)
    };
    let text = match options.experiment {
        Experiment::Preference => {
            let data = options.data.as_deref();
            let data = data.ok_or("--data FOLDER is required: `repro --help` says of what")?;
            preference::run(&Nlhf::build(root)?, data, &work)?
        }
        Experiment::Offline => learn(&learning::OFFLINE)?,
        Experiment::Online => learn(&learning::ONLINE)?,
        Experiment::Policy => learn(&learning::POLICY)?,
    };
    fs::write(&out, text)?;
    println!("repro: wrote {}", out.display());
    Ok(())
}

/// The command line, built in release mode.
struct Nlhf {
    program: PathBuf,
    root: PathBuf,
}

impl Nlhf {
    fn build(root: &Path) -> TaskResult<Self> {
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let status = Command::new(cargo_program())
            .args(["build", "--locked", "--release", "--package", "nlhf-cli", "--target-dir"])
            .arg(&target)
            .current_dir(root)
            .status()?;
        if !status.success() {
            return Err(format!("cargo ended with {status}").into());
        }
        let program = target.join("release").join(format!("nlhf{}", env::consts::EXE_SUFFIX));
        Ok(Self { program, root: root.to_owned() })
    }

    /// Runs a command that writes a report, and reads it.
    fn report(&self, arguments: &[String], report: &Path) -> TaskResult<Value> {
        println!("repro: nlhf {}", arguments.join(" "));
        let output = Command::new(&self.program)
            .args(arguments)
            .arg("--report")
            .arg(report)
            .current_dir(&self.root)
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("it ended with {}: {said}", output.status).into());
        }
        Ok(serde_json::from_str(&fs::read_to_string(report)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experiments_are_named() {
        let options = Options::parse(&["preference", "--data", "x"]).unwrap();
        assert_eq!(options.data.as_deref(), Some(Path::new("x")));
        assert!(Options::parse(&[]).unwrap_err().contains("name of an experiment"));
        assert!(Options::parse(&["alchemy"]).unwrap_err().contains("`alchemy`"));
        assert!(Options::parse(&["--data"]).unwrap_err().contains("needs a value"));
        let only = ["offline", "--only", "rate", "--only", "cost"];
        assert_eq!(Options::parse(&only).unwrap().only, ["rate", "cost"]);
        assert!(Options::parse(&["preference", "--only", "x"]).unwrap_err().contains("offline"));
    }

    #[test]
    fn only_whole_results_are_published() {
        let out = |line: &str| {
            let arguments: Vec<&str> = line.split(' ').collect();
            Options::parse(&arguments).unwrap().out(Path::new("/r"))
        };
        assert_eq!(out("offline --data x"), Path::new("/r/docs/results/offline.md"));
        assert_eq!(out("offline"), Path::new("/r/target/repro/offline.md"));
        assert_eq!(out("offline --data x --only rate"), Path::new("/r/target/repro/offline.md"));
        assert_eq!(out("offline --out y.md"), Path::new("y.md"));
        assert_eq!(out("online --data x"), Path::new("/r/docs/results/online.md"));
        assert_eq!(out("online --only growth"), Path::new("/r/target/repro/online.md"));
        assert_eq!(out("policy --data x"), Path::new("/r/docs/results/policy.md"));
        assert_eq!(out("policy --data x --only crowd"), Path::new("/r/target/repro/policy.md"));
        assert_eq!(out("preference --data x"), Path::new("/r/docs/results/preference.md"));
    }
}
