"""One game at a time, in float64: MINPACK's hybrid method by scipy, and damped Newton in numpy.

    F(theta) = theta - eta A pi = 0,   F' = I - eta (A - (A pi) 1') diag(pi),   pi = softmax(log pi0 + theta)
"""

import numpy as np
from scipy.linalg.lapack import dgesv
from scipy.optimize import root

from certificate import duality_gap, log_softmax


class Game:
    """A game of the job: the residual, its Jacobian, and the certificate of logits."""

    def __init__(self, payoffs, log_prior, eta):
        self.payoffs, self.log_prior, self.eta = payoffs, log_prior, eta

    def play(self, theta):
        logits = self.log_prior + theta
        weights = np.exp(logits - logits.max())
        policy = weights / weights.sum()
        gains = self.payoffs @ policy
        return theta - self.eta * gains, policy, gains

    def jacobian(self, policy, gains):
        matrix = np.subtract.outer(gains, np.zeros(len(gains)))
        matrix -= self.payoffs
        matrix *= self.eta * policy
        matrix.flat[:: len(gains) + 1] += 1
        return matrix

    def certify(self, theta):
        log_policy = log_softmax(theta + self.log_prior)
        gaps = duality_gap(self.payoffs[None], log_policy[None], self.log_prior, self.eta)
        return log_policy, gaps[0]


def near_gap(policy, residual, eta):
    """The gap to second order, infinite where an exponent is too large for that."""
    centred = policy @ residual - residual
    return policy @ (centred * centred) / eta if centred.max() <= 1 else np.inf


def newton(game, tolerance):
    """Newton with halving on the 2-norm of F."""
    theta = np.zeros(len(game.log_prior))
    residual, policy, gains = game.play(theta)
    norm = np.sqrt(residual @ residual)
    for _ in range(200):
        if near_gap(policy, residual, game.eta) <= 0.5 * tolerance:
            break
        # The transpose is the matrix as LAPACK stores it, but for a copy.
        step = dgesv(game.jacobian(policy, gains), residual, overwrite_a=True)[2]
        length = 1.0
        while length > 1e-10:
            trial = theta - length * step
            found = game.play(trial)
            shorter = np.sqrt(found[0] @ found[0])
            if shorter <= (1 - 1e-4 * length) * norm:
                break
            length /= 2
        else:
            break
        theta, (residual, policy, gains), norm = trial, found, shorter
    return theta


def hybrid(game, tolerance):
    """scipy's `root(method="hybr")` with the Jacobian."""
    answer = root(
        lambda theta: game.play(theta)[0],
        np.zeros(len(game.log_prior)),
        jac=lambda theta: game.jacobian(*game.play(theta)[1:]),
        method="hybr",
        # An error of x in the logits is a gap of x^2 / eta at most.
        options={"xtol": 1e-2 * np.sqrt(tolerance / (1 + game.eta))},
    )
    return answer.x


def together(answers):
    """Log-policies and gaps of games that were solved one by one."""
    return np.array([log_policy for log_policy, _ in answers]), np.array([gap for _, gap in answers])


METHODS = {"newton": newton, "hybr": hybrid}


def prepare(method, job):
    """A function of the deadline that solves all games of the job, one after another."""
    solve = METHODS[method]
    games = [Game(payoffs, job.log_prior, job.eta) for payoffs in job.payoffs]
    return lambda deadline: together([game.certify(solve(game, job.tolerance)) for game in games])
