"""No time without its error: the errors of a group's fast implementation stand in its title."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

ERRORS = ("loss_error", "gradient_error")


@pytest.hookimpl(wrapper=True)
def pytest_benchmark_group_stats() -> Generator[None, list[tuple[str, Any]], list[tuple[str, Any]]]:
    groups = yield
    return [(_with_errors(title, members), members) for title, members in groups]


def _with_errors(title: str, members: list[Any]) -> str:
    infos = [member["extra_info"] for member in members]
    worst = {name: [info[name] for info in infos if name in info] for name in ERRORS}
    errors = [f"{name.replace('_', ' ')} {max(values):.0e}" for name, values in worst.items() if values]
    return f"{title}: {', '.join(errors)}" if errors else title
