"""How much faster more threads are, a table in Markdown: loss and gradient by z, medians of calls in turns.

Beside the ratios to one thread, the error of the loss; results are the same bits for all.
"""

import argparse
from functools import partial

import numpy as np

import kdexent
from kdexent import reference
from kdexent.measure.timing import FULL, QUICK, alternate
from kdexent.runtime.pool import available

# Rows, points, and what is asked of them.
CASES = {
    "gaussian, 10^6 points": ((), 10**6, {"bandwidth": 0.05, "bins": 256}),
    "gaussian, 10^7 points": ((), 10**7, {"bandwidth": 0.05, "bins": 256}),
    "laplace, 10^7 points": ((), 10**7, {"bandwidth": 0.05, "bins": 256, "kernel": "laplace"}),
    "gaussian, 10,000 rows of 100": ((10_000,), 100, {"bandwidth": 0.05, "bins": 32}),
    "laplace, 10,000 rows of 200": ((10_000,), 200, {"bandwidth": 1 / 13, "bins": 151, "kernel": "laplace"}),
}


def thread_counts():
    """Return powers of two of threads, and as many as there are."""
    most = available()
    return [*(2**k for k in range(most.bit_length()) if 2**k < most), most]


def measured(shape, options, counts, effort):
    """Return the error of the loss, and the timings of each number of threads, in turns."""
    rng = np.random.default_rng(0)
    x, z = rng.uniform(-1, 1, shape), rng.normal(size=shape)
    out = np.empty_like(z)

    def call(count):
        return kdexent.loss_and_grad(x, z, -1.0, 1.0, n_threads=count, out=out, **options)[0]

    losses = call(1)
    if x.ndim > 1:
        found, exact = losses[:5], reference.loss(x[:5], z[:5], -1.0, 1.0, **options)
    else:
        found, exact = losses, kdexent.loss(x, z, -1.0, 1.0, method="direct", **options)
    error = np.max(np.abs(found - exact) / np.maximum(1, np.abs(exact)))
    one = losses.tobytes(), out.tobytes()
    for count in counts[1:]:
        assert (call(count).tobytes(), out.tobytes()) == one, f"other bits by {count} threads"
    return error, alternate({count: partial(call, count) for count in counts}, effort)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="fewer calls, and of one row a tenth of the points"
    )
    quick, counts = parser.parse_args().quick, thread_counts()
    print("| | error | one thread |", *(f"{count} threads |" for count in counts[1:]))
    print("| --- | ---: | ---: |", *("---: |" for _ in counts[1:]))
    for name, (rows, points, options) in CASES.items():
        shape = (*rows, points // 10 if quick and not rows else points)
        error, timings = measured(shape, options, counts, QUICK if quick else FULL)
        cells = []
        for count in counts[1:]:
            pairs = zip(timings[1].seconds, timings[count].seconds, strict=False)
            low, middle, high = np.quantile([one / more for one, more in pairs], (0.25, 0.5, 0.75))
            cells.append(f"{middle:.2f} ({low:.2f} to {high:.2f}) |")
        print(f"| {name} | {error:.0e} | {1e3 * timings[1].median:.2f} ms |", *cells, flush=True)


if __name__ == "__main__":
    main()
