"""What can be typed on the command line."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from .. import __version__
from .streams import Refused, complain

app = typer.Typer(
    help="Cross-entropy of a target distribution and a softmax-weighted kernel density estimate.",
    no_args_is_help=True,
    add_completion=False,
)

Threads = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Threads to use; as many as Numba would if not given.")
]


def _end(command: Callable[[], int]) -> NoReturn:
    """Run a command and end with its exit status."""
    try:
        status = command()
    except Refused as error:
        status = complain(error)
    raise typer.Exit(status)


def _need_matplotlib(otherwise: str = "") -> None:
    if find_spec("matplotlib") is None:
        raise typer.Exit(complain(f'the plot needs matplotlib; pip install "kdexent[bench]"{otherwise}'))


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"kdexent {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    pass


@app.command()
def bench(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A few small cases, in seconds.")] = False,
    json: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write every figure; - for the standard output.")
    ] = Path("bench-results/bench.json"),
    plot: Annotated[Path, typer.Option(metavar="FILE", help="Where to draw the figures.")] = Path(
        "bench-results/bench.png"
    ),
    no_plot: Annotated[bool, typer.Option("--no-plot", help="Draw nothing.")] = False,
    threads: Threads = None,
    repeat: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Timings of each call; fewer of a slow one.")
    ] = None,
    filter: Annotated[
        str, typer.Option(metavar="TEXT", help="Only the cases with TEXT in their name or group.")
    ] = "",
    list_cases: Annotated[bool, typer.Option("--list", help="List the cases and measure none.")] = False,
) -> None:
    """Time the fast kernels and methods beside the NumPy reference, and check that they agree.

    The exit status is 1 if any result disagrees, and 74 if the figures could not be written.
    """
    if not no_plot and not list_cases:
        _need_matplotlib(", or use --no-plot")
    from .bench import run  # noqa: PLC0415  # --help stays fast

    settings = run.Settings(quick, filter, threads, repeat, json, None if no_plot else plot)
    _end(lambda: (run.list_cases if list_cases else run.bench)(settings))


@app.command()
def choose(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Data: .npz, .npy, .csv or .parquet.", show_default=False)
    ],
    *,
    x: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Data points: a name, or a number from 0. x or the only one if not given."
        ),
    ] = None,
    z: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Logits. All 0 if not given, or the second column of a plain (N, 2) array."
        ),
    ] = None,
    start: Annotated[
        float | None,
        typer.Option(
            "--from",
            metavar="A",
            help="Start of the target. The 5 % quantile of x if not given; 0 on a circle.",
        ),
    ] = None,
    end: Annotated[
        float | None,
        typer.Option(
            "--to",
            metavar="B",
            help="End of the target. The 95 % quantile of x if not given; the period on a circle.",
        ),
    ] = None,
    bandwidth: Annotated[
        float | None, typer.Option(metavar="H", help="Bandwidth. Silverman's rule of thumb if not given.")
    ] = None,
    kernel: Annotated[str, typer.Option(metavar="NAME", help="One of kdexent.KERNELS.")] = "gaussian",
    bins: Annotated[int, typer.Option(metavar="M", help="Number of bins.")] = 256,
    rule: Annotated[str, typer.Option(metavar="NAME", help="midpoint or gauss.")] = "midpoint",
    period: Annotated[
        float | None,
        typer.Option(metavar="P", help="Length of the circle that x lives on. On the line if not given."),
    ] = None,
    rtol: Annotated[float, typer.Option(metavar="R", help="Largest error of the strategy to choose.")] = 1e-9,
    plot: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Where to draw time against error.")
    ] = None,
    threads: Threads = None,
) -> None:
    """Measure every strategy on your own data, and say which to use."""
    if plot is not None:
        _need_matplotlib()
    from . import choosing  # noqa: PLC0415  # --help stays fast

    request = choosing.Request(
        file, x, z, start, end, bandwidth, kernel, bins, rule, period, rtol, plot, threads
    )
    _end(lambda: choosing.choose_for(request))
