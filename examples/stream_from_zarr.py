"""The loss of more points than memory holds, and its gradient, through dask: from Zarr to Zarr, in chunks.

Writes x and z of --points points in float32 to --store, 8 bytes a point; then reads them twice, once for the
sums over all points and once for the gradient, of 4 bytes a point, which it writes beside them. No process
holds more than a few chunks. Needs kdexent[bench,dask] and Zarr, and for the 10^9 points that it takes unless
told otherwise 12 GB of disk.
"""

import argparse
import time
from pathlib import Path

try:
    import dask.array as da
    import numpy as np
    import psutil
    import zarr
    from distributed import Client, LocalCluster
    from rich.console import Console

    import kdexent.dask
except ModuleNotFoundError as error:
    raise SystemExit(f"{error.name} is missing: make examples brings what this needs") from None

TARGET = {"a": -1.0, "b": 2.0, "bandwidth": 0.05, "bins": 256}


def simulate(points, chunk, seed=0):
    """Return x, two clusters, and z, which knows nothing of them yet, as dask arrays (points,)."""
    rng = da.random.default_rng(seed)
    right = rng.random(points, chunks=chunk, dtype=np.float32) < 0.3
    x = rng.standard_normal(points, chunks=chunk, dtype=np.float32) * (0.5 - 0.2 * right) + 1.5 * right
    return x.astype(np.float32), da.zeros(points, chunks=chunk, dtype=np.float32)


def new_array(path, points, chunk):
    """Return an empty Zarr array (points,) without compression, which random digits do not reward."""
    how = {"shape": (points,), "chunks": (chunk,), "dtype": "f4", "compressors": None}
    return zarr.create_array(str(path), overwrite=True, **how)


def write_data(store, points, chunk):
    """Write x.zarr and z.zarr."""
    for name, array in zip("xz", simulate(points, chunk), strict=True):
        array.store(new_array(store / f"{name}.zarr", points, chunk), lock=False)


def step(store, chunk):
    """Return the loss; write the gradient to g.zarr."""
    arrays = (zarr.open_array(str(store / f"{name}.zarr"), mode="r") for name in "xz")
    x, z = (da.from_array(array, chunks=array.chunks) for array in arrays)
    loss, by_z = kdexent.dask.loss_and_grad(x, z, **TARGET)
    written = by_z.store(new_array(store / "g.zarr", len(z), chunk), lock=False, compute=False)
    return float(da.compute(loss, written)[0])


def resident(client):
    """Return the bytes that each of the workers has had in memory at most."""

    def peak():
        with open("/proc/self/status") as status:
            return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

    return list(client.run(peak).values())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=lambda text: int(float(text)), default=10**9)
    parser.add_argument("--chunk", type=lambda text: int(float(text)), default=10**7)
    parser.add_argument("--store", type=Path, default=Path("points"))
    parser.add_argument("--workers", type=int, default=psutil.cpu_count(logical=False) or 2)
    options = parser.parse_args()
    console = Console()
    with (
        LocalCluster(
            n_workers=options.workers, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        options.store.mkdir(parents=True, exist_ok=True)
        begin = time.perf_counter()
        write_data(options.store, options.points, options.chunk)
        console.print(f"wrote {options.points:.3g} points in {time.perf_counter() - begin:.0f} s")
        begin = time.perf_counter()
        loss = step(options.store, options.chunk)
        seconds = time.perf_counter() - begin
        rate = 1e9 * seconds / options.points
        console.print(f"loss {loss:.9f} and its gradient in {seconds:.1f} s, {rate:.1f} ns a point")
        peaks = ", ".join(f"{peak / 1e9:.2f}" for peak in resident(client))
        console.print(f"memory of the workers at most: {peaks} GB")


if __name__ == "__main__":
    main()
