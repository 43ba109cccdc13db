//! Parquet files, as pyarrow writes them (`parquet/make.py`).

#![cfg(feature = "parquet")]
#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use nlhf_data::{Dataset, Format, ReadOptions, read_comparisons};
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet").join(name)
}

fn read(path: &Path) -> Result<Dataset, String> {
    let options =
        ReadOptions { keep_texts: true, allow_single_candidates: true, ..Default::default() };
    read_comparisons(path, None, options).map_err(|error| error.to_string())
}

#[test]
fn nested_lists_are_read_whatever_packs_them() {
    for codec in ["none", "snappy", "gzip", "zstd", "lz4"] {
        let data = read(&path(&format!("scored-{codec}.parquet"))).unwrap();
        assert_eq!(data.format, Format::Scored);
        let labels: Vec<f64> = data.comparisons.iter().map(|c| c.label.get()).collect();
        assert_eq!(labels, [1.0, 0.5], "{codec}");
        assert_eq!(data.menus.iter().next().unwrap().len(), 3);
        assert_eq!(data.texts.unwrap().responses, ["Because.", "No.", "Só."]);
    }
}

#[test]
fn missing_values_are_absent_fields() {
    let data = read(&path("explicit.parquet")).unwrap();
    let weights: Vec<f64> = data.comparisons.iter().map(|c| c.weight.get()).collect();
    assert_eq!((weights, data.annotators.len()), (vec![1.0, 2.0, 3.0], 2));
    assert!(data.comparisons[1].annotator.is_none());
    assert!((data.comparisons[2].label.get() - 0.25).abs() < 1e-12);
}

#[test]
fn other_columns_and_damage_are_named() {
    let error = read(&path("other.parquet")).unwrap_err();
    assert!(
        error.contains("other.parquet:1: expected fields") && error.contains("stars"),
        "{error}"
    );
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.parquet");
    let whole = std::fs::read(path("explicit.parquet")).unwrap();
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let error = read(&cut).unwrap_err();
    assert!(error.contains("expected a sound Parquet file"), "{error}");
}
