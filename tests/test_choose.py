"""`kdexent.choose` measures what it says, and recommends what follows; `kdexent choose` reads any file."""

import gzip
import json
import os
import re
import threading
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from math import inf, isnan, nan
from typing import NamedTuple

import numpy as np
import pyarrow
import pytest
from pyarrow import feather, parquet
from tiers import thorough_but_for

import kdexent
from kdexent.choosing import recommend, stages, trials
from kdexent.choosing.choice import Asked, Choice, Measured, PlanCosts
from kdexent.choosing.quadrature import converged_loss
from kdexent.cli import columns
from kdexent.cli.app import app
from kdexent.cli.report.read import read
from kdexent.measure.errors import truth

RNG = np.random.default_rng(5)
X, Z = RNG.uniform(0, 6, 60), RNG.normal(size=60)
PLAIN = {"a": 1.0, "b": 4.0, "bandwidth": 0.3, "bins": 16}


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    """Time every call once: no test asserts a time."""
    monkeypatch.setattr(trials, "_MOST_TURNS", 1)


def choose(x=X, z=Z, **options):
    options = {**PLAIN, **options}
    return kdexent.choose(x, z, options.pop("a"), options.pop("b"), **options)


def errors(row, x, z, a, b, **options):
    """Return a row's loss and gradient error, measured again."""
    options |= {"bins": row.bins, "rule": row.rule}
    rtol = options.pop("rtol", 1e-9)
    loss, gradient = kdexent.loss_and_grad(
        x, z, a, b, **options, method=row.method, order=row.order, rtol=rtol
    )
    exact = np.asarray(x, float), np.asarray(z, float)
    loss0, gradient0 = kdexent.loss_and_grad(*exact, a, b, **options, method="direct", rtol=0.0)
    apart = np.abs(gradient - gradient0).max(axis=-1) / np.abs(gradient0).max(axis=-1)
    return np.max(np.abs(loss - loss0) / np.maximum(1, np.abs(loss0))), np.max(apart)


CASES = {
    "gaussian": {},
    "laplace": {"kernel": "laplace"},
    "epanechnikov": {"kernel": "epanechnikov"},
    "von_mises": {"kernel": "von_mises", "period": 6.0},
    "gauss": {"rule": "gauss"},
    "coarse": {"rtol": 1e-4, "integral_rtol": 1e-2},
    "rows": {"x": X.reshape(3, 20), "z": Z.reshape(3, 20), "bandwidth": np.array([0.2, 0.3, 0.4])},
    "logits": {"z": np.stack([Z, np.where(Z > 0, -inf, Z)])},
    "float32": {"x": X.astype("f4"), "z": Z.astype("f4"), "rtol": 1e-5},
    "one thread": {"n_threads": 1},
    "strided": {"x": np.stack([X, Z], axis=1)[:, 0], "z": np.stack([X, Z], axis=1)[:, 1]},
}


@thorough_but_for(name=["gaussian", "rows"])
@pytest.mark.parametrize("name", CASES)
def test_errors_are_those_against_direct(name):
    options = {"x": X, "z": Z, **PLAIN, **CASES[name]}
    choice = choose(**options, bin_counts=[24, 64], methods=["auto", "direct", "cells"])
    options.pop("bins")
    options.pop("rule", None)
    options.pop("integral_rtol", None)
    for row in choice.strategies:
        expected = errors(row, **options)
        assert (row.loss_error, row.gradient_error) == pytest.approx(expected, rel=1e-6, abs=1e-15)
        assert row.seconds > 0 and row.workspace_bytes != 0
    best, rtol = choice.best, options.get("rtol", 1e-9)
    assert best.loss_error <= rtol and best.gradient_error <= rtol


@thorough_but_for(name=["gaussian", "rows"])
@pytest.mark.parametrize("name", ["gaussian", "von_mises", "rows"])
def test_quadrature_errors_are_those_against_the_integral(name):
    options = {"x": X, "z": Z, **PLAIN, **CASES[name]}
    choice = choose(**options, bin_counts=[8, 32, 64])
    options.pop("bins")
    converged = kdexent.loss(**options, bins=400, rule="gauss", rtol=0.0)
    assert choice.converged == pytest.approx(np.atleast_1d(converged)[0], abs=1e-13)
    ways = {(m, r) for m in (8, 16, 32, 64) for r in ("midpoint", "gauss")}
    assert {(row.bins, row.rule) for row in choice.quadratures} == ways
    for row in choice.quadratures:
        loss = kdexent.loss(**options, bins=row.bins, rule=row.rule, rtol=0.0)
        expected = np.max(np.abs(loss - converged) / np.maximum(1, np.abs(converged)))
        assert row.quadrature_error == pytest.approx(expected, abs=1e-13)
    assert choice.best.quadrature_error <= choice.asked.integral_rtol == 1e-6
    assert {(row.bins, row.rule) for row in choice.strategies} == {(choice.best.bins, choice.best.rule)}


