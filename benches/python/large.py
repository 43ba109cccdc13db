"""One large game by products alone: inexact Newton-Krylov with scipy's GMRES, and adaptive mirror-prox.

Products are float32 where that reads half as much memory, the certificate is one float64 product.
"""

import time

import numpy as np
from scipy.sparse.linalg import LinearOperator, gmres

from certificate import gap_of_gains, log_softmax
from single import near_gap, together


class Game:
    """A game seen through products in float32; making the float32 copy is part of the job."""

    def __init__(self, payoffs, log_prior, eta):
        self.payoffs, self.log_prior, self.eta = payoffs, log_prior, eta
        self.single = payoffs.astype(np.float32)

    def product(self, vector):
        return self.single @ vector.astype(np.float32)

    def play(self, theta):
        logits = self.log_prior + theta
        weights = np.exp(logits - logits.max())
        policy = weights / weights.sum()
        gains = self.product(policy).astype(np.float64)
        return theta - self.eta * gains, policy, gains

    def certify(self, theta):
        log_policy = log_softmax(theta + self.log_prior)
        gains = self.eta * (self.payoffs @ np.exp(log_policy))
        return log_policy, float(gap_of_gains(gains, log_policy, self.log_prior, self.eta))


def newton_krylov(game, tolerance, deadline):
    """Newton with halving on the 2-norm of F; the linear systems are solved as far as they help.

    F' v = v - eta A (pi v - pi <pi, v>), one product a GMRES step.
    """
    n, eta = len(game.log_prior), game.eta
    theta = np.zeros(n)
    residual, policy, gains = game.play(theta)
    norm = np.linalg.norm(residual)
    before = None
    for _ in range(100):
        near = near_gap(policy, residual, eta)
        if near <= 0.5 * tolerance or time.monotonic() > deadline:
            break
        # Eisenstat and Walker's second choice, and no further than the tolerance needs: the gap is quadratic.
        forcing = 0.1 if before is None else min(0.1, 0.9 * (norm / before) ** 2)
        forcing = max(forcing, 0.3 * np.sqrt(0.5 * tolerance / near))

        def apply(v, policy=policy):
            return v - eta * game.product(policy * (v - policy @ v))

        operator = LinearOperator((n, n), matvec=apply, dtype=np.float64)
        step, _ = gmres(operator, -residual, rtol=min(forcing, 0.5), restart=60, maxiter=4)
        length = 1.0
        while length > 1e-8:
            trial = theta + length * step
            found = game.play(trial)
            shorter = np.linalg.norm(found[0])
            if shorter <= (1 - 1e-4 * length) * norm:
                break
            length /= 2
        else:
            break
        before, norm = norm, shorter
        theta, (residual, policy, gains) = trial, found
    return theta


def spread(policy, vector):
    centred = vector - policy @ vector
    return policy @ (centred * centred)


def mirror_prox(game, tolerance, deadline):
    """Extragradient in logits with the longest step that the curvature along the way allows."""
    theta = np.zeros(len(game.log_prior))
    residual, policy, gains = game.play(theta)
    length, tau = 4 / (np.abs(game.single[0]).max() + 1e-30), 1 / game.eta
    for _ in range(100_000):
        if near_gap(policy, residual, game.eta) <= 0.5 * tolerance or time.monotonic() > deadline:
            break
        shrink = 1 / (1 + length * tau)
        ahead = (theta + length * gains) * shrink
        _, looked, met = game.play(ahead)
        after = (theta + length * met) * shrink
        found, at, paid = game.play(after)
        turn = length * ((gains - met) @ (looked - at))
        if turn <= 0.5 * (spread(looked, ahead - theta) + spread(looked, after - ahead)):
            theta, residual, policy, gains = after, found, at, paid
            length *= 1.3
        else:
            length *= 0.5
    return theta


METHODS = {"newton-krylov": newton_krylov, "mirror-prox": mirror_prox}


def prepare(method, job):
    """A function of the deadline that solves all games of the job, one after another."""
    solve = METHODS[method]

    def one(payoffs, deadline):
        game = Game(payoffs, job.log_prior, job.eta)
        return game.certify(solve(game, job.tolerance, deadline))

    return lambda deadline: together([one(payoffs, deadline) for payoffs in job.payoffs])
