"""Train a linear softmax classifier of handwritten digits, by L-BFGS and by mini-batch gradient descent.

Both minimise kdexent.linear_softmax_loss_and_grad on the same samples; scikit-learn's LogisticRegression
minimises the same function and says whether the minimum is right. Needs kdexent[bench] and scikit-learn 1.6.
"""

import argparse
from pathlib import Path

try:
    import numpy as np
    from matplotlib.figure import Figure
    from rich.console import Console
    from rich.progress import Progress, track
    from scipy.optimize import minimize
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    import kdexent
    from kdexent.measure.plot_style import BLUE, FAINT, ORANGE, label_end
except ModuleNotFoundError as error:
    raise SystemExit(f"{error.name} is missing: make examples brings what this needs") from None

L2 = 1e-3
SCREEN = Console(stderr=True)


def digits(samples=None):
    """Return features (N, 65) in [0, 1], the last of them the intercept's 1, and labels (N,)."""
    pixels, labels = load_digits(return_X_y=True)
    X = np.column_stack([pixels / 16, np.ones(len(pixels))])
    return X[:samples], labels[:samples]


def train_lbfgs(X, labels, l2=L2):
    """Return the weights (C, D), and passes over the data and loss after every iteration of L-BFGS."""
    shape = labels.max() + 1, X.shape[1]
    passes, history = 0, []

    def loss_and_grad(flat):
        nonlocal passes
        passes += 1
        loss, gradient = kdexent.linear_softmax_loss_and_grad(flat.reshape(shape), X, labels, l2=l2)
        return loss, gradient.ravel()

    with Progress(console=SCREEN, transient=True) as progress:
        task = progress.add_task("L-BFGS", total=None)

        def after_iteration(intermediate_result):
            history.append((passes, intermediate_result.fun))
            progress.update(task, description=f"L-BFGS, loss {intermediate_result.fun:.6f}")

        found = minimize(
            loss_and_grad,
            np.zeros(shape).ravel(),
            method="L-BFGS-B",
            jac=True,
            callback=after_iteration,
            options={"ftol": 0, "gtol": 1e-9, "maxiter": 10_000, "maxfun": 20_000, "maxcor": 20},
        )
    return found.x.reshape(shape), np.array(history)


def train_gradient_descent(X, labels, l2=L2, epochs=150, batch=64, rate=0.5, decay=50.0, seed=0):
    """Return the weights (C, D), and passes over the data and loss after every epoch.

    The step of an epoch is rate / (1 + epoch / decay).
    """
    rng = np.random.default_rng(seed)
    W = np.zeros((labels.max() + 1, X.shape[1]))
    history = []
    for epoch in track(range(epochs), "gradient descent", console=SCREEN, transient=True):
        order = rng.permutation(len(X))
        for start in range(0, len(X), batch):
            chosen = order[start : start + batch]
            _, gradient = kdexent.linear_softmax_loss_and_grad(W, X[chosen], labels[chosen], l2=l2)
            W -= rate / (1 + epoch / decay) * gradient
        history.append((epoch + 1, kdexent.linear_softmax_loss(W, X, labels, l2=l2)))
    return W, np.array(history)


def accuracy(W, X, labels):
    """Return the share of samples whose label has the largest score."""
    return np.mean((X @ W.T).argmax(axis=1) == labels)


def compare_with_scikit_learn(W, X, labels, l2=L2):
    """Return the largest difference of a coefficient, and the difference of the losses."""
    model = LogisticRegression(
        C=1 / (l2 * len(X)), fit_intercept=False, solver="newton-cholesky", tol=1e-9, max_iter=100
    )
    theirs = model.fit(X, labels).coef_
    ours, other = (kdexent.linear_softmax_loss(weights, X, labels, l2=l2) for weights in (W, theirs))
    return np.abs(W - theirs).max(), abs(ours - other)


def draw(histories, picture):
    """Draw how far the loss is above the smallest one against passes over the data, to a PNG file."""
    optimum = min(history[:, 1].min() for history in histories.values())
    figure = Figure(figsize=(8, 5), layout="constrained")
    axis = figure.subplots()
    for (name, history), colour in zip(histories.items(), (BLUE, ORANGE), strict=True):
        above = history[history[:, 1] > optimum]
        axis.plot(above[:, 0], above[:, 1] - optimum, color=colour, lw=1.6)
        label_end(axis, (above[-1, 0], above[-1, 1] - optimum), name, colour, "center")
    axis.set(yscale="log", xlabel="passes over the data", ylabel="loss minus its minimum, in nats")
    axis.set_xlim(0, 1.3 * max(history[-1, 0] for history in histories.values()))
    axis.set_title("Linear softmax classifier of the digits data", fontsize=11, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(color=FAINT, lw=0.8)
    figure.savefig(picture, dpi=150, format="png")


def main(picture):
    """Train by both methods, print how well they did, and draw their losses."""
    X, labels = digits()
    weights, histories = {}, {}
    for name, train in (("L-BFGS", train_lbfgs), ("gradient descent", train_gradient_descent)):
        weights[name], histories[name] = train(X, labels)
        passes, loss = histories[name][-1]
        share = accuracy(weights[name], X, labels)
        print(f"{name:16s}   loss {loss:.9f} nats   train accuracy {share:.2%}   passes {passes:.0f}")
    coefficients, losses = compare_with_scikit_learn(weights["L-BFGS"], X, labels)
    print(f"L-BFGS and LogisticRegression differ by {coefficients:.1e} in W, by {losses:.1e} in the loss")
    draw(histories, picture)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", nargs="?", type=Path, default="train_linear_softmax.png", help="PNG file")
    with threadpool_limits(1, user_api="blas"):  # matrices this small are multiplied fastest on one thread
        main(parser.parse_args().picture)
