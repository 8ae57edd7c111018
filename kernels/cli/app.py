"""What can be typed on the command line."""

import math
import traceback
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from .. import __version__
from ..names import BANDWIDTH_RULES, KERNELS, METHODS
from .streams import Refused, Unwritten, complain

app = typer.Typer(
    help="Cross-entropy of a target distribution and a softmax-weighted kernel density estimate.",
    no_args_is_help=True,
    add_completion=False,
)


def _option(metavar: str, help: str, *names: str, **limits: Any) -> Any:
    return typer.Option(*names, metavar=metavar, help=help, **limits)


Threads = Annotated[int | None, _option("N", "Threads to use; as many as Numba would if not given.", min=1)]


def _percent(text: str | float) -> float:
    """Return the number of 5 % or 5, however it is spaced."""
    try:
        number = float(str(text).strip().removesuffix("%"))
    except ValueError:
        number = math.nan
    if not 0.1 <= number <= 1000:
        raise typer.BadParameter(f"a percentage from 0.1 to 1000, got {text!r}")
    return number


def _end(command: Callable[[], int]) -> NoReturn:
    """Run a command and end with its exit status."""
    try:
        status = command()
    except Refused as error:
        status = complain(error)
    except Unwritten:
        raise
    except Exception:  # a fault of the command is no verdict
        traceback.print_exc()
        status = 2
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
    json: Annotated[Path, _option("FILE", "Where to write every figure; - for the standard output.")] = Path(
        "bench-results/bench.json"
    ),
    plot: Annotated[Path, _option("FILE", "Where to draw the figures.")] = Path("bench-results/bench.png"),
    no_plot: Annotated[bool, typer.Option("--no-plot", help="Draw nothing.")] = False,
    peers: Annotated[
        bool, typer.Option("--peers", help="And beside JAX and PyTorch, where installed.")
    ] = False,
    threads: Threads = None,
    repeat: Annotated[int | None, _option("N", "Timings of each call; fewer of a slow one.", min=1)] = None,
    filter: Annotated[str, _option("TEXT", "Only the cases with TEXT in their name or group.")] = "",
    list_cases: Annotated[bool, typer.Option("--list", help="List the cases and measure none.")] = False,
) -> None:
    """Time the fast kernels and methods beside the NumPy reference, and check that they agree.

    The exit status is 1 if any result disagrees, and 74 if the figures could not be written.
    """
    if not no_plot and not list_cases:
        _need_matplotlib(", or use --no-plot")
    from .bench import run  # noqa: PLC0415  # --help stays fast

    if list_cases:
        _end(lambda: run.list_cases(quick, peers, filter))
    _end(lambda: run.bench(quick, peers, filter, json, None if no_plot else plot, threads, repeat))


@app.command()
def choose(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Data: .csv, .tsv (.gz too), .parquet, .feather, .npz or .npy.",
            show_default=False,
        ),
    ],
    *,
    x: Annotated[
        str | None,
        _option("COLUMN", "Data points: a name, or a number from 0; x or the only one if not given."),
    ] = None,
    z: Annotated[
        str | None,
        _option("COLUMN", "Logits: z if there is one, or the second of two without names, or none."),
    ] = None,
    start: Annotated[
        float | None,
        _option("A", "Start of the target. The 5 % quantile of x if not given; 0 on a circle.", "--from"),
    ] = None,
    end: Annotated[
        float | None,
        _option(
            "B", "End of the target. The 95 % quantile of x if not given; the period on a circle.", "--to"
        ),
    ] = None,
    bandwidth: Annotated[
        str | None, _option("H", f"Bandwidth, or a rule for it: {' or '.join(BANDWIDTH_RULES)}.")
    ] = None,
    kernel: Annotated[str, _option("NAME", f"One of {', '.join(KERNELS)}.")] = "gaussian",
    bins: Annotated[str, _option("M", "Number of bins, or their edges: 0,0.5,2.")] = "256",
    rule: Annotated[str, _option("NAME", "midpoint or gauss.")] = "midpoint",
    period: Annotated[
        float | None, _option("P", "Length of the circle that x lives on. On the line if not given.")
    ] = None,
    target: Annotated[
        str | None, _option("P", "Masses of the target on the bins: 1,2,1; uniform if not given.")
    ] = None,
    rtol: Annotated[float, _option("R", "Largest error of the sum over bins.")] = 1e-9,
    integral_rtol: Annotated[float, _option("R", "Largest error of it as an integral.")] = 1e-6,
    methods: Annotated[
        str | None,
        _option("NAMES", f"Of {', '.join(METHODS)}, with all orders; what keeps rtol if not given."),
    ] = None,
    steps: Annotated[int | None, _option("N", "How often logits will change while x stays.")] = None,
    budget: Annotated[float, _option("S", "Seconds to measure, compiling apart.")] = 20.0,
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Go on without rows that lack a value.")
    ] = False,
    decimal: Annotated[str, _option("C", "Decimal point of .csv and .tsv files.")] = ".",
    json: Annotated[
        Path | None, _option("FILE", "Where to write every figure; - for the standard output.")
    ] = None,
    plot: Annotated[Path | None, _option("PATH", "Where to draw time against error.")] = None,
    threads: Threads = None,
) -> None:
    """Measure on your own data which strategy, number of bins and rule to use."""
    if plot is not None:
        _need_matplotlib()
    from . import choosing, columns  # noqa: PLC0415  # --help stays fast

    count = _numbers("bins", bins)
    options: dict[str, Any] = {
        "a": start,
        "b": end,
        "bandwidth": bandwidth if bandwidth in (None, *BANDWIDTH_RULES) else _number("bandwidth", bandwidth),
        "kernel": kernel,
        "bins": int(count[0]) if len(count) == 1 and count[0].is_integer() else count,
        "rule": rule,
        "period": period,
        "target": None if target is None else _numbers("target", target),
        "rtol": rtol,
        "integral_rtol": integral_rtol,
        "methods": None if methods is None else [name.strip() for name in methods.split(",")],
        "steps": steps,
        "budget": budget,
        "n_threads": threads,
    }
    reading = columns.Options(x, z, drop_missing, decimal)
    _end(lambda: choosing.choose_for(file, reading, options, plot, json))