@thorough_but_for(name=["gaussian", "rows"])
@pytest.mark.parametrize("name", CASES)
def test_code_runs_and_meets_both_errors(name):
    options = {"x": X, "z": Z, **PLAIN, **CASES[name]}
    choice = choose(**options, bin_counts=[64, 512, 8192])
    names = {name: options[name] for name in ("x", "z", "bandwidth")}
    exec(choice.code, names)
    assert names["gradient"].shape == np.shape(options["z"])
    for each in ("bins", "rule", "integral_rtol", "rtol"):
        options.pop(each, None)
    # Kinks of the density make any rule slow: bins enough for an error of 1e-7.
    converged = kdexent.loss(**options, bins=20_000, rtol=0.0)
    apart = np.abs(names["loss"] - converged) / np.maximum(1, np.abs(converged))
    assert np.max(apart) <= choice.asked.integral_rtol + choice.asked.rtol
    assert ("ascontiguousarray" in choice.code) == (name == "strided")


SEEDED = range(10)


@thorough_but_for(seed=[0, 1])
@pytest.mark.parametrize("seed", SEEDED)
def test_what_is_recommended_keeps_rtol_for_other_logits(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(500, 5000))
    modes = rng.uniform(-5, 5, 3)
    x = rng.choice(modes, count) + rng.normal(size=count) * rng.uniform(0.05, 1)
    given = {"bandwidth": rng.uniform(0.05, 0.3), "kernel": kdexent.KERNELS[seed], "rtol": 1e-6}
    choice = kdexent.choose(x, np.zeros(count), -5, 5, **given, budget=5.0, steps=100)
    assert choice.best.promised and not choice.best.method.startswith("grid")
    assert all(row.promised and row.within_rtol for row in (choice.best, *choice.ties))
    for spread in (0.0, 1.0, 10.0, 100.0):
        z = spread * rng.normal(size=count)
        names = {"x": x, "z": z}
        exec(choice.code, names)
        at = {"bins": choice.best.bins, "rule": choice.best.rule}
        exact = kdexent.loss_and_grad(x, z, -5, 5, **given | {"rtol": 0.0}, **at, method="direct")
        assert truth(exact, z).agreement((names["loss"], names["gradient"]), 1e-6).agrees


@thorough_but_for(kernel=["laplace"])
@pytest.mark.parametrize("kernel", ["laplace", "boxcar", "epanechnikov"])
def test_integral_over_kinks_and_jumps(kernel):
    choice = choose(kernel=kernel, bandwidth=0.5, bin_counts=[], methods="direct")
    fine = kdexent.loss(X, Z, 1.0, 4.0, bandwidth=0.5, kernel=kernel, bins=200_000, method="direct")
    assert abs(choice.converged - fine) < 1e-5
    assert choice.uncertainty < 1e-9


def test_integral_known_roughly(monkeypatch):
    monkeypatch.setattr(stages, "_INTEGRAL_PART", 0.0)
    choice = choose(kernel="laplace", bandwidth=0.1, methods="direct")
    assert choice.uncertainty > 1e-9
    assert any("is known to" in note and "kinks" in note for note in choice.notes)


def test_converged_loss_of_many_rows():
    scale = np.linspace(0.5, 20, 7)[:, np.newaxis]
    found = converged_loss(lambda t: -np.abs(scale * t - 1.3), 4.0, 1e-13, 10.0)
    s = scale[:, 0]
    exact = np.where(s > 1.3, (1.3**2 + (s - 1.3) ** 2) / (2 * s), 1.3 - s / 2)
    np.testing.assert_allclose(found.losses, exact, rtol=1e-12)
    assert found.uncertainty < 1e-12


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": np.arange(1.0, 17.0)}, "uniform target"),
        ({"bins": np.linspace(1, 4, 17)}, "uniform target"),
        ({"kernel": "boxcar", "bandwidth": 1e-3, "a": 100.0, "b": 101.0, "methods": "direct"}, "infinite"),
    ],
)
def test_no_quadrature_errors(options, words):
    choice = choose(**options)
    assert all(isnan(row.quadrature_error) for row in choice)
    assert choice.best.bins == 16 and choice.quadratures == ()
    assert any(words in note for note in choice.notes) and words in " ".join(str(choice).split())


def test_only_what_keeps_rtol_is_measured_unless_asked_for():
    choice = choose()
    assert {row.method for row in choice.strategies} <= {"auto", "direct", "window", "cells"}
    assert all(row.promised for row in choice.strategies)
    measured = choose(methods=kdexent.METHODS, rtol=0.5)
    for method, order in stages.candidates(kdexent.METHODS):
        row = any((row.method, row.order) == (method, order) for row in measured.strategies)
        said = any(method in note for note in measured.notes)
        assert row or said, (method, order)


