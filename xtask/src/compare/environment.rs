//! The Python environment of the baselines: made once, checked every time.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::TaskResult;

const REQUIREMENTS: &str = "benches/python/requirements.txt";
const REFERENCE: &str = "crates/nash/tests/golden/symmetric.json";

/// The interpreter of `target/compare/venv` with all requirements installed. A copy of the requirements is
/// left in the environment when it is complete, and compared the next time.
pub(super) fn prepare(root: &Path, work: &Path) -> TaskResult<PathBuf> {
    let venv = work.join("venv");
    let python = venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let requirements = fs::read_to_string(root.join(REQUIREMENTS))?;
    let installed = venv.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == requirements) {
        return Ok(python);
    }
    let base = env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    println!("compare: making the Python environment {}", venv.display());
    let status = Command::new(&base).args(["-m", "venv"]).arg(&venv).status().map_err(|error| {
        format!(
            "`{base}` could not be started ({error}): CPython 3.11 or newer is needed, as python3 \
             or named by PYTHON"
        )
    })?;
    if !status.success() {
        return Err(format!(
            "`{base} -m venv` ended with {status}: Python's module `venv` is needed (on Debian the \
             package python3-venv)"
        )
        .into());
    }
    let status = Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS])
        .current_dir(root)
        .status()?;
    if !status.success() {
        return Err(format!(
            "pip ended with {status}: the packages of {REQUIREMENTS} are needed, hence a network \
             that reaches a package index, once, and CPython 3.11 or newer"
        )
        .into());
    }
    fs::write(installed, requirements)?;
    Ok(python)
}

/// Lets the baselines solve the reference games.
pub(super) fn check(root: &Path, python: &Path) -> TaskResult {
    println!("compare: checking the baselines against {REFERENCE}");
    let status = script(root, python, "check.py").arg(REFERENCE).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("the check of the baselines ended with {status}: nothing was timed").into())
    }
}

/// A script of `benches/python`, run from the root. Its compiled files stay out of the sources.
pub(super) fn script(root: &Path, python: &Path, name: &str) -> Command {
    let mut command = Command::new(python);
    command
        .arg(Path::new("benches/python").join(name))
        .env("PYTHONPYCACHEPREFIX", root.join("target/compare/pycache"))
        .env("JAX_PLATFORMS", "cpu")
        .env("CUDA_VISIBLE_DEVICES", "")
        .current_dir(root);
    command
}

/// "name version" of everything that is measured.
pub(super) fn versions(root: &Path, python: &Path) -> TaskResult<Vec<String>> {
    let program = "import platform; from importlib.metadata import version as v\n\
                   print('CPython', platform.python_version())\n\
                   names = 'numpy scipy torch jax jaxlib scikit-learn choix evalica'\n\
                   for name in names.split(): print(name, v(name))";
    let mut versions = Vec::new();
    let mut add = |command: &mut Command| -> TaskResult {
        let output = command.current_dir(root).output()?;
        if !output.status.success() {
            return Err(format!("{command:?} ended with {}", output.status).into());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        versions.extend(text.lines().map(|line| line.trim().to_owned()));
        Ok(())
    };
    add(Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("--version"))?;
    add(Command::new(python).args(["-c", program]))?;
    // Which state of our own code it was; without git the table still names the version.
    let described = add(Command::new("git").args(["describe", "--always", "--dirty"]));
    let state = if described.is_ok() { versions.pop() } else { None };
    let ours = format!("nlhf {}", env!("CARGO_PKG_VERSION"));
    versions.insert(0, state.map_or(ours.clone(), |state| format!("{ours} ({state})")));
    Ok(versions)
}
