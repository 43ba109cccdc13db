"""Batches cut into blocks that fit into a core's cache, and shared among threads.

Every library below leaves the interpreter lock while it computes, so plain threads are enough.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from single import Game, newton

BLOCK_BYTES = 1 << 20


def slices(count, size):
    """Slices of at most `size` that cover `range(count)`."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def block_size(n, bytes_an_entry=4):
    """Games of n actions whose payoffs take about a megabyte."""
    return max(16, BLOCK_BYTES // (bytes_an_entry * n * n))


def in_blocks(solve_block, job, size, deadline):
    """Log-policies and gaps of all games: `solve_block(slice, deadline)` each, until the time is over."""
    games, n = job.payoffs.shape[:2]
    log_policies, gaps = np.tile(job.log_prior, (games, 1)), np.full(games, np.inf)

    def work(part):
        if time.monotonic() < deadline:
            log_policies[part], gaps[part] = solve_block(part, deadline)

    parts = slices(games, size)
    if job.threads == 1:
        for part in parts:
            work(part)
    else:
        with ThreadPoolExecutor(job.threads) as pool:
            list(pool.map(work, parts))
    again(log_policies, gaps, job, deadline)
    return log_policies, gaps


def again(log_policies, gaps, job, deadline):
    """Solves what float32 left unsolved anew, one game at a time in float64."""
    for index in np.flatnonzero(~(gaps <= job.tolerance)):
        if time.monotonic() > deadline:
            break
        game = Game(job.payoffs[index], job.log_prior, job.eta)
        log_policies[index], gaps[index] = game.certify(newton(game, job.tolerance))