def test_what_nothing_is_promised_of_is_said():
    choice = choose(methods="grid", rtol=0.1)
    assert choice.best.method == "grid" and not choice.best.promised
    assert "Nothing is promised" in choice.recommendation


def test_strategies_that_do_not_apply_are_noted(monkeypatch):
    compute = kdexent.loss_and_grad

    def refusing(*arguments, method, **options):
        if method == "cells":
            raise ValueError("method 'cells' is off today")
        return compute(*arguments, method=method, **options)

    monkeypatch.setattr(trials, "loss_and_grad", refusing)
    choice = choose(methods=["cells", "direct"])
    assert [row.method for row in choice.strategies] == ["direct"]
    assert any(note.startswith("Left out: cells (method 'cells' is off today)") for note in choice.notes)
    with pytest.raises(ValueError, match="methods must name at least one that applies"):
        choose(methods="cells")


def test_methods_and_bin_counts():
    choice = choose(methods="direct", bin_counts=[4])
    ways = [(4, "midpoint"), (16, "midpoint"), (4, "gauss"), (16, "gauss")]
    assert sorted((row.bins, row.rule) for row in choice.quadratures) == sorted(ways)
    assert [row.method for row in choice.strategies] == ["direct"]
    assert {row.bins for row in choose(methods="direct").quadratures} == {8, 16, 32, 64}
    assert len(choose(methods="direct")) == 9 and len(choose(methods="direct")[1:]) == 8


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        (
            {"methods": ["direct", "nothing"]},
            ValueError,
            "methods must be one of 'auto', 'direct'.*'nothing'",
        ),
        ({"methods": []}, ValueError, "methods must name at least one"),
        ({"methods": [3]}, TypeError, "methods must be one of"),
        ({"methods": 3}, TypeError, "methods must be a name or a sequence"),
        ({"progress": 3}, TypeError, "progress must be a function"),
        ({"bin_counts": [8, 0]}, ValueError, r"bin_counts\[1\] = 0"),
        ({"bin_counts": [8.5]}, TypeError, "bin_counts must be an integer"),
        ({"bin_counts": 8}, ValueError, "bin_counts must be a sequence"),
        ({"rtol": 2.0}, ValueError, "rtol"),
        ({"integral_rtol": 0.0}, ValueError, "integral_rtol must be positive"),
        ({"budget": -1.0}, ValueError, "budget must be positive"),
        ({"budget": nan}, ValueError, "budget"),
        ({"steps": 0}, ValueError, "steps must be at least 1"),
        ({"steps": 1.5}, TypeError, "steps must be an integer"),
        ({"x": np.full(60, nan)}, ValueError, r"x\[0\] = nan"),
        ({"z": np.full(60, -inf)}, ValueError, "z must have a logit above -inf"),
        ({"z": Z[1:]}, ValueError, "z must have one logit for each"),
        ({"a": 5.0}, ValueError, r"a < b"),
        ({"bandwidth": 0.0}, ValueError, "bandwidth must be positive"),
        ({"kernel": "von_mises"}, ValueError, "needs a period"),
        ({"n_threads": 1.5}, TypeError, "n_threads"),
        ({"x": np.zeros((0, 60))}, ValueError, "at least one row"),
    ],
)
def test_bad_arguments(options, kind, message, monkeypatch):
    monkeypatch.setattr(recommend, "measure", lambda *_: pytest.fail("measured bad input"))
    with pytest.raises(kind, match=message):
        choose(**options)


def test_progress_counts_to_the_end():
    calls = []
    choose(progress=lambda *call: calls.append(call))
    done, totals, texts = zip(*calls, strict=True)
    assert len(set(totals)) == 1 and list(done) == sorted(done)
    assert done[0] == 0 and done[-1] == totals[0] and "direct" in texts


def test_little_budget_leaves_out_bins():
    x = RNG.normal(size=200_000)
    choice = kdexent.choose(x, np.zeros(len(x)), -2, 2, bandwidth=0.1, bins=2048, budget=0.05)
    assert choice.best.method == "auto" and "Left out for want of time" in " ".join(choice.notes)


def test_rows_of_a_large_batch_are_picked(monkeypatch):
    monkeypatch.setattr(recommend, "_MOST_ROWS", 4)
    x = X.reshape(20, 3)
    a = np.linspace(0.0, 1.0, 20)
    choice = kdexent.choose(x, np.zeros(x.shape), a, 4.0, bandwidth=0.3, bins=8, target=np.ones((20, 8)))
    assert choice.asked.rows == 20 and choice.asked.measured_rows == 4
    assert "Measured on 4 of the 20 rows." in choice.notes
    names = {"x": x, "z": np.zeros(x.shape), "a": a, "target": np.ones((20, 8))}
    exec(choice.code, names)
    assert names["gradient"].shape == x.shape


