"""What `kdexent.choose` found out: the measured rows, and which of them to take."""

import math
import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple, overload

import numpy as np

from ..measure import numbers
from ..measure.races.change import Change, Verdict, change
from ..names import AUTO
from . import words
from .words import PLAN

# Times further apart are no tie, however few there are of them.
_TIE = 1.1


class Measured(NamedTuple):
    """A way to compute loss and gradient, and what was measured of it; errors are the worst row's."""

    method: str  # one of kdexent.METHODS, or "Plan"
    order: int | None
    bins: int
    rule: str
    seconds: float = math.nan  # of one call, compiled before; NaN where it was not raced
    loss_error: float = math.nan  # |L - L_exact| / max(1, |L_exact|), at these bins
    gradient_error: float = math.nan  # max|g - g_exact| / max|g_exact|, at these bins
    quadrature_error: float = math.nan  # |L_exact - L_converged| / max(1, |L_converged|), where there is one
    workspace_bytes: int | None = None
    within_rtol: bool = False  # both errors, rounding apart, in every row
    took: str = ""  # the method and order that were taken
    samples: tuple[float, ...] = ()  # seconds, one of each turn of the race

    @property
    def promised(self) -> bool:
        """Whether `rtol` is kept for any logits: by methods without an order, but not by grids."""
        return self.order is None and self.method != "grid"

    @property
    def at(self) -> tuple[int, str]:
        """The number of bins and their rule."""
        return self.bins, self.rule

    def compared(self, other: "Measured") -> Change:
        """Return this one's time over the other's, turn by turn of their race."""
        return change(math.log(mine / its) for mine, its in zip(self.samples, other.samples, strict=False))

    def ties(self, other: "Measured") -> bool:
        """Return whether its time cannot be told from the other's, of the same race."""
        found = self.compared(other)
        if found.verdict() in (Verdict.SLOWER, Verdict.FASTER) or self.seconds > _TIE * other.seconds:
            return False
        # Where turns are too few for an interval, one that looks faster may well be.
        return math.isfinite(found.high) or other.seconds <= _TIE * self.seconds


class Asked(NamedTuple):
    """The arguments of the call, as far as its results mention them."""

    points: int
    rows: int
    a: Any
    b: Any
    bandwidth: Any
    kernel: str
    bins: Any  # a number, or edges
    bin_count: int
    rule: str
    period: float | None
    target: bool
    rtol: float
    n_threads: int | None
    integral_rtol: float = 1e-6
    steps: int | None = None
    measured_rows: int = 1  # of `rows`, those that were measured
    copied: bool = False  # x or z did not lie in memory one after another

    @property
    def has_quadrature(self) -> bool:
        """Whether the bins stand for a uniform target, so that more of them converge to an integral."""
        return not self.target and np.ndim(self.bins) == 0

    def reached(self, row: Measured, uncertainty: float) -> bool:
        """Return whether a row's error of an integral that is so well known is small enough."""
        return max(row.quadrature_error, uncertainty) <= self.integral_rtol


class PlanCosts(NamedTuple):
    """What a plan costs beside its steps."""

    seconds: float  # to make it
    stored_bytes: int  # that it keeps
    pays_from: float  # steps, inf where it never does


