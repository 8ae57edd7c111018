"""Two sides that take turns: blocks of ABBA or BAAB, in random order, in several pairs of processes."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import geometric_mean, median
from types import TracebackType
from typing import Any

from .change import THRESHOLD, Change, Verdict, change
from .starts import STARTS, WORKLOADS, Failed, Side, start

ROUNDS = 6  # the fewest that an interval comes of
_SECONDS = 0.2  # of a cell in a round
_LEAST_BLOCKS = 3


class Ended(Failed):
    """A process that is no more."""


class Process:
    """A racer, which ends with its `with`; `workloads` is the folder that `as_workloads` made them in."""

    def __init__(self, side: Side, workloads: Path) -> None:
        self.side = side
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", f"{WORKLOADS}.races.racer"],
            env={**side.environment(beside=workloads), "OPENBLAS_NUM_THREADS": "1"},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Control-C is the parent's to answer
        )

    def __enter__(self) -> Process:
        return self

    def wait(self) -> None:
        """Wait until it has started; Failed if it cannot."""
        self._answer()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        self._process.communicate()

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Return the answer to a request; Failed if it is a failure."""
        assert self._process.stdin is not None
        try:
            print(json.dumps({"do": do, **request}), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise self._ended() from None
        return self._answer()

    def prepare(self, cell: str) -> int:
        """Compile or load a cell, and return how many calls of it make a sample."""
        calls: int = self.ask("prepare", cell=cell, slower=self.side.slower)["calls"]
        return calls

    def sample(self, calls: int) -> float:
        """Return the mean time of so many calls of the cell that was prepared last, in seconds."""
        seconds: float = self.ask("sample", calls=calls)["seconds"]
        return seconds

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        if "failure" in answer:
            raise Failed(answer["failure"], self.side.new)
        return answer

    def _ended(self) -> Ended:
        return Ended(f"its process ended with status {self._process.wait()}", self.side.new)


class Race:
    """The logarithms of new time over old of cells, one of each pair of processes."""

    def __init__(
        self, old: Side, new: Side, workloads: Path, threshold: float = THRESHOLD, seed: int = 0
    ) -> None:
        self.old, self.new = old._replace(new=False), new._replace(new=True)
        self.threshold = threshold
        self.logs: dict[str, list[float]] = {}
        self.seconds: dict[str, list[tuple[float, float]]] = {}  # old and new
        self.failures: dict[str, Failed] = {}
        self._workloads = workloads
        self.seed = seed
        self._random = random.Random(seed)

    def change(self, cell: str) -> Change:
        """Return what is known of a cell."""
        return change(self.logs.get(cell, ()))

    def verdict(self, cell: str) -> Verdict:
        """Return what can be said of a cell."""
        return self.change(cell).verdict(self.threshold)

    def run(
        self, cells: Sequence[str], rounds: int = ROUNDS, controls: Sequence[str] = ()
    ) -> Iterator[tuple[int, int, str]]:
        """Run so many rounds, and up to as many again of what is not the same by then: a flag is confirmed.

        Half of these may decide what was undecided; an undecided start, which takes long, is left at that.
        Controls run as long as any cell does.
        Gives how many runs of cells are done of how many, and the cell that is about to run.
        """
        done = 0
        for count in (rounds, rounds // 2, rounds - rounds // 2):
            if not cells:
                return
            total = done + count * len([*controls, *cells])
            for _ in range(count):
                for cell in self.round([*controls, *cells]):
                    yield done, total, cell
                    done += 1
                cells, controls = (
                    [cell for cell in those if cell not in self.failures] for those in (cells, controls)
                )
            cells = [cell for cell in cells if not self._is_settled(cell)]

    def _is_settled(self, cell: str) -> bool:
        verdict = self.verdict(cell)
        return verdict == Verdict.SAME or (cell in STARTS and verdict == Verdict.UNDECIDED)

    def round(self, cells: Sequence[str]) -> Iterator[str]:
        """Run every cell in a new pair of processes; give each that is about to run."""
        if not cells:
            return
        left = self._random.sample(cells, len(cells))
        sides = [(0, self.old), (1, self.new)]
        self._random.shuffle(sides)
        with ExitStack() as stack:
            started = {index: stack.enter_context(Process(side, self._workloads)) for index, side in sides}
            for process in started.values():
                process.wait()
            while left:
                cell = left.pop()
                yield cell
                try:
                    self._run(cell, started[0], started[1])
                except Failed as failure:
                    self.failures[cell] = failure
                    if isinstance(failure, Ended):
                        break
        yield from self.round(left)

    def _run(self, cell: str, *sides: Process) -> None:
        """Time a cell on both sides in turns, a start on both at once."""
        taken: list[tuple[float, float]] = []
        if cell in STARTS:
            for _ in range(STARTS[cell]):
                order = self._random.sample([self.old, self.new], 2)
                times_of = dict(zip(order, start(cell, *order), strict=True))
                taken.append((times_of[self.old], times_of[self.new]))
            self._keep(cell, taken)
            return
        with ThreadPoolExecutor(2) as threads:
            calls = min(threads.map(partial(Process.prepare, cell=cell), sides))
        while len(taken) < _LEAST_BLOCKS or calls * sum(map(sum, taken)) < _SECONDS / 2:
            first = self._random.randrange(2)
            times: tuple[list[float], list[float]] = [], []
            for side in (first, 1 - first, 1 - first, first):
                times[side].append(sides[side].sample(calls))
            taken.append((geometric_mean(times[0]), geometric_mean(times[1])))
        self._keep(cell, taken)

    def _keep(self, cell: str, taken: Sequence[tuple[float, float]]) -> None:
        """Keep the median of what was taken of old and new in turns."""
        self.logs.setdefault(cell, []).append(median(math.log(new / old) for old, new in taken))
        self.seconds.setdefault(cell, []).append(
            (median(old for old, _ in taken), median(new for _, new in taken))
        )