def test_steps_measure_a_plan():
    choice = choose(steps=1000)
    assert choice.strategies[-1].method == "Plan"
    assert choice.plan.stored_bytes == kdexent.Plan(X, copy=False, **PLAIN).stored_bytes
    assert "A Plan takes" in choice.recommendation
    paid = Choice([*ROWS[:1], PLANNED], [], ASKED._replace(steps=12), plan=PlanCosts(1.0, 1000, 10.0))
    assert paid.best is PLANNED
    names = {"x": X, "z": Z}
    exec(paid.code, names)
    assert names["gradient"].shape == X.shape and "plan = kdexent.Plan(x, 0.0, 1.0" in paid.code
    few = Choice([*ROWS[:1], PLANNED], [], ASKED._replace(steps=9), plan=PlanCosts(1.0, 1000, 10.0))
    assert few.best is ROWS[0]


ASKED = Asked(10, 1, 0.0, 1.0, 0.1, "gaussian", 64, 64, "midpoint", None, False, 1e-9, None)
TURNS = np.array([1.0, 1.02, 0.98, 1.01, 0.99, 1.0, 1.03, 0.97])


def row(method, order, seconds, error, within=True, noise=TURNS):
    samples = tuple(seconds * noise)
    return Measured(method, order, 64, "midpoint", seconds, 0.0, error, 1e-7, 1000, within, method, samples)


ROWS = [
    row("auto", None, 3.0, 1e-13),
    row("direct", None, 9.0, 0.0),
    row("grid", 2, 1.0, 1e-3, False),
    row("cells", None, 2.9, 1e-13),
    row("window", None, 2.0, 1e-13),
]
PLANNED = row("Plan", None, 1.0, 1e-13)


def test_best_is_auto_unless_beaten_beyond_the_noise():
    assert Choice(ROWS, [], ASKED).best is ROWS[4]
    assert "1.5 times as fast as auto" in Choice(ROWS, [], ASKED).recommendation
    tied = Choice(ROWS[:4], [], ASKED)
    assert tied.best is ROWS[0] and tied.ties == (ROWS[3],)
    assert "As fast, as far as the noise tells: cells" in tied.recommendation
    noisy = row("window", None, 2.0, 1e-13, noise=TURNS * [1, 2, 1, 2, 1, 2, 1, 2])
    assert Choice([*ROWS[:4], noisy], [], ASKED).best is ROWS[0]
    # What was faster in half of the turns may be as fast, and is no answer.
    assert noisy in Choice([*ROWS[:4], noisy], [], ASKED).ties
    few = Choice([row._replace(samples=row.samples[:3]) for row in ROWS], [], ASKED)
    assert few.best.method == "auto" and "too small to tell" in few.recommendation
    assert ROWS[4].method not in [each.method for each in few.ties]
    assert "What was measured of window took 2.00 s." in few.recommendation


def test_fastest_without_auto():
    assert Choice(ROWS[1:], [], ASKED).best is ROWS[4]
    assert Choice(ROWS[1:3], [], ASKED).best is ROWS[1]


def test_pareto_front_is_what_nothing_dominates():
    assert Choice(ROWS, [], ASKED).pareto == (ROWS[2], ROWS[4], ROWS[1])


def test_none_within_rtol():
    choice = Choice(ROWS[2:3], [], ASKED)
    assert choice.best is None and choice.ties == () and choice.pareto == (ROWS[2],)
    assert "None of the 1 strategies" in choice.recommendation and "1.0e-03" in choice.recommendation
    assert choice.line == "kdexent.loss_and_grad(x, z, 0.0, 1.0, bandwidth=0.1, bins=64)"


def test_line_says_everything_that_is_not_a_default():
    asked = ASKED._replace(
        kernel="laplace", bins=np.linspace(0, 1, 65), period=2.0, target=True, rtol=1e-4, n_threads=1
    )
    assert Choice(ROWS[:1], [], asked).line == (
        'kdexent.loss_and_grad(x, z, 0.0, 1.0, bandwidth=0.1, kernel="laplace", bins=bins, target=target, '
        "period=2.0, rtol=0.0001, n_threads=1)"
    )
    asked = ASKED._replace(a=np.zeros(3), b=np.ones(3), bandwidth=np.ones(3))
    assert Choice(ROWS[4:], [], asked).line == (
        'kdexent.loss_and_grad(x, z, a, b, bandwidth=bandwidth, bins=64, method="window")'
    )


