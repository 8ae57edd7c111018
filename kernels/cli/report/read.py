"""Files that other commands wrote: of which command they are, and what they hold.

Everything is checked here, so that nothing after it meets what it does not know. A number that is null
becomes NaN, a text that is null an empty one.
"""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from ..streams import Refused

NUMBER, COUNT, TEXT, FLAG, WORD, NUMBERS = "number", "count", "text", "truth value", "word", "numbers"
_MOST = 2**63  # of what is counted

_ASKED = {"method": TEXT, "planned": FLAG}
_ERRORS = {"loss_error": NUMBER, "gradient_error": NUMBER}
_MEASURED = {
    "name": TEXT,
    "group": TEXT,
    "problem": TEXT,
    "speed_up": NUMBER,
    "exact_s": NUMBER,
    "fast_s": NUMBER,
    "timings_s": {"exact": [NUMBER], "fast": [NUMBER]},
    **_ERRORS,
}
_DENSITY = {
    **_MEASURED,
    "kernel": TEXT,
    "domain": TEXT,
    **dict.fromkeys(("rows", "points", "bins"), COUNT),
    "way": TEXT,
    "asked": _ASKED,
    "method": TEXT,
    "order": NUMBER,
    "exact": TEXT,
    "one_thread_s": NUMBER,
    "limit_s": NUMBER,
    "allowed": {"gradient": NUMBERS},
}
_PEER = {"name": TEXT, "s": NUMBER, "timings_s": [NUMBER], "left_out": TEXT, **_ERRORS}
_BENCH = {
    "verdict": TEXT,
    "warning": TEXT,
    "agrees": FLAG,
    "threads": COUNT,
    "limits": {"multiply_adds_per_s": NUMBER, "copy_bytes_per_s": NUMBER},
    "cases": [_DENSITY],
    "classifiers": [{**_MEASURED, "shape": [COUNT], "peers": [_PEER]}],
}

_CHANGE = {
    **dict.fromkeys(("ratio", "low", "high"), NUMBER),
    "seconds": [[NUMBER]],
    "verdict": TEXT,
}
_CELL = {
    **_CHANGE,
    **dict.fromkeys(("name", "kernel", "domain", "method", "method_before"), TEXT),
    "asked": _ASKED,
    **dict.fromkeys(("error_before", "error_after", "allowed"), NUMBER),
    "failures": [TEXT],
}
_GATE = {
    **dict.fromkeys(("words", "verdict", "tier"), TEXT),
    "old": {"name": TEXT},
    "new": {"name": TEXT},
    "threshold": NUMBER,
    "control": {...: _CHANGE},
    "once": {...: {"old": NUMBER, "new": NUMBER, "unit": TEXT}},
    "cells": [_CELL],
}

_STRATEGY = {
    "method": TEXT,
    "order": NUMBER,
    "bins": COUNT,
    "rule": TEXT,
    "seconds": NUMBER,
    **_ERRORS,
    "quadrature_error": NUMBER,
    "workspace_bytes": NUMBER,
    "took": TEXT,
    "samples": [NUMBER],
    **dict.fromkeys(("within_rtol", "best", "tie"), FLAG),
}
_CHOICE = {
    "file": TEXT,
    "asked": {
        **dict.fromkeys(("points", "rows", "bin_count"), COUNT),
        "kernel": TEXT,
        **dict.fromkeys(("period", "rtol", "integral_rtol"), NUMBER),
    },
    "strategies": [_STRATEGY],
    "quadratures": [_STRATEGY],
    "warnings": [TEXT],
    "notes": [TEXT],
    "recommendation": TEXT,
    "code": TEXT,
}

# What is told of a machine, in the words of the page.
MACHINE = {
    "cpu": "processor",
    "cpu_target": "compiled for",
    "cores": "cores",
    "numba_threads": "Numba's threads",
    "os": "system",
    "python": "Python",
    "numpy": "NumPy",
    "numba": "Numba",
    "llvmlite": "llvmlite",
    "kdexent": "kdexent",
    "git_commit": "commit",
    "utc": "measured",
}


