"""`kdexent choose` from the file to the line of Python."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from ..arguments import checks
from ..choosing.choice import Choice
from ..choosing.recommend import choose
from ..choosing.words import call, description
from .columns import Columns, read
from .defaults import interval, silverman
from .streams import NOT_WRITTEN, Refused, complain, make_folders, write_files
from .terminal import console, progress_bar

_STYLES = {"title": "italic cyan", "heads": "bold", "best": "bold green", "note": "dim", "advice": "bold"}
_TABLE = ("heads", "row", "best")


class Request(NamedTuple):
    """What was asked for on the command line."""

    file: Path
    x: str | None
    z: str | None
    a: float | None
    b: float | None
    bandwidth: float | None
    kernel: str
    bins: int
    rule: str
    period: float | None
    rtol: float
    plot: Path | None
    threads: int | None


class Frame(NamedTuple):
    """The target and the bandwidth, and which of them had to be assumed."""

    a: float
    b: float
    bandwidth: float
    assumed: list[str]


def choose_for(request: Request) -> int:
    """Read, measure, print, and draw what was asked for; return the exit status."""
    if request.plot is not None:
        _check_picture(request.plot)
    try:
        columns = read(request.file, request.x, request.z)
        frame = _frame(request, columns)
        with progress_bar(console(stderr=True)) as report:
            choice = choose(
                *(columns.x, columns.z, frame.a, frame.b),
                bandwidth=frame.bandwidth,
                kernel=request.kernel,
                bins=request.bins,
                rule=request.rule,
                period=request.period,
                rtol=request.rtol,
                progress=report,
                n_threads=request.threads,
            )
    except (ValueError, TypeError) as error:
        raise Refused(error) from None
    failure = write_files([] if request.plot is None else [(request.plot, choice.plot)])
    _show(choice, request, columns, frame, console())
    if failure is not None:
        return complain(failure, NOT_WRITTEN)
    if request.plot is not None:
        console().print(Text(f"Written: {request.plot}"))
    return 0


def _check_picture(path: Path) -> None:
    """Raise before the measuring what would come to light after it."""
    from matplotlib.backend_bases import FigureCanvasBase  # noqa: PLC0415  # slow to import

    kinds = sorted(FigureCanvasBase.get_supported_filetypes())
    if path.suffix[1:].lower() not in kinds:
        raise Refused(f"the picture {path} must end in one of {', '.join('.' + kind for kind in kinds)}")
    make_folders([path])


def _frame(request: Request, columns: Columns) -> Frame:
    x, z = checks.real_array("x", columns.x), checks.real_array("z", columns.z)
    if x.size == 0:
        raise Refused(f"{request.file} has no rows")
    checks.require_data(x, z)
    period, assumed = checks.period_length(request.period), []
    low, high = interval(x, period)
    if request.a is None:
        assumed.append(f"--from {low:.6g} ({'0' if period is not None else 'the 5 % quantile of x'})")
    if request.b is None:
        assumed.append(
            f"--to {high:.6g} ({'the period' if period is not None else 'the 95 % quantile of x'})"
        )
    bandwidth = request.bandwidth
    if bandwidth is None:
        bandwidth = silverman(x, period)
        if bandwidth == 0:
            raise Refused("all points are equal, so --bandwidth must be given")
        assumed.append(f"--bandwidth {bandwidth:.6g} (Silverman's rule of thumb)")
    a, b = low if request.a is None else request.a, high if request.b is None else request.b
    return Frame(a, b, bandwidth, assumed)


def _show(choice: Choice, request: Request, columns: Columns, frame: Frame, out: Console) -> None:
    logits = "all 0" if columns.z_name is None else f"from column {columns.z_name}"
    out.print(Text(f"{request.file}: x from column {columns.x_name}, logits {logits}", style="bold"))
    if frame.assumed:
        out.print(Text("Assumed: " + ", ".join(frame.assumed) + "."))
    for kind, text in description(choice):
        # The lines of a table must not be broken to the terminal's width, nor those to copy.
        out.print(Text(text, style=_STYLES.get(kind, "")), soft_wrap=kind in _TABLE)
        if kind == "heads":
            out.print("─" * len(text), soft_wrap=True)
    out.print()
    ends = repr(frame.a), repr(frame.b)
    lines = ["import numpy as np", "import kdexent", *columns.imports, columns.line]
    for line in [*lines, f"loss, gradient = {call(choice, *ends)}"]:
        out.print(Text(line), soft_wrap=True)
