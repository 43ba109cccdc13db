"""A low-rank game A = Phi Theta Phi' in numpy: Newton on the k-dimensional fixed point.

    G(w) = w - eta Theta mu(w) = 0,   mu = Phi' pi,   pi ~ pi0 exp(Phi w),   G' = I - eta Theta Cov_pi(Phi)

One pass over the rows gives mu and the covariance, block by block, so that a block is read from memory once.
"""

import numpy as np

from certificate import excess
from single import together

BLOCK_ROWS = 8192


def moments(features, log_prior, w):
    """log-normalizer, mean and covariance of the rows under pi(w); one pass, in float64."""
    k = features.shape[1]
    top, mass, first, second = -np.inf, 0.0, np.zeros(k), np.zeros((k, k))
    for start in range(0, len(features), BLOCK_ROWS):
        block = features[start : start + BLOCK_ROWS]
        logits = block @ w + log_prior
        high = logits.max()
        if high > top:
            scale = np.exp(top - high)
            mass, first, second, top = mass * scale, first * scale, second * scale, high
        weights = np.exp(logits - top)
        weighted = block * weights[:, None]
        mass += weights.sum()
        first += weighted.sum(axis=0)
        second += block.T @ weighted
    mean = first / mass
    return top + np.log(mass), mean, second / mass - np.outer(mean, mean)


def certify(features, log_prior, w, normalizer, mean, residual, eta):
    """The log-policy and its centred gap: d = -(Phi - mean) G exactly, since eta A pi - theta = -Phi G."""
    log_policy, total, top = np.empty(len(features)), 0.0, -np.inf
    for start in range(0, len(features), BLOCK_ROWS):
        block = features[start : start + BLOCK_ROWS]
        here = log_policy[start : start + BLOCK_ROWS]
        np.add(block @ w, log_prior - normalizer, out=here)
        x = (mean - block) @ residual
        top = max(top, x.max())
        total += np.exp(here) @ excess(np.minimum(x, 1.0))
    return log_policy, 2 / eta * np.log1p(total) if top <= 1 else np.inf


def newton(features, theta, log_prior, eta, tolerance):
    """Newton with halving on the 2-norm of G; returns the policy and its gap."""
    k = len(theta)
    w = np.zeros(k)
    normalizer, mean, covariance = moments(features, log_prior, w)
    residual = w - eta * theta @ mean
    for _ in range(100):
        # The gap to second order: features are moderate, so that near the solution no exponent is large.
        if residual @ covariance @ residual / eta <= 0.5 * tolerance:
            break
        step = np.linalg.solve(np.eye(k) - eta * theta @ covariance, -residual)
        length = 1.0
        while length > 1e-8:
            trial = w + length * step
            found = moments(features, log_prior, trial)
            after = trial - eta * theta @ found[1]
            if np.linalg.norm(after) <= (1 - 1e-4 * length) * np.linalg.norm(residual):
                break
            length /= 2
        else:
            break
        w, residual, (normalizer, mean, covariance) = trial, after, found
    return certify(features, log_prior, w, normalizer, mean, residual, eta)


def prepare(method, job):
    """A function of the deadline that solves the job's game under the uniform prior."""
    assert method == "newton", method
    features, log_prior = job.features, -np.log(len(job.features))
    theta = (job.theta - job.theta.T) / 2
    return lambda deadline: together([newton(features, theta, log_prior, job.eta, job.tolerance)])
