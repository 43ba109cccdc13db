"""A job: the games of a regime and what is asked of them, as `cargo xtask compare` describes it in JSON."""

import importlib
import os

import numpy as np

from certificate import duality_gap, gap_of_gains

# Where each kind of candidate lives. Only one is imported, so that none carries another's weight.
MODULES = {
    "numpy-batch": "batch_numpy",
    "torch-batch": "batch_torch",
    "jax-batch": "batch_jax",
    "single": "single",
    "large": "large",
    "low-rank": "low_rank",
    "linear-program": "linear_program",
}


class Job:
    """Games in memory as float64, in C order: what every candidate starts from. The prior is uniform."""

    def __init__(self, payoffs, log_prior, eta, tolerance, threads=1):
        self.payoffs, self.log_prior = payoffs, log_prior
        self.eta, self.tolerance, self.threads = eta, tolerance, threads
        self.features = self.theta = None

    @classmethod
    def read(cls, description):
        """The job that a line of JSON describes; an eta of 0 stands for no regularization at all."""
        payoffs = log_prior = None
        if "payoffs" in description:
            payoffs = np.load(description["payoffs"])
            n = payoffs.shape[1]
            payoffs, log_prior = payoffs.reshape(-1, n, n), np.full(n, -np.log(n))
        threads = int(os.environ.get("COMPARE_THREADS", "1"))
        job = cls(payoffs, log_prior, float(description["eta"]), float(description["tolerance"]), threads)
        if "features" in description:
            job.features, job.theta = np.load(description["features"]), np.load(description["theta"])
        return job

    def certify(self, log_policies):
        """The gap of every policy, by one function for all candidates."""
        if self.features is not None:
            skew = (self.theta - self.theta.T) / 2
            mean = np.exp(log_policies[0]) @ self.features
            gains = self.eta * (self.features @ (skew @ mean))
            return gap_of_gains(gains[None], log_policies, -np.log(len(gains)), self.eta)
        if self.eta == 0:
            gains = np.matmul(self.payoffs, np.exp(log_policies)[:, :, None])
            return 2 * gains.max(axis=(1, 2))
        return duality_gap(self.payoffs, log_policies, self.log_prior, self.eta)


def prepare(candidate, job):
    """The function of a deadline that solves the job, by the candidate named `module/method`."""
    module, method = candidate.split("/")
    return importlib.import_module(MODULES[module]).prepare(method, job)