def test_text_is_aligned_and_fits_a_terminal():
    quadratures = [ROWS[0], ROWS[0]._replace(bins=8192, quadrature_error=nan)]
    choice = Choice(ROWS, quadratures, ASKED, ["A note. " * 20], 1.5, 1e-15, PlanCosts(1.0, 10**9, inf))
    text = str(choice)
    assert repr(choice) == text
    lines = text.splitlines()
    table = lines[lines.index(next(line for line in lines if line.startswith("  method"))) :][:6]
    assert len({len(line) for line in table}) == 1
    assert [line[0] for line in table] == [" ", " ", " ", " ", " ", "*"]
    for said in (choice.recommendation, "1.0e-13", "error of the integral", choice.line):
        assert " ".join(said.split()) in " ".join(text.split())
    assert max(map(len, lines[:-2])) <= 80


def test_document_is_strict_json():
    choice = choose(steps=3)
    document = json.loads(json.dumps(choice.to_dict(), allow_nan=False))
    assert document["best"]["method"] == choice.best.method and document["code"] == choice.code
    assert [row["best"] for row in document["strategies"]].count(True) == 1
    assert [row["method"] for row in document["ties"]] == [row.method for row in choice.ties]
    document = Choice(ROWS[2:3], [], ASKED._replace(a=np.zeros(2))).to_dict()
    assert document["best"] is None and document["converged"] is None and document["asked"]["a"] == [0.0, 0.0]


@pytest.mark.parametrize(("name", "start"), [("found.png", b"\x89PNG"), ("found.svg", b"<?xml")])
def test_plot_writes_a_picture(tmp_path, name, start):
    Choice([*ROWS, PLANNED], [], ASKED).plot(tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)
    Choice(ROWS[:1], [], ASKED._replace(rtol=0.0)).plot(str(tmp_path / name))


class Ran(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self):
        return self.stdout + self.stderr


def run(*arguments):
    # Not typer's CliRunner, which before click 8.2 takes both streams for one.
    with (
        redirect_stdout(StringIO()) as stdout,
        redirect_stderr(StringIO()) as stderr,
        pytest.raises(SystemExit) as ended,
    ):
        app(["choose", *map(str, arguments)])
    return Ran(ended.value.code or 0, stdout.getvalue(), stderr.getvalue())


def write(folder, kind):
    """Return a file with the columns X and Z, and the options that name them."""
    path = folder / f"my data.{kind.partition(' ')[0]}"
    if kind == "npz":
        np.savez(path, angle=X, score=Z)
    elif kind == "npy structured":
        columns = np.zeros(len(X), [("angle", float), ("score", float)])
        columns["angle"], columns["score"] = X, Z
        np.save(path, columns)
    elif kind.startswith("npy"):
        np.save(path, np.stack([X, Z], axis=1) if kind == "npy pairs" else X)
        return path, []
    elif kind.startswith("csv"):
        comma = ";" if kind in ("csv semicolons", "csv commas") else ","
        lines = [
            comma.join((f'"{i}"', repr(float(x)), repr(float(z))))
            for i, (x, z) in enumerate(zip(X, Z, strict=True))
        ]
        if kind == "csv plain":
            path.write_text("\n".join(lines).replace('"', ""))
            return path, ["--x", 1, "--z", 2]
        text = "\n".join([comma.join(("id", '"angle"', "score")), *lines]) + "\n"
        if kind == "csv commas":
            path.write_text(text.replace(".", ","))
            return path, ["--x", "angle", "--z", "score", "--decimal", ","]
        if kind == "csv.gz":
            path.write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text, encoding="utf-8-sig")
    elif kind == "tsv":
        path.write_text(
            "angle\tscore\n" + "".join(f"{x!r}\t{z!r}\n" for x, z in zip(X.tolist(), Z.tolist(), strict=True))
        )
    elif kind == "feather":
        feather.write_feather(pyarrow.table({"angle": X, "score": Z, "name": ["n"] * len(X)}), path)
    else:
        parquet.write_table(pyarrow.table({"angle": X, "score": Z, "name": ["n"] * len(X)}), path)
    return path, ["--x", "angle", "--z", "score"]


KINDS = ["npz", "npy structured", "npy pairs", "npy", "csv", "csv semicolons", "csv plain", "csv.gz", "tsv"]
KINDS += ["csv commas", "parquet", "feather"]
SOON = ("--from", -1, "--to", 4, "--bandwidth", 0.3, "--bins", 8, "--methods", "direct", "--budget", 1)


