//! `cargo xtask scaling`: how the cost of the equilibrium solver grows.
//!
//! ```text
//! log(time) = slope · log(size) + c, least squares over the sizes of a criterion group
//! ```
//! It runs the benchmark `nash_regimes`, reads criterion's medians, and writes docs/results/nash-scaling.md.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::TaskResult;
use super::compare::machine;

pub(super) const HELP: &str = "\
Measure how the cost of the equilibrium solver grows with games, actions and features.

Usage: cargo xtask scaling

It runs the benchmark `nash_regimes` (some ten minutes; leave the machine alone meanwhile) and writes
docs/results/nash-scaling.md: medians, and the slope of log(time) over log(size).";

/// A criterion group, its method, what its sizes are, and what one size costs at least.
const SERIES: [(&str, &str, &str); 11] = [
    ("nash_batch_games", "newton-lanes", "games of 8 actions, η = 10"),
    ("nash_batch_eta_1", "newton-lanes", "actions, 2048 or 256 games, η = 1"),
    ("nash_batch_eta_10", "newton-lanes", "actions, 2048 or 256 games, η = 10"),
    ("nash_batch_eta_100", "newton-lanes", "actions, 2048 or 256 games, η = 100"),
    ("nash_batch_general", "newton-lanes", "actions, 2048 two-player games, η = 10"),
    ("nash_large_eta_1", "newton-krylov", "actions, one dense cyclic game, η = 1"),
    ("nash_large_eta_10", "newton-krylov", "actions, one dense cyclic game, η = 10"),
    ("nash_large_eta_100", "newton-krylov", "actions, one dense cyclic game, η = 100"),
    ("nash_large_eta_10", "product", "actions, one f64 product, for comparison"),
    ("nash_low_rank", "newton-low-rank", "actions, 8 features, η = 10"),
    ("nash_low_rank_width", "newton-low-rank", "features, 5000 actions, η = 10"),
];

pub(super) fn run(root: &Path) -> TaskResult {
    let measured = Command::new(env!("CARGO"))
        .args(["bench", "-p", "nlhf-benches", "--bench", "nash_regimes", "--"])
        .args(["--warm-up-time", "0.5", "--measurement-time", "2", "--noplot"])
        .current_dir(root)
        .status()?;
    if !measured.success() {
        return Err("the benchmark failed".into());
    }
    let mut text = heading()?;
    for (group, method, what) in SERIES {
        let points = points(&root.join("target/criterion").join(group).join(method))?;
        let times: Vec<String> = points
            .iter()
            .map(|(size, seconds)| format!("{size}: {}", duration(*seconds)))
            .collect();
        let _ = writeln!(
            text,
            "| `{group}/{method}` | {what} | {} | {} |",
            times.join(", "),
            slope(&points).map_or_else(|| "–".to_owned(), |slope| format!("{slope:.2}"))
        );
    }
    let path = root.join("docs/results/nash-scaling.md");
    fs::write(&path, text)?;
    println!("scaling: wrote {}", path.display());
    Ok(())
}

fn heading() -> TaskResult<String> {
    let machine = machine::describe()?;
    Ok(format!(
        "# How the cost of the equilibrium solver grows\n\n\
         Measured by `cargo xtask scaling` on {} with {} cores ({}), {}. Medians of criterion, all cores; the slope \
         is that of log(time) over log(size), by least squares over all sizes shown. Batches of up to 16 \
         actions hold 2048 games, of 32 and 64 actions 256.\n\n\
         | group | size | time by size | slope |\n|---|---|---|---|\n",
        machine.cpu, machine.cores, machine.vectors, machine.date
    ))
}

/// Size and median seconds of each benchmark in a folder of criterion's, by size.
fn points(folder: &Path) -> TaskResult<Vec<(u64, f64)>> {
    let mut points = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let estimates = entry.path().join("new/estimates.json");
        let size = entry.file_name().to_string_lossy().parse();
        if let (Ok(size), Ok(text)) = (size, fs::read_to_string(estimates)) {
            let estimates: serde_json::Value = serde_json::from_str(&text)?;
            let nanoseconds = estimates["median"]["point_estimate"].as_f64();
            points.push((size, 1e-9 * nanoseconds.ok_or("an estimate without a median")?));
        }
    }
    points.sort_by_key(|(size, _)| *size);
    Ok(points)
}

/// The least-squares slope in logarithms, of two sizes at least.
fn slope(points: &[(u64, f64)]) -> Option<f64> {
    let logs: Vec<(f64, f64)> = points.iter().map(|(n, t)| ((*n as f64).ln(), t.ln())).collect();
    let count = logs.len() as f64;
    let mean_x = logs.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / count;
    let across: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let along: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    (along > 0.0).then(|| across / along)
}

fn duration(seconds: f64) -> String {
    if seconds < 1e-3 {
        format!("{:.3} ms", 1e3 * seconds)
    } else if seconds < 1.0 {
        format!("{:.1} ms", 1e3 * seconds)
    } else {
        format!("{seconds:.2} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_has_its_slope() {
        let points: Vec<(u64, f64)> =
            [8, 64, 512, 4096].map(|n| (n, 3e-9 * (n as f64).powf(1.5))).into();
        assert!((slope(&points).unwrap() - 1.5).abs() < 1e-12);
        assert_eq!(slope(&points[..1]), None);
    }

    #[test]
    fn series_name_groups_of_the_benchmark() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/benches/nash_regimes.rs");
        let source = fs::read_to_string(root).unwrap();
        for (group, _, _) in SERIES {
            let name = group.trim_end_matches(char::is_numeric);
            assert!(source.contains(name), "{group}");
        }
    }
}
