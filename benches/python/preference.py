"""Preference fits by what Python users would run instead, as a long-lived process: a JSON object a line in, one a line out.

    {"command": "generate", "job": {...}}                            draws the data of a job, seeded, once
    {"command": "load", "candidate": "numpy/newton", "job": {...}}   reads them into memory
    {"command": "run", "seconds": 0.5}                               repeats the fit until so many seconds are over

Times are seconds a fit. The loss is the mean log-loss of the fitted model on the rows that it was fitted to, and for planes
on rows held out, by one function for all candidates of this side. The end of the input ends the process.
"""

import csv
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

RIDGE = 1.0
THREADS = int(os.environ.get("COMPARE_THREADS", "1"))


def sigmoid(t):
    return 0.5 * (1 + np.tanh(0.5 * t))


def mean_loss(t, y):
    return float(np.mean(np.logaddexp(0, t) - y * t))


def path_of(job, what):
    return Path(job["folder"]) / f"{job['name']}-{what}"


# ---------------------------------------------------------------------------------------------------------------- data


def generate(job):
    done = path_of(job, "done")
    if done.exists():
        return
    rng = np.random.default_rng(7)
    {"scores": draw_scores, "linear": draw_linear, "planes": draw_planes, "read": draw_rows}[job["kind"]](job, rng)
    done.touch()


def battles(rng, rows, items):
    a = rng.integers(0, items, rows)
    b = rng.integers(0, items - 1, rows)
    return a, b + (b >= a)


def draw_scores(job, rng):
    score = rng.normal(0, 0.8, job["items"])
    a, b = battles(rng, job["rows"], job["items"])
    won = rng.random(job["rows"]) < sigmoid(score[a] - score[b])
    winners, losers = np.where(won, a, b), np.where(won, b, a)
    np.save(path_of(job, "battles.npy"), np.stack([winners, losers], 1).astype(np.float64))


def draw_linear(job, rng):
    """Candidates with features, pairs of them, labels. A steep spectrum falls by 1e4 like that of embeddings."""
    d, candidates = job["features"], job["candidates"]
    spectrum = np.ones(d) if job["spectrum"] == "even" else np.logspace(0, -4, d)
    turn, _ = np.linalg.qr(rng.normal(size=(d, d)))
    phi = (rng.normal(size=(candidates, d)) * spectrum) @ turn.T
    phi /= np.sqrt((phi**2).sum(1).mean())
    theta = turn @ (rng.normal(size=d) / np.maximum(spectrum, 0.05))
    score = phi @ theta
    score *= 1.2 / score.std()
    a, b = battles(rng, job["rows"], candidates)
    label = rng.random(job["rows"]) < sigmoid(score[a] - score[b])
    np.save(path_of(job, "features.npy"), phi)
    np.save(path_of(job, "battles.npy"), np.stack([a, b, label], 1).astype(np.float64))


