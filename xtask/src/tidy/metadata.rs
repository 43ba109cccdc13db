//! The packages of the workspace and the edges between them, as `cargo metadata` tells them.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::TaskResult;
use crate::ci::cargo_program;

/// A member of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    /// Relative to the root, with forward slashes.
    pub(super) manifest_path: String,
    /// Dependencies on packages of this repository; what comes from a registry is not listed.
    pub(super) edges: Vec<Edge>,
}

impl Package {
    /// Relative to the root; empty for the root itself.
    pub(super) fn folder(&self) -> &str {
        self.manifest_path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) to: String,
    pub(super) kind: EdgeKind,
    pub(super) is_optional: bool,
}

/// The table of the manifest that an edge stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EdgeKind {
    Normal,
    Build,
    Dev,
}

impl EdgeKind {
    pub(super) fn manifest_table(self) -> &'static str {
        match self {
            EdgeKind::Normal => "dependencies",
            EdgeKind::Build => "build-dependencies",
            EdgeKind::Dev => "dev-dependencies",
        }
    }
}

pub(super) fn read(root: &Path) -> TaskResult<Vec<Package>> {
    let output = Command::new(cargo_program())
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(
            format!("cargo metadata ended with {}: {}", output.status, reason.trim()).into()
        );
    }
    let document: Value = serde_json::from_slice(&output.stdout)?;
    packages(&document).ok_or_else(|| "cargo metadata answered in an unknown shape".into())
}

/// `None` if the document is not shaped as format version 1 is.
fn packages(document: &Value) -> Option<Vec<Package>> {
    let root = Path::new(document["workspace_root"].as_str()?);
    let members = document["packages"].as_array()?;
    let mut packages: Vec<Package> =
        members.iter().map(|member| package(root, member)).collect::<Option<_>>()?;
    packages.sort_by(|a, b| a.manifest_path.cmp(&b.manifest_path));
    Some(packages)
}

fn package(root: &Path, member: &Value) -> Option<Package> {
    let manifest_path = Path::new(member["manifest_path"].as_str()?);
    let manifest_path = manifest_path.strip_prefix(root).unwrap_or(manifest_path);
    let edges = member["dependencies"]
        .as_array()?
        .iter()
        .filter(|dependency| dependency["path"].is_string())
        .map(edge)
        .collect::<Option<_>>()?;
    Some(Package {
        name: member["name"].as_str()?.to_owned(),
        manifest_path: manifest_path.to_str()?.replace('\\', "/"),
        edges,
    })
}

fn edge(dependency: &Value) -> Option<Edge> {
    let kind = match &dependency["kind"] {
        Value::Null => EdgeKind::Normal,
        Value::String(kind) if kind == "dev" => EdgeKind::Dev,
        Value::String(kind) if kind == "build" => EdgeKind::Build,
        _ => return None,
    };
    Some(Edge {
        to: dependency["name"].as_str()?.to_owned(),
        kind,
        is_optional: dependency["optional"].as_bool()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn edges_inside_the_repository_are_kept_with_their_kind() {
        let document = json!({
            "workspace_root": "/repo",
            "packages": [{
                "name": "nlhf-nash",
                "manifest_path": "/repo/crates/nash/Cargo.toml",
                "dependencies": [
                    { "name": "nlhf-core", "kind": null, "optional": false, "path": "/repo/a" },
                    { "name": "nlhf-testkit", "kind": "dev", "optional": false, "path": "/repo/b" },
                    { "name": "serde", "kind": null, "optional": true },
                ],
            }],
        });
        let edge = |to: &str, kind| Edge { to: to.to_owned(), kind, is_optional: false };
        let expected = Package {
            name: "nlhf-nash".to_owned(),
            manifest_path: "crates/nash/Cargo.toml".to_owned(),
            edges: vec![edge("nlhf-core", EdgeKind::Normal), edge("nlhf-testkit", EdgeKind::Dev)],
        };
        assert_eq!(expected.folder(), "crates/nash");
        assert_eq!(packages(&document), Some(vec![expected]));
    }

    #[test]
    fn an_unknown_shape_is_not_an_empty_workspace() {
        assert_eq!(packages(&json!({ "workspace_root": "/repo" })), None);
        assert_eq!(packages(&json!({ "workspace_root": "/repo", "packages": [{}] })), None);
    }
}
