//! `cargo xtask compare`: the equilibrium solver, preference fits and projections side by side with what Python users would run
//! instead.
//!
//! Every candidate is a long-lived process that has loaded the games and compiled its code before the
//! clock starts. They take turns (A B C A B C …), so that a noisy moment of the machine hits all alike.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::json;

use self::measure::{Measured, measure};
use self::regimes::{Effort, Regime};
use crate::TaskResult;
use crate::ci::cargo_program;

mod environment;
pub(super) mod machine;
mod measure;
mod policy;
mod policy_report;
mod preference;
mod preference_report;
mod process;
mod regimes;
mod report;

pub(crate) const HELP: &str = "\
Measure side by side with numpy, scipy, torch, JAX, scikit-learn, choix and evalica.

Usage: cargo xtask compare [SUBJECT] [OPTIONS]

Subjects:
  nash             The equilibrium solver (default); writes docs/results/nash.md
  preference       Preference fits; writes docs/results/preference-speed.md
  policy           Projections onto log-linear policies; writes docs/results/policy-speed.md

Options:
  --quick          Smaller sizes and fewer rounds: minutes, not hours
  --only REGIME    Only the regimes whose name starts so; may be given several times
  --rounds N       How often the candidates take turns (default 5; with --quick 2)
  --out PATH       Where the table goes (default as above; with --quick or --only in
                   target/compare, so that no partial table is ever published)
  --list           Print the names of the regimes and end

It needs CPython 3.11 or newer with `venv` (python3, or the program named by PYTHON) and, once, a
network: benches/python/requirements.txt is installed in target/compare/venv, about 6 GB on Linux.
Solvers are checked against reference equilibria before anything is timed; fits report their loss beside
their time. Games and data are drawn once, seeded, and kept in target/compare, about 3 GB without --quick.

Candidates start from float64 arrays in memory. Times are medians over the rounds, of wall and of CPU
time; equal threads, on the same cores where `taskset` is there.
Exit codes: 0 measured and written; 1 something is missing or a check failed.";

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Subject {
    #[default]
    Nash,
    Preference,
    Policy,
}

impl Subject {
    /// The name of the command line and of the table.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Nash => ("nash", "nash.md"),
            Self::Preference => ("preference", "preference-speed.md"),
            Self::Policy => ("policy", "policy-speed.md"),
        }
    }
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Options {
    subject: Subject,
    quick: bool,
    list: bool,
    only: Vec<String>,
    rounds: Option<usize>,
    out: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self, String> {
        let mut options = Options::default();
        let mut rest = arguments.iter();
        while let Some(&argument) = rest.next() {
            let mut value = || rest.next().copied().ok_or(format!("`{argument}` needs a value"));
            match argument {
                "nash" => options.subject = Subject::Nash,
                "preference" => options.subject = Subject::Preference,
                "policy" => options.subject = Subject::Policy,
                "--quick" => options.quick = true,
                "--list" => options.list = true,
                "--only" => options.only.push(value()?.to_owned()),
                "--out" => options.out = Some(value()?.into()),
                "--rounds" => {
                    let given = value()?;
                    let rounds = given.parse().ok().filter(|&rounds| rounds > 0);
                    options.rounds = Some(rounds.ok_or(format!(
                        "`--rounds` must be a positive number, but is `{given}`"
                    ))?);
                }
                other => return Err(format!("`compare` has no argument `{other}`")),
            }
        }
        Ok(options)
    }

    fn effort(&self) -> Effort {
        if self.quick { Effort::quick() } else { Effort::full() }
    }

    /// The command that gives the same table again.
    fn command_line(&self) -> String {
        let quick = self.quick.then(|| "--quick".to_owned());
        let only = self.only.iter().map(|name| format!("--only {name}"));
        let rounds = self.rounds.map(|rounds| format!("--rounds {rounds}"));
        let subject = (self.subject != Subject::Nash).then(|| self.subject.names().0.to_owned());
        let command = ["cargo xtask compare".to_owned()];
        let words: Vec<String> =
            command.into_iter().chain(subject).chain(quick).chain(only).chain(rounds).collect();
        words.join(" ")
    }

    fn out(&self, root: &Path) -> PathBuf {
        let name = self.subject.names().1;
        match &self.out {
            Some(path) => path.clone(),
            None if self.quick || !self.only.is_empty() => root.join("target/compare").join(name),
            None => root.join("docs/results").join(name),
        }
    }

    /// Those whose name starts as one that was asked for.
    fn choose<T>(&self, all: Vec<T>, name: impl Fn(&T) -> &str) -> TaskResult<Vec<T>> {
        let asked = |one: &T| self.only.iter().any(|start| name(one).starts_with(start));
        let chosen: Vec<T> =
            all.into_iter().filter(|one| self.only.is_empty() || asked(one)).collect();
        if chosen.is_empty() {
            let asked = self.only.join(", ");
            return Err(format!("no regime starts with {asked}; `--list` prints them").into());
        }
        Ok(chosen)
    }
}

