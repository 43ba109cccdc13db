//! The rule that every crate inherits the lints of the workspace.
//!
//! Cargo applies `[workspace.lints]` only to manifests that ask for it, and says nothing about the
//! others.

use super::Finding;

pub(super) fn lints(manifest: &str) -> Option<Finding> {
    let mut header = "";
    let mut header_line = None;
    for (index, line) in manifest.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            header = name.trim();
            if header == "lints" {
                header_line = Some(index + 1);
            }
            continue;
        }
        let line: String = line.split_whitespace().collect();
        if (header == "lints" && line == "workspace=true")
            || (header.is_empty() && line == "lints.workspace=true")
        {
            return None;
        }
    }
    let found = if header_line.is_some() { "`[lints]` of its own" } else { "no `[lints]`" };
    Some(Finding::violation(
        header_line.unwrap_or(1),
        format!("{found}, expected `[lints]` with `workspace = true`"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inherited_lints_pass() {
        assert_eq!(lints("[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"), None);
        assert_eq!(lints("[lints] # All of them.\nworkspace=true # Yes.\n"), None);
        assert_eq!(lints("lints.workspace = true\n[package]\n"), None);
    }

    #[test]
    fn missing_or_own_lints_are_found() {
        let no_lints = "no `[lints]`, expected `[lints]` with `workspace = true`";
        let own_lints = "`[lints]` of its own, expected `[lints]` with `workspace = true`";
        assert_eq!(lints("[package]\nname = \"a\"\n"), Some(Finding::violation(1, no_lints)));
        assert_eq!(
            lints("[package]\n[lints]\nworkspace = false\n"),
            Some(Finding::violation(2, own_lints))
        );
        assert_eq!(
            lints("[dependencies]\nworkspace = true\n"),
            Some(Finding::violation(1, no_lints))
        );
        assert_eq!(
            lints("[lints.rust]\nunsafe_code = \"deny\"\n[a]\nworkspace = true\n"),
            Some(Finding::violation(1, no_lints))
        );
    }
}
