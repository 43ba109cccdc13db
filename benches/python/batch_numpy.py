"""Batches of small games in numpy: damped Newton and adaptive mirror-prox, in float32.

    F(theta) = theta - eta A pi = 0,   pi = softmax(log pi0 + theta)

The gap is quadratic in F, so that float32 iterates reach a float64 gap far below 1e-6. Solved games leave the block.
"""

import time

import numpy as np

from blocks import block_size, in_blocks
from certificate import duality_gap, log_softmax


def softmax(logits):
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def spread(policy, vector):
    """The variance of the vector under the policy."""
    mean = (policy * vector).sum(axis=1, keepdims=True)
    return (policy * (vector - mean) ** 2).sum(axis=1)


def remaining(policy, residual):
    """eta times the duality gap to second order, infinite where an exponent is too large for that."""
    centred = (policy * residual).sum(axis=1, keepdims=True) - residual
    variance = (policy * centred * centred).sum(axis=1)
    return np.where(centred.max(axis=1) <= 1, variance, np.inf)


class Batch:
    """What both methods share: the block's float32 payoffs, and the certificate at the end."""

    def __init__(self, log_prior, eta, tolerance):
        self.log_prior, self.eta, self.tolerance = log_prior, eta, tolerance
        self.log_prior_single = log_prior.astype(np.float32)
        self.enough = 0.5 * eta * tolerance

    def residual(self, payoffs, theta):
        policy = softmax(theta + self.log_prior_single)
        gains = np.matmul(payoffs, policy[:, :, None])[:, :, 0]
        return theta - np.float32(self.eta) * gains, policy, gains

    def certify(self, payoffs, theta):
        log_policy = log_softmax(theta.astype(np.float64) + self.log_prior)
        return log_policy, duality_gap(payoffs, log_policy, self.log_prior, self.eta)


class Newton(Batch):
    """Newton with halving on the 2-norm of F: F' = I - eta (A - (A pi) 1') diag(pi)."""

    def __call__(self, payoffs, deadline):
        n = payoffs.shape[1]
        answer = np.zeros(payoffs.shape[:2], np.float32)
        active, single = np.arange(len(payoffs)), payoffs.astype(np.float32)
        theta = answer.copy()
        residual, policy, gains = self.residual(single, theta)
        stuck = np.zeros(len(active), bool)
        for _ in range(100):
            unsolved = (remaining(policy, residual) > self.enough) & ~stuck
            if not unsolved.any() or time.monotonic() > deadline:
                break
            if unsolved.sum() < 0.8 * len(active):
                answer[active] = theta
                active, single = active[unsolved], single[unsolved]
                theta, residual = theta[unsolved], residual[unsolved]
                policy, gains, stuck = policy[unsolved], gains[unsolved], stuck[unsolved]
            jacobian = np.float32(self.eta) * (gains[:, :, None] - single) * policy[:, None, :]
            jacobian[:, np.arange(n), np.arange(n)] += 1
            step = -np.linalg.solve(jacobian, residual[:, :, None])[:, :, 0]
            stuck[self.search(single, theta, residual, policy, gains, step)] = True
        answer[active] = theta
        return self.certify(payoffs, answer)

    def search(self, payoffs, theta, residual, policy, gains, step):
        """Moves every game by the longest of 1, 1/2, 1/4, ... that shrinks its residual enough.

        Returns the games that no length helps: rounding stops them.
        """
        norm = np.linalg.norm(residual, axis=1)
        waiting, length = np.arange(len(theta)), np.float32(1)
        while len(waiting) and length > 1e-4:
            whole = len(waiting) == len(theta)
            games = payoffs if whole else payoffs[waiting]
            trial = theta[waiting] + length * step[waiting]
            found, at, paid = self.residual(games, trial)
            good = np.linalg.norm(found, axis=1) <= (1 - 1e-4 * length) * norm[waiting]
            moved = waiting[good]
            theta[moved], residual[moved] = trial[good], found[good]
            policy[moved], gains[moved] = at[good], paid[good]
            waiting, length = waiting[~good], length / 2
        return waiting


class MirrorProx(Batch):
    """Extragradient in logits, each game with the longest step its own curvature allows.

    h = (theta + a A pi) / (1 + a/eta), theta+ the same with A pi(h). A step counts if
    a <A (pi - pi_h), pi_h - pi+> is at most the two divergences to second order; a grows after it, halves otherwise.
    """

    def __call__(self, payoffs, deadline):
        answer = np.zeros(payoffs.shape[:2], np.float32)
        active, single = np.arange(len(payoffs)), payoffs.astype(np.float32)
        theta = answer.copy()
        bound = np.abs(single).max(axis=(1, 2))[:, None] + np.float32(1e-30)
        length, tau = 2 / bound, np.float32(1 / self.eta)
        residual, policy, gains = self.residual(single, theta)
        for _ in range(100_000):
            unsolved = remaining(policy, residual) > self.enough
            if not unsolved.any() or time.monotonic() > deadline:
                break
            if unsolved.sum() < 0.8 * len(active):
                answer[active] = theta
                active, single, length = active[unsolved], single[unsolved], length[unsolved]
                theta, residual = theta[unsolved], residual[unsolved]
                policy, gains = policy[unsolved], gains[unsolved]
            shrink = 1 / (1 + length * tau)
            ahead = (theta + length * gains) * shrink
            _, looked, met = self.residual(single, ahead)
            after = (theta + length * met) * shrink
            found, at, paid = self.residual(single, after)
            turn = length[:, 0] * ((gains - met) * (looked - at)).sum(axis=1)
            room = spread(looked, ahead - theta) + spread(looked, after - ahead)
            good = turn <= 0.5 * room
            theta[good], residual[good] = after[good], found[good]
            policy[good], gains[good] = at[good], paid[good]
            length *= np.where(good, np.float32(1.2), np.float32(0.5))[:, None]
        answer[active] = theta
        return self.certify(payoffs, answer)


def prepare(method, job):
    """A function of the deadline that solves all games of the job."""
    payoffs = job.payoffs
    kind = {"newton": Newton, "mirror-prox": MirrorProx}[method]
    solver = kind(job.log_prior, job.eta, job.tolerance)
    size = block_size(payoffs.shape[1])

    def solve_block(part, deadline):
        return solver(payoffs[part], deadline)

    return lambda deadline: in_blocks(solve_block, job, size, deadline)
