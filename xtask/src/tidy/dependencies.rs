//! The rule that arrows point down only: every crate stands in the table, with no edge outside it.

use super::Finding;
use super::metadata::{Edge, EdgeKind, Package};
use super::table::{self, FACADE, HEAVY, Row, TESTKIT};

/// What is wrong with one package. `manifest` is the text of its manifest, used to find lines only.
pub(super) fn findings(package: &Package, manifest: &str) -> Vec<Finding> {
    let Some(row) = table::row_of(&package.name) else {
        return vec![Finding::violation(
            1,
            format!(
                "crate {} without a row in the table, expected one in xtask/src/tidy/table.rs",
                package.name
            ),
        )];
    };
    let mut findings = Vec::new();
    if package.folder() != row.folder {
        findings.push(Finding::violation(
            1,
            format!(
                "{} lies in `{}`, expected in `{}`",
                package.name,
                package.folder(),
                row.folder
            ),
        ));
    }
    findings.extend(package.edges.iter().filter_map(|edge| {
        let message = complaint(row, edge)?;
        Some(Finding::violation(line_of_edge(manifest, edge), message))
    }));
    findings
}

/// Why the edge is outside the table, or `None` if it is inside.
fn complaint(row: &Row, edge: &Edge) -> Option<String> {
    let (from, to) = (row.package, edge.to.as_str());
    let mut allowed = row.may_depend_on.to_vec();
    if edge.kind == EdgeKind::Dev {
        allowed.extend(row.tests_may_depend_on);
        allowed.push(TESTKIT);
    }
    if allowed.contains(&to) {
        let is_forced = edge.kind != EdgeKind::Dev && !edge.is_optional;
        return (from == FACADE && HEAVY.contains(&to) && is_forced)
            .then(|| format!("{from} depends on {to} always, expected `optional = true`"));
    }
    if to == TESTKIT {
        return Some(format!("{from} depends on {to}, expected only as a dev-dependency"));
    }
    let allowed =
        if allowed.is_empty() { "no workspace crate".to_owned() } else { allowed.join(", ") };
    let table = edge.kind.manifest_table();
    Some(format!("{from} depends on {to} ({table}), expected at most: {allowed}"))
}

/// The line of the manifest that states the edge; 1 if it is written in a way not looked for.
fn line_of_edge(manifest: &str, edge: &Edge) -> usize {
    let table = edge.kind.manifest_table();
    let mut header = "";
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            header = name.trim();
            if header.strip_suffix(edge.to.as_str()).is_some_and(|rest| {
                rest.strip_suffix('.').is_some_and(|rest| is_table(rest, table))
            }) {
                return index + 1;
            }
        } else if is_table(header, table)
            && line
                .strip_prefix(edge.to.as_str())
                .is_some_and(|rest| rest.trim_start().starts_with(['.', '=']))
        {
            return index + 1;
        }
    }
    1
}

/// `target.'cfg(unix)'.dependencies` is a table of `dependencies`, `dev-dependencies` is none.
fn is_table(header: &str, table: &str) -> bool {
    header.strip_suffix(table).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, folder: &str, edges: &[(&str, EdgeKind)]) -> Package {
        Package {
            name: name.to_owned(),
            manifest_path: format!("{folder}/Cargo.toml"),
            edges: edges
                .iter()
                .map(|&(to, kind)| Edge { to: to.to_owned(), kind, is_optional: false })
                .collect(),
        }
    }

    fn messages(package: &Package) -> Vec<String> {
        findings(package, "").into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn edges_of_the_table_pass() {
        let offline = package(
            "nlhf-offline",
            "crates/offline",
            &[
                ("nlhf-core", EdgeKind::Normal),
                ("nlhf-nash", EdgeKind::Normal),
                ("nlhf-policy", EdgeKind::Dev),
                ("nlhf-testkit", EdgeKind::Dev),
            ],
        );
        assert_eq!(messages(&offline), [""; 0]);
        let benches = package("nlhf-benches", "benches", &[("nlhf", EdgeKind::Normal)]);
        assert_eq!(messages(&benches), [""; 0]);
    }

    #[test]
    fn an_edge_outside_the_table_names_both_ends() {
        let offline =
            package("nlhf-offline", "crates/offline", &[("nlhf-policy", EdgeKind::Normal)]);
        assert_eq!(
            messages(&offline),
            ["nlhf-offline depends on nlhf-policy (dependencies), \
              expected at most: nlhf-core, nlhf-preference, nlhf-nash"]
        );
        let core = package("nlhf-core", "crates/core", &[("nlhf-nash", EdgeKind::Dev)]);
        assert_eq!(
            messages(&core),
            ["nlhf-core depends on nlhf-nash (dev-dependencies), expected at most: nlhf-testkit"]
        );
        let cli = package("nlhf-cli", "crates/cli", &[("nlhf-core", EdgeKind::Build)]);
        assert_eq!(
            messages(&cli),
            ["nlhf-cli depends on nlhf-core (build-dependencies), expected at most: nlhf"]
        );
    }

    #[test]
    fn the_testkit_is_for_tests() {
        let nash = package("nlhf-nash", "crates/nash", &[("nlhf-testkit", EdgeKind::Normal)]);
        assert_eq!(
            messages(&nash),
            ["nlhf-nash depends on nlhf-testkit, expected only as a dev-dependency"]
        );
    }

    #[test]
    fn heavy_crates_are_optional_in_the_facade() {
        let mut facade = package("nlhf", "crates/nlhf", &[("nlhf-policy-lm", EdgeKind::Normal)]);
        assert_eq!(
            messages(&facade),
            ["nlhf depends on nlhf-policy-lm always, expected `optional = true`"]
        );
        facade.edges[0].is_optional = true;
        assert_eq!(messages(&facade), [""; 0]);
    }

    #[test]
    fn strangers_and_movers_are_found() {
        assert_eq!(
            messages(&package("nlhf-utils", "crates/utils", &[])),
            ["crate nlhf-utils without a row in the table, \
              expected one in xtask/src/tidy/table.rs"]
        );
        assert_eq!(
            messages(&package("nlhf-nash", "crates/solvers", &[])),
            ["nlhf-nash lies in `crates/solvers`, expected in `crates/nash`"]
        );
    }

    #[test]
    fn the_line_is_that_of_the_right_table() {
        let manifest = "[dependencies]\nnlhf-core.workspace = true\n\n[dev-dependencies]\n\
                        nlhf-core-extra = \"1\"\nnlhf-core = { path = \"..\" }\n\n\
                        [target.'cfg(unix)'.build-dependencies.nlhf-core]\n";
        let line = |kind| {
            line_of_edge(manifest, &Edge { to: "nlhf-core".into(), kind, is_optional: false })
        };
        assert_eq!(line(EdgeKind::Normal), 2);
        assert_eq!(line(EdgeKind::Dev), 6);
        assert_eq!(line(EdgeKind::Build), 8);
        let absent = Edge { to: "nlhf".into(), kind: EdgeKind::Dev, is_optional: false };
        assert_eq!(line_of_edge(manifest, &absent), 1);
    }
}