def draw_planes(job, rng):
    n, k = job["items"], job["planes"]
    u, v = rng.normal(0, 0.55, (2, n, k))
    for what, rows in [("battles", job["rows"]), ("held-out", job["rows"] // 5)]:
        a, b = battles(rng, rows, n)
        t = (u[a] * v[b] - v[a] * u[b]).sum(1)
        label = rng.random(rows) < sigmoid(t)
        np.save(path_of(job, f"{what}.npy"), np.stack([a, b, label], 1).astype(np.float64))


def draw_rows(job, rng):
    score = rng.normal(0, 0.8, job["items"])
    a, b = battles(rng, job["rows"], job["items"])
    won = rng.random(job["rows"]) < sigmoid(score[a] - score[b])
    with open(path_of(job, "rows.jsonl"), "w") as lines, open(path_of(job, "rows.csv"), "w") as table:
        table.write("model_a,model_b,winner\n")
        for a, b, won in zip(a.tolist(), b.tolist(), won.tolist()):
            row = {"prompt_id": "all", "response_a_id": f"system-{a}", "response_b_id": f"system-{b}", "label": int(won)}
            lines.write(json.dumps(row) + "\n")
            table.write(f"system-{a},system-{b},{'model_a' if won else 'model_b'}\n")


# ---------------------------------------------------------------------------------------------------------------- scores


def load_scores(method, job):
    rows = np.load(path_of(job, "battles.npy")).astype(np.int64)
    winners, losers, n = np.ascontiguousarray(rows[:, 0]), np.ascontiguousarray(rows[:, 1]), job["items"]

    def table():
        return np.bincount(winners * n + losers, minlength=n * n).reshape(n, n).astype(float)

    def newton():
        wins = table()
        counts, won, r = wins + wins.T, wins.sum(1), np.zeros(n)
        for _ in range(50):
            p = sigmoid(r[:, None] - r[None, :])
            gradient = (counts * p).sum(1) - won + RIDGE * r
            if np.abs(gradient).max() <= 1e-9 * len(winners):
                break
            curved = counts * p * (1 - p)
            hessian = np.diag(curved.sum(1) + RIDGE) - curved
            r = r - np.linalg.solve(hessian, gradient)
        return r

    def choix_table():
        import choix

        return choix.ilsr_pairwise_dense(table(), tol=1e-9)

    def choix_lists():
        import choix

        return choix.ilsr_pairwise(n, pairs, tol=1e-9)

    def evalica_lists():
        import evalica

        found = evalica.bradley_terry(left, right, outcomes, tolerance=1e-9)
        return np.log(found.scores.reindex(range(n)).to_numpy())

    def sklearn_rows():
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=1 / RIDGE, fit_intercept=False, tol=1e-6, max_iter=500)
        return model.fit(sparse, outcome_of_row).coef_[0]

    if method == "choix-lists":
        pairs = list(zip(winners.tolist(), losers.tolist()))
    if method == "evalica":
        import evalica

        left, right = winners.tolist(), losers.tolist()
        outcomes = [evalica.Winner.X] * len(left)
    if method == "sklearn":
        import scipy.sparse

        m = len(winners)
        # Half of the rows turned about, so that there are two classes.
        sign = np.where(np.arange(m) % 2 == 0, 1.0, -1.0)
        index = np.repeat(np.arange(m), 2)
        values = np.stack([sign, -sign], 1).ravel()
        columns = np.stack([winners, losers], 1).ravel()
        sparse = scipy.sparse.csr_matrix((values, (index, columns)), (m, n))
        outcome_of_row = sign > 0
    methods = {
        "newton": newton,
        "choix-table": choix_table,
        "choix-lists": choix_lists,
        "evalica": evalica_lists,
        "sklearn": sklearn_rows,
    }
    return methods[method], lambda r: mean_loss(r[winners] - r[losers], 1.0)


# ---------------------------------------------------------------------------------------------------------------- linear


def load_linear(method, job):
    phi, rows = np.load(path_of(job, "features.npy")), np.load(path_of(job, "battles.npy"))
    a, b, y = rows[:, 0].astype(int), rows[:, 1].astype(int), rows[:, 2]
    z, m, d = phi[a] - phi[b], len(rows), phi.shape[1]

    def scipy_lbfgs():
        from scipy.optimize import minimize

        def f(theta):
            t = z @ theta
            value = (np.logaddexp(0, t) - y * t).sum() + 0.5 * RIDGE * theta @ theta
            return value, z.T @ (sigmoid(t) - y) + RIDGE * theta

        options = {"maxiter": 2000, "maxfun": 4000, "gtol": 1e-6 * m, "ftol": 0, "maxcor": 10}
        return minimize(f, np.zeros(d), jac=True, method="L-BFGS-B", options=options).x

    def sklearn(solver):
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=1 / RIDGE, fit_intercept=False, solver=solver, tol=1e-6, max_iter=2000)
        return model.fit(z, y).coef_[0]

    def torch_lbfgs():
        import torch

        theta = torch.zeros(d, dtype=torch.float64, requires_grad=True)
        options = {"max_iter": 2000, "tolerance_grad": 1e-6 * m, "tolerance_change": 0, "history_size": 10}
        optimizer = torch.optim.LBFGS([theta], line_search_fn="strong_wolfe", **options)

        def closure():
            optimizer.zero_grad()
            t = on_torch @ theta
            loss = (torch.nn.functional.softplus(t) - labels * t).sum() + 0.5 * RIDGE * theta @ theta
            loss.backward()
            return loss

        optimizer.step(closure)
        return theta.detach().numpy()

    if method == "torch":
        import torch

        torch.set_num_threads(THREADS)
        on_torch, labels = torch.from_numpy(z), torch.from_numpy(y.copy())
    methods = {
        "scipy": scipy_lbfgs,
        "sklearn-lbfgs": lambda: sklearn("lbfgs"),
        "sklearn-newton": lambda: sklearn("newton-cholesky"),
        "torch": torch_lbfgs,
    }
    return methods[method], lambda theta: mean_loss(z @ theta, y)


