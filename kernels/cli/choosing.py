"""`kdexent choose` from the file to the line of Python."""

import json as json_text
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from ..arguments import checks
from ..bandwidth import resolution, select_bandwidth
from ..choosing.choice import Choice
from ..choosing.recommend import choose
from ..choosing.words import code, description
from ..measure.machine import describe
from ..names import BANDWIDTH_RULES
from .columns import Columns, Options, read
from .streams import NOT_WRITTEN, STDOUT, Refused, complain, make_folders, write_files
from .terminal import console, progress_bar

_STYLES = {"title": "italic cyan", "heads": "bold", "best": "bold green", "note": "dim", "advice": "bold"}
_TABLE = ("heads", "row", "best")
# Between these quantiles of the data is the target, unless it is the whole circle.
_QUANTILES = (0.05, 0.95)
_MOST_LOOKED_AT = 2**20
_TIES = 0.05  # of the points, from which on equal ones are no chance


def choose_for(
    file: Path, reading: Options, options: dict[str, Any], plot: Path | None, json: Path | None
) -> int:
    """Read, measure, print, and write what was asked for; return the exit status.

    `options` are arguments of `choose`: a, b and bandwidth are None where they are to be assumed, and the
    bandwidth may be a rule.
    """
    if plot is not None:
        _check_picture(plot)
    if json is not None and json != STDOUT:
        make_folders([json])
    try:
        columns = read(file, reading)
        by_rule = {name: options[name] for name in ("kernel", "period")}
        by_rule["rule"] = options["bandwidth"] or BANDWIDTH_RULES[0]
        options, assumed, odd = _complete(file, columns, options, by_rule)
        with progress_bar() as report:
            choice = choose(columns.x, columns.z, **options, progress=report)
    except (ValueError, TypeError) as error:
        raise Refused(error) from None
    arrays = [f"{name} = np.array({options[name]})" for name in ("bins", "target") if np.ndim(options[name])]
    if np.ndim(options["bandwidth"]):
        named = ", ".join(f"{name}={value!r}" for name, value in by_rule.items())
        arrays += ["import kdexent", f"bandwidth = kdexent.select_bandwidth(x, z, {named})"]
    lines = [*dict.fromkeys(["import numpy as np", *columns.lines, *arrays, *code(choice)])]
    document = {"schema": 1, "file": str(file), "assumed": assumed, "warnings": odd, "machine": describe()}
    document |= choice.to_dict()
    text = json_text.dumps(document | {"code": "\n".join(lines)}, indent=2, allow_nan=False)
    files: list[tuple[Path, Any]] = [] if plot is None else [(plot, choice.plot)]
    if json is not None and json != STDOUT:
        files.append((json, text))
    # The files first: a standard output that is full must not lose them.
    failure = write_files(files)
    out = console(stderr=json == STDOUT)
    logits = "all 0" if columns.z_name is None else f"from column {columns.z_name}"
    out.print(Text(f"{file}: x from column {columns.x_name}, logits {logits}", style="bold"))
    if columns.dropped:
        out.print(Text(f"{columns.dropped:,} rows with a missing value were dropped."))
    if assumed:
        out.print(Text("Assumed: " + ", ".join(assumed) + "."))
    for warning in odd:
        out.print(Text(warning, style="yellow"))
    _show(choice, lines, out)
    if json == STDOUT:
        print(text)
    if failure is not None:
        return complain(failure, NOT_WRITTEN)
    for path, _ in files:
        out.print(Text(f"Written: {path}"))
    return 0


def _check_picture(path: Path) -> None:
    """Raise before the measuring what would come to light after it."""
    from matplotlib.backend_bases import FigureCanvasBase  # noqa: PLC0415  # slow to import

    kinds = sorted(FigureCanvasBase.get_supported_filetypes())
    if path.suffix[1:].lower() not in kinds:
        raise Refused(f"the picture {path} must end in one of {', '.join('.' + kind for kind in kinds)}")
    make_folders([path])


def _complete(
    file: Path, columns: Columns, options: dict[str, Any], by_rule: dict[str, Any]
) -> tuple[dict[str, Any], list[str], list[str]]:
    """Return options with a, b and bandwidth, which were assumed, and what is odd about the bandwidth.

    With `by_rule`, `select_bandwidth` gives one where there is none.
    """
    x, z = checks.real_array("x", columns.x), checks.real_array("z", columns.z)
    if x.size == 0:
        raise Refused(f"{file} has no rows")
    checks.require_data(x, z)
    period, bins = checks.period_length(options["period"]), options["bins"]
    if np.ndim(bins):
        ends = (bins[0], "the first edge"), (bins[-1], "the last edge")
    elif period is not None:
        ends = (0.0, "where the circle begins"), (period, "the period")
    else:
        low, high = map(float, np.quantile(x, _QUANTILES))
        ends = (low, "the 5 % quantile of x"), (high, "the 95 % quantile of x")
    options, assumed = {**options}, []
    for (name, option), (value, what) in zip((("a", "--from"), ("b", "--to")), ends, strict=True):
        if options[name] is None:
            options[name] = value
            assumed.append(f"{option} {value:.6g} ({what})")
    odd = list[str]()
    if not isinstance(options["bandwidth"], float):
        rule = by_rule["rule"]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                options["bandwidth"] = select_bandwidth(x, z, **by_rule)
            except ValueError as error:
                advice = "--bandwidth must be given: " if "two different points" in str(error) else ""
                raise Refused(f"{advice}{error}") from None
        odd += [f"Of the bandwidth: {each.message}." for each in caught]
        name = "Silverman's rule of thumb" if rule == BANDWIDTH_RULES[0] else f"of the largest {rule}"
        assumed.append(f"--bandwidth {np.max(options['bandwidth']):.6g} ({name})")
    return options, assumed, odd + _oddities(x, float(np.min(options["bandwidth"])))


def _oddities(x: NDArray[Any], h: float) -> list[str]:
    """Return what a bandwidth has to do with the distances of the points, where that is odd."""
    some = x.ravel()[:: max(1, x.size // _MOST_LOOKED_AT)].astype(np.float64)
    values = len(np.unique(some))
    if values < 2:
        return []
    apart, equal = resolution(some), 1 - values / len(some)
    if equal > _TIES and apart > h:
        return [
            f"{100 * equal:.0f} % of the points are equal to others, and values lie {apart:.3g} apart: "
            f"with a bandwidth of {h:.3g} the density is a row of peaks."
        ]
    if 2 * apart > h:
        return [f"The bandwidth {h:.3g} is near the resolution of x, whose values lie {apart:.3g} apart."]
    return []


def _show(choice: Choice, lines: list[str], out: Console) -> None:
    for kind, text in description(choice):
        # The lines of a table must not be broken to the terminal's width, nor those to copy.
        out.print(Text(text, style=_STYLES.get(kind, "")), soft_wrap=kind in _TABLE)
        if kind == "heads":
            out.print("─" * len(text), soft_wrap=True)
    out.print()
    for line in lines:
        out.print(Text(line), soft_wrap=True)
