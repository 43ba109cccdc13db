//! Rules about the shape of a file: first line, length, whitespace, the section of the changelog.

use super::Finding;

const MAX_LINES: usize = 500;
const COMFORTABLE_LINES: usize = 400;

/// A file says what it is about before anything else.
pub(super) fn header(text: &str) -> Option<Finding> {
    let first = text.lines().next().unwrap_or_default();
    (!first.starts_with("//!")).then(|| {
        Finding::violation(1, "no `//!` on the first line, expected what the file is about")
    })
}

/// A file that grows holds a second idea.
pub(super) fn length(text: &str) -> Option<Finding> {
    let n_lines = text.lines().count();
    let message =
        |limit| format!("{n_lines} lines, expected at most {limit}: split off the second idea");
    if n_lines > MAX_LINES {
        Some(Finding::violation(MAX_LINES + 1, message(MAX_LINES)))
    } else if n_lines > COMFORTABLE_LINES {
        Some(Finding::warning(COMFORTABLE_LINES + 1, message(COMFORTABLE_LINES)))
    } else {
        None
    }
}

/// Nothing invisible at the end of a line or of the file, a carriage return included.
pub(super) fn whitespace(text: &str) -> Vec<Finding> {
    let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
    let mut findings: Vec<Finding> = lines
        .clone()
        .enumerate()
        .filter(|(_, line)| line.ends_with(char::is_whitespace))
        .map(|(index, _)| {
            Finding::violation(index + 1, "trailing whitespace, expected none at the end of a line")
        })
        .collect();
    let n_lines = lines.count();
    if !text.is_empty() && !text.ends_with('\n') {
        findings.push(Finding::violation(
            n_lines,
            "no line feed at the end of the file, expected exactly one",
        ));
    } else if text == "\n" || text.ends_with("\n\n") {
        findings.push(Finding::violation(
            n_lines,
            "an empty line at the end of the file, expected exactly one line feed",
        ));
    }
    findings
}

/// Users learn of a change from the changelog, so there is always a place to write it. `None`: no file.
pub(super) fn changelog(text: Option<&str>) -> Option<Finding> {
    let Some(text) = text else {
        return Some(Finding::violation(1, "no changelog, expected one with `## [Unreleased]`"));
    };
    (!text.lines().any(|line| line.trim_end() == "## [Unreleased]")).then(|| {
        Finding::violation(1, "no section for what comes next, expected `## [Unreleased]`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(findings: &[Finding]) -> Vec<usize> {
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_file_opens_with_its_idea() {
        assert_eq!(header("//! Idea.\n"), None);
        for text in ["", "\n//! Idea.\n", "// Idea.\n", "use std::fmt;\n", " //! Idea.\n"] {
            assert!(header(text).is_some(), "{text:?}");
        }
    }

    #[test]
    fn long_files_warn_and_longer_ones_fail() {
        assert_eq!(length(&"x\n".repeat(400)), None);
        let warning = length(&"x\n".repeat(401)).unwrap();
        assert!(warning.is_warning && warning.line == 401, "{warning:?}");
        assert!(length(&"x\n".repeat(500)).unwrap().is_warning);
        let violation = length(&"x\n".repeat(501)).unwrap();
        assert!(!violation.is_warning && violation.line == 501, "{violation:?}");
    }

    #[test]
    fn trailing_whitespace_is_found_line_by_line() {
        assert_eq!(lines_of(&whitespace("a\nb\n")), [0; 0]);
        assert_eq!(lines_of(&whitespace("")), [0; 0]);
        assert_eq!(lines_of(&whitespace("a \nb\n\tc\t\nd\r\n   \ne\n")), [1, 3, 4, 5]);
    }

    #[test]
    fn a_file_ends_with_one_line_feed() {
        assert_eq!(lines_of(&whitespace("a\nb")), [2]);
        assert_eq!(lines_of(&whitespace("a\nb ")), [2, 2]);
        assert_eq!(lines_of(&whitespace("a\n\n")), [2]);
        assert_eq!(lines_of(&whitespace("\n")), [1]);
    }

    #[test]
    fn the_changelog_has_room_for_the_next_change() {
        assert_eq!(changelog(Some("# Changelog\n\n## [Unreleased]\n")), None);
        assert!(changelog(Some("# Changelog\n\n## Unreleased\n")).is_some());
        assert!(changelog(Some("See ## [Unreleased]\n")).is_some());
        assert!(changelog(None).is_some());
    }
}