# ---------------------------------------------------------------------------------------------------------------- planes


def load_planes(method, job):
    import torch

    torch.set_num_threads(THREADS)
    n, k = job["items"], job["planes"]
    rows, held_out = np.load(path_of(job, "battles.npy")), np.load(path_of(job, "held-out.npy"))

    def counted():
        a, b, y = rows[:, 0].astype(int), rows[:, 1].astype(int), rows[:, 2]
        low, high = np.minimum(a, b), np.maximum(a, b)
        cell = low * n + high
        weight = np.bincount(cell, minlength=n * n)
        wins = np.bincount(cell, np.where(a < b, y, 1 - y), minlength=n * n)
        used = np.flatnonzero(weight)
        return used // n, used % n, weight[used].astype(float), wins[used]

    # The penalty that the other side takes: twice the largest plane of noise, 2 sigma sqrt(n) of a random matrix.
    ridge = 2 * 2 * np.sqrt(0.25 * len(rows) / (n * (n - 1) / 2)) * np.sqrt(n)

    def lbfgs():
        # Counting is a part of the fit.
        first, second, weight, wins = raw if method == "torch-rows" else counted()
        first, second = torch.from_numpy(first), torch.from_numpy(second)
        weight, wins = torch.from_numpy(weight), torch.from_numpy(wins)
        generator = torch.Generator().manual_seed(0)
        uv = (0.1 * torch.randn(2, n, k, dtype=torch.float64, generator=generator)).requires_grad_()
        options = {"max_iter": 500, "tolerance_grad": 1e-6 * len(rows), "tolerance_change": 0, "history_size": 10}
        optimizer = torch.optim.LBFGS([uv], line_search_fn="strong_wolfe", **options)

        def closure():
            optimizer.zero_grad()
            u, v = uv[0], uv[1]
            t = (u[first] * v[second] - v[first] * u[second]).sum(1)
            loss = (weight * torch.nn.functional.softplus(t) - wins * t).sum() + 0.5 * ridge * (uv * uv).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        return uv.detach().numpy()

    if method == "torch-rows":
        raw = (rows[:, 0].astype(int), rows[:, 1].astype(int), np.ones(len(rows)), rows[:, 2].copy())
    a, b, y = held_out[:, 0].astype(int), held_out[:, 1].astype(int), held_out[:, 2]
    return lbfgs, lambda uv: mean_loss((uv[0][a] * uv[1][b] - uv[1][a] * uv[0][b]).sum(1), y)


# ---------------------------------------------------------------------------------------------------------------- reading


def load_read(method, job):
    rows, n = {"json": path_of(job, "rows.jsonl"), "csv": path_of(job, "rows.csv")}[method], 0

    def read_json():
        with open(rows) as lines:
            return sum(1 for line in lines if json.loads(line) is not None)

    def read_csv():
        with open(rows, newline="") as lines:
            return sum(1 for _ in csv.reader(lines))

    return {"json": read_json, "csv": read_csv}[method], lambda _: None


def load(candidate, job):
    _, method = candidate.split("/")
    loaders = {"scores": load_scores, "linear": load_linear, "planes": load_planes, "read": load_read}
    return loaders[job["kind"]](method, job)


def peak_memory():
    """Bytes, or None where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None


def run(fit, loss, seconds):
    passes, cpu, wall = 0, time.process_time(), time.perf_counter()
    while True:
        found = fit()
        passes += 1
        spent = time.perf_counter() - wall
        if spent >= seconds:
            break
    cpu = time.process_time() - cpu
    return {"wall": spent / passes, "cpu": cpu / passes, "loss": loss(found), "memory": peak_memory()}


def serve(generate, load):
    """Answers the requests that are read, one a line, until there are no more."""
    fit = loss = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["command"] == "generate":
            generate(request["job"])
            reply = {}
        elif request["command"] == "load":
            fit, loss = load(request["candidate"], request["job"])
            reply = {}
        elif request["command"] == "run":
            reply = run(fit, loss, request["seconds"])
        else:
            raise ValueError(f"there is no command {request['command']}")
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    serve(generate, load)
