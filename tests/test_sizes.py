"""What does not fit into memory is refused by name, with what is possible; large Gauss rules are exact."""

import subprocess
import sys

import mpmath
import numpy as np
import pytest
from tiers import thorough_but_for

import kdexent
from kdexent import reference
from kdexent.arguments.bins import most_bins
from kdexent.arguments.gauss import gauss_legendre

X, Z = np.linspace(0, 5, 7), np.zeros(7)
WHERE = {"a": 1.0, "b": 4.0, "bandwidth": 0.5}
ENDLESS = np.broadcast_to(1.0, 10**12)  # one number, again and again
SIZES = {
    "10**12": 10**12,
    "10**30": 10**30,
    "10**10000": 10**10_000,
    "one too many": most_bins() + 1,
    "int64": np.int64(2**62),
    "an array of no dimensions": np.array(10**12),
    "edges": ENDLESS,
    "edges of float32": np.broadcast_to(np.float32(1), 10**12),
    "edges of integers": np.broadcast_to(1, 10**12),
}
FUNCTIONS = {
    "loss": kdexent.loss,
    "loss_and_grad": kdexent.loss_and_grad,
    "Plan": lambda x, z, a, b, **options: kdexent.Plan(x, a, b, **options),
    "choose": kdexent.choose,
    "reference.loss": reference.loss,
    "reference.loss_and_grad": reference.loss_and_grad,
}


@pytest.mark.parametrize(
    ("size", "rule"),
    [
        (size, rule)
        for size in SIZES
        for rule in ("midpoint", "gauss")
        if rule == "midpoint" or "edges" not in size
    ],
)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_bins(function, size, rule):
    with pytest.raises(ValueError, match=rf"^bins must be at most {most_bins()}\b.* GB of memory"):
        FUNCTIONS[function](X, Z, **WHERE, bins=SIZES[size], rule=rule)


@pytest.mark.parametrize("implementation", [kdexent, reference], ids=["fast", "reference"])
def test_rows_of_bins_and_points(implementation):
    rows = np.zeros(10**6)
    with pytest.raises(ValueError, match=r"^bins must be at most \d+ in each of 1000000 rows"):
        implementation.loss(X, Z, rows, 4.0, bandwidth=0.5, bins=10**6)
    with pytest.raises(ValueError, match=r"^points must be at most \d+ in each of 1000000 rows"):
        implementation.log_density(X, np.zeros((10**6, 7)), rows, bandwidth=0.5)
    with pytest.raises(ValueError, match=r"^points must be at most \d+, as many"):
        implementation.log_density(X, Z, ENDLESS, bandwidth=0.5)
    with pytest.raises(ValueError, match=r"^x, z must make fewer rows than 10{12}"):
        implementation.loss(np.zeros((10**6, 1, 1)), np.zeros((10**6, 1)), 0, 1, bandwidth=0.5, bins=8)
    with pytest.raises(ValueError, match=r"^target must have shape \(\.\.\., 8\)"):
        implementation.loss(X, Z, **WHERE, bins=8, target=ENDLESS)
    with pytest.raises(ValueError, match=r"^target of shape \(1000000000000,\) does not fit into memory"):
        implementation.loss(X, Z, **WHERE, bins=8, target=np.broadcast_to(1, 10**12))


def test_a_gradient_that_does_not_fit():
    x, z = np.zeros((10**5, 1, 10)), np.broadcast_to(0.0, (10**7, 10))
    with pytest.raises(ValueError, match=r"^x and z make a gradient of shape \(10{12}, 10\)|fewer rows"):
        kdexent.loss_and_grad(x, z, 0, 1, bandwidth=0.5, bins=8)


def test_numbers_of_bins_in_choose():
    with pytest.raises(ValueError, match=r"^bin_counts\[1\] must be at most"):
        kdexent.choose(X, Z, **WHERE, bin_counts=[8, 10**12])


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of this process's memory")
def test_bins_where_the_process_may_have_less_than_the_machine():
    code = """if True:
        import resource, kdexent
        from kdexent import reference
        from kdexent.arguments.bins import most_bins
        resource.setrlimit(resource.RLIMIT_AS, (2 * 10**9, 2 * 10**9))
        try:
            reference.loss([0.0], [0.0], 0, 1, bandwidth=1, bins=min(10**9, most_bins()))
        except ValueError as error:
            print(error)
    """
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("bins must be fewer than")


def test_small_rules_are_numpys():
    for count in (1, 2, 7, 64, 300):
        nodes, weights = np.polynomial.legendre.leggauss(count)
        found = gauss_legendre(count)
        np.testing.assert_array_equal(found[0], (nodes + 1) / 2)
        np.testing.assert_array_equal(found[1], weights / weights.sum())


def exact_node(count, k):
    """Return the k-th node in [0, 1] of a Gauss rule, and its weight, to some 30 digits."""
    angle = mpmath.besseljzero(0, k) / (mpmath.mpf(count) + 0.5)
    for _ in range(5):
        x = mpmath.cos(angle)
        before, value = mpmath.mpf(1), x
        for n in range(1, count):
            before, value = value, ((2 * n + 1) * x * value - n * before) / (n + 1)
        slope = count * (x * value - before) / (x * x - 1)
        angle += value / slope / mpmath.sin(angle)
    return (1 - x) / 2, 1 / ((1 - x * x) * slope**2)


@thorough_but_for(k=[1, 513])
@pytest.mark.parametrize("k", [1, 2, 19, 20, 21, 22, 100, 512, 513])
def test_large_rules_have_forty_digits_nodes(k):
    count = 1025
    with mpmath.workdps(40):
        node, weight = exact_node(count, k)
        nodes, weights = gauss_legendre(count)
        assert abs(nodes[k - 1] / node - 1) < 1e-15
        assert abs(nodes[-k] - (1 - node)) < 3e-16
        assert abs(weights[k - 1] / weight - 1) < 2e-14
        assert weights[-k] == weights[k - 1]


@pytest.mark.parametrize("count", [1025, 1026, 5000, 65_537, 10**6, 2**18 + 1])
def test_large_rules_integrate(count):
    nodes, weights = gauss_legendre(count)
    assert len(nodes) == len(weights) == count and (np.diff(nodes) > 0).all() and (weights > 0).all()
    for power in (0, 1, 2, 7, 100, 1000):
        assert abs((weights * nodes**power).sum() * (power + 1) - 1) < 1e-13
    # Nodes close to an end are where the squares of 1, 3, 5 ... of a smooth function would not tell.
    assert abs((weights / np.sqrt(nodes)).sum() - 2) < 2 / count
    frequency = 0.9 * count  # of a wave that a midpoint rule of as many bins would see, too
    assert abs((weights * np.cos(frequency * nodes)).sum() - np.sin(frequency) / frequency) < 1e-13


@pytest.mark.parametrize("implementation", [kdexent, reference], ids=["fast", "reference"])
def test_a_million_nodes(implementation):
    loss = implementation.loss([0.3], [0.0], 0.0, 1.0, bandwidth=0.2, bins=10**6, rule="gauss")
    # log q = -(c - x)^2 / 2 h^2 - log(h sqrt(2 pi)): a square's mean.
    exact = (0.7**3 + 0.3**3) / 3 / (2 * 0.2**2) + np.log(0.2 * np.sqrt(2 * np.pi))
    assert abs(loss - exact) < 1e-12
