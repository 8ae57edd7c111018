"""Compile what the tests call into the disk cache, in processes that end; with --thorough, all there is.

A process keeps what its compiler took, 7 MB for each second of it; of code that it loads it keeps a tenth.
"""

import multiprocessing
import os
import sys
from functools import partial

from problems import KERNELS_AND_DOMAINS, random_problem
from tiers import DOMAINS_OF_FEW

import kdexent


def warm(thorough, kernel):
    """Compile for a kernel."""
    if thorough:
        kdexent.warmup(kernel, plans=True)
        return
    x, z = random_problem(0)
    for period in (period for each, period in KERNELS_AND_DOMAINS if each == kernel):
        few = DOMAINS_OF_FEW.get(kernel) == ("line" if period is None else "circle")
        for method in kdexent.METHODS if few else ("direct",):
            for bandwidth in (0.02, 5.0):  # which take different formulas on a circle
                for wrt in ("z", ("z", "x", "bandwidth")):
                    options = {"bandwidth": bandwidth, "kernel": kernel, "period": period, "bins": 12}
                    kdexent.loss_and_grad(x, z, 1.0, 5.0, wrt=wrt, method=method, **options)


def main(thorough):
    # First those that take longest.
    kernels = sorted(kdexent.KERNELS, key=lambda kernel: kernel not in DOMAINS_OF_FEW)
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        pool.map(partial(warm, thorough), kernels, chunksize=1)


if __name__ == "__main__":
    main("--thorough" in sys.argv)
