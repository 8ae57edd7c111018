"""Compile what the tests call into the disk cache, in processes that end; with --thorough, all there is.

A process keeps what its compiler took, 7 MB for each second of it; of code that it loads it keeps a tenth.
"""

import multiprocessing
import os
import sys
from functools import partial

import numpy as np
import public_calls
from problems import KERNELS_AND_DOMAINS, random_problem
from tiers import DOMAINS_OF_FEW

import kdexent

CLASSIFIERS = "classifiers"


def warm(thorough, kernel):
    """Compile for a kernel, or what has none."""
    if kernel == CLASSIFIERS:
        for name in public_calls.CALLS:
            if name != "choose":  # which measures for seconds
                public_calls.call(name)
    elif thorough:
        kdexent.warmup(kernel, plans=True)
    else:
        for period in (period for each, period in KERNELS_AND_DOMAINS if each == kernel):
            few = DOMAINS_OF_FEW.get(kernel) == ("line" if period is None else "circle")
            for dtype in (np.float64, np.float32) if few else (np.float64,):
                for method in kdexent.METHODS if few else ("direct",):
                    warm_by(method, kernel, period, dtype)


def warm_by(method, kernel, period, dtype):
    x, z = random_problem(0, dtype=dtype)
    for bandwidth in (0.02, 5.0):  # which take different formulas on a circle
        options = {"bandwidth": bandwidth, "kernel": kernel, "period": period, "bins": 12, "method": method}
        for wrt in ("z", ("z", "x", "bandwidth")):
            kdexent.loss_and_grad(x, z, 1.0, 5.0, wrt=wrt, **options)


def main(thorough):
    # First those that take longest.
    kernels = sorted(kdexent.KERNELS, key=lambda kernel: kernel not in DOMAINS_OF_FEW)
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        pool.map(partial(warm, thorough), [CLASSIFIERS, *kernels], chunksize=1)


if __name__ == "__main__":
    main("--thorough" in sys.argv)
