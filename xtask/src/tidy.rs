//! `cargo xtask tidy`: rules no compiler knows, over every file that git does not ignore.
//!
//! Each rule is a function from text to findings, in a file below. This file walks the checkout,
//! hands each rule the texts it is about and prints all that comes back before it ends.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use self::source::Source;
use self::table::Row;
use crate::TaskResult;

mod attributes;
mod calls;
mod dependencies;
mod layout;
mod manifest;
mod metadata;
mod source;
mod table;

pub(crate) const HELP: &str = "\
Check the rules no compiler knows, over every file that git does not ignore.

Usage: cargo xtask tidy

Rules:
  crates      Every crate stands in the dependency table, no edge lies outside it, and its
              manifest has `[lints]` with `workspace = true`
  files       .rs, .md and .toml files have no trailing whitespace and end with one line feed
  sources     .rs files open with `//!` and have at most 500 lines (a warning from 401 on)
  calls       No generator but the seeded one; library crates do not print, read clocks or
              open files and sockets, tests aside
  attributes  Every `allow` and `expect` says why: `reason = \"…\"`
  changelog   CHANGELOG.md has a section `## [Unreleased]`

Every violation is printed as `path:line: what was found, what is expected`.
Exit codes: 0 all is tidy; 1 something is not.";

const CHANGELOG: &str = "CHANGELOG.md";

/// One thing found in one text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    line: usize,
    message: String,
    is_warning: bool,
}

impl Finding {
    fn violation(line: usize, message: impl Into<String>) -> Self {
        Finding { line, message: message.into(), is_warning: false }
    }

    fn warning(line: usize, message: impl Into<String>) -> Self {
        Finding { line, message: message.into(), is_warning: true }
    }
}

/// Findings of all files.
#[derive(Debug, Default)]
struct Findings(Vec<(String, Finding)>);

impl Findings {
    fn extend(&mut self, path: &str, findings: impl IntoIterator<Item = Finding>) {
        self.0.extend(findings.into_iter().map(|finding| (path.to_owned(), finding)));
    }

    /// By path, then by line; at one line in the order of the rules.
    fn sort(&mut self) {
        self.0.sort_by(|(path, finding), (other_path, other)| {
            (path, finding.line).cmp(&(other_path, other.line))
        });
    }

    fn n_violations(&self) -> usize {
        self.0.iter().filter(|(_, finding)| !finding.is_warning).count()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, Finding { line, message, is_warning }) in &self.0 {
            let prefix = if *is_warning { "warning: " } else { "" };
            writeln!(f, "{path}:{line}: {prefix}{message}")?;
        }
        Ok(())
    }
}

/// A file of the checkout that some rule is about.
#[derive(Debug)]
struct File {
    /// Relative to the root, with forward slashes.
    path: String,
    text: String,
}

impl File {
    fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }

    /// The row of the table in whose folder the file lies, and its path inside that folder.
    fn place(&self) -> Option<(&'static Row, &str)> {
        table::TABLE.iter().find_map(|row| {
            let inside = self.path.strip_prefix(row.folder)?.strip_prefix('/')?;
            Some((row, inside))
        })
    }
}

pub(crate) fn run(root: &Path) -> TaskResult {
    let files = checked_files(root)?;
    let mut findings = Findings::default();
    check_crates(root, &files, &mut findings)?;
    check_sources(&files, &mut findings);
    for file in &files {
        findings.extend(&file.path, layout::whitespace(&file.text));
    }
    let changelog = files.iter().find(|file| file.path == CHANGELOG);
    findings.extend(CHANGELOG, layout::changelog(changelog.map(|file| file.text.as_str())));

    findings.sort();
    print!("{findings}");
    match findings.n_violations() {
        0 => {
            println!("tidy: {} files checked, no violations", files.len());
            Ok(())
        }
        n => Err(format!("tidy: violations found: {n}, in {} files checked", files.len()).into()),
    }
}

/// The dependency table against the manifests.
fn check_crates(root: &Path, files: &[File], findings: &mut Findings) -> TaskResult {
    for package in metadata::read(root)? {
        let text = files.iter().find(|file| file.path == package.manifest_path);
        let text = text.map_or("", |file| file.text.as_str());
        findings.extend(&package.manifest_path, dependencies::findings(&package, text));
        findings.extend(&package.manifest_path, manifest::lints(text));
    }
    Ok(())
}

