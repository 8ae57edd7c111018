"""No time without its error: a group's title says those of its fast implementation, or of all its ways.

And no table without a word on what it is for.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

ERRORS = ("loss_error", "gradient_error")


@pytest.hookimpl(wrapper=True)
def pytest_benchmark_group_stats() -> Generator[None, list[tuple[str, Any]], list[tuple[str, Any]]]:
    groups = yield
    return [(_with_errors(title, members), members) for title, members in groups]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.getoption("benchmark_disable"):
        terminalreporter.write_line(
            "Ways side by side, no gate: make gate BASE=... says whether a change made one slower."
        )


def _with_errors(title: str, members: list[Any]) -> str:
    infos = [member["extra_info"] for member in members]
    ways = [f"{info['way']} {info['gradient_error']:.0e}" for info in infos if "way" in info]
    if ways:
        return f"{title}: gradient errors: {', '.join(ways)}"
    worst = {name: [info[name] for info in infos if name in info] for name in ERRORS}
    errors = [f"{name.replace('_', ' ')} {max(values):.0e}" for name, values in worst.items() if values]
    return f"{title}: {', '.join(errors)}" if errors else title
