"""A plan sees no later change of its arguments, and its pickles and copies give the same bits."""

import copy
import pickle
import textwrap

import numpy as np
import pytest
from processes import run
from tiers import FEW, thorough_but_for
from ways import refusal

import kdexent
from kdexent.names import CIRCLE_ONLY

ROWS, POINTS, BINS = 3, 6_000, 24
WAYS = [(kernel, method) for kernel in kdexent.KERNELS for method in kdexent.METHODS]


def arguments(kernel, rows=True):
    """Return x, z and the arguments of a plan, as arrays where they may be."""
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=(2, POINTS))
    a, b = np.full(ROWS, -1.0), np.full(ROWS, 1.0)
    given = {"bandwidth": np.array([0.1, 0.2, 0.3]), "target": rng.random((ROWS, BINS))}
    if not rows:
        a, b, given = np.array(-1.0), np.array(1.0), {"bandwidth": np.array(0.2)}
    period = np.array(8.0) if kernel in CIRCLE_ONLY else None
    return x, z, {"a": a, "b": b, "bins": BINS, "kernel": kernel, "period": period, **given}


def made(x, given, **more):
    try:
        return kdexent.Plan(x, **given, **more)
    except ValueError as error:
        # A reason that is not true of the kernel is an error, and no skip.
        pytest.skip(refusal(error, given["kernel"]))


def bits(plan, z):
    losses, gradients = plan.loss_and_grad(z, wrt=("z", "x", "bandwidth"))
    results = losses, plan.loss(z), plan.log_density(z), *gradients
    return [np.asarray(result).tobytes() for result in results]


@thorough_but_for(kernel=FEW)
@pytest.mark.parametrize("rows", [True, False], ids=["rows", "one row"])
@pytest.mark.parametrize(("kernel", "method"), WAYS)
def test_later_changes_are_not_seen(kernel, method, rows):
    x, z, given = arguments(kernel, rows)
    plan = made(x, given, method=method)
    expected, centers = bits(plan, z), plan.bin_centers.tobytes()
    kept = pickle.dumps(plan)
    for array in (x, *given.values()):
        if isinstance(array, np.ndarray):
            array[...] = 0.7 * array
    assert bits(plan, z) == expected
    assert plan.bin_centers.tobytes() == centers and pickle.dumps(plan) == kept


@pytest.mark.parametrize("method", kdexent.METHODS)
def test_later_changes_of_edges_are_not_seen(method):
    x, z, _ = arguments("gaussian")
    edges = np.linspace(-1, 1, BINS + 1) ** 3
    plan = made(x, {"a": -1, "b": 1, "bandwidth": 0.2, "bins": edges}, method=method)
    expected = bits(plan, z)
    edges[:] = 0
    assert bits(plan, z) == expected


@thorough_but_for(kernel=FEW)
@pytest.mark.parametrize(("kernel", "method"), WAYS)
def test_pickles_and_copies_have_the_same_bits(kernel, method):
    x, z, given = arguments(kernel)
    plan = made(x, given, method=method)
    expected = bits(plan, z)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        pickled = pickle.dumps(plan, protocol)
        assert protocol == 2 or len(pickled) < x.nbytes + 4_000
    for other in (pickle.loads(pickled), copy.copy(plan), copy.deepcopy(plan)):
        assert other is not plan and bits(other, z) == expected
        assert repr(other) == repr(plan)  # with what calls have made it keep
        assert other.bin_centers.tobytes() == plan.bin_centers.tobytes()


LAYOUTS = {
    "list": lambda x: x.tolist(),
    "float32": lambda x: x.astype(np.float32),
    "integers": lambda x: (8 * x).astype(int),
    "strided": lambda x: np.repeat(x, 2)[::2],
    "big-endian": lambda x: x.astype(">f8"),
    "Fortran": lambda x: np.asfortranarray(np.stack([x, 2 * x, -x])),
}


@pytest.mark.parametrize("copied", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_data_in_any_layout(layout, copied):
    x, z, given = arguments("gaussian")
    data = LAYOUTS[layout](x)
    plan = kdexent.Plan(data, **given, copy=copied)
    again = pickle.loads(pickle.dumps(plan))
    assert bits(again, z) == bits(plan, z) and repr(again) == repr(plan)
    assert bits(kdexent.Plan(np.array(data), **given), z) == bits(plan, z)


def test_memory_lent_to_a_pickle_may_change():
    # As joblib's and dask's processes share arrays.
    x, z, given = arguments("gaussian")
    plan = kdexent.Plan(x, **given)
    expected, buffers = bits(plan, z), []
    pickled = pickle.dumps(plan, 5, buffer_callback=buffers.append)
    lent = [bytearray(buffer.raw()) for buffer in buffers]
    again = pickle.loads(pickled, buffers=lent)
    for buffer in lent:
        buffer[:] = bytes(len(buffer))
    assert bits(again, z) == expected


def test_without_a_copy_the_data_stay_where_they_are():
    x, z, given = arguments("gaussian")
    for method in ("direct", "window", "cells", "auto"):
        copied, uncopied = (kdexent.Plan(x, **given, method=method, copy=keep) for keep in (True, False))
        assert copied.stored_bytes - uncopied.stored_bytes == x.nbytes
        assert bits(uncopied, z) == bits(copied, z)
    assert np.shares_memory(uncopied._x, x)
    with pytest.raises(TypeError, match="copy must be True or False, got 'no'"):
        kdexent.Plan(x, **given, copy="no")


PROGRAM = """
    import multiprocessing, sys
    import numpy as np, kdexent

    def bits(plan, z):
        loss, gradient = plan.loss_and_grad(z)
        return loss, gradient.tobytes()

    if __name__ == "__main__":
        x, *logits = np.random.default_rng(0).normal(size=(5, 200_000))
        for method in kdexent.METHODS:
            plan = kdexent.Plan(x, -1, 1, bandwidth=0.1, bins=32, method=method)
            expected = [bits(plan, z) for z in logits]
            if sys.argv[1] == "joblib":
                import joblib

                # As memory maps, which files back that are gone later.
                work = (joblib.delayed(bits)(plan, z) for z in logits)
                found = joblib.Parallel(n_jobs=2, max_nbytes=1000)(work)
            elif sys.argv[1] == "dask":
                import dask

                work = [dask.delayed(bits)(plan, z) for z in logits]
                found = dask.compute(*work, scheduler="processes", num_workers=2)
            else:
                with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
                    found = pool.starmap(bits, [(plan, z) for z in logits])
            print(list(found) == expected)
"""


@thorough_but_for(way=["spawn"])
@pytest.mark.parametrize("way", ["spawn", "joblib", "dask"])
def test_plans_in_worker_processes(way, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    assert set(run(program, way).split()) == {"True"}
