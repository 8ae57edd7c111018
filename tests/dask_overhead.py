"""What points cost in chunks on two processes of half the threads each, beside one process.

Loss and gradient by z of a gaussian row in float32, of calls in turns. Chunks stay in the memory of workers,
and so do their gradients.
"""

import argparse
import os
from itertools import count
from statistics import median

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster, wait

import kdexent
import kdexent.dask
from kdexent.measure.timing import Effort, alternate

TARGET = {"a": -1.0, "b": 2.0, "bandwidth": 0.05, "bins": 256}
WORKERS, TURNS = 2, 7


def data(points, chunk):
    """Return x and z, normal, as rows of one array, so that a worker has both of a chunk."""
    rng = da.random.default_rng(0)
    return rng.standard_normal((2, points), chunks=(2, chunk), dtype=np.float32)


def compare(client, points, chunk):
    lazy = data(points, chunk)
    (kept,) = client.persist([lazy])
    x, z = np.ascontiguousarray(kept.compute())
    in_chunks = tuple(client.persist([kept[0], kept[1]]))
    wait(in_chunks)

    counts = count()

    def alone():
        return kdexent.loss_and_grad(x, z, **TARGET)

    def together():
        # Of another bandwidth each time: dask would know what it has computed.
        options = TARGET | {"bandwidth": TARGET["bandwidth"] * (1 + next(counts) * 1e-15)}
        loss, by_z = client.persist(kdexent.dask.loss_and_grad(*in_chunks, **options))
        wait(by_z)
        return float(loss.compute()), by_z

    alone()
    together()
    loss, by_z = alone()
    found, gradient = together()
    error = np.abs(gradient.compute() - by_z).max() / np.abs(by_z).max()
    del gradient
    timings = alternate({"alone": alone, "together": together}, Effort(TURNS, np.inf))
    ratios = np.divide(timings["together"].seconds, timings["alone"].seconds)
    costs = ", ".join(f"{name} {1e9 * times.median / points:.2f}" for name, times in timings.items())
    spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    print(f"{points:.0e} points in chunks of {chunk:.0e}: ns a point {costs}; ratio {spread}")
    print(
        f"    differences: loss {abs(found / float(loss) - 1):.0e}, gradient {error:.0e} of the largest",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--points", type=lambda text: int(float(text)), nargs="+", default=[2 * 10**7, 2 * 10**8]
    )
    parser.add_argument("--chunks", type=int, default=8, help="how many")
    options = parser.parse_args()
    threads = max(1, (os.cpu_count() or 1) // WORKERS)
    with (
        LocalCluster(
            n_workers=WORKERS, threads_per_worker=threads, dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        for points in options.points:
            compare(client, points, -(-points // options.chunks))


if __name__ == "__main__":
    main()