def _number(name: str, text: str) -> float:
    numbers = _numbers(name, text)
    if len(numbers) != 1:
        raise typer.BadParameter(f"one number, got {text!r}", param_hint=f"'--{name}'")
    return numbers[0]


def _numbers(name: str, text: str) -> list[float]:
    """Return numbers that commas separate."""
    try:
        return [float(each) for each in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"numbers, got {text!r}", param_hint=f"'--{name}'") from None


@app.command()
def gate(
    base: Annotated[
        str,
        typer.Argument(
            metavar="BASE", help="A revision of the repository here, or a wheel.", show_default=False
        ),
    ],
    head: Annotated[
        str | None,
        typer.Argument(metavar="[HEAD]", help="Another; the working tree if not given.", show_default=False),
    ] = None,
    *,
    tier: Annotated[str, _option("NAME", "quick, some minutes; or full, every public function.")] = "quick",
    cells: Annotated[
        str, _option("TEXT", "Only the cells with TEXT in their name or first columns: 100×32.")
    ] = "",
    rounds: Annotated[
        int, _option("N", "Pairs of processes, and as many for what is not the same; six decide.", min=1)
    ] = 6,
    threshold: Annotated[
        float, _option("PERCENT", "The smallest change of time that counts.", parser=_percent)
    ] = 5.0,
    json: Annotated[
        Path | None, _option("FILE", "Where to write every figure; - for the standard output.")
    ] = None,
) -> None:
    """Say whether a revision is slower than another, or less exact than allowed.

    The exit status is 0 if nothing is, 1 if something is, 2 if one could not be built or run, 3 if something
    is undecided, 74 if the figures could not be written, and 130 after Control-C.
    """
    from .gate import compare  # noqa: PLC0415  # --help stays fast

    _end(lambda: compare.gate(base, head, compare.Options(tier, cells, rounds, threshold / 100, json)))


@app.command()
def doctor() -> None:
    """Show what a report of a fault needs: versions, the machine, the cache, and whether all methods work.

    The exit status is 1 if a method fails on a small problem, or is wrong.
    """
    from .doctor import examine  # noqa: PLC0415  # --help stays fast

    _end(examine)


@app.command()
def report(
    results: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RESULT.json ...]",
            help="What bench, gate or choose wrote with --json; bench-results/bench.json if none is given.",
            show_default=False,
        ),
    ] = None,
    *,
    out: Annotated[Path, _option("FILE", "Where to write the page; - for the standard output.")] = Path(
        "bench-results/report.html"
    ),
) -> None:
    """Write results as one page of charts and tables, which needs no other file and no network.

    The exit status is 2 if a result cannot be read, and 74 if the page could not be written.
    """
    from .report import page  # noqa: PLC0415  # --help stays fast

    _end(lambda: page.report(results or [], out))
