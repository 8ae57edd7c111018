"""Vector code does what it says, for every order."""

import re
from functools import cache

import llvmlite.binding
import mpmath
import numba
import numpy as np
import pytest
from problems import random_problem
from processes import run
from tiers import thorough_but_for

from kdexent.names import ORDERS
from kdexent.numerics.arithmetic import log_of_1_and, log_ratio
from kdexent.runtime.jit import loop
from kdexent.simd import exponentials, registers, row_losses, runs, scatter, terms, transpose

FEATURES = llvmlite.binding.get_host_cpu_features()

orders = pytest.mark.parametrize("order", ORDERS["cells"])


def points(order, count=64):
    """Return v, w, the rows of points, several of which share a row, and a table."""
    v, w = (np.tanh(part) for part in random_problem(order, count))
    rows = np.random.default_rng(order).integers(0, 5, count) * order
    rows[16:24] = order  # all eight of one
    return v, w, rows, random_problem(order + 1, 5 * order)[0]


@thorough_but_for(order=[12])
@orders
def test_points_with_rows_of_their_own(order):
    v, w, rows, table = points(order)
    add, take = scatter.add_moments(order), scatter.add_polynomials(order)

    @numba.njit
    def both(v, w, rows, table, sums):
        for first in range(0, v.shape[0], 8):
            take(table, rows, v, first, sums)
        for first in range(0, v.shape[0], 8):
            add(w, v, rows, first, table)

    columns = rows[:, np.newaxis] + np.arange(order)
    expected, powers = table.copy(), np.vander(v, order, increasing=True)
    expected_sums = w + (powers * table[columns]).sum(axis=1)
    np.add.at(expected, columns, w[:, np.newaxis] * np.polynomial.chebyshev.chebvander(v, order - 1))
    sums = w.copy()
    both(v, w, rows, table, sums)
    np.testing.assert_allclose(sums, expected_sums, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(table, expected, rtol=1e-13, atol=1e-13)


@cache
def both_passes(order, copies):
    add, bring = runs.add_run(order), runs.together(order)
    take = runs.take_run(order, copies)

    @numba.njit
    def all_of_them(z, places, v, begin, end, wide, moments, kept, table, by):
        add(z, places, v, begin, end, 0.5, wide, order, kept, 64)
        add(z, places, v, begin, end, 0.5, wide, order, kept[:0], 64)
        bring(wide, moments, order)
        return take(kept, places, v, begin, end, 3.0, table, order, by, 64)

    return all_of_them


@thorough_but_for(order=[12], begin=[8])
@orders
@pytest.mark.parametrize(("begin", "end"), [(0, 64), (8, 48), (16, 24), (8, 8), (8, 45), (16, 17)])
@pytest.mark.parametrize("copies", [False, True])
def test_points_that_share_a_row(order, begin, end, copies):
    all_of_them = both_passes(order, copies)
    v, z, _, table = points(order)
    places = np.random.default_rng(order).permutation(64).astype(np.uint16)
    filled_up = -(-end // 8) * 8
    v[end:filled_up], places[end:filled_up] = v[begin], places[begin]
    w = np.exp(z[places[begin:end]] - 0.5)
    polynomial = np.polynomial.chebyshev.Chebyshev
    terms = np.array([polynomial.basis(k)(v[begin:end]) for k in range(order)])
    expected, expected_by = table.copy(), np.full(64, 0.25)
    expected[order : 2 * order] += 2 * terms @ w
    taken = 3 * w * np.polynomial.Polynomial(table[order : 2 * order])(v[begin:end])
    expected_by[places[begin:end]] = taken + (0.25 if copies else 0)
    moments, by = table.copy(), np.full(64, 0.25)
    wide, kept = np.zeros(8 * len(table)), np.zeros(64)
    largest = all_of_them(z, places, v, begin, end, wide, moments, kept, table, by)
    np.testing.assert_allclose(moments, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(by, expected_by, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(kept[begin:end], w, rtol=1e-14)
    np.testing.assert_allclose(largest, np.abs(taken).max(initial=0), rtol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_tables_start_rows_at_cache_lines(count):
    array = scatter.tables(count, 13)
    assert array.shape == (count, 16)
    assert not array.any()
    assert all(row.ctypes.data % 64 == 0 for row in array)


@cache
def there_and_back(labelled):
    columns, write = transpose.passes(labelled)

    @numba.njit
    def both(zs, rows, classes, stride, w, tops, labels, own, factors, less, slopes, out):
        columns(zs.reshape(zs.size), rows, classes, w, stride, tops, labels, own)
        write(w, rows, classes, stride, factors, less, out.reshape(out.size), labels, slopes)

    return both


@thorough_but_for(classes=[3, 10], rows=[30])
@pytest.mark.parametrize("classes", [1, 2, 3, 5, 8, 10, 13, 47])
@pytest.mark.parametrize("rows", [1, 7, 8, 30])
@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_short_rows_become_columns_and_rows_again(rows, classes, labelled, dtype):
    rng, stride = np.random.default_rng(classes), -(-rows // 8) * 8
    zs, labels = rng.normal(size=(rows, classes)).astype(dtype), rng.integers(-1, classes, rows)
    factors, less, slopes = rng.normal(size=(3, stride))
    both = there_and_back(labelled)
    w, tops, own, out = np.zeros((classes, stride)), np.empty(stride), np.empty(stride), np.empty_like(zs)
    about = labels if labelled else labels[:0], own, factors, less, slopes.copy(), out
    both(zs, rows, classes, stride, w.ravel(), tops, *about)
    found, expected = w[:, :rows], zs.astype(np.float64).T.copy()
    written = zs.astype(np.float64) * factors[:rows, np.newaxis] - less[:rows, np.newaxis]
    if labelled:
        # Class 0 is where the label was, and nothing where class 0 was.
        each, mine = np.arange(rows), np.maximum(labels, 0)
        np.testing.assert_array_equal(own[:rows], zs[each, mine])
        expected[mine, each] = zs[:, 0]
        expected, found = expected[1:], found[1:]
        written[each, mine] = slopes[:rows]
        if classes == 1:
            expected = np.full((1, rows), transpose.LOWEST)
    np.testing.assert_array_equal(found, expected if classes > 1 or not labelled else found)
    np.testing.assert_array_equal(tops[:rows], expected.max(axis=0))
    counts = slice(None) if not labelled else labels >= 0
    np.testing.assert_allclose(
        out[counts], written[counts], rtol=1e-14 if dtype == np.float64 else 6e-8, atol=1e-15
    )


@cache
def top_and_powers(labelled):
    top_of, powers_of = exponentials.of_rows(labelled)

    @numba.njit
    def both(zs, top, w, but, out):
        return top_of(zs, but), powers_of(zs, top, w, but, out)

    return both


@thorough_but_for(count=[61])
@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("count", [8, 9, 15, 16, 61])
def test_exponentials_of_a_row(count, dtype, labelled):
    zs = (np.random.default_rng(0).normal(size=count) * 50).astype(dtype)
    both = top_and_powers(labelled)
    for but in (-1, 0, count // 2, count - 1):
        counts = (np.arange(count) != but) | (not labelled)
        w = np.empty(count)
        largest, total = both(zs, 3.0, w, but, np.empty_like(zs))
        assert largest == zs[counts].max()
        np.testing.assert_allclose(w[counts], np.exp(zs[counts].astype(float) - 3), rtol=1e-13)
        assert not w[~counts].any()
        np.testing.assert_allclose(total, w.sum(), rtol=1e-14)
        wrong = zs.copy()
        wrong[(but + 1) % count] = np.nan
        largest, total = both(wrong, 0.0, w, but, np.empty_like(zs))
        assert largest == np.delete(zs, [(but + 1) % count, *([but] if labelled and but >= 0 else [])]).max()
        assert np.isnan(total)


@thorough_but_for(classes=[3])
@pytest.mark.parametrize("classes", [1, 2, 3, 4, 7, 13])
def test_exponentials_of_columns(classes):
    stride, end = 24, 16
    zs = np.random.default_rng(classes).normal(size=(classes, stride)) * 50
    zs[0, 3] = -np.inf
    w, tops, totals = zs.copy(), zs.max(axis=0), np.full(stride, 7.0)

    @numba.njit
    def all_of_them(w, tops, totals, zs):
        exponentials.powers_of_columns(w, stride, classes, tops, totals, end, zs, zs[:0], 0, 0)

    all_of_them(w.ravel(), np.where(np.isinf(tops), 0, tops), totals, zs.ravel())
    tops[np.isinf(tops)] = 0
    np.testing.assert_allclose(w[:, :end], np.exp(zs - tops)[:, :end], rtol=1e-13, atol=1e-307)
    np.testing.assert_array_equal(w[:, end:], zs[:, end:])
    np.testing.assert_allclose(totals[:end], w[:, :end].sum(axis=0), rtol=1e-15 * classes)
    np.testing.assert_array_equal(totals[end:], 7)


@thorough_but_for(count=[40])
@pytest.mark.parametrize("count", [8, 16, 24, 32, 40])
def test_exponentials_in_place(count):
    numbers = np.random.default_rng(count).normal(size=count + 3) * 50
    numbers[1] = -np.inf
    of_e, of_2 = numbers.copy(), numbers.copy()

    @numba.njit
    def in_place(of_e, of_2):
        exponentials.powers_of_e_in_place(of_e, count)
        exponentials.powers_of_2_in_place(of_2, count)

    in_place(of_e, of_2)
    for found, powers in ((of_e, np.exp), (of_2, np.exp2)):
        np.testing.assert_allclose(found[:count], powers(numbers[:count]), rtol=1e-13)
        np.testing.assert_array_equal(found[count:], numbers[count:])


@pytest.mark.parametrize("count", [8, 16, 40])
def test_sums_of_whole_registers(count):
    values, weights, sums = np.random.default_rng(count).normal(size=(3, count + 3))
    found = sums.copy()

    @numba.njit
    def both(values, weights, sums):
        registers.add_multiple(sums, 0.7, values, count)
        return registers.dot(values, weights, count)

    total = both(values, weights, found)
    np.testing.assert_allclose(total, values[:count] @ weights[:count], atol=1e-14)
    np.testing.assert_allclose(found[:count], (sums + 0.7 * values)[:count], atol=1e-15)
    np.testing.assert_array_equal(found[count:], sums[count:])


def test_terms_side_by_side():
    rng = np.random.default_rng(0)
    rows, other, factors = rng.normal(size=(3, 11, terms.TERMS))
    begun, ended = rng.normal(size=(2, 11, terms.TERMS))

    @numba.njit
    def write(rows, other, factors):
        terms.write_terms(rows, 2, 5.0, 7.0)
        terms.write_row(rows, 3, -2.0, factors, 4)
        terms.add_row(rows, 5, 3.0, factors, 6)
        return terms.sum_of_products(rows, 7, factors, other, 8, factors, 9)

    @numba.njit
    def run(begun, ended, here, beyond, first, last, step):
        terms.run(begun, ended, here, beyond, first, last, step)

    found = rows.copy()
    total = write(found, other, factors)
    rows[2], rows[3] = [1, 5, 7, 0], -2.0 * factors[4]
    rows[5] += 3.0 * factors[6]
    np.testing.assert_allclose(found, rows, rtol=1e-15)
    np.testing.assert_allclose(total, (rows[7] + other[8]) @ factors[9], rtol=1e-13)
    for first, last, step in ((2, 8, 1), (8, 2, -1)):
        here, beyond = np.zeros((2, 11, terms.TERMS))
        run(begun, ended, here, beyond, first, last, step)
        span = slice(2, 9) if step > 0 else slice(8, 1, -1)
        np.testing.assert_allclose(here[span], np.cumsum(begun[span], axis=0), rtol=1e-13, atol=1e-15)
        others = ended[span][::-1]
        sums = np.cumsum(others, axis=0) - others
        np.testing.assert_allclose(beyond[span][::-1], sums, rtol=1e-13, atol=1e-14)
        assert not here[[0, 1, 9, 10]].any() and not beyond[[0, 1, 9, 10]].any()


@pytest.mark.parametrize("count", [1, 7, 8, 9, 40])
def test_logarithms_of_an_array(count):
    numbers = np.exp(np.random.default_rng(count).uniform(-700, 700, count + 2))
    numbers[:1] = 1.0 + 2.0**-52
    logs = np.zeros(count + 2)

    @numba.njit
    def each(numbers, logs):
        registers.logs_of(numbers, count, logs)

    each(numbers, logs)
    np.testing.assert_allclose(logs[:count], np.log(numbers[:count]), rtol=5e-16, atol=0)
    assert not logs[count:].any()


POWERS = """
    import mpmath, numba, numpy as np
    from kdexent.simd import exponentials

    row = exponentials.of_rows(False)[1]

    @numba.njit
    def powers_of(x, w):
        return row(x, 0.0, w, -1, w)

    x = -(np.random.default_rng(0).uniform(0, 1, 4_096) ** 3) * 745
    w = np.empty_like(x)
    powers_of(x, w)
    with mpmath.workdps(30):
        expected = np.array([float(mpmath.exp(mpmath.mpf(value))) for value in x])
    normal = expected > 1e-307
    # Two ulp, and what the rounding of log2 e, or of its product with x, adds to the exponent.
    allowed = (4.5e-16 + {part} * np.abs(x)) * expected
    assert (np.abs(w - expected) <= allowed)[normal].all()
    assert (w[~normal] <= 1e-307).all()
    for far in (-745.2, -1e300, -np.inf):
        powers_of(np.full(8, far), w[:8])
        assert not w[:8].any()
    print(np.count_nonzero(normal))
"""
# Numba's settings for a machine that looks factors up in registers, if this one does, and for ones that do
# not, with and without fused operations; and what of this machine's these need.
MACHINES = {
    "this": ({}, ()),
    "avx2": ({"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma"}, ("avx2", "fma")),
    "sse2": ({"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "+sse2"}, ("sse2",)),
}


@thorough_but_for(machine=["this"])
@pytest.mark.parametrize("machine", MACHINES)
def test_exponentials_are_good_to_the_last_bits(machine):
    settings, needed = MACHINES[machine]
    if not all(FEATURES.get(feature) for feature in needed):
        pytest.skip(f"code for {machine} does not run on this machine")
    fuses = machine == "avx2" or (machine == "this" and FEATURES.get("fma", False))
    code = POWERS.format(part=1.5e-17 if fuses else 1.26e-16)
    assert int(run(code, **settings)) > 3_000


ROWS = """
    import sys
    import numpy as np
    import kdexent
    from kdexent import reference

    rng = np.random.default_rng(3)
    x, z = rng.uniform(-1, 1, (4, 100)), rng.normal(size=(4, 100))
    z[1, 0] += 40
    x[2] *= 0.01
    for kernel in sys.argv[1:]:
        period = 6.0 if kernel == "von_mises" else None
        for bins, h in ((70, 0.11), (20, 0.05)):
            options = {"kernel": kernel, "bandwidth": h, "bins": bins, "period": period}
            losses, by_z = kdexent.loss_and_grad(x, z, -1, 1, method="direct", **options)
            expected, slopes = reference.loss_and_grad(x, z, -1, 1, **options)
            np.testing.assert_allclose(losses, expected, rtol=1e-12, err_msg=f"{options}")
            np.testing.assert_allclose(by_z, slopes, atol=1e-11, err_msg=f"{options}")
    found = kdexent.loss(x[0], z[0], -1, 1, bandwidth=0.11, method="cells")
    np.testing.assert_allclose(found, reference.loss(x[0], z[0], -1, 1, bandwidth=0.11), rtol=1e-9)
    print("right")
"""


@pytest.mark.thorough
@pytest.mark.parametrize("machine", ["avx2", "sse2"])
def test_rows_are_right_on_any_machine(machine):
    settings, needed = MACHINES[machine]
    if not all(FEATURES.get(feature) for feature in needed):
        pytest.skip(f"code for {machine} does not run on this machine")
    # Runs and pairs in reach, whose exponentials are generated; scans and spans.
    kernels = "gaussian", "von_mises", "laplace" if machine == "avx2" else "epanechnikov"
    assert run(ROWS, *kernels, timeout=900, **settings).strip() == "right"


def test_generated_code_keeps_its_order_in_loops_that_may_be_reordered():
    @loop
    def powers(numbers):
        exponentials.powers_of_2_in_place(numbers, numbers.shape[0])

    @numba.njit
    def call(numbers):
        powers(numbers)

    x = np.linspace(-20, 20, 64)
    found = x.copy()
    call(found)
    np.testing.assert_allclose(found, 2.0**x, rtol=1e-15)
    operations = re.findall(r"= f(?:add|sub|mul|div) .*<8 x double>.*", "".join(call.inspect_llvm().values()))
    assert operations and not any("reassoc" in each for each in operations)


@pytest.mark.parametrize("count", [8, 24])
def test_powers_of_many(count):
    terms, factors = random_problem(count, count)
    sums, moved, values = np.empty(registers.POWERS), terms.copy(), terms.copy()

    @numba.njit
    def call(moved, values, factors, sums):
        registers.power_sums(moved, factors, factors.shape[0], sums)
        registers.polynomials(values, factors, factors.shape[0], sums)

    powers = np.vander(factors, registers.POWERS + 1, increasing=True)
    call(moved, values, factors, sums)
    np.testing.assert_allclose(sums, terms @ powers[:, :-1], rtol=1e-13, atol=1e-12)
    np.testing.assert_allclose(moved, terms * powers[:, -1], rtol=1e-13)
    expected = terms * powers[:, -1] + powers[:, :-1] @ sums
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-10)


CERTAIN = """
    import mpmath, numpy as np
    from kdexent import sigmoid_cross_entropy, softmax_cross_entropy_and_grad

    for classes in (2, 7, 51):
        z = np.random.default_rng(classes).normal(size=(43, classes)) * 3
        z[:, 1] = np.linspace(20, 700, 43)
        with mpmath.workdps(400):
            rows = [[mpmath.mpf(v) for v in row] for row in z]
            beside = [mpmath.fsum(mpmath.exp(v - row[1]) for v in row) - 1 for row in rows]
            losses = np.array([float(mpmath.log1p(r)) for r in beside])
            slopes = np.array([float(r / (1 + r)) for r in beside])
        found, gradient = softmax_cross_entropy_and_grad(z, np.ones(43, int), reduction="none")
        np.testing.assert_allclose(found, losses, rtol=2e-15, atol=0)
        np.testing.assert_allclose(-gradient[:, 1], slopes, rtol=2e-15, atol=0)
    alone = sigmoid_cross_entropy(z[:, 1:2], np.ones((43, 1)), reduction="none")[:, 0]
    with mpmath.workdps(40):
        expected = [float(mpmath.log1p(mpmath.exp(-mpmath.mpf(v)))) for v in z[:, 1]]
    np.testing.assert_allclose(alone, expected, rtol=2e-15, atol=0)
    print("right")
"""


@thorough_but_for(machine=["this"])
@pytest.mark.parametrize("machine", MACHINES)
def test_certain_rows_keep_their_digits_on_any_machine(machine):
    settings, needed = MACHINES[machine]
    if not all(FEATURES.get(feature) for feature in needed):
        pytest.skip(f"code for {machine} does not run on this machine")
    assert run(CERTAIN, **settings).strip() == "right"


CLASSES, SCALE = 6, 0.125


@numba.njit
def each_loss(labels, totals, tops, logits, means, smoothing, weights, factors, offsets):
    rows = row_losses.Rows(totals, tops, logits, means, weights, factors, offsets)
    return row_losses.class_losses(labels, -1, CLASSES, smoothing, SCALE, rows)


@numba.njit
def all_alike(labels, totals, tops, logits, means, weights, factors, offsets):
    rows = row_losses.Rows(totals, tops, logits, means, weights, factors, offsets)
    return row_losses.sum_of_class_losses(labels, -1, CLASSES, SCALE, rows)


@pytest.mark.parametrize("rows", [5, 8, 40, 43])
@pytest.mark.parametrize("smoothing", [0.0, 0.25, 1.0])
def test_losses_of_rows(rows, smoothing):
    rng, classes, scale = np.random.default_rng(rows), CLASSES, SCALE
    z, labels = rng.normal(size=(rows, classes)), rng.integers(-1, classes, rows)
    weights = rng.uniform(0, 2, rows) * (rng.random(rows) < 0.8)
    z[:, 0] += rng.choice([0, 50, 600], rows)
    counts, each = labels >= 0, np.arange(rows)
    mine = np.where(counts, labels, 0)
    own, others = z[each, mine], np.where(np.arange(classes) == mine[:, np.newaxis], -np.inf, z)
    tops = others.max(axis=1)
    totals = np.exp(others - tops[:, np.newaxis]).sum(axis=1)
    means = (z - z.max(axis=1)[:, np.newaxis]).mean(axis=1)
    logs = np.log1p(np.exp(others - own[:, np.newaxis]).sum(axis=1))
    behind = np.maximum(tops - own, 0)
    losses = (1 - smoothing) * logs + smoothing * (logs - behind - means)
    p = np.exp(z - own[:, np.newaxis] - logs[:, np.newaxis])
    beside = np.where(np.arange(classes) == mine[:, np.newaxis], 0, p).sum(axis=1)

    def assert_written(factors, less, shares, weights, smoothing):
        share = scale * np.where(counts, weights, 0)
        np.testing.assert_allclose(factors, share * np.exp(tops - own - logs), rtol=1e-12)
        np.testing.assert_allclose(less, share * smoothing / classes, rtol=1e-15)
        slopes = share * (smoothing - smoothing / classes - beside)
        np.testing.assert_allclose(shares, slopes, rtol=1e-12, atol=1e-16)

    factors, less, shares = np.empty(rows), np.empty(rows), weights.copy()
    found = own.copy()
    total = each_loss(labels, totals, tops, found, means, smoothing, shares, factors, less)
    np.testing.assert_allclose(found, np.where(counts, weights, 0) * losses, rtol=1e-12)
    np.testing.assert_allclose(total, found.sum(), rtol=1e-14)
    assert_written(factors, less, shares, weights, smoothing)
    if smoothing == 0:
        total = all_alike(labels, totals, tops, own.copy(), means, shares, factors, less)
        np.testing.assert_allclose(total, losses[counts].sum(), rtol=1e-14)
        assert_written(factors, less, shares, np.ones(rows), 0.0)
    for row in (0, rows - 1):
        for wrong, value in (
            ("own", np.nan),
            ("own", np.inf),
            ("total", np.nan),
            ("label", -2),
            ("label", 6),
        ):
            others, mine, about = totals.copy(), own.copy(), labels.copy()
            {"own": mine, "total": others, "label": about}[wrong][row] = value
            assert np.isnan(all_alike(about, others, tops, mine.copy(), means, shares, factors, less))
            shares[:] = weights
            assert np.isnan(each_loss(about, others, tops, mine, means, smoothing, shares, factors, less))


def test_logarithms():
    x, y = np.exp(np.random.default_rng(0).uniform(-700, 700, (2, 5_000)))
    y[:2_000] = x[:2_000] * (1 + np.random.default_rng(1).normal(size=2_000) * 1e-3)
    x[0], y[1], x[2:4], y[3] = 5e-324, 1e-310, 1.7e308, 5e-324
    small = np.random.default_rng(2).uniform(0, 1, 5_000) ** 8

    @numba.njit
    def logs(x, y, small, ratios, ones, plain, inverses):
        for i in range(x.shape[0]):
            ratios[i], ones[i] = log_ratio(x[i], y[i]), log_of_1_and(small[i])
        row_losses.logs_and_inverses(x.shape[0], 1 + small, plain, inverses)

    ratios, ones, plain, inverses = np.empty((4, 5_000))
    logs(x, y, small, ratios, ones, plain, inverses)
    np.testing.assert_allclose(plain, np.log(1 + small), rtol=5e-16, atol=2e-16)
    np.testing.assert_array_equal(inverses, 1 / (1 + small))
    expected = np.array([float(mpmath.log(mpmath.mpf(a) / mpmath.mpf(b))) for a, b in zip(x, y, strict=True)])
    np.testing.assert_allclose(ratios, expected, rtol=5e-16, atol=2e-16)
    np.testing.assert_allclose(ones, np.log1p(small), rtol=5e-16)