class Choice(Sequence[Measured]):
    """The rows that `kdexent.choose` measured, and what follows from them; str() is a table.

    A sequence of `Measured`: the strategies, raced against each other at the bins and the rule that are
    recommended, then `auto` at all bins and rules tried.

    Attributes
    ----------
    asked : Asked
        What was measured.
    notes : tuple of str
        What does not apply or was left out, and why, and how well the converged integral is known.
    converged : float
        The loss of infinitely many bins, of the first row measured; NaN where it was not computed.
    uncertainty : float
        How far that may be off, relative to max(1, abs(L)).
    plan : PlanCosts or None
        What a `kdexent.Plan` costs, where `steps` were given.
    """

    def __init__(
        self,
        strategies: Sequence[Measured],
        quadratures: Sequence[Measured],
        asked: Asked,
        notes: Sequence[str] = (),
        converged: float = math.nan,
        uncertainty: float = math.nan,
        plan: PlanCosts | None = None,
    ) -> None:
        self.strategies = tuple(strategies)
        self.quadratures = tuple(quadratures)
        self.asked = asked
        self.notes = tuple(notes)
        self.converged = converged
        self.uncertainty = uncertainty
        self.plan = plan

    @overload
    def __getitem__(self, index: int) -> Measured: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Measured, ...]: ...
    def __getitem__(self, index: int | slice) -> Measured | tuple[Measured, ...]:
        return (*self.strategies, *self.quadratures)[index]

    def __len__(self) -> int:
        return len(self.strategies) + len(self.quadratures)

    @cached_property
    def _good(self) -> list[Measured]:
        """Those within rtol; a plan where it pays."""
        return [row for row in self.strategies if row.within_rtol and (row.method != PLAN or self.plan_pays)]

    @cached_property
    def best(self) -> Measured | None:
        """What to take: ``"auto"``, unless another within rtol beats it by more than the noise.

        None if none is within rtol. A plan is taken where `steps` are enough for it to pay.
        """
        if not self._good:
            return None
        base = min(self._good, key=lambda row: (row.method != AUTO, not row.promised, row.seconds))
        faster = [row for row in self._good if row.compared(base).verdict() is Verdict.FASTER]
        return min(faster, key=lambda row: row.compared(base).ratio, default=base)

    @property
    def plan_pays(self) -> bool:
        """Whether the steps asked for are enough for a plan to pay."""
        return self.plan is not None and (self.asked.steps or 0) >= self.plan.pays_from

    @cached_property
    def ties(self) -> tuple[Measured, ...]:
        """The other `strategies` within rtol whose times cannot be told from the best's."""
        best = self.best
        if best is None:
            return ()
        return tuple(row for row in self._good if row is not best and row.ties(best))

    @property
    def pareto(self) -> tuple[Measured, ...]:
        """The `strategies` that no other beats in time and gradient error at once, fastest first."""
        front: list[Measured] = []
        for row in sorted(self.strategies, key=lambda row: (row.seconds, row.gradient_error)):
            if not front or row.gradient_error < front[-1].gradient_error:
                front.append(row)
        return tuple(front)

    @property
    def recommendation(self) -> str:
        """What to use, and why, in some sentences."""
        return words.recommendation(self)

    @property
    def line(self) -> str:
        """The call that is recommended, of arrays x and z."""
        return words.call(self)

    @property
    def code(self) -> str:
        """Lines of Python that do what is recommended with arrays x and z, and run as they stand.

        Arrays among the other arguments are taken from variables of their names.
        """
        return "\n".join(words.code(self))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as what JSON can hold: None where a number is not finite."""
        best = self.best
        rows = [words.as_dict(row, row is best, row in self.ties) for row in self.strategies]
        return {
            "asked": numbers.plain(self.asked._asdict()),
            "strategies": rows,
            "quadratures": [words.as_dict(row) for row in self.quadratures],
            "best": None if best is None else words.as_dict(best, True),
            "ties": [words.as_dict(row, tie=True) for row in self.ties],
            "plan": None if self.plan is None else numbers.plain(self.plan._asdict()),
            "converged": numbers.plain(self.converged),
            "uncertainty": numbers.plain(self.uncertainty),
            "notes": list(self.notes),
            "recommendation": self.recommendation,
            "code": self.code,
        }

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw time against gradient error into a file, whose ending says of which format.

        Parameters
        ----------
        path : str or path
            Where to write the picture.

        Raises
        ------
        ModuleNotFoundError
            Without matplotlib, which ``pip install "kdexent[bench]"`` brings.
        """
        try:
            from .choice_plot import draw  # noqa: PLC0415  # matplotlib is optional
        except ModuleNotFoundError as error:
            if error.name != "matplotlib":
                raise
            raise ModuleNotFoundError(
                'the plot needs matplotlib; pip install "kdexent[bench]"', name="matplotlib"
            ) from None
        draw(self, path)

    def __str__(self) -> str:
        return words.text(self)

    __repr__ = __str__
