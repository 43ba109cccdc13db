"""Projections onto log-linear policies by what Python users would run instead, as a long-lived process.

The protocol is that of `preference.py`, whose timing is used. A job of kind "candidates" has a row of features for each candidate of
each prompt and a wanted distribution over them: no library fits that model (a conditional logit with soft labels), so that a user
writes its loss and gradient and hands them to an optimizer. A job of kind "classes" has features of prompts alone and one menu of
classes for all of them, each prompt with one right class: there the model is scikit-learn's multinomial logistic regression.

The loss is the mean KL divergence from the wanted to the played distributions, by one function for all candidates of this side.
"""

import numpy as np

from preference import THREADS, path_of, serve

# A projection that leaves 1e-6 of gradient leaves less than 1e-9 nats.
GRADIENT = 1e-6


def generate(job):
    done = path_of(job, "done")
    if done.exists():
        return
    rng = np.random.default_rng(11)
    n, k, d = job["prompts"], job["candidates"], job["features"]
    if job["kind"] == "candidates":
        # A steep spectrum falls by a factor of 30. No weights meet all wishes.
        spectrum = np.ones(d) if job["spectrum"] == "even" else np.logspace(0, -1.5, d)
        turn, _ = np.linalg.qr(rng.normal(size=(d, d)))
        features = (rng.normal(size=(n * k, d)) * spectrum) @ turn.T
        features /= np.sqrt((features**2).mean())
        score = features @ rng.normal(size=d) / np.sqrt(d) * 1.5 + rng.normal(size=n * k)
        wanted = softmax(score.reshape(n, k))
    else:
        features = rng.normal(size=(n, d)) @ np.linalg.qr(rng.normal(size=(d, d)))[0]
        score = features @ rng.normal(size=(d, k)) / np.sqrt(d) * 1.5 + rng.gumbel(size=(n, k))
        wanted = np.eye(k)[score.argmax(1)]
    np.save(path_of(job, "features.npy"), features)
    np.save(path_of(job, "targets.npy"), wanted)
    done.touch()


def softmax(score):
    score = score - score.max(1, keepdims=True)
    np.exp(score, out=score)
    score /= score.sum(1, keepdims=True)
    return score


def log_softmax(score):
    score = score - score.max(1, keepdims=True)
    return score - np.log(np.exp(score).sum(1, keepdims=True))


def mean_kl(score, wanted, negentropy):
    return float(negentropy - (wanted * log_softmax(score)).sum() / len(wanted))


def by_scipy(f, size):
    from scipy.optimize import minimize

    options = {"maxiter": 2000, "maxfun": 4000, "gtol": GRADIENT, "ftol": 0, "maxcor": 10}
    return minimize(f, np.zeros(size), jac=True, method="L-BFGS-B", options=options).x


def by_torch(features, wanted, negentropy, shape, method):
    """The same loss by automatic differentiation; conversions are a part of the fit."""
    import torch

    kind = torch.float32 if method.endswith("f32") else torch.float64
    phi, t = torch.from_numpy(features).to(kind), torch.from_numpy(wanted).to(kind)
    w = torch.zeros(shape, dtype=kind, requires_grad=True)

    def closure():
        w.grad = None
        score = (phi @ w).reshape(t.shape)
        loss = negentropy - (t * torch.log_softmax(score, 1)).sum() / len(t)
        loss.backward()
        return loss

    if method == "adam":
        steps = 100
        optimizer = torch.optim.Adam([w], lr=0.1)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(steps):
            optimizer.step(closure)
            schedule.step()
    else:
        options = {"max_iter": 2000, "tolerance_grad": GRADIENT, "tolerance_change": 0, "history_size": 10}
        torch.optim.LBFGS([w], line_search_fn="strong_wolfe", **options).step(closure)
    return w.detach().numpy().astype(np.float64)


def load(candidate, job):
    library, method = candidate.split("/")
    features, wanted = np.load(path_of(job, "features.npy")), np.load(path_of(job, "targets.npy"))
    n, k = wanted.shape
    d = features.shape[1]
    positive = wanted[wanted > 0]
    negentropy = float((positive * np.log(positive)).sum() / n)
    shape = (d,) if job["kind"] == "candidates" else (d, k)

    def value_and_gradient(w):
        # Scores of the candidates of each prompt, then the gradient of the mean over prompts.
        score = (features @ w.reshape(shape)).reshape(n, k)
        log_played = log_softmax(score)
        value = negentropy - (wanted * log_played).sum() / n
        off = np.exp(log_played)
        off -= wanted
        off /= n
        return value, (features.T @ (off.ravel() if len(shape) == 1 else off)).ravel()

    def sklearn():
        from sklearn.linear_model import LogisticRegression

        right = wanted.argmax(1)
        model = LogisticRegression(C=np.inf, fit_intercept=False, solver=method, tol=GRADIENT, max_iter=2000)
        return model.fit(features, right).coef_.T

    if library == "torch":
        import torch

        torch.set_num_threads(THREADS)
    fits = {
        "scipy": lambda: by_scipy(value_and_gradient, int(np.prod(shape))),
        "torch": lambda: by_torch(features, wanted, negentropy, shape, method),
        "sklearn": sklearn,
    }

    def loss(w):
        return mean_kl((features @ np.asarray(w).reshape(shape)).reshape(n, k), wanted, negentropy)

    return fits[library], loss


if __name__ == "__main__":
    serve(generate, load)
