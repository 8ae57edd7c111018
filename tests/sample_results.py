"""Results as `bench`, `gate` and `choose` write them, of figures that are made up."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np

from kdexent.choosing.choice import Asked, Choice, Measured
from kdexent.cli.bench import record
from kdexent.cli.gate import report
from kdexent.measure import cases, classifier_cases, timing
from kdexent.measure.classifiers import Beside, ClassifierResult
from kdexent.measure.comparisons import DensityResult
from kdexent.measure.errors import Agreement, Error, Tolerance
from kdexent.measure.limits import Limits
from kdexent.measure.machine import describe
from kdexent.measure.races import workloads
from kdexent.measure.races.race import Race
from kdexent.measure.races.starts import WARM, Side
from kdexent.strategies.evaluate_rows import Taken

MACHINE = describe()
ERRORS = {"direct": 1e-15, "window": 3e-15, "grid": 1e-4, "cells": 1e-12, "auto": 1e-12}


@cache
def _arguments(case):
    return case.make()


def _timings(seconds):
    return timing.Timings((0.9 * seconds, seconds, 1.4 * seconds), 3)


def _agreement(error, rows=1):
    errors = np.full(rows, error)
    return Agreement(errors / 10, errors, Tolerance(1e-9, np.full(rows, 1e-9) if rows > 1 else 1e-9))


def _density(comparison, way, number):
    case = comparison.case
    seconds = 1e-6 * (10 + number) + 1e-9 * case.rows * case.points
    took = way.method if way.method != "auto" else "direct" if case.pairs < 1e5 else "cells"
    result = DensityResult(comparison, _timings(100 * seconds), 0.1, _timings(seconds), way=way)
    result.agreement = _agreement(ERRORS[way.method] / (way.order or 1), case.rows)
    result.options, result.dtype = _arguments(case).options, "float64"
    result.one_thread = _timings(2 * seconds)
    result.taken = Taken(took, 10 if took == "cells" else None, 1000, 0)
    return result


def bench(problem=None):
    """Return a benchmark, of which the first case fails if there is a problem."""
    rows = [
        _density(each, way, number)
        for each in cases.suite(quick=True)
        if each.group != "real data"
        for number, way in enumerate(each.ways)
    ]
    rows[0].problem = problem
    classifiers = []
    for number, case in enumerate(classifier_cases.suite(quick=True), 1):
        peers = [Beside(peer.name, _timings(3e-4), _agreement(1e-15)) for peer in case.peers]
        peers.append(Beside("another", left_out="not installed"))
        fast = _timings(1e-4 * number)
        classifiers.append(ClassifierResult(case, _timings(1e-3), 0.1, fast, _agreement(1e-16), peers=peers))
    limits = Limits(1e11, 6e10, 3e10)
    run = "quick", "", 2, timing.QUICK, MACHINE, limits, rows, classifiers
    return json.loads(record.as_json(record.Outcome(*run)))


def gate():
    """Return a gate that found one call slower, one wrong, and one that the old side cannot run."""
    cells = {cell.name: cell for cell in [*workloads.controls(), *workloads.quick()]}
    control, _, slower, wrong, absent, *_ = cells
    race = Race(Side("old", Path("old"), Path("old")), Side("new", Path("new"), Path("new")), Path("none"))
    race.logs = {name: [0.001 * each for each in range(-3, 4)] for name in (*cells, WARM)}
    race.logs |= {slower: [0.2] * 7, absent: []}
    race.seconds = {name: [(1e-3, 1.1e-3)] * 7 for name in race.logs}
    taken = {"method": "cells", "order": 10, "workspace_bytes": 1, "stored_bytes": 0}
    good = report.Seen((Error(1e-12, 1e-9),) * 2, (taken, taken), (None, None))
    seen = dict.fromkeys(cells, good)
    seen[wrong] = good._replace(errors=(Error(1e-12, 1e-9), Error(1e-8, 1e-9)))
    seen[absent] = good._replace(failures=("no such kernel", None))
    once = {"memory": report.Once(None, 1e9, "bytes"), "first call": report.Once(2.0, 2.1, "s")}
    outcome = report.Outcome(race, cells, [WARM], seen, once, "quick", workloads.VERSION, 1.0, "")
    assert control in outcome.names
    return json.loads(report.as_json(outcome))


def choice():
    """Return a choice of four strategies, of which two are beyond rtol and one is beaten by another."""
    samples = tuple(1e-3 * (1 + 0.01 * each) for each in range(8))

    def measured(method, order, factor, error):
        times = tuple(factor * each for each in samples)
        facts = {"seconds": times[4], "loss_error": error / 10, "gradient_error": error, "samples": times}
        return Measured(method, order, 64, "midpoint", **facts, within_rtol=error < 1e-9, took="cells 10")

    strategies = [
        measured("auto", None, 1, 1e-12),
        measured("direct", None, 5, 0.0),
        measured("grid", 2, 0.5, 1e-4),
        measured("cells", 4, 0.9, 1e-3),
    ]
    quadratures = [
        Measured("auto", None, bins, rule, seconds, quadrature_error=error)
        for bins, rule, seconds, error in (
            (16, "midpoint", np.nan, 1e-3),
            (64, "midpoint", 1e-3, 1e-7),
            (16, "gauss", np.nan, 1e-4),
            (64, "gauss", np.nan, 0.0),
        )
    ]
    asked = Asked(1000, 1, 0.0, 1.0, 0.1, "epanechnikov", 64, 64, "midpoint", None, False, 1e-9, None)
    return Choice(strategies, quadratures, asked, ["a note"], 1.5, 1e-12)


def choose():
    """Return what the command writes of a choice."""
    about = {"schema": 1, "file": "data.csv", "assumed": [], "warnings": ["odd"], "machine": MACHINE}
    return json.loads(json.dumps({**about, **choice().to_dict()}, allow_nan=False))


DOCUMENTS = {"bench": bench, "gate": gate, "choose": choose}


def written(folder, *names):
    """Write results into a folder and return their paths."""
    paths = [folder / f"{name}.json" for name in names]
    for name, path in zip(names, paths, strict=True):
        path.write_text(json.dumps(DOCUMENTS[name]()))
    return paths
