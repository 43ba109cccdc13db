//! Files of one JSON object that tells its format and version: models and policies that are kept.
//!
//! ```text
//! {"format": "nlhf-model", "version": 1, …}
//! ```
//! A version that is not known is refused; within a version only fields are added.

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// A kind of file.
pub(crate) struct Kind {
    pub(crate) format: &'static str,
    pub(crate) version: u32,
    /// "model file".
    pub(crate) what: &'static str,
    /// "nlhf fit --output".
    pub(crate) written_by: &'static str,
}

impl Kind {
    /// Reads a file of this kind.
    pub(crate) fn read<T: DeserializeOwned>(&self, path: &Path) -> anyhow::Result<T> {
        #[derive(Deserialize)]
        struct Probe {
            format: Option<String>,
            version: Option<u32>,
        }
        let Self { format, version: known, what, written_by } = self;
        let shown = path.display();
        let expected = format!("expected a {what} as written by {written_by}");
        let bytes = std::fs::read(path).with_context(|| shown.to_string())?;
        let probe: Probe = serde_json::from_slice(&bytes)
            .with_context(|| format!("{shown}: {expected}, found other content"))?;
        ensure!(
            probe.format.as_deref() == Some(*format),
            "{shown}: {expected}, found JSON without \"format\": \"{format}\""
        );
        let version = probe.version.unwrap_or(0);
        ensure!(
            version == *known,
            "{shown}: expected a {what} of version {known}, found version {version}"
        );
        serde_json::from_slice(&bytes)
            .with_context(|| format!("{shown}: expected a whole {what} of version {known}"))
    }
}
