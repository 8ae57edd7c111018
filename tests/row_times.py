"""What a point of a small row costs, over rows' lengths and bins, as a table in Markdown: ns on all threads.

Batches of a million points on the line, von_mises on a circle: medians of calls in turns, and how far the
middle half of them lie apart at most; and the largest error of a loss against the reference, of some rows.
"""

import argparse
from itertools import product

import numpy as np

import kdexent
from kdexent import reference
from kdexent.measure.timing import FULL, alternate

BANDWIDTHS = {
    "laplace": 1 / 13,
    "boxcar": 0.1,
    "epanechnikov": 0.2,
    "triweight": 0.2,
    "gaussian": 0.05,
    "von_mises": 0.05,
}
LENGTHS, BINS, ALL_POINTS, CHECKED = (50, 100, 200, 500, 1_000, 4_000), (32, 151, 512), 1_000_000, 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=ALL_POINTS, help="of a batch")
    all_points, largest, apart = parser.parse_args().points, 0.0, 0.0
    print("| kernel, h | bins |", " | ".join(f"{length:,}" for length in LENGTHS), "|")
    print("| --- | ---: |", " | ".join("---:" for _ in LENGTHS), "|")
    for (kernel, h), bins in product(BANDWIDTHS.items(), BINS):
        options = {"kernel": kernel, "bandwidth": h, "bins": bins}
        options["period"] = 2 * np.pi if kernel == "von_mises" else None
        works = {}
        for length in LENGTHS:
            rng = np.random.default_rng(length)
            shape = max(CHECKED, all_points // length), length
            x, z = rng.uniform(-1, 1, shape), rng.normal(size=shape)

            def call(x=x, z=z, options=options):
                return kdexent.loss_and_grad(x, z, -1.0, 1.0, **options)

            expected = reference.loss(x[:CHECKED], z[:CHECKED], -1.0, 1.0, **options)
            losses, reached = call()[0][:CHECKED], np.isfinite(expected)
            assert (reached == np.isfinite(losses)).all()
            error = np.abs(losses[reached] - expected[reached]) / np.maximum(1, np.abs(expected[reached]))
            largest, works[length] = max(largest, error.max(initial=0.0)), call
        timings = alternate(works, FULL)
        for times in timings.values():
            low, high = np.quantile(times.seconds, (0.25, 0.75))
            apart = max(apart, (high - low) / times.median)
        costs = (timings[length].median / (max(CHECKED, all_points // length) * length) for length in LENGTHS)
        print(
            f"| {kernel}, {h:.3g} | {bins} |",
            " | ".join(f"{cost * 1e9:.1f}" for cost in costs),
            "|",
            flush=True,
        )
    print(f"\nSpread at most {apart:.0%}; errors of losses at most {largest:.0e}.")


if __name__ == "__main__":
    main()
