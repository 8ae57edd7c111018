"""What a point costs in files that are mapped into memory, beside one in memory: one row, gaussian, float32.

Of calls in turns; then with files that the system's cache does not hold; and the memory of a process with the
files alone, beside that cache.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from threading import Event, Thread

import numpy as np

import kdexent
from kdexent.measure.timing import Effort, alternate, time_of

TARGET = {"a": -1.0, "b": 2.0, "bandwidth": 0.05, "bins": 256}
PIECE, TURNS = 2**22, 5


def write(folder, points):
    """Write x, z and room for the gradient."""
    rng = np.random.default_rng(0)
    for name in "xzg":
        array = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (points,))
        for start in range(0, points, PIECE):
            piece = array[start : start + PIECE]
            piece[:] = 0 if name == "g" else rng.standard_normal(len(piece), np.float32)


def mapped(folder):
    """Return x, z and the gradient's array."""
    return tuple(np.load(folder / f"{name}.npy", mmap_mode="r+" if name == "g" else "r") for name in "xzg")


def forget(folder):
    """Drop the files from the system's cache."""
    os.sync()
    for name in "xzg":
        with open(folder / f"{name}.npy", "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def anonymous():
    """Return this process's bytes in memory that are no file's."""
    with open("/proc/self/status") as status:
        return 1024 * next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))


def call(arrays):
    x, z, g = arrays
    return float(kdexent.loss_and_grad(x, z, **TARGET, out=g)[0])


def most_in_a_call(folder):
    """Return the most bytes that a process with the files alone has in memory during a call."""
    most, done = [0], Event()

    def watch():
        while not done.wait(0.01):
            most[0] = max(most[0], anonymous())

    watcher = Thread(target=watch)
    watcher.start()
    call(mapped(folder))
    done.set()
    watcher.join()
    return most[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=lambda text: int(float(text)), default=3 * 10**8)
    parser.add_argument("--folder", type=Path, help="on the disk that is to be tried")
    parser.add_argument("--watch", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watch:
        print(most_in_a_call(options.watch))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder, points = Path(name), options.points
        write(folder, points)
        files = mapped(folder)
        memory = tuple(map(np.array, files))
        loss = call(memory)
        assert call(files) == loss and (files[2] == memory[2]).all()
        works = {"in memory": lambda: call(memory), "mapped": lambda: call(files)}
        timings = alternate(works, Effort(TURNS, np.inf))
        cold = []
        for _ in range(TURNS):
            forget(folder)
            cold.append(time_of(lambda: call(files))[0])
        ratios = np.divide(timings["mapped"].seconds, timings["in memory"].seconds)
        for which, times in timings.items():
            print(f"{which:>12}: {1e9 * times.median / points:.2f} ns a point")
        print(f"{'cold':>12}: {1e9 * median(cold) / points:.2f} ns a point")
        print(f"mapped / in memory {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        told = subprocess.check_output([sys.executable, __file__, "--watch", str(folder)], text=True)
        print(f"a process with the files has {int(told) / 1e6:.0f} MB beside the system's cache")


if __name__ == "__main__":
    main()
