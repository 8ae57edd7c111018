"""The public names are there, and the reference mirrors them."""

import inspect

import oracle
import pytest

import kdexent
from kdexent import reference
from kdexent.names import check_entries


def test_all_names_resolve():
    for name in kdexent.__all__:
        assert getattr(kdexent, name) is not None
    assert set(kdexent.__all__) <= set(dir(kdexent))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        kdexent.nothing  # noqa: B018


def test_registries():
    assert {*kdexent.KERNELS} == {*oracle.KERNELS}
    assert {"auto", "direct"} <= set(kdexent.METHODS)


def test_a_registry_says_what_it_lacks():
    check_entries("These", {"b": 1, "a": 2}, ("a", "b"))
    with pytest.raises(AssertionError, match=r"^These lacks b, c and has d, not registered in names\.py$"):
        check_entries("These", {"a": 1, "d": 2}, ("a", "b", "c"))


@pytest.mark.parametrize("name", reference.__all__)
def test_reference_takes_the_same_arguments(name):
    fast = inspect.signature(getattr(kdexent, name)).parameters
    plain = inspect.signature(getattr(reference, name)).parameters
    without = [p for p in fast.values() if p.name not in ("method", "order", "rtol", "n_threads", "out")]
    assert [(p.name, p.kind, p.default) for p in without] == [
        (p.name, p.kind, p.default) for p in plain.values()
    ]
