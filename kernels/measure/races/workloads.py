"""What the gate runs on two revisions: calls of every kernel and public function, and controls.

As `cases`, they need nothing but NumPy and public names of kdexent.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import kdexent

from .. import cases, classifier_cases
from ..cases import AUTO, DIRECT, STEP, Case, Way
from ..classifier_cases import ClassifierCase

# One more for every change after which a cell of the same name is another problem.
VERSION = 1, cases.VERSION, classifier_cases.VERSION

MIDDLING = 100_000, 256
LARGE = 1_000_000, 1_024
ON_CIRCLES = (
    "gaussian",
    "laplace",
    "von_mises",
)  # one that is smooth, one that is not, and one of circles alone
CONTROL = "NumPy"


class Cell(NamedTuple):
    """A call that is timed; `call` returns it, and what it returns is compared."""

    function: str  # of kdexent, or what NumPy does
    call: Callable[[], Callable[[], Any]]
    case: Case | ClassifierCase | None = None  # none of what no change can touch
    way: Way = AUTO
    wrt: str | tuple[str, ...] = "z"
    threads: int | None = 1

    @property
    def of_densities(self) -> bool:
        """Whether it is of points and bins."""
        return isinstance(self.case, Case)

    @property
    def derivatives(self) -> bool:
        """Whether it is also by x or the bandwidth."""
        return self.wrt != "z"

    @property
    def name(self) -> str:
        """What tells it from other cells."""
        if self.case is None:
            return f"{CONTROL}: {self.function}"
        return f"{self.case.title}{self.how}"

    @property
    def how(self) -> str:
        """How it is computed, in words, where that is not said by its case."""
        words = [self.function] if self.of_densities and self.function != "loss_and_grad" else []
        words += [self.way.name] if self.way != AUTO and self.function != "Plan" else []
        words += ["by " + " ".join(name[0] for name in self.wrt)] if self.wrt != "z" else []
        words += ["all threads"] if self.threads is None else []
        return "".join(f", {word}" for word in words)


def loss_and_grad(
    case: Case, way: Way = AUTO, wrt: str | tuple[str, ...] = "z", threads: int | None = 1
) -> Cell:
    """Return the cell of a loss with gradients."""

    def call() -> Callable[[], Any]:
        arguments = case.make()
        compute = way.computation(arguments, threads)
        if wrt != "z":
            return partial(compute, wrt=wrt)
        shape = np.broadcast_shapes(arguments.x.shape, arguments.z.shape)
        return partial(compute, out=np.zeros(shape, arguments.z.dtype))

    return Cell("loss_and_grad", call, case, way, wrt, threads)


def loss(case: Case) -> Cell:
    """Return the cell of a loss alone."""
    return Cell("loss", lambda: case.make().to(kdexent.loss, n_threads=1), case)


def log_density(case: Case) -> Cell:
    """Return the cell of densities, at as many points of the interval as there are bins."""

    def call() -> Callable[[], Any]:
        x, z, a, b, options = case.make()
        points = np.linspace(a, b, case.bins)
        options = {name: value for name, value in options.items() if name != "bins"}
        return partial(kdexent.log_density, x, z, points, n_threads=1, **options)

    return Cell("log_density", call, case)


def plan(case: Case) -> Cell:
    """Return the cell of making a plan."""
    return Cell("Plan", lambda: partial(STEP.plan, case.make(), 1), case, STEP)


def select_bandwidth(case: Case) -> Cell:
    """Return the cell of the rule of thumb; raises where a revision has none."""
    kernel = case.make().options["kernel"]

    def call() -> Callable[[], Any]:
        arguments = case.make()
        return partial(kdexent.select_bandwidth, arguments.x, arguments.z, kernel=kernel)

    return Cell("select_bandwidth", call, case)


def classifier(case: ClassifierCase) -> Cell:
    """Return the cell of a function of classes or distributions."""
    return Cell(case.function, lambda: case.fast(case.make()), case)


def _relative(case: ClassifierCase) -> ClassifierCase | None:
    """Return the case of a function that computes a part of another, or its other form, on the same data."""
    others = {"softmax": "log_softmax", "kl_divergence": "cross_entropy"}
    if case.function in others:
        return case._replace(function=others[case.function], name=others[case.function])
    alone = case.function.removesuffix("_and_grad")
    if alone == case.function:
        return None
    return case._replace(function=alone, name=f"{case.name}, loss", errors=("loss_error",))


def first_calls() -> list[dict[str, Any]]:
    """Return the options of calls that together compile what each kernel needs, by all pairs and by cells."""
    return [
        {
            "kernel": kernel,
            "period": None if kernel in cases.LINE_KERNELS else 6.0,
            "method": method,
            "bins": 256,
        }
        for kernel in cases.KERNELS
        for method in ("direct", "cells")
    ]


def controls() -> list[Cell]:
    """Return what no change of kdexent can touch: arithmetic in the cache, and memory."""

    def arithmetic() -> Callable[[], Any]:
        values = np.linspace(-1, 1, 10_000)
        return partial(np.exp, values, np.empty_like(values))

    def memory() -> Callable[[], Any]:
        values = np.ones(4_000_000)
        return partial(np.copyto, np.empty_like(values), values)

    return [Cell("exp of 10,000", arithmetic), Cell("copy of 32 MB", memory)]


def quick() -> list[Cell]:
    """Return a cell or two for every way through the code."""
    middling = [cases.line(*MIDDLING, kernel) for kernel in cases.LINE_KERNELS]
    # Small enough for a core's cache: where memory lies matters to larger ones, and differs by process.
    classes = {case.title: case for case in classifier_cases.cases_of(100)}
    return [
        *map(loss_and_grad, middling),
        *[loss_and_grad(cases.circle(*MIDDLING, kernel)) for kernel in ON_CIRCLES],
        loss_and_grad(cases.line(100, 32)),
        loss_and_grad(cases.line(10_000, 256), DIRECT),
        loss_and_grad(cases.line(*LARGE), threads=None),
        loss_and_grad(cases.line(*LARGE), STEP),
        loss_and_grad(cases.line(*MIDDLING, dtype="float32")),
        loss_and_grad(cases.guns(1_000)),
        loss_and_grad(cases.far(*MIDDLING, 100)),
        loss_and_grad(middling[0], wrt=("z", "x", "bandwidth")),
        log_density(middling[0]),
        *[classifier(case) for case in classes.values() if case.function != "entropy"],
    ]


def full() -> list[Cell]:
    """Return those of `quick`, and every public function, kernel and size."""
    classes = classifier_cases.suite(quick=True)
    sizes = [cases.line(points, bins) for points in cases.SIZES for bins in cases.BINS]
    others = [
        *map(loss_and_grad, cases.kernels(*MIDDLING)),
        *map(loss_and_grad, sizes),
        *[loss_and_grad(cases.line(*MIDDLING, kernel), DIRECT) for kernel in cases.LINE_KERNELS],
        *[loss_and_grad(cases.line(*MIDDLING, kernel), STEP) for kernel in cases.LINE_KERNELS],
        *[
            loss_and_grad(cases.line(*MIDDLING, kernel), wrt=("x", "bandwidth"))
            for kernel in cases.LINE_KERNELS
        ],
        *map(loss_and_grad, (cases.batch(1_000), cases.guns(1_000, own=False))),
        *map(loss_and_grad, cases.regimes(*MIDDLING)),
        *map(loss_and_grad, cases.real(64)),
        *map(loss, sizes),
        *map(log_density, (cases.line(*MIDDLING), cases.circle(*MIDDLING))),
        *map(plan, (cases.line(*MIDDLING), cases.line(*LARGE))),
        select_bandwidth(cases.line(*MIDDLING)),
        *map(classifier, classes),
        *[classifier(each) for each in map(_relative, classes) if each is not None],
    ]
    return [*{cell.name: cell for cell in [*quick(), *others]}.values()]