class _Kind(NamedTuple):
    """What a command writes: its schema, and the shape of it, whose first keys tell it from others."""

    schema: int
    shape: dict[Any, Any]
    keys: set[str]


_KINDS = {
    "bench": _Kind(3, _BENCH, {"cases", "classifiers", "limits"}),
    "gate": _Kind(1, _GATE, {"cells", "control", "threshold"}),
    "choose": _Kind(1, _CHOICE, {"asked", "strategies", "quadratures"}),
}


class Result(NamedTuple):
    """What a file holds, as far as its shape says."""

    file: str
    kind: str
    content: dict[str, Any]

    @property
    def machine(self) -> dict[str, str]:
        """What is known of the machine, by the words for it."""
        return {MACHINE[name]: text for name, text in self.content["machine"].items() if text}


class _Damaged(Exception):
    """What is wrong in a document."""


def read(path: Path) -> Result:
    """Read what `bench`, `gate` or `choose` wrote with --json, or raise Refused with the reason."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused(f"there is no file {path}") from None
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise Refused(f"cannot read {path}: it is no JSON, or not all of it: {error}") from None
    names = {*document} if isinstance(document, dict) else set()
    command = next((each for each, kind in _KINDS.items() if kind.keys <= names), None)
    if command is None:
        raise Refused(f"{path} is nothing that kdexent {', '.join(_KINDS)} writes with --json")
    kind, schema = _KINDS[command], document.get("schema", 1)
    if schema != kind.schema:
        raise Refused(
            f"{path} was written by another version of kdexent {command}: "
            f"its schema is {schema!r:.20}, and the one known here {kind.schema}"
        )
    try:
        content = _conforming(document, {**kind.shape, "machine": dict.fromkeys(MACHINE, WORD)}, "")
    except _Damaged as damage:
        raise Refused(f"{path} is damaged: {damage}") from None
    return Result(clean(path), command, content)


def clean(text: object) -> str:
    """Return a text without halves of characters, which JSON and the names of files may have."""
    return str(text).encode("utf-8", "replace").decode()


def _conforming(value: Any, shape: Any, place: str) -> Any:
    """Return what a shape knows of a value; of an object that is null or missing nothing is known."""
    if isinstance(shape, str):
        return _scalar(value, shape, place)
    if isinstance(shape, list):
        if not isinstance(value, list | None):
            raise _Damaged(f"{place} is no list")
        return [_conforming(each, shape[0], f"{place}[{number}]") for number, each in enumerate(value or [])]
    value = {} if value is None else value
    if not isinstance(value, dict):
        raise _Damaged(f"{place} is no object")
    if ... in shape:
        shape = dict.fromkeys(value, shape[...])
    within = f"{place}." if place else ""
    return {
        clean(name): _conforming(
            value.get(name), each, within + (name if name.isidentifier() else repr(name))
        )
        for name, each in shape.items()
    }


def _scalar(value: Any, shape: str, place: str) -> Any:
    if shape == NUMBERS:
        values = value if isinstance(value, list) else [value]
        return [_scalar(each, NUMBER, place) for each in values]
    kinds: dict[str, Any] = {NUMBER: (int, float), COUNT: int, TEXT: str, FLAG: bool, WORD: (str, int)}
    if value is not None and (
        not isinstance(value, kinds[shape]) or isinstance(value, bool) != (shape == FLAG)
    ):
        raise _Damaged(f"{place} is no {shape}")
    if shape == NUMBER:
        return _number(value)
    if shape == COUNT:
        if value is None or not 0 <= value < _MOST:
            raise _Damaged(f"{place} is no {shape}")
        return value
    return bool(value) if shape == FLAG else "" if value is None else clean(value)


def _number(value: float | None) -> float:
    """Return a number as a float; NaN for one that is none, or too large."""
    try:
        number = math.nan if value is None else float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan
