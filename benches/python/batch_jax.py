"""Batches of small games in JAX, compiled: damped Newton with two kinds of linear solver, and adaptive mirror-prox.

Games lie along the last axis, so that every operation runs over a vector of games; a block's loop ends with its slowest
game, so blocks are small. Iterates are float32, certificates float64, all in one compiled function.
"""

import functools

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from blocks import in_blocks

jax.config.update("jax_enable_x64", True)


def product(payoffs, vectors):
    """Payoffs (n, n, C) times policies (n, C)."""
    return jnp.sum(payoffs * vectors[None], axis=1)


def spread(policy, vector):
    """The variance of the vector under the policy."""
    mean = jnp.sum(policy * vector, axis=0)
    return jnp.sum(policy * jnp.square(vector - mean), axis=0)


def remaining(policy, residual):
    """eta times the duality gap to second order, infinite where an exponent is too large for that."""
    centred = jnp.sum(policy * residual, axis=0) - residual
    variance = jnp.sum(policy * jnp.square(centred), axis=0)
    return jnp.where(jnp.max(centred, axis=0) <= 1, variance, jnp.inf)


def residual(payoffs, theta, log_prior, eta):
    policy = jax.nn.softmax(theta + log_prior, axis=0)
    gains = product(payoffs, policy)
    return theta - eta * gains, policy, gains


def certify(payoffs, theta, log_prior, eta):
    """Log-policies (C, n) and duality gaps (C,) in float64, by the formula of `certificate`."""
    log_policy = jax.nn.log_softmax(theta + log_prior, axis=0)
    policy = jnp.exp(log_policy)
    d = eta * product(payoffs, policy) - (log_policy - log_prior)
    x = d - jnp.sum(policy * d, axis=0)
    y = jnp.minimum(x, 1.0)
    series = y * y * (0.5 + y * (1 / 6 + y * (1 / 24 + y * (1 / 120 + y / 720))))
    excess = jnp.where(jnp.abs(y) < 1e-2, series, jnp.expm1(y) - y)
    small = jnp.log1p(jnp.sum(policy * excess, axis=0))
    large = jax.scipy.special.logsumexp(log_policy + x, axis=0)
    return log_policy.T, 2 / eta * jnp.where(jnp.max(x, axis=0) <= 1, small, large)


def direction_by_lapack(payoffs, value, policy, gains, eta):
    """F' step = -F with F' = I - eta (A - (A pi) 1') diag(pi), one LAPACK call a game."""
    n = payoffs.shape[0]
    jacobian = eta * (gains[:, None] - payoffs) * policy[None] + jnp.eye(n, dtype=jnp.float32)[..., None]
    step = jnp.linalg.solve(jnp.moveaxis(jacobian, 2, 0), jnp.moveaxis(value, 1, 0)[..., None])
    return -jnp.moveaxis(step[..., 0], 0, 1)


def direction_by_elimination(payoffs, value, policy, gains, eta):
    """The same by elimination over all games at once, on (I - Q B Q) y = -Q (s F), step = -F + eta A (s y).

    s = sqrt(pi), Q = I - s s', B = eta diag(s) A diag(s): the symmetric part is I, so no pivoting is needed.
    """
    n = payoffs.shape[0]
    s = jnp.sqrt(policy)
    turned = s * gains * eta
    matrix = -eta * s[:, None] * payoffs * s[None] + turned[:, None] * s[None] - s[:, None] * turned[None]
    matrix = matrix + jnp.eye(n, dtype=jnp.float32)[..., None]
    weighted = s * value
    right = s * jnp.sum(s * weighted, axis=0) - weighted
    rows, pivots = jnp.concatenate([matrix, right[:, None]], axis=1), []
    for _ in range(n):
        top = rows[0, 1:] / rows[0, 0]
        pivots.append(top)
        rows = rows[1:, 1:] - rows[1:, :1] * top[None]
    y = []
    for top in reversed(pivots):
        known = sum((top[j] * y[-1 - j] for j in range(len(y))), jnp.zeros_like(top[-1]))
        y.append(top[-1] - known)
    y = jnp.stack(y[::-1])
    return -value + eta * product(payoffs, s * y)


