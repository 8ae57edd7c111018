"""What `kdexent.choose` found out: the measured rows, and which of them to take."""

import math
import os
from collections.abc import Sequence
from typing import Any, NamedTuple, overload

from . import words

# Far below what a step of training changes, and within reach of quadrature, unlike most values of rtol.
_BINS_TOLERANCE = 1e-6
# Times closer than this are one time.
_SAME_TIME = 1.1


class Measured(NamedTuple):
    """A way to compute loss and gradient, and what was measured of it; errors are the worst row's."""

    method: str
    order: int | None
    bins: int
    rule: str
    seconds: float = math.nan  # of one call, compiled before
    loss_error: float = math.nan  # |L - L_exact| / max(1, |L_exact|), at these bins
    gradient_error: float = math.nan  # max|g - g_exact| / max|g_exact|, at these bins
    quadrature_error: float = math.nan  # |L_exact - L_converged| / max(1, |L_converged|), where there is one
    workspace_bytes: int | None = None
    within_rtol: bool = False  # both errors, rounding apart, in every row


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
    exact: str  # how the exact values were computed


class Choice(Sequence[Measured]):
    """The rows that `kdexent.choose` measured, and what follows from them; str() is a table.

    A sequence of `Measured`: the strategies at the bins and the rule that were asked for, then the
    fastest of them at other numbers of bins and both rules.

    Attributes
    ----------
    asked : Asked
        What was measured.
    notes : tuple of str
        What does not apply, and why, and how well the converged integral is known.
    converged : float
        The loss of infinitely many bins, of the first row; NaN where it was not computed.
    bins_tolerance : float
        The quadrature error that `best_bins` may have: max(rtol, 1e-6).
    """

    def __init__(
        self,
        rows: Sequence[Measured],
        asked: Asked,
        notes: Sequence[str] = (),
        converged: float = math.nan,
        uncertainty: float = math.nan,
    ) -> None:
        self._rows = tuple(rows)
        self.asked = asked
        self.notes = tuple(notes)
        self.converged = converged
        self.uncertainty = uncertainty
        self.bins_tolerance = max(asked.rtol, _BINS_TOLERANCE)

    @overload
    def __getitem__(self, index: int) -> Measured: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Measured, ...]: ...
    def __getitem__(self, index: int | slice) -> Measured | tuple[Measured, ...]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def strategies(self) -> tuple[Measured, ...]:
        """The rows at the bins and the rule that were asked for."""
        asked = self.asked.bin_count, self.asked.rule
        return tuple(row for row in self._rows if (row.bins, row.rule) == asked)

    @property
    def quadratures(self) -> tuple[Measured, ...]:
        """A row for each rule and number of bins, by rule; the best's at those that were asked for."""
        if math.isnan(self.converged):
            return ()
        others = self._rows[len(self.strategies) :]
        return tuple(sorted([self.front_runner, *others], key=lambda row: (row.rule != "midpoint", row.bins)))

    @property
    def front_runner(self) -> Measured:
        """The best, or the closest where none is within rtol."""
        return self.best or min(self.strategies, key=lambda row: row.gradient_error)

    @property
    def best(self) -> Measured | None:
        """The fastest of `strategies` within rtol; None if none is."""
        good = (row for row in self.strategies if row.within_rtol)
        return min(good, key=lambda row: row.seconds, default=None)

    @property
    def best_bins(self) -> Measured | None:
        """The cheapest of `quadratures` with an error of at most `bins_tolerance`; None if none has.

        The fewest bins among those that take at most 10 % longer than the fastest.
        """
        good = [
            row
            for row in self.quadratures
            if max(row.quadrature_error, self.uncertainty) <= self.bins_tolerance
            and (row.within_rtol or self.best is None)
        ]
        limit = _SAME_TIME * min((row.seconds for row in good), default=math.nan)
        quick = (row for row in good if row.seconds <= limit)
        return min(quick, key=lambda row: (row.bins, row.seconds), default=None)

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
        """One sentence: what to use, and why."""
        return words.recommendation(self)

    @property
    def line(self) -> str:
        """The line of Python that uses the best strategy."""
        return words.call(self)

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
