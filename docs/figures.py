"""Draw the figures of the pages, each for light pages and for dark ones: python docs/figures.py FOLDER."""

import sys
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np

import kdexent

TURN = 2 * np.pi


class Ink(NamedTuple):
    """Colours that are told apart on a page, by colour-blind people too."""

    text: str
    faint: str
    main: str
    other: str
    third: str


INKS = {
    "": Ink("#222222", "#dddddd", "#0072B2", "#D55E00", "#009E73"),
    "-dark": Ink("#dddddd", "#3a3a3a", "#56B4E9", "#E69F00", "#2ECC9B"),
}


def trained(ink, axes):
    """The density of the tutorial's angles, before and after training."""
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(1.0, 0.4, 200), rng.normal(4.0, 0.4, 100)]) % TURN
    problem = {"bandwidth": 0.2, "kernel": "von_mises", "period": TURN}
    plan = kdexent.Plan(x, 3.7, 4.5, bins=32, **problem)
    z = np.zeros(300)
    at = np.linspace(0, TURN, 400)
    (axis,) = axes
    axis.axvspan(3.7, 4.5, color=ink.faint, lw=0)
    axis.plot(at, np.exp(kdexent.log_density(x, z, at, **problem)), color=ink.main)
    for _ in range(300):
        z = z - 50 * plan.loss_and_grad(z)[1]
    axis.plot(at, np.exp(kdexent.log_density(x, z, at, **problem)), color=ink.other)
    axis.text(1.0, 0.72, "before", color=ink.main, ha="center")
    axis.text(4.75, 1.2, "after", color=ink.other)
    axis.text(4.1, 0.06, "target", color=ink.text, ha="center")
    axis.set(xlabel="angle", ylabel="density", xlim=(0, TURN), ylim=(0, 1.7))


def loss(ink, axes):
    """Five points: the density and the target, the responsibilities in each bin, and the gradient."""
    x, z, h, a, b = (
        np.array([-1.6, -0.7, 0.1, 0.9, 1.8]),
        np.array([0.6, -0.4, 0.0, 0.3, -0.2]),
        0.45,
        0.0,
        1.2,
    )
    at, share = np.linspace(-3, 3, 601), kdexent.softmax(z)
    bumps = share[:, None] * np.exp(-0.5 * ((at - x[:, None]) / h) ** 2) / (h * np.sqrt(2 * np.pi))
    density, parts, change = axes
    density.axvspan(a, b, color=ink.faint, lw=0)
    density.plot(at, bumps.T, color=ink.text, lw=0.8)
    for i, bump in enumerate(bumps):
        density.text(x[i], bump.max() - 0.045, str(i + 1), color=ink.text, ha="center")
    density.plot(at, bumps.sum(0), color=ink.main, lw=2)
    density.text(-2.95, 0.3, "density q", color=ink.main)
    density.text(0.6, 0.46, "target", color=ink.text, ha="center")
    density.set(ylabel="density", ylim=(0, 0.5))
    inside = (at >= a) & (at <= b)
    shares = bumps[:, inside] / bumps[:, inside].sum(0)
    shades = plt.get_cmap("cividis")(np.linspace(0.15, 0.95, 5))
    parts.stackplot(at[inside], shares, colors=shades, lw=0)
    tops = np.cumsum(shares, axis=0)
    for i, place in enumerate(np.argmax(shares, axis=1)):
        if shares[i, place] > 0.15:
            colour = "white" if i < 3 else "black"
            where = np.clip(at[inside][place], a + 0.12, b - 0.1)
            parts.text(
                where,
                tops[i, place] - shares[i, place] / 2,
                str(i + 1),
                color=colour,
                ha="center",
                va="center",
            )
    parts.set(ylabel="responsibility", ylim=(0, 1))
    gradient = kdexent.loss_and_grad(x, z, a, b, bandwidth=h, bins=64)[1]
    change.axhline(0, color=ink.text, lw=0.8)
    change.vlines(x, 0, gradient, color=np.where(gradient < 0, ink.other, ink.main), lw=4)
    for i, (place, height) in enumerate(zip(x, gradient, strict=True)):
        change.text(
            place, height + np.copysign(0.06, height), str(i + 1), color=ink.text, ha="center", va="center"
        )
    change.set(ylabel="gradient", xlabel="position", ylim=(-0.5, 0.45), xlim=(-3, 3))