@thorough_but_for(kind=["npy pairs", "csv", "csv commas", "parquet"])
@pytest.mark.parametrize("kind", KINDS)
def test_command_reads_every_kind_of_file(tmp_path, kind):
    path, named = write(tmp_path, kind)
    result = run(path, *named, *SOON)
    assert result.exit_code == 0, result.output
    assert "direct" in result.output and "Take " in result.output and "error of the integral" in result.output
    # The lines that it prints read the same columns and compute the same gradient.
    lines = result.output.splitlines()
    names = {}
    exec("\n".join(lines[lines.index("import numpy as np") :]), names)
    if kind == "npz":
        names["data"].close()
    z = np.zeros(len(X)) if kind == "npy" else Z
    bins = re.search(r"bins=(\d+)", result.output)[1]
    rule = "gauss" if 'rule="gauss"' in result.output else "midpoint"
    loss, gradient = kdexent.loss_and_grad(X, z, -1.0, 4.0, bandwidth=0.3, bins=int(bins), rule=rule)
    assert abs(names["loss"] - loss) < 1e-8
    assert names["x"].flags.c_contiguous
    np.testing.assert_allclose(names["gradient"], gradient, atol=1e-8)


def test_command_fills_in_what_is_missing(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x=X, z=Z)
    result = run(path, "--bins", 8, "--methods", "direct", "--z", "none")
    assert result.exit_code == 0, result.output
    low, high = np.quantile(X, (0.05, 0.95))
    said = " ".join(result.output.split())
    assert f"--from {low:.6g} (the 5 % quantile of x), --to {high:.6g} (the 95 % quantile" in said
    assert f"--bandwidth {kdexent.select_bandwidth(X):.6g} (Silverman's rule of thumb)" in said
    assert "logits all 0" in said
    result = run(path, "--bandwidth", "likelihood", *SOON[6:])
    assert result.exit_code == 0, result.output
    width = kdexent.select_bandwidth(X, Z, rule="likelihood")
    said = " ".join(result.output.split())
    assert f"--bandwidth {width:.6g} (of the largest likelihood)" in said and "logits from column z" in said


@thorough_but_for(methods=["direct"])  # all of them take long to compile
@pytest.mark.parametrize("methods", ["direct", "auto,direct,cells"])
def test_command_on_a_circle(tmp_path, methods):
    path, picture = tmp_path / "data.csv", tmp_path / "new" / "found.png"
    path.write_text("x\n" + "\n".join(map(repr, X.tolist())))
    options = ["--kernel", "von_mises", "--period", 6, "--rule", "gauss", "--bins", 8, "--rtol", 1e-6]
    result = run(path, *options, "--threads", 1, "--plot", picture, "--methods", methods)
    assert result.exit_code == 0, result.output
    assert "--from 0 (where the circle begins), --to 6 (the period)" in " ".join(result.output.split())
    assert 'kernel="von_mises", bins=' in result.output and "period=6.0" in result.output
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_command_writes_strict_json(tmp_path):
    path, named = write(tmp_path, "npy")
    result = run(path, *named, *SOON, "--json", tmp_path / "new" / "found.json")
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "new" / "found.json").read_text(), parse_constant=pytest.fail)
    assert document["best"]["method"] == "direct" and document["file"] == str(path)
    assert read(tmp_path / "new" / "found.json").kind == "choose"
    printed = run(path, *named, *SOON, "--json", "-")
    assert json.loads(printed.stdout)["best"]["bins"] == document["best"]["bins"]
    assert "Take direct" in " ".join(printed.stderr.split())


def test_command_takes_edges_and_a_target(tmp_path):
    path, named = write(tmp_path, "npy")
    given = ("--from", 0, "--to", 4, "--bandwidth", 0.3, "--methods", "direct")
    result = run(path, *named, *given, "--bins", "0,1,4", "--target", "2,1")
    assert result.exit_code == 0, result.output
    assert "the 2 bins given" in " ".join(result.output.split())
    lines = result.output.splitlines()
    names = {}
    exec("\n".join(lines[lines.index("import numpy as np") :]), names)
    assert names["target"].tolist() == [2, 1] and names["gradient"].shape == X.shape
    ends = run(path, *named, *given[4:], "--bins", "0,1,4")
    assert "--from 0 (the first edge), --to 4 (the last edge)" in " ".join(ends.output.split())
    result = run(path, *named, *given, "--bins", "0,one")
    assert result.exit_code == 2 and "numbers, got" in result.output


