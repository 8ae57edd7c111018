"""Compile what the tests call into the disk cache, in processes that end; with --thorough, for all methods.

A process keeps what its compiler took, 7 MB for each second of it; of code that it loads it keeps a tenth.
The second kernel that a process compiles for takes it a fifth less, as they share helpers.
"""

import argparse
import multiprocessing
import os
from functools import partial

import numpy as np
import public_calls
from problems import KERNELS_AND_DOMAINS, random_problem
from tiers import DOMAINS_OF_FEW, kernels_of

import kdexent
from kdexent.names import CIRCLE_ONLY

CLASSIFIERS = "classifiers"


def warm(thorough, kernel):
    """Compile for a kernel, or what has none."""
    if kernel == CLASSIFIERS:
        for name, (_, given) in public_calls.CALLS.items():
            if name != "choose":  # which measures for seconds
                public_calls.call(name)
            if "x" not in given:
                public_calls.call(name, **single(given))
        for logits in (np.zeros((3, 4)), np.zeros((3, 4), np.float32)):
            kdexent.softmax_cross_entropy(logits, kdexent.softmax(logits))
            kdexent.softmax_cross_entropy_and_grad(logits, kdexent.softmax(logits))
    elif thorough:
        kdexent.warmup(kernel, plans=True)
    else:
        for period in (period for each, period in KERNELS_AND_DOMAINS if each == kernel):
            few = DOMAINS_OF_FEW.get(kernel) == ("line" if period is None else "circle")
            for dtype in (np.float64, np.float32) if few else (np.float64,):
                for method in kdexent.METHODS if few else ("direct",):
                    warm_by(method, kernel, period, dtype)
            if few:
                x, z = random_problem(0, 60_000)
                plan = kdexent.Plan(x, 1.0, 5.0, bandwidth=0.1, kernel=kernel, period=period, method="cells")
                plan.loss_and_grad(z)
        if kernel in DOMAINS_OF_FEW and kernel not in CIRCLE_ONLY:
            kdexent.warmup(kernel, domain="line")  # with cells of every order


def single(given):
    """Return those of a call's arrays that are not whole numbers, in single precision."""
    arrays = {name: value for name, value in given.items() if getattr(value, "dtype", None) == np.float64}
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def warm_by(method, kernel, period, dtype):
    x, z = random_problem(0, dtype=dtype)
    for bandwidth in (0.02, 5.0):  # which take different formulas on a circle
        options = {"bandwidth": bandwidth, "kernel": kernel, "period": period, "bins": 12, "method": method}
        for wrt in ("z", ("z", "x", "bandwidth")):
            kdexent.loss_and_grad(x, z, 1.0, 5.0, wrt=wrt, **options)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--thorough", action="store_true")
    parser.add_argument("--part", default="1/1", help="as pytest's")
    options = parser.parse_args()
    # First those that take longest.
    kernels = sorted(kernels_of(options.part), key=lambda kernel: kernel not in DOMAINS_OF_FEW)
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), maxtasksperchild=4) as pool:
        pool.map(partial(warm, options.thorough), [CLASSIFIERS, *kernels], chunksize=1)


if __name__ == "__main__":
    main()