/// The rules about Rust code.
fn check_sources(files: &[File], findings: &mut Findings) {
    let sources: Vec<(&File, Source)> = files
        .iter()
        .filter(|file| file.has_extension("rs"))
        .map(|file| (file, Source::new(&file.text)))
        .collect();
    let test_paths: Vec<String> =
        sources.iter().flat_map(|(file, source)| source.test_module_paths(&file.path)).collect();
    for (file, source) in &sources {
        findings.extend(&file.path, layout::header(&file.text));
        findings.extend(&file.path, layout::length(&file.text));
        findings.extend(&file.path, calls::anywhere(source));
        findings.extend(&file.path, attributes::reasons(source));
        let Some((row, inside)) = file.place() else { continue };
        let is_test =
            test_paths.iter().any(|path| file.path == *path || is_below(path, &file.path));
        if row.is_library() && inside.starts_with("src/") && !is_test {
            findings.extend(&file.path, calls::in_library(source, row.may_use));
        }
    }
}

/// Whether `path` lies in the folder that holds the submodules of `module`.
fn is_below(module: &str, path: &str) -> bool {
    module
        .strip_suffix(".rs")
        .and_then(|folder| path.strip_prefix(folder))
        .is_some_and(|rest| rest.starts_with('/'))
}

/// Files that a rule is about, sorted by path: tracked, or untracked and not ignored.
fn checked_files(root: &Path) -> TaskResult<Vec<File>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("git could not be started: {error}"))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(format!("git ls-files ended with {}: {}", output.status, reason.trim()).into());
    }
    let mut paths: Vec<String> = String::from_utf8(output.stdout)?
        .split_terminator('\0')
        .filter(|path| [".rs", ".md", ".toml"].iter().any(|suffix| path.ends_with(suffix)))
        .map(str::to_owned)
        .collect();
    paths.sort();
    paths.dedup();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        match fs::read_to_string(root.join(&path)) {
            Ok(text) => files.push(File { path, text }),
            // Deleted, but still in the index.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{path} could not be read: {error}").into()),
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    fn source_findings(files: &[File]) -> String {
        let mut findings = Findings::default();
        check_sources(files, &mut findings);
        findings.to_string()
    }

    #[test]
    fn a_finding_names_path_line_and_kind() {
        let mut findings = Findings::default();
        findings.extend("a.md", [Finding::violation(3, "x, y"), Finding::warning(1, "z")]);
        findings.sort();
        assert_eq!(findings.to_string(), "a.md:1: warning: z\na.md:3: x, y\n");
        assert_eq!(findings.n_violations(), 1);
    }

    #[test]
    fn printing_is_for_the_command_line_and_for_tests() {
        let text = "//! Doc.\nfn f() {\n    println!();\n}\n";
        assert_eq!(
            source_findings(&[file("crates/nash/src/lu.rs", text)]),
            "crates/nash/src/lu.rs:3: `println!` in a library, \
             expected a returned value or an event to an observer\n"
        );
        let exempt = [
            file("crates/nash/tests/laws.rs", text),
            file("crates/nash/examples/one.rs", text),
            file("crates/cli/src/main.rs", text),
            file("benches/src/lib.rs", text),
            file("xtask/src/main.rs", text),
        ];
        assert_eq!(source_findings(&exempt), "");
    }

    #[test]
    fn a_test_module_in_its_own_file_is_a_test() {
        let reads = "//! Doc.\nuse std::fs;\n";
        let files = [
            file("crates/nash/src/lib.rs", "//! Doc.\n#[cfg(test)]\nmod testing;\n"),
            file("crates/nash/src/testing.rs", reads),
            file("crates/nash/src/testing/more.rs", reads),
            file("crates/core/src/testing.rs", reads),
        ];
        let found = source_findings(&files);
        assert_eq!(found.lines().count(), 1, "{found}");
        assert!(found.starts_with("crates/core/src/testing.rs:2: `std::fs`"), "{found}");
    }
}
