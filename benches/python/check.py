"""Every baseline against reference equilibria, before anything is timed: `check.py symmetric.json`.

The certificate must reproduce the stated gaps of priors and of the best responses to them. Each solver must then solve
each case in the range that is compared (eta max|A| up to 60, n from 2), as its certificate and ours see it, and its policy
must be as near to the equilibrium as the theorem says: TV(pi, pi*) <= sqrt(eta gap) / 2.
"""

import json
import sys
import time

import numpy as np

from certificate import duality_gap
from job import Job, prepare

# The gap that each is timed at.
CANDIDATES = {
    "numpy-batch/newton": 1e-6,
    "numpy-batch/mirror-prox": 1e-6,
    "torch-batch/newton": 1e-6,
    "torch-batch/mirror-prox": 1e-6,
    "jax-batch/newton": 1e-6,
    "jax-batch/newton-elimination": 1e-6,
    "jax-batch/mirror-prox": 1e-6,
    "single/newton": 1e-8,
    "single/hybr": 1e-8,
    "large/newton-krylov": 1e-8,
    "large/mirror-prox": 1e-8,
}
LARGEST_COMPILED = 21  # Actions: unrolled elimination is compiled anew for each size.


def read(case):
    """Payoffs, log-prior and equilibrium of a case."""
    matrix = np.array(case["P"] if "P" in case else case["R"])
    prior = np.array(case["prior"])
    return (matrix - matrix.T) / 2, np.log(prior / prior.sum()), np.array(case["ne"])


def check_certificate(case, complaints):
    payoffs, log_prior, _ = read(case)
    size = 1 + case["eta"] * np.abs(payoffs).max()
    for policy, stated in (("prior", "gap_prior"), ("br_prior", "subopt_br_prior")):
        gap = case[stated] * (1 if stated == "gap_prior" else 2)
        log_policy = log_prior if policy == "prior" else np.array(case["log_br_prior"])
        found = duality_gap(payoffs[None], log_policy[None], log_prior, case["eta"])[0]
        # Rounding moves logits by about 2^-52 times their size, and the gap by its square root times that.
        noise = 1e-15 * size
        slack = 1e-9 * abs(gap) + 4 * noise * np.sqrt(abs(gap) / case["eta"]) + 4 * noise**2 / case["eta"]
        if not abs(found - gap) <= slack:
            complaints.append(f"case {case['id']}: the gap of {policy} is {gap}, certified {found}")


def check_solver(candidate, tolerance, case, complaints):
    payoffs, log_prior, equilibrium = read(case)
    if case["eta"] * np.abs(payoffs).max() > 60 or len(log_prior) > LARGEST_COMPILED and "jax" in candidate:
        return 0
    job = Job(payoffs[None], log_prior, case["eta"], tolerance)
    log_policies, gaps = prepare(candidate, job)(time.monotonic() + 60)
    gap = job.certify(log_policies)[0]
    distance = 0.5 * np.abs(np.exp(log_policies[0]) - equilibrium).sum()
    if not (gaps[0] <= tolerance and abs(gaps[0] - gap) <= 1e-6 * tolerance):
        complaints.append(f"case {case['id']}: {candidate} certifies {gaps[0]}, which is {gap}")
    if not (gap <= tolerance and distance <= 0.5 * np.sqrt(case["eta"] * gap) + 1e-12):
        complaints.append(f"case {case['id']}: {candidate} is {distance} away at a gap of {gap}")
    return 1


def check_low_rank(case, complaints):
    """The cases that state their factors and have a uniform prior."""
    payoffs, log_prior, _ = read(case)
    if "Phi" not in case.get("factors", {}) or np.ptp(log_prior) > 0:
        return 0
    job = Job(payoffs[None], log_prior, case["eta"], 1e-8)
    job.features, job.theta = (np.array(case["factors"][name]) for name in ("Phi", "Theta"))
    log_policies, gaps = prepare("low-rank/newton", job)(time.monotonic() + 60)
    dense = duality_gap(payoffs[None], log_policies, log_prior, case["eta"])[0]
    if not (gaps[0] <= 1e-8 and dense <= 1e-8 and job.certify(log_policies)[0] <= 1e-8):
        complaints.append(f"case {case['id']}: low-rank/newton certifies {gaps[0]}, which is {dense}")
    return 1


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)["cases"]
    complaints, checked = [], 0
    for case in cases:
        check_certificate(case, complaints)
        checked += check_low_rank(case, complaints)
        for candidate, tolerance in CANDIDATES.items():
            checked += check_solver(candidate, tolerance, case, complaints)
    print("\n".join(complaints) or f"{checked} solutions of {len(cases)} games agree with the reference")
    sys.exit(1 if complaints or checked == 0 else 0)


if __name__ == "__main__":
    main()
