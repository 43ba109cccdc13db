//! `cargo xtask repro`: the results in docs/results, made again.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::TaskResult;
use crate::ci::cargo_program;

mod preference;
mod preference_report;

pub(crate) const HELP: &str = "\
Make the results of docs/results again.

Usage: cargo xtask repro <EXPERIMENT> [OPTIONS]

Experiments:
  preference       Models of preferences on real data; writes docs/results/preference.md

Options:
  --data FOLDER    Where the data are (required by preference): see below
  --out PATH       Where the result goes (default as above)

preference reads public sets, which are not a part of this project, from FOLDER:
  oasst/   battles.csv; prompts.jsonl, prompt_embeddings.npy     artidoro/qlora (MIT), OASST1 (Apache-2.0)
  vicuna/  comparisons, prompts, responses .jsonl; embeddings    artidoro/qlora (MIT)
  people/  the same                                              dustalov/llmfao (CC BY 4.0), PandaLM, LLMBar
  matrices/ rrps_bots43, pokemon_types_battles18, llmfao_crowd59, llmfao_gpt4_59 (.csv, and _n.npy with
           numbers of comparisons)                               open_spiel (Apache-2.0), Kaggle, llmfao
Exit codes: 0 written; 1 something is missing or failed.";

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Options {
    experiment: String,
    data: Option<PathBuf>,
    out: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self, String> {
        let mut options = Options::default();
        let mut rest = arguments.iter();
        while let Some(&argument) = rest.next() {
            let mut value = || rest.next().copied().ok_or(format!("`{argument}` needs a value"));
            match argument {
                "--data" => options.data = Some(value()?.into()),
                "--out" => options.out = Some(value()?.into()),
                "preference" => argument.clone_into(&mut options.experiment),
                other => return Err(format!("`repro` has no argument `{other}`")),
            }
        }
        if options.experiment.is_empty() {
            return Err("`repro` needs the name of an experiment".to_owned());
        }
        Ok(options)
    }
}

pub(crate) fn run(root: &Path, options: &Options) -> TaskResult {
    let out = options.out.clone().unwrap_or_else(|| root.join("docs/results/preference.md"));
    let data =
        options.data.as_deref().ok_or("--data FOLDER is required: `repro --help` says of what")?;
    let work = root.join("target/repro");
    fs::create_dir_all(&work)?;
    let text = preference::run(&Nlhf::build(root)?, data, &work)?;
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
    }
}