@pytest.mark.parametrize(
    ("text", "options", "points"),
    [
        ("2013-01-01,1.5\n2013-01-02,2.5\n", ["--x", 1], 2),  # a date is no name
        ("day,x\n2013-01-01,1.5\n2013-01-02,2.5\n", [], 2),
        ("1.5\n2.5\n3.5\n", [], 3),
        ("x\ty\n1.5\t1\n2.5\t2\n", ["--x", 0, "--z", "y"], 2),
        ("x;y\n1,5;1\n2,5;2\n", ["--decimal", ","], 2),
        ("x,x\n1.5,1\n2.5,2\n", ["--x", 1], 2),
        ("x,y\n1.5,1\nNA,2\n3.5,\n2.5,3\n?,4\n", ["--z", "y", "--drop-missing"], 2),
        ('\n\nx;note\n1.5;"a;b"\n2.5;c\n', [], 2),  # empty lines, and a delimiter in quotes
        ('"x", "z"\n1.5, 2\n2.5, 3\n', ["--z", "z"], 2),
        ("x,z\n1.5,2\n2.5,3\n", ["--x", "z", "--z", "z"], 2),
        (
            ",".join(["x"] + ["c"] * 40_000)
            + "\n"
            + ("1.5" + ",2" * 40_000 + "\n") * 2
            + "2.5"
            + ",2" * 40_000,
            [],
            3,
        ),
    ],
)
def test_no_row_of_a_text_file_is_lost(tmp_path, text, options, points):
    path = tmp_path / "data.csv"
    path.write_text(text)
    result = run(path, *options, "--json", "-", *SOON)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["asked"]["points"] == points
    # The lines of Python read the same.
    names = {}
    exec(document["code"], names)
    assert names["x"].shape == names["gradient"].shape == (points,)


@pytest.mark.parametrize("module", [parquet, feather])
def test_columns_of_one_name_are_read_again_by_their_number(tmp_path, module):
    path = tmp_path / f"data.{module.__name__.rpartition('.')[2]}"
    table = pyarrow.table([X, Z, Z + 1], names=["x", "z", "z"])
    (parquet.write_table if module is parquet else feather.write_feather)(table, path)
    result = run(path, "--z", 2, "--json", "-", *SOON)
    assert result.exit_code == 0, result.output
    names = {}
    exec(json.loads(result.stdout)["code"], names)
    assert np.array_equal(names["z"], Z + 1)


def test_an_ending_in_capitals_is_read_again(tmp_path):
    path = tmp_path / "DATA.CSV.GZ"
    path.write_bytes(gzip.compress(b"x\n1.5\n2.5\n"))
    names = {}
    exec(json.loads(run(path, "--json", "-", *SOON).stdout)["code"], names)
    assert names["x"].tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("arrays", "options", "words"),
    [
        ({"x": 5.0}, [], "at least one dimension"),
        ({"x": X, "z": np.array(1.0)}, [], "at least one dimension"),
        (
            {"x": np.where(X > 5, nan, X), "z": Z[:2]},
            ["--drop-missing"],
            "in columns x and z, the first one in row",
        ),
    ],
)
def test_arrays_of_no_use(tmp_path, arrays, options, words):
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    result = run(path, *options, *SOON)
    assert result.exit_code == 2 and result.output.startswith("kdexent: ") and words in result.output


def test_a_pipe_is_read_once(tmp_path):
    path = tmp_path / "data.csv"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_text("x\n1.5\n2.5\n"))
    writer.start()
    result = run(path, "--json", "-", *SOON)
    writer.join()
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["asked"]["points"] == 2


def test_what_does_not_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(columns, "_MOST_BYTES", 2**20)
    for ending in ("csv", "npy", "parquet", "csv.gz"):
        path = tmp_path / f"data.{ending}"
        path.symlink_to("/dev/zero")
        result = run(path)
        assert result.exit_code == 2 and "goes on after 1,048,576 bytes" in result.output
    path = tmp_path / "many.npy"
    np.save(path, X)
    monkeypatch.setattr(columns, "memory_bytes", lambda: 80 * 50)
    result = run(path)
    assert result.exit_code == 2 and "more than the 50 points" in result.output


def test_a_likelihood_that_grows_is_pointed_out(tmp_path):
    path = tmp_path / "data.npy"
    np.save(path, np.repeat(np.arange(10.0), 10))
    result = run(path, "--bandwidth", "likelihood", "--methods", "direct", "--json", "-")
    assert result.exit_code == 0 and "Warning" not in result.stderr
    assert any("the likelihood still grows" in each for each in json.loads(result.stdout)["warnings"])


def test_shapes_that_differ(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x=X.reshape(3, 20), z=Z[:20])
    document = json.loads(run(path, *SOON, "--json", "-").stdout)
    assert (document["asked"]["rows"], document["asked"]["points"]) == (3, 20)
    document = json.loads(run(path, *SOON[:4], *SOON[6:], "--json", "-").stdout)
    assert "bandwidth = kdexent.select_bandwidth(x, z, kernel='gaussian'" in document["code"]
    names = {}
    exec(document["code"], names)
    assert np.array_equal(names["bandwidth"], document["asked"]["bandwidth"])
    np.savez(path, x=np.where(X > 5, nan, X).reshape(3, 20), z=Z[:20])
    assert "lacks" in run(path, *SOON).output


