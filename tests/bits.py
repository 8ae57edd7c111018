"""The bits of some thousand results, as one line: what a change that should change none is checked with.

    python tests/bits.py                      one line: how many results, and a hash of them all
    python tests/bits.py --save before.json   the hash of each, by name
    python tests/bits.py --against before.json   which of them differ
    python tests/bits.py --only "gaussian line"  some of them

It calls public names alone, so that it also runs on revisions from before files moved. Bits differ between
machines: compare what one machine gave.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import kdexent

WRT = ("z", "x", "bandwidth")
PERIOD = 2 * np.pi
METHODS = (
    *((method, None) for method in kdexent.METHODS),
    ("grid", 2),
    ("cells", 4),
    ("cells", 12),
)
SOFTMAX = kdexent.softmax_cross_entropy, kdexent.softmax_cross_entropy_and_grad
SIGMOID = kdexent.sigmoid_cross_entropy, kdexent.sigmoid_cross_entropy_and_grad
# name: (points, rows, bins, bandwidth, ends of the interval, spread of logits, rtol)
SCENES = {
    "small": (40, (), 17, 0.4, (1.0, 5.0), 1.0, 1e-9),
    "rows": (150, (5,), 32, 0.1, (1.0, 5.0), 2.0, 1e-9),
    "long": (30_000, (), 128, 0.1, (1.0, 5.0), 1.0, 1e-9),
    "far": (3_000, (2,), 60, 0.05, (4.0, 6.28), 30.0, 1e-6),
    "edges": (700, (), [1.0, 1.5, 2.5, 2.75, 4.0], 0.3, (1.0, 4.0), 1.0, 1e-12),
}


def kde(kernel: str, period: float | None, dtype: type) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Give a name and a call at a time, of one kernel on one domain in one precision."""
    for scene, (points, rows, bins, h, (a, b), spread, rtol) in SCENES.items():
        rng = np.random.default_rng(len(scene))
        x = rng.uniform(0, 3.5 if scene == "far" else 6, (*rows, points)).astype(dtype)
        z = (spread * rng.normal(size=(*rows, points))).astype(dtype)
        for method, order in METHODS:
            about = {"bandwidth": h, "kernel": kernel, "period": period, "method": method, "rtol": rtol}
            about["order"] = order
            name = (
                f"{kernel} {'line' if period is None else 'circle'} {dtype.__name__} {scene} {method} {order}"
            )

            problem = {"bins": bins, **about}
            plan = partial(kdexent.Plan, x, a, b, **problem)
            calls = {
                "loss": partial(kdexent.loss, x, z, a, b, **problem),
                "by z": partial(kdexent.loss_and_grad, x, z, a, b, **problem),
                "by all": partial(kdexent.loss_and_grad, x, z, a, b, wrt=WRT, **problem),
                "log_density": partial(kdexent.log_density, x, z, np.linspace(-1.0, 8.0, 21), **about),
                "plan by z": lambda plan=plan, z=z: plan().loss_and_grad(z),
                "plan by all": lambda plan=plan, z=z: plan().loss_and_grad(z, wrt=WRT),
                "plan log_density": lambda plan=plan, z=z: plan().log_density(z),
            }
            yield from ((f"{name} {what}", call) for what, call in calls.items())


def classifiers(dtype: type) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Give a name and a call at a time of the softmax family."""
    rng = np.random.default_rng(0)
    for shape in ((3, 1), (50, 2), (4_000, 10), (70, 131), (9, 3_000)):
        z, other = (scale * rng.normal(size=shape) for scale in (3.0, 40.0))
        z, other = z.astype(dtype), other.astype(dtype)
        classes, weight = rng.integers(0, shape[1], shape[0]), rng.uniform(0, 2, shape[0])
        p, q = kdexent.softmax(z), kdexent.softmax(other / dtype(20))
        x, w = rng.normal(size=(shape[0], 7)).astype(dtype), rng.normal(size=(shape[1], 7)).astype(dtype)
        name = f"{shape} {dtype.__name__}"
        for axis in (0, 1):
            yield f"{name} softmax {axis}", partial(kdexent.softmax, other, axis=axis)
            yield f"{name} log_softmax {axis}", partial(kdexent.log_softmax, other, axis=axis)
            yield f"{name} entropy {axis}", partial(kdexent.entropy, p, axis=axis)
            yield f"{name} cross_entropy {axis}", partial(kdexent.cross_entropy, p, q, axis=axis)
            yield f"{name} kl_divergence {axis}", partial(kdexent.kl_divergence, p, q, axis=axis)
        kinds = {"classes": classes, "probabilities": p}
        about = {"near": z, "far": other}, kinds, (0.0, 0.1), (None, weight), ("mean", "sum", "none")
        for spread, kind, smoothing, weights, reduction in product(*about):
            given = about[0][spread], kinds[kind]
            options = {"reduction": reduction, "sample_weight": weights, "label_smoothing": smoothing}
            for function in SOFTMAX if kind == "classes" else SOFTMAX + SIGMOID:
                told = f"{spread} {kind} {smoothing} {weights is not None} {reduction} {function.__name__}"
                yield f"{name} {told}", partial(function, *given, **options)
        yield f"{name} linear", partial(kdexent.linear_softmax_loss, w, x, classes, l2=0.1)
        yield f"{name} linear gradient", partial(kdexent.linear_softmax_loss_and_grad, w, x, classes, l2=0.1)


def results() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Give a name and a call at a time, of everything."""
    for dtype in (np.float64, np.float32):
        yield from classifiers(dtype)
        for kernel in kdexent.KERNELS:
            for period in (None, PERIOD):
                if kernel != "von_mises" or period is not None:
                    yield from kde(kernel, period, dtype)


def bits_of(result: Any) -> bytes:
    """Return the bits of a number, an array or a tuple of them, with their shapes and types."""
    if isinstance(result, tuple):
        return b"".join(bits_of(part) for part in result)
    array = np.asarray(result)
    return f"{array.dtype.str}{array.shape}".encode() + array.tobytes()


def digest(call: Callable[[], Any]) -> str:
    """Return a hash of the bits that a call gives; those of a method that does not apply are none."""
    try:
        return hashlib.sha256(bits_of(call())).hexdigest()[:16]
    except ValueError:
        return ""


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--save", type=Path, metavar="FILE")
    options.add_argument("--against", type=Path, metavar="FILE")
    options.add_argument("--only", default="", metavar="TEXT", help="results with this in their name")
    given = options.parse_args()
    found = {name: digest(call) for name, call in results() if given.only in name}
    if not found:
        options.error(f"no result has {given.only!r} in its name, such as {next(results())[0]!r}")
    whole = hashlib.sha256("".join(found.values()).encode()).hexdigest()[:16]
    print(f"{len(found)} results, {whole}")
    if given.save is not None:
        given.save.write_text(json.dumps(found, indent=0))
    if given.against is None:
        return 0
    before = json.loads(given.against.read_text())
    before = {name: value for name, value in before.items() if given.only in name}
    changed = [name for name in {**before, **found} if before.get(name) != found.get(name)]
    print("\n".join(changed) or "the same bits")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