def shift(ink, axes):
    """What a common shift of all points does to loss and gradient, by laplace and by the gaussian."""
    x, z, h = np.array([-2.5, -1.8, -1.2, -0.6, -0.2]), np.array([0.4, -0.3, 0.1, 0.5, -0.4]), 0.5
    shifts = np.linspace(-3, 2, 201)
    losses, entries = axes
    for kernel, colour, style in (("laplace", ink.main, "-"), ("gaussian", ink.other, "--")):
        L, g = kdexent.loss_and_grad(x + shifts[:, None], z, 0, 1, bandwidth=h, kernel=kernel, bins=64)
        losses.plot(shifts, L, color=colour, ls=style)
        entries.plot(shifts, g, color=colour, ls=style, lw=1.2)
    for axis in axes:
        axis.axvline(0.2, color=ink.text, lw=0.8, ls=":")
    losses.text(-1.6, 25, "gaussian", color=ink.other)
    losses.text(-2.9, 3.2, "laplace", color=ink.main)
    losses.text(0.3, 30, "the first point\nreaches the target", color=ink.text, va="top")
    losses.set(ylabel="loss", ylim=(0, 32))
    entries.set(ylabel="gradient by z", xlabel="shift of all points", xlim=(-3, 2), ylim=(-0.9, 0.4))


def tails(ink, axes):
    """The error of log q away from the data: of points on a grid by FFT, and of kdexent."""
    x = np.random.default_rng(0).normal(size=20_000)
    z, h, size, width = np.zeros(len(x)), 0.2, 2**12, 40.0
    step = width / size
    at = (np.arange(size) - size // 2) * step
    place = (x - at[0]) / step
    low = place.astype(int)
    mass = np.bincount(low, 1 - (place - low), size) + np.bincount(low + 1, place - low, size)
    kernel = np.fft.ifftshift(np.exp(-0.5 * (at / h) ** 2) / (h * np.sqrt(2 * np.pi)))
    binned = np.fft.irfft(np.fft.rfft(mass / len(x)) * np.fft.rfft(kernel), size)
    seen = (at >= 0) & (at <= 7)
    at, binned = at[seen][::8], binned[seen][::8]
    exact = kdexent.reference.log_density(x, z, at, bandwidth=h)
    fast = kdexent.log_density(x, z, at, bandwidth=h)
    (axis,) = axes
    axis.semilogy(at, np.abs(np.log(np.maximum(binned, 1e-300)) - exact), color=ink.other, ls="--")
    axis.semilogy(at, np.maximum(np.abs(fast - exact), 1e-16), color=ink.main)
    axis.text(0.1, 3e-3, "linear binning and FFT", color=ink.other)
    axis.text(0.1, 1e-11, "kdexent", color=ink.main)
    axis.set(
        xlabel="distance from the middle of the data", ylabel="error of log q", xlim=(0, 7), ylim=(1e-16, 1e4)
    )


FIGURES = {trained: (1, 2.8), loss: (3, 6.0), shift: (2, 5.0), tails: (1, 3.4)}


def draw(folder):
    """Write all figures, with their names, to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for ending, ink in INKS.items():
        looks = {
            name: ink.text
            for name in ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
        }
        looks |= {
            "axes.spines.top": False,
            "axes.spines.right": False,
            "font.size": 11,
            "svg.hashsalt": "kdexent",
        }
        for figure_of, (panels, height) in FIGURES.items():
            with plt.rc_context(looks):
                figure, axes = plt.subplots(
                    panels, sharex=True, squeeze=False, figsize=(7, height), layout="constrained"
                )
                figure_of(ink, axes[:, 0])
                figure.align_ylabels()
                figure.savefig(
                    folder / f"{figure_of.__name__}{ending}.svg",
                    transparent=True,
                    bbox_inches="tight",
                    metadata={"Date": None},
                )
                plt.close(figure)


if __name__ == "__main__":
    plt.switch_backend("agg")
    draw(Path(sys.argv[1]))