@pytest.mark.parametrize(
    ("x", "h", "words"),
    [
        (np.repeat(np.arange(10.0), 10), 0.2, "90 % of the points are equal to others"),
        (np.linspace(0, 10, 101), 0.15, "is near the resolution of x"),
        (np.linspace(0, 10, 101), 0.5, None),
    ],
)
def test_odd_bandwidths_are_pointed_out(tmp_path, x, h, words):
    path = tmp_path / "data.npy"
    np.save(path, x)
    document = json.loads(run(path, "--bandwidth", h, *SOON[:4], *SOON[6:], "--json", "-").stdout)
    assert [words in each for each in document["warnings"]] == [True] * (words is not None)


@pytest.mark.parametrize(
    ("name", "content", "options", "words"),
    [
        ("none.csv", None, [], "there is no file"),
        ("data.txt", b"1", [], "must end in one of .npz, .npy, .csv, .tsv, .csv.gz"),
        ("data.csv", b"x,z\n1,2\n", ["--z", "y"], "no column 'y': there are x, z"),
        ("data.csv", b"u,v\n1,2\n", [], "no column 'x': there are u, v; name another with --x"),
        ("data.csv", b"x,z\n1,2\n3,many\n", ["--z", "z"], "column z.*'many'"),
        ("data.csv", b"x,z\n", [], "has no rows"),
        ("data.csv", b"", [], "no rows and no columns"),
        (
            "data.csv",
            b"x\n1\nnan\n",
            [],
            "lacks 1 value in column x, the first one in row 2 of 2; --drop",
        ),
        (
            "data.csv",
            b"x,y\n1,\n,2\n",
            ["--z", "y"],
            "lacks 2 values in columns x and y, the first one in row 1",
        ),
        ("data.csv", b"x\n1\n1\n", [], "--bandwidth must be given"),
        (
            "data.csv",
            b"x;z\n1,5;2\n",
            [],
            "column x: .*invalid value '1,5'; for decimal commas add --decimal ,",
        ),
        ("data.csv", b"x,x\n1,2\n", [], "2 columns named 'x': take one by its number, --x 0 or --x 1"),
        ("data.csv", b"x,2013\n1,2\n", [], "no column 'x'|invalid value 'x'.*first row counts as data"),
        ("data.csv", b"x\n1\n2,3\n", [], "Expected 1 columns, got 2: 2,3"),
        (
            "data.csv",
            b"x,day\n1,2013-01-01\n",
            ["--x", "day"],
            "'2013-01-01'; --x and --z take other columns",
        ),
        ("data.csv", "x\n1\n2\n".encode("utf-16"), [], "it is in UTF-16 or UTF-32; iconv"),
        ("data.csv", b"x,z\n1,5,6\n2,7,8\n", [], "Expected 2 columns, got 3: 1,5,6"),
        ("data.csv", b"x\n1\n2\n", ["--bandwidth", "0.1,9"], "one number, got '0.1,9'"),
        ("data.csv", b"x\n1\n2\n", ["--bandwidth", "wide"], "numbers, got 'wide'"),
        ("data.csv", b"x\n1\n2\n", ["--decimal", "ab"], "--decimal must be . or , and not 'ab'"),
        ("data.npz", b"nothing", [], "it is no .npz file"),
        ("data.npy", b"", [], "cannot read"),
        ("data.npz", b"PK\x03\x04", [], "cannot read"),
        ("data.parquet", b"nothing", [], "cannot read"),
        ("data.parquet", b"", [], "cannot read"),
        ("data.feather", b"nothing", [], "cannot read"),
        ("data.csv.gz", b"nothing", [], "cannot read"),
        ("data.csv.gz", gzip.compress(b"x\n" + b"1.5\n" * 999, mtime=0)[:-40], [], "cannot read"),
        ("data.csv.gz", gzip.compress(b"x\n1.5\n", mtime=0)[:12] + b"damaged!!!", [], "cannot read"),
        ("data.csv", b"x\n1\n2\n", ["--kernel", "round"], "kernel must be one of"),
        ("data.csv", b"x\n1\n2\n", ["--from", "5"], "a < b"),
        ("data.csv", b"x\n1\n2\n", ["--plot", "found.text"], "must end in one of"),
        ("data.csv", b"x\n1\n2\n", ["--plot", "data.csv/found.png"], "cannot write there"),
        ("data.csv", b"x\n1\n2\n", ["--json", "data.csv/found.json"], "cannot write there"),
    ],
)
def test_command_complains_in_one_line(tmp_path, monkeypatch, name, content, options, words):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = run(name, *options)
    assert result.exit_code == 2, result.output
    if "--bandwidth" not in options:  # which typer complains of
        assert result.output.startswith("kdexent: ") and result.output.count("\n") == 1
    assert re.search(words, result.output)