pub(crate) fn run(root: &Path, options: &Options) -> TaskResult {
    match options.subject {
        Subject::Nash => run_nash(root, options),
        Subject::Preference | Subject::Policy => run_fits(root, options),
    }
}

fn run_nash(root: &Path, options: &Options) -> TaskResult {
    let effort = options.effort();
    let regimes = options.choose(regimes::all(&effort), |regime| &regime.name)?;
    if options.list {
        for regime in &regimes {
            println!("{}", regime.name);
        }
        return Ok(());
    }
    let start = Instant::now();
    let work = root.join("target/compare");
    let games = work.join("games");
    fs::create_dir_all(&games)?;
    let python = environment::prepare(root, &work)?;
    environment::check(root, &python)?;
    let ours = build(root, "nash_compare")?;
    draw_games(&ours, &regimes, &games)?;

    let rounds = options.rounds.unwrap_or(effort.rounds);
    let programs = process::Programs { ours, python, root: root.to_owned() };
    let mut measured: Vec<(&Regime, Vec<Measured>)> = Vec::new();
    for (index, regime) in regimes.iter().enumerate() {
        println!("compare: [{}/{}] {}", index + 1, regimes.len(), regime.name);
        measured.push((regime, measure(&programs, regime, &games, rounds, &effort)?));
    }
    let head = head(root, options, rounds, &programs)?;
    write(&options.out(root), &report::render(&head, &measured), start)
}

fn run_fits(root: &Path, options: &Options) -> TaskResult {
    let effort = options.effort();
    let is_policy = options.subject == Subject::Policy;
    let all = if is_policy { policy::all } else { preference::all };
    let jobs = options.choose(all(options.quick), |job| job.name)?;
    if options.list {
        for job in &jobs {
            println!("{}", job.name);
        }
        return Ok(());
    }
    let start = Instant::now();
    let work = root.join("target/compare");
    let name = options.subject.names().0;
    let folder = work.join(if options.quick { format!("{name}-quick") } else { name.to_owned() });
    fs::create_dir_all(&folder)?;
    let python = environment::prepare(root, &work)?;
    let ours = build(root, &format!("{name}_compare"))?;
    let rounds = options.rounds.unwrap_or(effort.rounds);
    let programs = process::Programs { ours, python, root: root.to_owned() };
    let mut measured = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        println!("compare: [{}/{}] {}", index + 1, jobs.len(), job.name);
        measured.push((job, preference::measure(&programs, job, &folder, rounds, &effort)?));
    }
    let head = head(root, options, rounds, &programs)?;
    let render = if is_policy { policy_report::render } else { preference_report::render };
    write(&options.out(root), &render(&head, &measured), start)
}

fn head(
    root: &Path,
    options: &Options,
    rounds: usize,
    programs: &process::Programs,
) -> TaskResult<report::Head> {
    Ok(report::Head {
        command: options.command_line(),
        rounds,
        machine: machine::describe()?,
        versions: environment::versions(root, &programs.python)?,
        pinned: process::can_pin(),
    })
}

fn write(out: &Path, text: &str, start: Instant) -> TaskResult {
    if let Some(folder) = out.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(out, text)?;
    println!("compare: wrote {} after {:.0} s", out.display(), start.elapsed().as_secs_f64());
    Ok(())
}

/// Builds a program of the benches in release mode and says where it is.
pub(crate) fn build(root: &Path, program: &str) -> TaskResult<PathBuf> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let status = Command::new(cargo_program())
        .args(["build", "--locked", "--release", "--package", "nlhf-benches"])
        .args(["--bin", program, "--target-dir"])
        .arg(&target)
        .current_dir(root)
        .status()?;
    if !status.success() {
        return Err(format!("cargo ended with {status}").into());
    }
    Ok(target.join("release").join(format!("{program}{}", env::consts::EXE_SUFFIX)))
}

/// Lets our program draw all games that are not there yet.
fn draw_games(ours: &Path, regimes: &[Regime], folder: &Path) -> TaskResult {
    let mut process = process::Process::start(&mut Command::new(ours))?;
    for regime in regimes {
        let mut request = regime.games.request(folder);
        request["command"] = json!("generate");
        process.ask(&request)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_understood_or_named() {
        let options = Options::parse(&["--quick", "--only", "batch", "--rounds", "3"]).unwrap();
        assert_eq!(options.command_line(), "cargo xtask compare --quick --only batch --rounds 3");
        assert_eq!(options.out(Path::new("/r")), Path::new("/r/target/compare/nash.md"));
        let published = Options::default().out(Path::new("/r"));
        assert_eq!(published, Path::new("/r/docs/results/nash.md"));
        let fits = Options::parse(&["preference"]).unwrap();
        assert_eq!(fits.command_line(), "cargo xtask compare preference");
        assert!(fits.out(Path::new("/r")).ends_with("docs/results/preference-speed.md"));
        assert_eq!(Options::parse(&["--only"]), Err("`--only` needs a value".to_owned()));
        assert!(Options::parse(&["--rounds", "0"]).unwrap_err().contains("is `0`"));
        assert!(Options::parse(&["--fast"]).unwrap_err().contains("`--fast`"));
    }
}
