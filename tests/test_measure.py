"""What is measured: cases that run beside another revision, one definition of an error, one timer."""

import importlib
from pathlib import Path

import numpy as np
import pytest

import kdexent
from kdexent import measure
from kdexent.measure import cases, classifier_cases, errors, timing
from kdexent.measure.races.starts import as_workloads

FOLDER = Path(measure.__file__).parent
MODULES = {"cases": cases, "classifier_cases": classifier_cases}


def described(entry):
    """Return what a case is, apart from the functions that make it."""
    if hasattr(entry, "case"):
        return (entry.group, entry.exact, entry.ways, entry.title, entry.case.rows)
    return (entry.title, entry.function, entry.errors, [peer.name for peer in entry.peers])


@pytest.fixture
def copied(tmp_path):
    """The workloads of a folder, as the gate runs them beside another revision."""
    return as_workloads(FOLDER, tmp_path)


@pytest.fixture(params=MODULES)
def loaded(request, copied):
    """The cases of a folder, and those that are installed."""
    return getattr(copied, request.param), MODULES[request.param]


@pytest.mark.parametrize("quick", [True, False])
def test_cases_of_a_folder_are_the_same(loaded, quick):
    module, installed = loaded
    assert module is not installed and Path(module.__file__) != Path(installed.__file__)
    assert module.VERSION == installed.VERSION >= 1
    assert list(map(described, module.suite(quick))) == list(map(described, installed.suite(quick)))


def test_a_case_of_a_folder_runs(loaded):
    module, installed = loaded
    case, same = module.suite(quick=True)[0], installed.suite(quick=True)[0]
    if module.__name__.endswith("classifier_cases"):
        found, exact = case.fast(case.make())(), same.exact(same.make())()
    else:
        found, exact = (
            way.computation(each.case.make(), n_threads=1)()
            for each, way in ((case, module.AUTO), (same, cases.DIRECT))
        )
    assert errors.agreement(found, exact, errors.Tolerance(1e-9, 1e-9)).agrees


def test_what_a_revision_lacks_fails_in_its_own_case_alone(copied, monkeypatch):
    """Cases are asked for a function, and a kernel, when they run, and not when they are loaded."""
    monkeypatch.delitem(vars(kdexent), "entropy", raising=False)
    monkeypatch.delitem(kdexent._HOME, "entropy")
    suite = {case.name: case for case in copied.classifier_cases.suite(quick=True)}
    with pytest.raises(AttributeError, match="entropy"):
        suite["entropy"].fast(suite["entropy"].make())
    assert np.isfinite(suite["KL divergence"].fast(suite["KL divergence"].make())())
    module = copied.cases
    with pytest.raises(ValueError, match="kernel must be one of"):
        module.DIRECT.computation(module.line(20, 4, "of tomorrow").make())()
    module.DIRECT.computation(module.line(20, 4, "logistic").make())()


def test_workloads_are_those_that_are_there_now(tmp_path, monkeypatch):
    # Edits of one size in one second; and nothing is left behind.
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    folder = tmp_path / "measure" / "races"
    folder.mkdir(parents=True)
    for version in (1, 2):
        (folder / "workloads.py").write_text(f"VERSION = {version}")
        assert version == as_workloads(folder.parent, tmp_path / str(version)).VERSION
    assert [path.name for path in folder.iterdir()] == ["workloads.py"]


def test_every_kernel_has_its_cases():
    for case in cases.kernels(points=20, bins=4):
        x, z, a, b, options = case.make()
        assert np.isfinite(kdexent.reference.loss(x, z, a, b, **options))
    with pytest.raises(ValueError, match="needs a period"):
        cases.DIRECT.computation(cases.line(20, 4, "von_mises").make())()


def test_errors_are_those_of_the_worst_row():
    exact = np.array([10.0, 0.5, np.inf]), np.array([[1.0, -100.0], [0.0, 0.01], [0.0, 0.0]])
    result = np.array([10.1, 0.52, np.inf]), exact[1] + [[1.0, 0.0], [0.0, 0.005], [0.0, 0.25]]
    found = errors.agreement(result, exact)
    np.testing.assert_allclose(found.losses, [0.01, 0.02, 0.0])
    np.testing.assert_allclose(found.gradients, [0.01, 0.5, 0.25])
    assert (found.loss_error, found.gradient_error) == pytest.approx((0.02, 0.5))
    assert found.problem == "loss error 2.0e-02 is over 1.0e-11; gradient error 5.0e-01 is over 1.0e-11"
    each = errors.Tolerance(0.1, np.array([0.02, 0.6, 0.2]))
    assert not errors.agreement(result, exact, each).gradient_agrees
    assert errors.agreement(result, exact, each.plus(0.0, 0.06)).agrees


@pytest.mark.parametrize("which", [0, 1])
def test_nan_agrees_with_nothing(which):
    exact = np.array([1.0, 2.0]), np.ones((2, 3))
    result = tuple(np.where(np.arange(2).reshape(-1, *[1] * i) == 1, np.nan, e) for i, e in enumerate(exact))
    found = errors.agreement((result[0], exact[1]) if which == 0 else (exact[0], result[1]), exact)
    assert (found.loss_agrees, found.gradient_agrees) == ((False, True) if which == 0 else (True, False))
    assert max(found.loss_error, found.gradient_error) == np.inf


def test_errors_in_parts_are_those_of_the_whole(monkeypatch):
    rng = np.random.default_rng(1)
    exact = rng.normal(size=5), rng.normal(size=(5, 101))
    result = exact[0] + 1e-3, (exact[1] + 1e-3 * rng.normal(size=(5, 101))).astype("f4")
    whole = errors.agreement(result, exact)
    monkeypatch.setattr(errors, "_VALUES_AT_A_TIME", 35)
    np.testing.assert_array_equal(errors.agreement(result, exact).gradients, whole.gradients)
    apart = np.abs(np.float64(result[1]) - exact[1]).max(axis=1) / np.abs(exact[1]).max(axis=1)
    np.testing.assert_array_equal(whole.gradients, apart)


def test_calls_take_turns():
    turns = []
    works = {name: lambda name=name: turns.append(name) for name in "ab"}
    found = timing.alternate(works, timing.Effort(3, 1.0), {"a": 0.05, "b": 0.05})
    assert "".join(turns) == "abbaab"
    assert all(len(each.seconds) == 3 and each.calls == 1 and each.median >= 0 for each in found.values())
    assert np.isnan(timing.UNTIMED.median)


def test_only_one_place_looks_at_the_clock():
    root = Path(importlib.import_module("kdexent").__file__).parent
    clocks = [path.name for path in sorted(root.rglob("*.py")) if "perf_counter" in path.read_text()]
    assert clocks == ["starts.py", "timing.py"]  # what a new process runs cannot import the other yet
