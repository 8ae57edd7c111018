"""Settings that all tests share."""

import ctypes
import gc
import os
import sys

import pytest
from hypothesis import HealthCheck, settings

# The helper modules beside the tests are imported by name.
sys.path.insert(0, os.path.dirname(__file__))

from strategies import by_tails
from tiers import is_of_others, is_thorough, kernels_of

import kdexent
from kdexent import reference

settings.register_profile(
    "kdexent",
    deadline=None,  # the first example of a kernel compiles it
    max_examples=40,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", parent=settings.get_profile("kdexent"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "kdexent"))


def pytest_addoption(parser):
    parser.addoption("--thorough", action="store_true", help="run all tests, as make test-all does")
    parser.addoption(
        "--part",
        default="1/1",
        help="K/N: thorough tests of every N-th kernel from the K-th on, and an N-th of others",
    )


def pytest_collection_modifyitems(config, items):
    """Leave thorough tests out, unless all are asked for or a test is named by its id."""
    if any("::" in argument for argument in config.args):
        return
    thorough, part = config.getoption("thorough"), config.getoption("part")
    kernels_of(part)  # or say what is wrong with it

    def runs(item):
        return not is_thorough(item) or (thorough and not is_of_others(item, part))

    left = [item for item in items if not runs(item)]
    items[:] = filter(runs, items)
    config.hook.pytest_deselected(items=left)


@pytest.fixture(autouse=True, scope="module")
def memory_is_given_back(request):
    """Give back what a module's tests took: JAX's compiled functions, ten megabytes each, and free memory."""
    yield
    if "jax" in vars(request.module):
        request.module.jax.clear_caches()
    gc.collect()
    if sys.platform == "linux":  # what other threads freed is kept otherwise
        getattr(ctypes.CDLL(None), "malloc_trim", bool)(0)


@pytest.fixture
def tails():
    """Bins that fast sums are not certain of go to the tails, as they do in rows of many points."""
    with by_tails():
        yield


@pytest.fixture(params=["fast", "reference"])
def implementation(request):
    """The fast functions, and then those they mirror."""
    return {"fast": kdexent, "reference": reference}[request.param]
