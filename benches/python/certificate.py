"""How far policies are from the equilibrium, in float64: the yardstick of every candidate.

    sub(pi) = log1p(E_pi[e^x - 1 - x]) / eta,   x = d - E_pi d,   d = eta A pi - log(pi / pi0)

The duality gap of a symmetric game is 2 sub(pi). The centred form keeps its digits where the gap is tiny; where an
exponent exceeds 1, log-sum-exp takes over. Policies are log-probabilities, so that no mass is lost.
"""

import numpy as np


def excess(x):
    """e^x - 1 - x for x <= 1, with all digits near 0."""
    series = x * x * (0.5 + x * (1 / 6 + x * (1 / 24 + x * (1 / 120 + x / 720))))
    return np.where(np.abs(x) < 1e-2, series, np.expm1(x) - x)


def gap_of_gains(gains, log_policy, log_prior, eta):
    """Duality gaps, one a row, of policies whose payoffs times eta are `gains`."""
    policy = np.exp(log_policy)
    d = gains - (log_policy - log_prior)
    x = d - np.sum(policy * d, axis=-1, keepdims=True)
    small = np.log1p(np.sum(policy * excess(np.minimum(x, 1.0)), axis=-1))
    exponent = log_policy + x
    top = np.max(exponent, axis=-1, keepdims=True)
    large = top[..., 0] + np.log(np.sum(np.exp(exponent - top), axis=-1))
    return 2.0 / eta * np.where(np.max(x, axis=-1) <= 1.0, small, large)


def duality_gap(payoffs, log_policy, log_prior, eta):
    """Duality gaps of N policies (N, n) in N symmetric games (N, n, n)."""
    gains = eta * np.matmul(payoffs, np.exp(log_policy)[..., None])[..., 0]
    return gap_of_gains(gains, log_policy, log_prior, eta)


def log_softmax(logits):
    """Rows of logits to rows of log-probabilities."""
    shifted = logits - np.max(logits, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
