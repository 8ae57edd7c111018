"""`kdexent choose` from the file to the line of Python."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from ..arguments import checks
from ..choosing.choice import Choice
from ..choosing.recommend import choose
from ..choosing.words import call, description
from .columns import Columns, read
from .streams import NOT_WRITTEN, Refused, complain, make_folders, write_files
from .terminal import console, progress_bar

_STYLES = {"title": "italic cyan", "heads": "bold", "best": "bold green", "note": "dim", "advice": "bold"}
_TABLE = ("heads", "row", "best")
# Between these quantiles of the data is the target, unless it is the whole circle.
_QUANTILES = (0.05, 0.95)


def choose_for(
    file: Path,
    x: str | None,
    z: str | None,
    given: dict[str, float | None],
    options: dict[str, Any],
    plot: Path | None,
) -> int:
    """Read, measure, print, and draw what was asked for; return the exit status.

    `given` are a, b and bandwidth, None where they are to be assumed, and `options` further arguments of
    `choose`.
    """
    if plot is not None:
        _check_picture(plot)
    try:
        columns = read(file, x, z)
        frame, assumed = _complete(given, file, columns, options["period"])
        with progress_bar() as report:
            choice = choose(columns.x, columns.z, **frame, **options, progress=report)
    except (ValueError, TypeError) as error:
        raise Refused(error) from None
    failure = write_files([] if plot is None else [(plot, choice.plot)])
    out = console()
    logits = "all 0" if columns.z_name is None else f"from column {columns.z_name}"
    out.print(Text(f"{file}: x from column {columns.x_name}, logits {logits}", style="bold"))
    if assumed:
        out.print(Text("Assumed: " + ", ".join(assumed) + "."))
    _show(choice, [*columns.imports, columns.line], frame, out)
    if failure is not None:
        return complain(failure, NOT_WRITTEN)
    if plot is not None:
        out.print(Text(f"Written: {plot}"))
    return 0


def _check_picture(path: Path) -> None:
    """Raise before the measuring what would come to light after it."""
    from matplotlib.backend_bases import FigureCanvasBase  # noqa: PLC0415  # slow to import

    kinds = sorted(FigureCanvasBase.get_supported_filetypes())
    if path.suffix[1:].lower() not in kinds:
        raise Refused(f"the picture {path} must end in one of {', '.join('.' + kind for kind in kinds)}")
    make_folders([path])


def _complete(
    given: dict[str, float | None], file: Path, columns: Columns, period: float | None
) -> tuple[dict[str, Any], list[str]]:
    """Return a, b and the bandwidth, and which of them were assumed."""
    x, z = checks.real_array("x", columns.x), checks.real_array("z", columns.z)
    if x.size == 0:
        raise Refused(f"{file} has no rows")
    checks.require_data(x, z)
    period = checks.period_length(period)
    circle = period is not None
    low, high = (0.0, period) if period is not None else map(float, np.quantile(x, _QUANTILES))
    missing = {
        "a": ("--from", low, "0" if circle else "the 5 % quantile of x"),
        "b": ("--to", high, "the period" if circle else "the 95 % quantile of x"),
    }
    if given["bandwidth"] is None:
        missing["bandwidth"] = "--bandwidth", silverman(x, period), "Silverman's rule of thumb"
        if missing["bandwidth"][1] == 0:
            raise Refused("all points are equal, so --bandwidth must be given")
    assumed = {name: missing[name] for name, value in given.items() if value is None}
    frame = {name: assumed[name][1] if value is None else value for name, value in given.items()}
    return frame, [f"{option} {value:.6g} ({what})" for option, value, what in assumed.values()]


def silverman(x: NDArray[Any], period: float | None) -> float:
    """Return Silverman's rule of thumb for the bandwidth.

    0.9 N^(-1/5) times the smaller of standard deviation and interquartile range / 1.34; on a circle,
    the circular standard deviation, at most that of a uniform distribution. The weights play no part.
    """
    x = x.astype(np.float64, copy=False)
    if period is None:
        low, high = np.quantile(x, (0.25, 0.75))
        spread = min((s for s in (float(x.std()), float(high - low) / 1.34) if s > 0), default=0.0)
    else:
        resultant = abs(np.exp(2j * np.pi / period * x).mean())
        uniform = period / math.sqrt(12)
        if resultant == 0:
            spread = uniform
        else:
            spread = min(uniform, period / (2 * np.pi) * math.sqrt(max(0.0, -2 * math.log(resultant))))
    return float(0.9 * spread * x.shape[-1] ** -0.2)


def _show(choice: Choice, reading: list[str], frame: dict[str, Any], out: Console) -> None:
    for kind, text in description(choice):
        # The lines of a table must not be broken to the terminal's width, nor those to copy.
        out.print(Text(text, style=_STYLES.get(kind, "")), soft_wrap=kind in _TABLE)
        if kind == "heads":
            out.print("─" * len(text), soft_wrap=True)
    out.print()
    calling = f"loss, gradient = {call(choice, repr(frame['a']), repr(frame['b']))}"
    for line in ("import numpy as np", "import kdexent", *reading, calling):
        out.print(Text(line), soft_wrap=True)