def newton(direction, payoffs, log_prior, eta, enough):
    """Newton with halving on the 2-norm of F. A game that rounding stops is given up, not waited for."""

    def iterate(state):
        count, live, theta, value, policy, gains = state
        step = direction(payoffs, value, policy, gains, eta)
        norm = jnp.sum(jnp.square(value), axis=0)
        before = theta

        def search(state):
            length, waiting, theta, value, policy, gains = state
            trial = jnp.where(waiting, before + length * step, theta)
            found, at, paid = residual(payoffs, trial, log_prior, eta)
            good = waiting & (jnp.sum(jnp.square(found), axis=0) <= (1 - 2e-4 * length) * norm)
            theta, value = jnp.where(good, trial, theta), jnp.where(good, found, value)
            policy, gains = jnp.where(good, at, policy), jnp.where(good, paid, gains)
            return length / 2, waiting & ~good, theta, value, policy, gains

        start = (jnp.float32(1), live, theta, value, policy, gains)
        end = lax.while_loop(lambda s: (s[0] > 1e-4) & jnp.any(s[1]), search, start)
        _, stalled, theta, value, policy, gains = end
        live = live & ~stalled & (remaining(policy, value) > enough)
        return count + 1, live, theta, value, policy, gains

    theta = jnp.zeros(payoffs.shape[1:], jnp.float32)
    value, policy, gains = residual(payoffs, theta, log_prior, eta)
    state = (0, remaining(policy, value) > enough, theta, value, policy, gains)
    return lax.while_loop(lambda s: (s[0] < 60) & jnp.any(s[1]), iterate, state)[2]


def mirror_prox(payoffs, log_prior, eta, enough):
    """Extragradient in logits, each game with the longest step its own curvature allows."""

    def unsolved(state):
        count, length, theta, value, policy, gains = state
        return (count < 20_000) & jnp.any(remaining(policy, value) > enough)

    def iterate(state):
        count, length, theta, value, policy, gains = state
        shrink = 1 / (1 + length / eta)
        ahead = (theta + length * gains) * shrink
        _, looked, met = residual(payoffs, ahead, log_prior, eta)
        after = (theta + length * met) * shrink
        found, at, paid = residual(payoffs, after, log_prior, eta)
        turn = length * jnp.sum((gains - met) * (looked - at), axis=0)
        room = spread(looked, ahead - theta) + spread(looked, after - ahead)
        good = turn <= 0.5 * room
        moved = good & (remaining(policy, value) > enough)
        theta, value = jnp.where(moved, after, theta), jnp.where(moved, found, value)
        policy, gains = jnp.where(moved, at, policy), jnp.where(moved, paid, gains)
        return count + 1, length * jnp.where(good, 1.2, 0.5).astype(jnp.float32), theta, value, policy, gains

    theta = jnp.zeros(payoffs.shape[1:], jnp.float32)
    length = 2 / (jnp.max(jnp.abs(payoffs), axis=(0, 1)) + jnp.float32(1e-30))
    state = (0, length, theta, *residual(payoffs, theta, log_prior, eta))
    return lax.while_loop(unsolved, iterate, state)[2]


METHODS = {
    "newton": functools.partial(newton, direction_by_lapack),
    "newton-elimination": functools.partial(newton, direction_by_elimination),
    "mirror-prox": mirror_prox,
}


def prepare(method, job):
    """A function of the deadline that solves all games of the job."""
    solve, n = METHODS[method], job.payoffs.shape[1]
    eta, enough = np.float32(job.eta), np.float32(0.5 * job.eta * job.tolerance)
    log_prior = jnp.asarray(job.log_prior)[:, None]
    width = max(16, (1 << 16) // (4 * n * n))

    def chunk(payoffs):
        payoffs = jnp.moveaxis(payoffs, 0, 2)
        theta = solve(payoffs.astype(jnp.float32), log_prior.astype(jnp.float32), eta, enough)
        return certify(payoffs, theta.astype(jnp.float64), log_prior, job.eta)

    @jax.jit
    def block(payoffs):
        count = payoffs.shape[0]
        whole = count // width * width
        log_policies, gaps = lax.map(chunk, payoffs[:whole].reshape(-1, width, n, n))
        head = log_policies.reshape(-1, n), gaps.reshape(-1)
        if whole == count:
            return head
        tail = chunk(payoffs[whole:])
        return jnp.concatenate([head[0], tail[0]]), jnp.concatenate([head[1], tail[1]])

    # Eight blocks a thread, so that none idles for long at the end; each size is compiled once.
    games = len(job.payoffs)
    size = -(-games // (8 * width * job.threads)) * width if games > 8 * width else games
    parts = {start: jnp.asarray(job.payoffs[start : start + size]) for start in range(0, games, size)}

    def solve_block(part, _):
        return block(parts[part.start])

    return lambda deadline: in_blocks(solve_block, job, size, deadline)
