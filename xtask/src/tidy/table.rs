//! The dependency table: which crate may depend on which, and which may reach outside.
//!
//! This is the table of `docs/architecture.md` in the form that is checked. A new edge is a decision
//! about the design: change both in the same commit.

/// One crate of the workspace and what it is allowed to do.
#[derive(Debug)]
pub(super) struct Row {
    /// Relative to the root.
    pub(super) folder: &'static str,
    pub(super) package: &'static str,
    pub(super) kind: Kind,
    /// Packages of the workspace that it may depend on.
    pub(super) may_depend_on: &'static [&'static str],
    /// Packages that only its tests may depend on, besides those and the testkit.
    pub(super) tests_may_depend_on: &'static [&'static str],
    pub(super) may_use: &'static [Reach],
}

impl Row {
    /// Libraries stay silent and inside the process; programs and measurements need not.
    pub(super) fn is_library(&self) -> bool {
        self.kind == Kind::Library
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Library,
    /// The command line.
    Program,
    /// Benches and tasks, never published.
    Internal,
}

/// A way out of the process that a library does not have unless the table says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Files,
    Sockets,
    /// For timeouts and rates, never for results.
    Clock,
}

/// Allowed in the tests of every crate, and a dependency of none that is published.
pub(super) const TESTKIT: &str = "nlhf-testkit";

/// Re-exports every library but the testkit.
pub(super) const FACADE: &str = "nlhf";

/// Reachable through the facade only by feature, so that nobody builds them unasked.
pub(super) const HEAVY: &[&str] = &["nlhf-policy-lm"];

const CORE: &[&str] = &["nlhf-core"];
const LEARNER: &[&str] = &["nlhf-core", "nlhf-preference", "nlhf-nash"];

pub(super) const TABLE: &[Row] = &[
    row("crates/core", "nlhf-core", &[]),
    row("crates/preference", "nlhf-preference", CORE),
    row("crates/nash", "nlhf-nash", CORE),
    row("crates/policy", "nlhf-policy", CORE),
    Row { tests_may_depend_on: &["nlhf-policy"], ..row("crates/offline", "nlhf-offline", LEARNER) },
    Row { tests_may_depend_on: &["nlhf-policy"], ..row("crates/online", "nlhf-online", LEARNER) },
    Row { may_use: &[Reach::Files], ..row("crates/data", "nlhf-data", CORE) },
    Row {
        may_use: &[Reach::Files, Reach::Sockets, Reach::Clock],
        ..row("crates/judge", "nlhf-judge", CORE)
    },
    row("crates/policy-lm", "nlhf-policy-lm", CORE),
    row(
        "crates/nlhf",
        FACADE,
        &[
            "nlhf-core",
            "nlhf-preference",
            "nlhf-nash",
            "nlhf-policy",
            "nlhf-offline",
            "nlhf-online",
            "nlhf-data",
            "nlhf-judge",
            "nlhf-policy-lm",
        ],
    ),
    Row { kind: Kind::Program, ..row("crates/cli", "nlhf-cli", &[FACADE]) },
    row("crates/testkit", TESTKIT, CORE),
    Row {
        kind: Kind::Internal,
        ..row(
            "benches",
            "nlhf-benches",
            &[
                "nlhf-core",
                "nlhf-preference",
                "nlhf-nash",
                "nlhf-policy",
                "nlhf-offline",
                "nlhf-online",
                "nlhf-data",
                "nlhf-judge",
                "nlhf-policy-lm",
                FACADE,
                TESTKIT,
            ],
        )
    },
    Row { kind: Kind::Internal, ..row("xtask", "xtask", &[]) },
];

pub(super) fn row_of(package: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.package == package)
}

/// A library that only depends on others; what differs is written over it.
const fn row(
    folder: &'static str,
    package: &'static str,
    may_depend_on: &'static [&'static str],
) -> Row {
    Row {
        folder,
        package,
        kind: Kind::Library,
        may_depend_on,
        tests_may_depend_on: &[],
        may_use: &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_that_is_named_has_a_row() {
        for row in TABLE {
            for package in row.may_depend_on.iter().chain(row.tests_may_depend_on).chain(HEAVY) {
                assert!(row_of(package).is_some(), "{} names {package}", row.package);
            }
        }
    }

    #[test]
    fn arrows_point_down_only() {
        // Take away what depends on nothing that is left; only a cycle makes this stop early.
        let mut left: Vec<&Row> = TABLE.iter().collect();
        while !left.is_empty() {
            let names: Vec<&str> = left.iter().map(|row| row.package).collect();
            left.retain(|row| row.may_depend_on.iter().any(|package| names.contains(package)));
            assert!(left.len() < names.len(), "a cycle among {names:?}");
        }
    }

    #[test]
    fn nothing_published_depends_on_the_testkit() {
        for row in TABLE.iter().filter(|row| row.may_depend_on.contains(&TESTKIT)) {
            assert_eq!(row.kind, Kind::Internal, "{}", row.package);
        }
    }
}
