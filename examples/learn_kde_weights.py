"""Learn which past situations tell a gun where to aim: the logits of a batch of weighted KDEs.

A robot's gun aims at a moving target. It remembers, of past situations of the same battle, the angles that
would have hit, and estimates their density in the present situation by a KDE in which a past situation weighs
the more, the more it is like the present one: logits z = F w, of features F that say how unlike the two are.
The weights w of the features are learned by L-BFGS from 10,000 battles, through kdexent.loss_and_grad on all
of them at once, and tried on others; then once more through JAX, if it is installed, to compare both. Needs
kdexent[bench] and SciPy, some 2 GB of memory, and a minute for JAX.
"""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

try:
    import numpy as np
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
    from rich.console import Console
    from rich.progress import Progress
    from scipy.optimize import minimize

    import kdexent
    from kdexent.measure.plot_style import BLACK, BLUE, FAINT, GREY, ORANGE, VERMILION, label_end
except ModuleNotFoundError as error:
    raise SystemExit(f"{error.name} is missing: make examples brings what this needs") from None

try:
    import jax
    import jax.numpy as jnp
except ImportError:
    jax = None

FEATURES = ("velocity", "free path", "distance", "gun heat", "age")
KDE = {"kernel": "laplace", "bandwidth": 1 / 13}  # rad
BINS = 151


class Situations(NamedTuple):
    """Present situations, each with past ones of its battle; angles are in rad from the line of sight."""

    x: np.ndarray  # (situations, points): angles that would have hit in past situations
    F: np.ndarray  # (situations, points, features): minus how far past situations are from the present one
    a: np.ndarray  # (situations,): the first angle that hits in the present one, and
    b: np.ndarray  # the last


def simulate(situations, points=200, seed=0):
    """Return situations of as many battles.

    The target keeps its velocity, more or less so as its mood changes, but turns back where little of its
    path is free. Its distance only makes it look smaller, and the heat of its gun does not matter.
    """
    rng = np.random.default_rng(seed)
    free_path, distance, heat, speed = rng.uniform(0, 1, (4, situations, points + 1))
    velocity = rng.choice([-1, 1], speed.shape) * (0.4 + 0.6 * speed)
    moment = np.linspace(0, 1, points + 1)
    mood = 0.7 + 0.3 * np.sin(np.pi * (2 * rng.random((situations, 1)) + moment))
    angle = 0.9 * velocity * mood * np.tanh(4 * (free_path - 0.2)) + rng.normal(0, 0.04, speed.shape)

    attributes = np.stack([velocity, free_path, distance, heat], axis=-1)
    unlike = (attributes[:, :-1] - attributes[:, -1:]) ** 2
    age = np.broadcast_to(1 - moment[:-1, np.newaxis], (situations, points, 1))
    F = -np.concatenate([unlike, age], axis=-1)
    half_width = np.arctan(18 / (150 + 450 * distance[:, -1]))
    return Situations(angle[:, :-1], F, angle[:, -1] - half_width, angle[:, -1] + half_width)


def loss_and_grad(w, s):
    """Return the mean loss of situations and its gradient: the mean of F' dL/dz, by the chain rule."""
    losses, by_z = kdexent.loss_and_grad(s.x, s.F @ w, s.a, s.b, bins=BINS, **KDE)
    return losses.mean(), by_z.ravel() @ s.F.reshape(-1, len(w)) / len(losses)


def of_jax(s):
    """Return the same function of w as JAX computes it: every pair of bin and point, compiled, in float64."""
    jax.config.update("jax_enable_x64", True)
    h = KDE["bandwidth"]

    def loss(z, x, a, b):
        centers = a + (b - a) * (jnp.arange(BINS) + 0.5) / BINS
        kernel = jnp.exp(-jnp.abs(centers[:, jnp.newaxis] - x) / h) / (2 * h)
        return -jnp.log(kernel @ jax.nn.softmax(z)).mean()

    data = tuple(map(jnp.asarray, s))

    @jax.jit
    def mean_and_grad(w, data):
        x, F, a, b = data
        losses, by_z = jax.vmap(jax.value_and_grad(loss))(F @ w, x, a, b)
        return losses.mean(), jnp.einsum("spf,sp->f", F, by_z) / len(losses)

    return lambda w: tuple(map(np.asarray, mean_and_grad(w, data)))


def learn(function, features, iterations=60, name="L-BFGS"):
    """Return the weights before and after every iteration of L-BFGS; a function gives loss and gradient."""
    w = [np.zeros(features)]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=iterations)

        def after_iteration(intermediate_result):
            w.append(intermediate_result.x.copy())
            progress.update(task, advance=1, description=f"{name}, loss {intermediate_result.fun:.4f}")

        settings = {"method": "L-BFGS-B", "jac": True, "options": {"maxiter": iterations}}
        minimize(function, w[0], callback=after_iteration, **settings)
    return np.array(w)


