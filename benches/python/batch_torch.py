"""Batches of small games in torch on the CPU: damped Newton by `linalg.solve`, and adaptive mirror-prox.

The methods are those of `batch_numpy`, in the same precision. Blocks are shared among plain threads, each with one
thread of torch: faster than torch's own threads on small matrices.
"""

import time

import numpy as np
import torch

from blocks import block_size, in_blocks
from certificate import gap_of_gains


def spread(policy, vector):
    """The variance of the vector under the policy."""
    mean = (policy * vector).sum(dim=1, keepdim=True)
    return (policy * (vector - mean).square()).sum(dim=1)


def remaining(policy, residual):
    """eta times the duality gap to second order, infinite where an exponent is too large for that."""
    centred = (policy * residual).sum(dim=1, keepdim=True) - residual
    variance = (policy * centred.square()).sum(dim=1)
    return torch.where(centred.amax(dim=1) <= 1, variance, torch.inf)


class Batch:
    """What both methods share: residuals in float32, and the certificate in float64 at the end."""

    def __init__(self, log_prior, eta, tolerance):
        self.log_prior, self.eta = torch.from_numpy(log_prior), eta
        self.log_prior_single = self.log_prior.float()
        self.enough = 0.5 * eta * tolerance

    def residual(self, payoffs, theta):
        policy = torch.softmax(theta + self.log_prior_single, dim=1)
        gains = torch.bmm(payoffs, policy.unsqueeze(2)).squeeze(2)
        return torch.sub(theta, gains, alpha=self.eta), policy, gains

    def certify(self, payoffs, theta):
        log_policy = torch.log_softmax(theta.double() + self.log_prior, dim=1)
        gains = self.eta * torch.bmm(payoffs, log_policy.exp().unsqueeze(2)).squeeze(2)
        log_policy = log_policy.numpy()
        return log_policy, gap_of_gains(gains.numpy(), log_policy, self.log_prior.numpy(), self.eta)


class Newton(Batch):
    """Newton with halving on the 2-norm of F: F' = I - eta (A - (A pi) 1') diag(pi)."""

    def __call__(self, payoffs, deadline):
        answer = torch.zeros(payoffs.shape[:2])
        active, single = torch.arange(len(payoffs)), payoffs.float()
        theta = answer.clone()
        residual, policy, gains = self.residual(single, theta)
        stuck = torch.zeros(len(active), dtype=torch.bool)
        for _ in range(100):
            unsolved = (remaining(policy, residual) > self.enough) & ~stuck
            count = int(unsolved.sum())
            if count == 0 or time.monotonic() > deadline:
                break
            if count < 0.8 * len(active):
                answer[active] = theta
                active, single = active[unsolved], single[unsolved]
                theta, residual = theta[unsolved], residual[unsolved]
                policy, gains, stuck = policy[unsolved], gains[unsolved], stuck[unsolved]
            jacobian = (gains.unsqueeze(2) - single) * (self.eta * policy).unsqueeze(1)
            jacobian.diagonal(dim1=1, dim2=2).add_(1.0)
            step, _ = torch.linalg.solve_ex(jacobian, residual)
            stuck[self.search(single, theta, residual, policy, gains, step)] = True
        answer[active] = theta
        return self.certify(payoffs, answer)

    def search(self, payoffs, theta, residual, policy, gains, step):
        """Moves every game by the longest of 1, 1/2, 1/4, ... that shrinks its residual enough.

        Returns the games that no length helps: rounding stops them.
        """
        norm = torch.linalg.vector_norm(residual, dim=1)
        waiting, length = torch.arange(len(theta)), 1.0
        while len(waiting) and length > 1e-4:
            games = payoffs if len(waiting) == len(theta) else payoffs[waiting]
            trial = torch.sub(theta[waiting], step[waiting], alpha=length)
            found, at, paid = self.residual(games, trial)
            shorter = torch.linalg.vector_norm(found, dim=1)
            good = shorter <= (1 - 1e-4 * length) * norm[waiting]
            moved = waiting[good]
            theta[moved], residual[moved] = trial[good], found[good]
            policy[moved], gains[moved] = at[good], paid[good]
            waiting, length = waiting[~good], length / 2
        return waiting


class MirrorProx(Batch):
    """Extragradient in logits, each game with the longest step its own curvature allows."""

    def __call__(self, payoffs, deadline):
        answer = torch.zeros(payoffs.shape[:2])
        active, single = torch.arange(len(payoffs)), payoffs.float()
        theta = answer.clone()
        length, tau = 2 / (single.abs().amax(dim=(1, 2)).unsqueeze(1) + 1e-30), 1 / self.eta
        residual, policy, gains = self.residual(single, theta)
        for _ in range(100_000):
            unsolved = remaining(policy, residual) > self.enough
            count = int(unsolved.sum())
            if count == 0 or time.monotonic() > deadline:
                break
            if count < 0.8 * len(active):
                answer[active] = theta
                active, single, length = active[unsolved], single[unsolved], length[unsolved]
                theta, residual = theta[unsolved], residual[unsolved]
                policy, gains = policy[unsolved], gains[unsolved]
            shrink = 1 / (1 + length * tau)
            ahead = (theta + length * gains) * shrink
            _, looked, met = self.residual(single, ahead)
            after = (theta + length * met) * shrink
            found, at, paid = self.residual(single, after)
            turn = length.squeeze(1) * ((gains - met) * (looked - at)).sum(dim=1)
            room = spread(looked, ahead - theta) + spread(looked, after - ahead)
            good = (turn <= 0.5 * room).unsqueeze(1)
            theta, residual = torch.where(good, after, theta), torch.where(good, found, residual)
            policy, gains = torch.where(good, at, policy), torch.where(good, paid, gains)
            length = length * torch.where(good, 1.2, 0.5)
        answer[active] = theta
        return self.certify(payoffs, answer)


def prepare(method, job):
    """A function of the deadline that solves all games of the job."""
    payoffs = torch.from_numpy(np.ascontiguousarray(job.payoffs))
    kind = {"newton": Newton, "mirror-prox": MirrorProx}[method]
    solver = kind(job.log_prior, job.eta, job.tolerance)
    size = block_size(payoffs.shape[1])

    def solve_block(part, deadline):
        # Both switches belong to a thread.
        torch.set_num_threads(1)
        with torch.inference_mode():
            return solver(payoffs[part], deadline)

    return lambda deadline: in_blocks(solve_block, job, size, deadline)
