//! The tasks of this workspace: `cargo xtask ci` runs every check, `cargo xtask tidy` the rules that no
//! compiler knows, `cargo xtask compare` measures beside the alternatives, `cargo xtask scaling` how the cost of the
//! solver grows, and `cargo xtask repro` makes the results on data again.
//!
//! Continuous integration calls `cargo xtask ci` and nothing else: what passes here passes there.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task runner talks to the person who started it"
)]

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod ci;
mod compare;
mod repro;
mod scaling;
mod tidy;

/// What a task can end with: an error is printed as it is, so it must say what to do.
type TaskResult<T = ()> = Result<T, Box<dyn Error>>;

const HELP: &str = "\
Checks and measurements of the nlhf workspace.

Usage: cargo xtask <COMMAND>

Commands:
  ci       Run every check, cheapest first, and stop at the first that fails
  tidy     Check the rules no compiler knows: dependency table, file layout, forbidden calls
  compare  Measure the equilibrium solver or preference fits side by side with Python libraries
  repro    Make the results of docs/results again
  scaling  Measure how the cost of the solver grows with games, actions and features
  help     Print this text

`cargo xtask <COMMAND> --help` says more about one command.

Exit codes: 0 all is well; 1 a check failed; 2 the command line was not understood.";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Task {
    Ci,
    Tidy,
    Compare(compare::Options),
    Repro(repro::Options),
    Scaling,
}

impl Task {
    fn help(&self) -> String {
        match self {
            Task::Ci => ci::help(),
            Task::Tidy => tidy::HELP.to_owned(),
            Task::Compare(_) => compare::HELP.to_owned(),
            Task::Repro(_) => repro::HELP.to_owned(),
            Task::Scaling => scaling::HELP.to_owned(),
        }
    }

    fn run(&self, root: &Path) -> TaskResult {
        match self {
            Task::Ci => ci::run(root),
            Task::Tidy => tidy::run(root),
            Task::Compare(options) => compare::run(root, options),
            Task::Repro(options) => repro::run(root, options),
            Task::Scaling => scaling::run(root),
        }
    }
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Request {
    Help(Option<Task>),
    Run(Task),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let task = match parse(&arguments) {
        Ok(Request::Help(task)) => {
            println!("{}", task.map_or_else(|| HELP.to_owned(), |task| task.help()));
            return ExitCode::SUCCESS;
        }
        Ok(Request::Run(task)) => task,
        Err(message) => {
            eprintln!("xtask: {message}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match task.run(&workspace_root()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::from(1)
        }
    }
}

fn parse(arguments: &[String]) -> Result<Request, String> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (name, options) = match arguments.split_first() {
        None => return Err("a command is required, but none is given".to_owned()),
        Some((&("help" | "--help" | "-h"), [])) => return Ok(Request::Help(None)),
        Some((&"help", [name])) => (*name, &["--help"][..]),
        Some((name, options)) => (*name, options),
    };
    let task = match name {
        "ci" => Task::Ci,
        "tidy" => Task::Tidy,
        "scaling" => Task::Scaling,
        "compare" if options.iter().any(|option| matches!(*option, "--help" | "-h")) => {
            return Ok(Request::Help(Some(Task::Compare(compare::Options::default()))));
        }
        "compare" => return Ok(Request::Run(Task::Compare(compare::Options::parse(options)?))),
        "repro" if options.iter().any(|option| matches!(*option, "--help" | "-h")) => {
            return Ok(Request::Help(Some(Task::Repro(repro::Options::default()))));
        }
        "repro" => return Ok(Request::Run(Task::Repro(repro::Options::parse(options)?))),
        other => return Err(format!("there is no command `{other}`")),
    };
    match options {
        [] => Ok(Request::Run(task)),
        ["--help" | "-h"] => Ok(Request::Help(Some(task))),
        other => Err(format!("`{name}` takes no arguments, but `{}` is given", other.join(" "))),
    }
}

/// The folder above this package. Cargo names it at run time too, in case the checkout has moved
/// since the build.
fn workspace_root() -> PathBuf {
    let package =
        env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let package = PathBuf::from(package);
    package.parent().map(Path::to_path_buf).unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str) -> Result<Request, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&arguments)
    }

    #[test]
    fn commands_run_or_explain_themselves() {
        assert_eq!(request("ci"), Ok(Request::Run(Task::Ci)));
        assert_eq!(request("tidy"), Ok(Request::Run(Task::Tidy)));
        assert_eq!(request("scaling"), Ok(Request::Run(Task::Scaling)));
        assert_eq!(request("tidy --help"), Ok(Request::Help(Some(Task::Tidy))));
        assert_eq!(request("help ci"), Ok(Request::Help(Some(Task::Ci))));
        assert_eq!(request("--help"), Ok(Request::Help(None)));
        let compare = Task::Compare(compare::Options::default());
        assert_eq!(request("compare"), Ok(Request::Run(compare.clone())));
        assert_eq!(request("compare --quick --help"), Ok(Request::Help(Some(compare))));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert_eq!(request("bless"), Err("there is no command `bless`".to_owned()));
        assert_eq!(
            request("ci --fast"),
            Err("`ci` takes no arguments, but `--fast` is given".to_owned())
        );
        assert_eq!(request("compare --fast"), Err("`compare` has no argument `--fast`".to_owned()));
        assert!(request("").is_err());
    }
}