def losses_of(weights, *sets):
    """Return the mean losses of sets of situations for each of some weights."""
    return np.array([[loss_and_grad(w, s)[0] for s in sets] for w in weights])


def learn_timed(function, features, iterations, name):
    """Return the weights that were learned and the seconds it took, with nothing left to compile."""
    function(np.zeros(features))
    start = time.perf_counter()
    weights = learn(function, features, iterations, name)
    return weights, time.perf_counter() - start


def hit_probability(w, s, nodes=64):
    """Return the mean probability that the densities give to the angles that hit."""
    middles = s.a[:, np.newaxis] + (s.b - s.a)[:, np.newaxis] * (np.arange(nodes) + 0.5) / nodes
    density = np.exp(kdexent.log_density(s.x, s.F @ w, middles, **KDE))
    return np.mean(density.mean(axis=1) * (s.b - s.a))


def draw(w, history, held_out, picture):
    """Draw both losses, and held-out situations at the quartiles of their loss, to a PNG file."""
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    grid = figure.add_gridspec(3, 2)
    axis = figure.add_subplot(grid[:, 0], xlabel="iterations of L-BFGS", ylabel="mean loss, in nats")
    for column, name, colour, style in ((0, "training", BLUE, "-"), (1, "held out", VERMILION, "--")):
        loss = history[:, column]
        axis.plot(loss, style, color=colour, lw=1.8)
        place = "bottom" if loss[-1] == history[-1].max() else "top"
        label_end(axis, (len(loss) - 1, loss[-1]), name, colour, place)
    axis.set_xlim(0, 1.25 * len(history))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_title("Cross-entropy of the angles that hit", fontsize=11, loc="left")

    angles = np.linspace(-1.2, 1.2, 601)
    order = np.argsort(kdexent.loss(held_out.x, held_out.F @ w, held_out.a, held_out.b, **KDE))
    for row, name in enumerate(("lower quartile", "median", "upper quartile")):
        s = Situations(*(array[order[(row + 1) * len(order) // 4]] for array in held_out))
        axis = figure.add_subplot(grid[row, 1], xlim=(-1.2, 1.2), ylabel="density per rad")
        axis.axvspan(s.a, s.b, color=ORANGE, alpha=0.35, lw=0, label="angles that hit")
        for weights, label, colour in ((0 * w, "equal weights", GREY), (w, "learned weights", BLUE)):
            log_q = kdexent.log_density(s.x, s.F @ weights, angles, **KDE)
            axis.plot(angles, np.exp(log_q), color=colour, lw=1.8, label=label)
        axis.plot(s.x, np.zeros_like(s.x), "|", color=BLACK, ms=7, mew=0.8, label="past angles")
        axis.set_title(f"Held out, {name} of the loss", fontsize=11, loc="left")
        axis.tick_params(labelbottom=row == 2)
    axis.set_xlabel("angle from the line of sight, in rad")
    figure.axes[1].legend(frameon=False, fontsize=9)
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color=FAINT, lw=0.8)
        axis.set_axisbelow(True)
    figure.savefig(picture, dpi=150, format="png")


def main(picture, iterations=60):
    """Learn from 10,000 battles, print how much better the gun aims in others and what it took; draw it."""
    training, held_out = simulate(10_000, seed=0), simulate(10_000, seed=1)
    features = len(FEATURES)
    ways = {"kdexent": lambda w: loss_and_grad(w, training)}
    if jax is not None:
        ways["JAX"] = of_jax(training)
    learned = {name: learn_timed(function, features, iterations, name) for name, function in ways.items()}
    weights, seconds = learned["kdexent"]
    history, w = losses_of(weights, training, held_out), weights[-1]
    draw(w, history, held_out, picture)
    print("weights:  " + "   ".join(f"{name} {value:.2f}" for name, value in zip(FEATURES, w, strict=True)))
    for name, of_gun, losses in (("before", 0 * w, history[0]), ("after", w, history[-1])):
        hit = hit_probability(of_gun, held_out)
        print(f"{name:6s}   training loss {losses[0]:7.4f}   held-out loss {losses[1]:7.4f}, hits {hit:.1%}")
    if "JAX" in learned:
        weights_of_jax, seconds_of_jax = learned["JAX"]
        apart = np.abs(weights_of_jax[-1] - w).max() / np.abs(w).max()
        print(f"training: kdexent {seconds:.1f} s, JAX {seconds_of_jax:.1f} s; weights differ by {apart:.0e}")
    else:
        print(f"training: kdexent {seconds:.1f} s; pip install jax to compare")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", nargs="?", type=Path, default="learn_kde_weights.png", help="PNG file")
    main(parser.parse_args().picture)
