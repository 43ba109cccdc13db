"""The unregularized winner as a linear program, by HiGHS through scipy.

    min t   such that   A p <= t,  sum p = 1,  p >= 0

The game is symmetric, so that its value is 0 and max_a (A p)_a doubled is the duality gap of p.
"""

import numpy as np
from scipy.optimize import linprog

from single import together


def winner(payoffs, method):
    """The policy that the program returns, and its gap."""
    n = len(payoffs)
    objective = np.zeros(n + 1)
    objective[n] = 1
    answer = linprog(
        objective,
        A_ub=np.hstack([payoffs, -np.ones((n, 1))]),
        b_ub=np.zeros(n),
        A_eq=np.append(np.ones(n), 0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * n + [(None, None)],
        method=method,
    )
    if answer.x is None:
        return np.full(n, -np.log(n)), np.inf
    policy = np.maximum(answer.x[:n], 0)
    policy /= policy.sum()
    with np.errstate(divide="ignore"):
        return np.log(policy), 2 * float(np.max(payoffs @ policy))


def prepare(method, job):
    """A function of the deadline that solves all games of the job, one after another."""
    assert method in ("highs-ipm", "highs-ds"), method
    return lambda deadline: together([winner(payoffs, method) for payoffs in job.payoffs])
