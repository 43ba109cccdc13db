//! `cargo xtask ci`: every check, cheapest first, stopping at the first that fails.
//!
//! All cargo steps use the dev profile and the whole workspace, the benches too, so that one set of compiled
//! dependencies serves them all: with other packages they have other features. In test mode each bench runs once, unmeasured: it is checked that it still runs.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::{TaskResult, tidy};

struct Step {
    name: &'static str,
    action: Action,
}

enum Action {
    Tidy,
    Cargo(CargoCall),
}

struct CargoCall {
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

/// The crate of a third party, which has a workspace of its own. It shares the folder of what is compiled, so that
/// other crates are not compiled twice. Where dependencies of our crates change, `cargo metadata --manifest-path` with
/// this path writes its lock file again.
const EXAMPLE: &str = "docs/example-policy/Cargo.toml";

const STEPS: [Step; 10] = [
    Step { name: "fmt", action: cargo(&["fmt", "--all", "--check"]) },
    Step { name: "example-fmt", action: cargo(&["fmt", "--manifest-path", EXAMPLE, "--check"]) },
    Step { name: "tidy", action: Action::Tidy },
    Step {
        name: "clippy",
        action: cargo(&[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
    },
    Step { name: "test", action: cargo(&["test", "--locked", "--workspace"]) },
    Step {
        name: "example-clippy",
        action: cargo(&[
            "clippy",
            "--locked",
            "--manifest-path",
            EXAMPLE,
            "--target-dir",
            "target",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
    },
    Step {
        name: "example",
        action: cargo(&["test", "--locked", "--manifest-path", EXAMPLE, "--target-dir", "target"]),
    },
    Step {
        name: "parquet",
        action: cargo(&["test", "--locked", "--package", "nlhf-data", "--features", "parquet"]),
    },
    Step {
        name: "doc",
        action: Action::Cargo(CargoCall {
            arguments: &["doc", "--locked", "--workspace", "--no-deps"],
            environment: &[("RUSTDOCFLAGS", "-Dwarnings")],
        }),
    },
    Step {
        name: "bench",
        action: cargo(&[
            "bench",
            "--locked",
            "--profile",
            "dev",
            "--workspace",
            "--bench",
            "*",
            "--",
            "--test",
        ]),
    },
];

const fn cargo(arguments: &'static [&'static str]) -> Action {
    Action::Cargo(CargoCall { arguments, environment: &[] })
}

impl Action {
    /// The command line that does the same by hand.
    fn command_line(&self) -> String {
        match self {
            Action::Tidy => "cargo xtask tidy".to_owned(),
            Action::Cargo(call) => call
                .environment
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .chain(["cargo".to_owned()])
                .chain(call.arguments.iter().map(|&argument| argument.to_owned()))
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    fn run(&self, root: &Path) -> TaskResult {
        match self {
            Action::Tidy => tidy::run(root),
            Action::Cargo(call) => call.run(root),
        }
    }
}

impl CargoCall {
    fn run(&self, root: &Path) -> TaskResult {
        let status = Command::new(cargo_program())
            .args(self.arguments)
            .envs(self.environment.iter().copied())
            .current_dir(root)
            .status()
            .map_err(|error| format!("cargo could not be started: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("cargo ended with {status}").into()) }
    }
}

pub(crate) fn help() -> String {
    let steps: Vec<String> = STEPS
        .iter()
        .map(|step| format!("  {:16}{}", step.name, step.action.command_line()))
        .collect();
    format!(
        "Run every check, cheapest first, and stop at the first that fails.\n\n\
         Usage: cargo xtask ci\n\n\
         Steps, each with the command that runs it alone:\n{}\n\n\
         The name and the seconds of each step are printed.\n\
         Exit codes: 0 all passed; 1 a step failed.",
        steps.join("\n")
    )
}

pub(crate) fn run(root: &Path) -> TaskResult {
    let start = Instant::now();
    for (index, Step { name, action }) in STEPS.iter().enumerate() {
        println!("ci: [{}/{}] {name}: {}", index + 1, STEPS.len(), action.command_line());
        let step_start = Instant::now();
        let outcome = action.run(root);
        let seconds = step_start.elapsed().as_secs_f64();
        outcome.map_err(|error| format!("ci: {name} failed after {seconds:.1} s: {error}"))?;
        println!("ci: {name} passed in {seconds:.1} s\n");
    }
    println!("ci: all {} steps passed in {:.1} s", STEPS.len(), start.elapsed().as_secs_f64());
    Ok(())
}

/// The cargo that started this program, so that a chosen tool chain stays chosen.
pub(crate) fn cargo_program() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cargo_step_but_fmt_is_locked() {
        for step in &STEPS {
            let line = step.action.command_line();
            let is_exempt = matches!(step.name, "fmt" | "example-fmt" | "tidy");
            assert_eq!(line.contains("--locked"), !is_exempt, "{line}");
        }
    }

    #[test]
    fn help_lists_each_step_as_it_is_typed() {
        let help = help();
        assert!(help.contains("test            cargo test --locked --workspace\n"), "{help}");
        assert!(
            help.contains("doc             RUSTDOCFLAGS=-Dwarnings cargo doc --locked"),
            "{help}"
        );
    }
}
