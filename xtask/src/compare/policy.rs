//! Projections onto log-linear policies: the targets of each job, and who projects.
//!
//! Jobs are run as those of `preference` are; the Python side is benches/python/policy.py.

use serde_json::json;

use super::preference::{Candidate, Job};

const SCRIPT: &str = "policy.py";

/// One thread each: threads of BLAS that wait for one another in a loop are at the mercy of whatever else runs.
const THREADS: usize = 1;

/// All jobs; smaller ones if `quick`.
pub(super) fn all(quick: bool) -> Vec<Job> {
    let prompts = if quick { 5_000_u64 } else { 100_000 };
    let job = |name: &'static str, kind: &str, spectrum: &str, prompts: u64, title: String| {
        let others: &[(&str, &str)] = if kind == "candidates" {
            &[
                ("scipy L-BFGS-B, loss in numpy", "scipy/lbfgs"),
                ("torch L-BFGS", "torch/lbfgs"),
                ("torch L-BFGS, float32", "torch/lbfgs-f32"),
                ("torch Adam, 100 steps", "torch/adam"),
            ]
        } else {
            &[
                ("scikit-learn lbfgs", "sklearn/lbfgs"),
                ("scikit-learn newton-cholesky", "sklearn/newton-cholesky"),
                ("scipy L-BFGS-B, loss in numpy", "scipy/lbfgs"),
                ("torch L-BFGS", "torch/lbfgs"),
            ]
        };
        let ours = [("nlhf", "nlhf/log-linear")];
        let candidates = ours.iter().chain(others);
        Job {
            name,
            title,
            loss: Some("mean KL"),
            candidates: candidates.map(|&(name, id)| Candidate { name, id }).collect(),
            script: SCRIPT,
            threads: THREADS,
            data: json!({
                "kind": kind, "spectrum": spectrum, "prompts": prompts, "candidates": 8, "features": 64,
            }),
        }
    };
    let of_candidates = |prompts: u64, how: &str| {
        format!(
            "Soft labels on 8 candidates of each of {prompts} prompts, 64 features a candidate, {how}"
        )
    };
    let even = "all directions of one size";
    vec![
        job("even", "candidates", "even", prompts, of_candidates(prompts, even)),
        job(
            "steep",
            "candidates",
            "steep",
            prompts,
            of_candidates(prompts, "directions falling by a factor of 30"),
        ),
        job("small", "candidates", "even", 1000, of_candidates(1000, even)),
        job(
            "classes",
            "classes",
            "even",
            prompts,
            format!(
                "One menu of 8 classes for all of {prompts} prompts with 64 features each, one of them right: 512 weights"
            ),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_come_first_in_every_job() {
        for job in all(false) {
            assert!(job.candidates[0].is_ours(), "{}", job.name);
            assert!(
                job.candidates[1..].iter().all(|candidate| !candidate.is_ours()),
                "{}",
                job.name
            );
        }
    }
}
