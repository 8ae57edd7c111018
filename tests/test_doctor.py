"""kdexent doctor says what is here, and which method does not work."""

import pytest
from typer.testing import CliRunner

from kdexent.cli import doctor
from kdexent.cli.app import app
from kdexent.names import METHODS


def examined(**environment):
    """Return the exit status and the printed lines, of 80 columns."""
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "80", **environment})
    return result.exit_code, result.output.splitlines()


def test_all_is_right():
    status, lines = examined(NUMBA_CACHE_DIR=None)
    assert status == 0 and max(map(len, lines)) <= 80
    facts = [line.split("  ")[0].rstrip() for line in lines[: lines.index("") if "" in lines else None]]
    assert {"kdexent", "Python", "machine", "threads", "compiled code", "also here", "environment"} <= set(
        facts
    )
    assert [line.split() for line in lines[-len(METHODS) :]] == [[method, "right"] for method in METHODS]


@pytest.mark.parametrize("fault", [ValueError("no such kernel"), None], ids=["raises", "is wrong"])
def test_a_method_that_fails_is_named(monkeypatch, fault):
    right = doctor.kde.loss_and_grad

    def failing(*arguments, method, **options):
        loss, gradient = right(*arguments, **options)
        if method != "cells":
            return loss, gradient
        if fault:
            raise fault
        return 1.001 * loss, gradient

    monkeypatch.setattr(doctor.kde, "loss_and_grad", failing)
    status, lines = examined()
    assert status == 1
    assert [line.split()[0] for line in lines[-len(METHODS) :] if not line.endswith("right")] == ["cells"]
    assert ("ValueError: no such kernel" if fault else "loss error 1") in lines[-1]


def test_nowhere_to_keep_code(monkeypatch):
    monkeypatch.setattr(doctor, "cache_folder", lambda: None)
    assert any("kept nowhere" in line for line in examined()[1])
