"""`kdexent.choose` measures what it says, and recommends what follows; `kdexent choose` reads any file."""

import re
from functools import partial
from math import inf, isfinite, isnan, nan

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet
from tiers import thorough_but_for
from typer.testing import CliRunner

import kdexent
from kdexent.choosing import candidates, recommend, trials
from kdexent.choosing.choice import Asked, Choice, Measured
from kdexent.choosing.quadrature import converged_loss
from kdexent.cli import choosing
from kdexent.cli.app import app
from kdexent.cli.choosing import silverman
from kdexent.measure import timing

RNG = np.random.default_rng(5)
X, Z = RNG.uniform(0, 6, 60), RNG.normal(size=60)
PLAIN = {"a": 1.0, "b": 4.0, "bandwidth": 0.3, "bins": 16}


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    """Time every call once: no test asserts a time."""
    monkeypatch.setattr(timing, "FULL", timing.FULL._replace(seconds=0.0))


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
    "coarse": {"rtol": 1e-4},
    "rows": {"x": X.reshape(3, 20), "z": Z.reshape(3, 20), "bandwidth": np.array([0.2, 0.3, 0.4])},
    "logits": {"z": np.stack([Z, np.where(Z > 0, -inf, Z)])},
    "float32": {"x": X.astype("f4"), "z": Z.astype("f4"), "rtol": 1e-5},
    "one thread": {"n_threads": 1},
}


@thorough_but_for(name=["gaussian", "rows"])
@pytest.mark.parametrize("name", CASES)
def test_errors_are_those_against_direct(name):
    options = {"x": X, "z": Z, **PLAIN, **CASES[name]}
    choice = choose(**options, bin_counts=[24])
    options.pop("bins")
    options.pop("rule", None)
    for row in choice:
        assert (row.loss_error, row.gradient_error) == pytest.approx(
            errors(row, **options), rel=1e-6, abs=1e-15
        )
        assert row.seconds > 0 and row.workspace_bytes != 0
    best, rtol = choice.best, options.get("rtol", 1e-9)
    assert best.loss_error <= rtol and best.gradient_error <= rtol
    assert (best.bins, best.rule) == (PLAIN["bins"], CASES[name].get("rule", "midpoint"))


@thorough_but_for(name=["gaussian", "rows"])
@pytest.mark.parametrize("name", ["gaussian", "von_mises", "rows"])
def test_quadrature_errors_are_those_against_the_integral(name):
    options = {"x": X, "z": Z, **PLAIN, **CASES[name]}
    choice = choose(**options, bin_counts=[8, 32, 64])
    options.pop("bins")
    converged = kdexent.loss(**options, bins=400, rule="gauss", rtol=0.0)
    assert choice.converged == pytest.approx(np.atleast_1d(converged)[0], abs=1e-13)
    assert {(row.bins, row.rule) for row in choice} == {
        (m, r) for m in (8, 16, 32, 64) for r in ("midpoint", "gauss")
    }
    for row in choice:
        loss = kdexent.loss(**options, bins=row.bins, rule=row.rule, rtol=0.0)
        expected = np.max(np.abs(loss - converged) / np.maximum(1, np.abs(converged)))
        assert row.quadrature_error == pytest.approx(expected, abs=1e-13)
    assert choice.best_bins.quadrature_error <= choice.bins_tolerance == 1e-6


@thorough_but_for(kernel=["laplace"])
@pytest.mark.parametrize("kernel", ["laplace", "boxcar", "epanechnikov"])
def test_integral_over_kinks_and_jumps(kernel):
    choice = choose(kernel=kernel, bandwidth=0.5, bin_counts=[], methods="direct")
    fine = kdexent.loss(X, Z, 1.0, 4.0, bandwidth=0.5, kernel=kernel, bins=200_000, method="direct")
    assert abs(choice.converged - fine) < 1e-5
    assert choice.uncertainty < 1e-9


def test_integral_known_roughly(monkeypatch):
    monkeypatch.setattr(candidates, "_SECONDS", 0.0)
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
        ({"bins": np.linspace(1, 4, 17) ** 1.0}, "uniform target"),
        ({"kernel": "boxcar", "bandwidth": 1e-3, "a": 100.0, "b": 101.0, "methods": "direct"}, "infinite"),
    ],
)
def test_no_quadrature_errors(options, words):
    choice = choose(**options)
    assert all(isnan(row.quadrature_error) for row in choice)
    assert choice.best is not None and choice.best_bins is None and choice.quadratures == ()
    assert any(words in note for note in choice.notes) and words in str(choice)


def test_every_strategy_is_measured_or_noted():
    choice = choose()
    rows = {(row.method, row.order) for row in choice.strategies}
    assert ("direct", None) in rows and ("auto", None) in rows
    for method, order in candidates.candidates(kdexent.METHODS):
        if (method, order) not in rows and order is not None:
            assert any(note.startswith(f"Left out: {method}") for note in choice.notes)


def test_strategies_that_do_not_apply_are_noted(monkeypatch):
    compute = kdexent.loss_and_grad

    def refusing(*arguments, method, **options):
        if method == "auto":
            raise ValueError("method 'auto' is off today")
        return compute(*arguments, method=method, **options)

    monkeypatch.setattr(trials, "loss_and_grad", refusing)
    choice = choose(methods=["auto", "direct"])
    assert [row.method for row in choice.strategies] == ["direct"]
    assert "Left out: auto (method 'auto' is off today)." in choice.notes
    with pytest.raises(ValueError, match="methods must name at least one that applies"):
        choose(methods="auto")


def test_methods_and_bin_counts():
    choice = choose(methods="direct", bin_counts=[4])
    assert [(row.method, row.bins, row.rule) for row in choice] == [
        ("direct", 16, "midpoint"),
        ("direct", 4, "midpoint"),
        ("direct", 4, "gauss"),
        ("direct", 16, "gauss"),
    ]
    assert {row.bins for row in choose(methods="direct")} == {8, 16, 32, 64}
    assert choose(methods="direct")[1:].__len__() == 7


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
        ({"bin_counts": [8, 0]}, ValueError, r"bin_counts\[1\] = 0"),
        ({"bin_counts": [8.5]}, TypeError, "bin_counts must be an integer"),
        ({"bin_counts": 8}, ValueError, "bin_counts must be a sequence"),
        ({"rtol": 2.0}, ValueError, "rtol"),
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
    monkeypatch.setattr(recommend, "measure_strategies", lambda *_: pytest.fail("measured bad input"))
    with pytest.raises(kind, match=message):
        choose(**options)


def test_progress_counts_to_the_end():
    calls = []
    choose(progress=lambda *call: calls.append(call))
    done, totals, texts = zip(*calls, strict=True)
    assert len(set(totals)) == 1 and list(done) == sorted(done)
    assert done[0] == 0 and done[-1] == totals[0] and "direct" in texts


def test_too_many_pairs_for_direct(monkeypatch):
    monkeypatch.setattr(trials, "_DIRECT_PAIRS", 10)
    monkeypatch.setattr(trials, "_DIRECT_PAIRS_OF_BINS", 10)
    choice = choose(methods="auto")
    assert choice.asked.exact == "auto at rtol = 1e-13" in str(choice)
    assert choice.best.gradient_error < 1e-9


def test_slow_calls_are_timed_once():
    def never():
        pytest.fail("timed again")

    turns = []
    works = {"slow": never, "quick": lambda: None}
    found = timing.alternate(works, timing.QUICK, {"slow": 7.0}, lambda: turns.append(1))
    assert found["slow"] == ((7.0,), 1)
    assert len(turns) == timing.QUICK.repeat == len(found["quick"].seconds) and found["quick"].calls > 1


ASKED = Asked(10, 1, 0.0, 1.0, 0.1, "gaussian", 64, 64, "midpoint", None, False, 1e-9, None, "direct")


def row(method, order, seconds, error, within=True, bins=64, rule="midpoint", quadrature=1e-4):
    return Measured(method, order, bins, rule, seconds, 0.0, error, quadrature, 1000, within)


ROWS = [
    row("direct", None, 9.0, 0.0),
    row("grid", 2, 1.0, 1e-3, False),
    row("grid", 4, 1.5, 1e-2, False),
    row("cells", 8, 2.0, 1e-10),
    row("cells", 12, 3.0, 1e-13),
    row("cells", 8, 2.1, 1e-10, bins=32, rule="gauss", quadrature=1e-8),
    row("cells", 8, 2.0, 1e-10, bins=256, quadrature=1e-7),
    row("cells", 8, 9.0, 1e-10, bins=16, rule="gauss", quadrature=1e-7),
    row("cells", 8, 1.0, 1e-10, bins=8, rule="gauss", quadrature=1e-3),
]
CHOICE = Choice(ROWS, ASKED, ["A note."], 1.5, 1e-15)


def test_best_is_the_fastest_within_rtol():
    assert CHOICE.best is ROWS[3]
    assert CHOICE.line == 'kdexent.loss_and_grad(x, z, a, b, bandwidth=0.1, bins=64, method="cells", order=8)'
    assert re.match(
        "Take cells of order 8: .*4.5 times as fast as direct.*32 Gauss nodes", CHOICE.recommendation
    )


def test_best_bins_are_the_fewest_of_the_fastest():
    assert CHOICE.best_bins is ROWS[5]
    assert CHOICE.quadratures == (ROWS[3], ROWS[6], ROWS[8], ROWS[7], ROWS[5])
    assert Choice(ROWS[:5], ASKED, (), 1.5, 1e-15).best_bins is None
    # An integral that is not known as well as that vouches for no bins.
    assert Choice(ROWS, ASKED, (), 1.5, 1e-5).best_bins is None


def test_pareto_front_is_what_nothing_dominates():
    assert CHOICE.pareto == (ROWS[1], ROWS[3], ROWS[4], ROWS[0])
    choice = choose()
    for one in choice.pareto:
        for other in choice.pareto:
            assert one == other or (one.seconds < other.seconds) != (
                one.gradient_error < other.gradient_error
            )


def test_none_within_rtol():
    choice = Choice(ROWS[1:3], ASKED)
    assert choice.best is None and choice.pareto == (ROWS[1],)
    assert "None of the 2 strategies" in choice.recommendation and "1.0e-03" in choice.recommendation
    assert choice.line == "kdexent.loss_and_grad(x, z, a, b, bandwidth=0.1, bins=64)"


def test_line_says_everything_that_is_not_a_default():
    asked = ASKED._replace(
        kernel="laplace", bins=np.linspace(0, 1, 65), period=2.0, target=True, rtol=1e-4, n_threads=1
    )
    choice = Choice([row("auto", None, 1.0, 0.0)], asked)
    assert choice.line == (
        'kdexent.loss_and_grad(x, z, a, b, bandwidth=0.1, kernel="laplace", bins=bins, target=target, '
        "period=2.0, rtol=0.0001, n_threads=1)"
    )


@pytest.mark.parametrize("name", ["gaussian", "rows", "coarse"])
def test_line_runs(name):
    options = {"x": X, "z": Z, **PLAIN, **CASES[name]}
    choice = choose(**options)
    _, gradient = eval(choice.line, {"kdexent": kdexent, **options})
    assert gradient.shape == np.shape(options["z"])


def test_text_is_an_aligned_table():
    text = str(CHOICE)
    assert repr(CHOICE) == text
    lines = text.splitlines()
    table = lines[lines.index(next(line for line in lines if line.startswith("  method"))) :][:6]
    assert len({len(line) for line in table}) == 1
    assert [line[0] for line in table] == [" ", "+", "+", " ", "*", "+"]
    for words in ("A note.", CHOICE.recommendation, CHOICE.line, "1.0e-13", "quadrature error"):
        assert words in text
    assert max(map(len, lines[:-2])) <= 110


@pytest.mark.parametrize(("name", "start"), [("found.png", b"\x89PNG"), ("found.svg", b"<?xml")])
def test_plot_writes_a_picture(tmp_path, name, start):
    CHOICE.plot(tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)
    Choice(ROWS[:1], ASKED._replace(rtol=0.0)).plot(str(tmp_path / name))


def run(*arguments):
    return CliRunner().invoke(app, ["choose", *map(str, arguments)])


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
        comma = ";" if kind == "csv semicolons" else ","
        lines = [
            comma.join((f'"{i}"', repr(float(x)), repr(float(z))))
            for i, (x, z) in enumerate(zip(X, Z, strict=True))
        ]
        if kind == "csv plain":
            path.write_text("\n".join(lines).replace('"', ""))
            return path, ["--x", 1, "--z", 2]
        path.write_text(
            "\n".join([comma.join(("id", '"angle"', "score")), *lines]) + "\n", encoding="utf-8-sig"
        )
    else:
        parquet.write_table(pyarrow.table({"angle": X, "score": Z, "name": ["n"] * len(X)}), path)
    return path, ["--x", "angle", "--z", "score"]


KINDS = ["npz", "npy structured", "npy pairs", "npy", "csv", "csv semicolons", "csv plain", "parquet"]


@pytest.mark.parametrize("kind", KINDS)
def test_command_reads_every_kind_of_file(tmp_path, kind):
    path, columns = write(tmp_path, kind)
    result = run(path, *columns, "--from", -1, "--to", 4, "--bandwidth", 0.3, "--bins", 8)
    assert result.exit_code == 0, result.output
    assert "direct" in result.output and "Take " in result.output and "quadrature error" in result.output
    # The lines that it prints read the same columns and compute the same gradient.
    names = {}
    exec(
        "\n".join(result.output.splitlines()[result.output.splitlines().index("import numpy as np") :]), names
    )
    if kind == "npz":
        names["data"].close()
    z = np.zeros(len(X)) if kind == "npy" else Z
    loss, gradient = kdexent.loss_and_grad(X, z, -1.0, 4.0, bandwidth=0.3, bins=8)
    assert abs(names["loss"] - loss) < 1e-8
    np.testing.assert_allclose(names["gradient"], gradient, atol=1e-8)


def test_command_fills_in_what_is_missing(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x=X)
    result = run(path, "--bins", 8)
    assert result.exit_code == 0, result.output
    low, high = np.quantile(X, (0.05, 0.95))
    said = " ".join(result.output.split())
    assert f"--from {low:.6g} (the 5 % quantile of x), --to {high:.6g} (the 95 % quantile" in said
    assert f"--bandwidth {silverman(X, None):.6g} (Silverman's rule of thumb)" in said
    assert "logits all 0" in said


@thorough_but_for(methods=[["direct"]])  # all of them take long to compile
@pytest.mark.parametrize("methods", [["direct"], None])
def test_command_on_a_circle(tmp_path, monkeypatch, methods):
    monkeypatch.setattr(choosing, "choose", partial(choosing.choose, methods=methods))
    path, picture = tmp_path / "data.csv", tmp_path / "new" / "found.png"
    path.write_text("x\n" + "\n".join(map(repr, X.tolist())))
    options = ["--kernel", "von_mises", "--period", 6, "--rule", "gauss", "--bins", 8, "--rtol", 1e-6]
    result = run(path, *options, "--threads", 1, "--plot", picture)
    assert result.exit_code == 0, result.output
    assert "--from 0 (0), --to 6 (the period)" in " ".join(result.output.split())
    assert 'kernel="von_mises", bins=8, rule="gauss", period=6.0' in result.output
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_silverman():
    assert silverman(np.array([1.0, 1.0]), None) == 0
    x = np.random.default_rng(0).normal(size=10_000)
    assert silverman(x, None) == pytest.approx(0.9 * 10_000**-0.2, rel=0.05)
    assert silverman(3 * x, 1000.0) == pytest.approx(silverman(3 * x, None), rel=0.05)
    assert isfinite(silverman(np.array([0.0, 0.5]), 1.0))


@pytest.mark.parametrize(
    ("name", "content", "options", "words"),
    [
        ("none.csv", None, [], "there is no file"),
        ("data.txt", b"1", [], "must end in one of .npz, .npy, .csv, .parquet"),
        ("data.csv", b"x,z\n1,2\n", ["--z", "y"], "no column 'y', but x, z"),
        ("data.csv", b"u,v\n1,2\n", [], "no column 'x', but u, v; name another with --x"),
        ("data.csv", b"x,z\n1,2\n3,many\n", ["--z", "z"], "'many'"),
        ("data.csv", b"x,z\n", [], "has no rows"),
        ("data.csv", b"", [], "cannot read|no column|no rows"),
        ("data.csv", b"x\n1\nnan\n", [], r"x must be finite, got x\[1\] = nan"),
        ("data.csv", b"x\n1\n1\n", [], "--bandwidth must be given"),
        ("data.npz", b"nothing", [], "no .npz or .npy file"),
        ("data.npy", b"", [], "cannot read"),
        ("data.npz", b"PK\x03\x04", [], "cannot read"),
        ("data.parquet", b"nothing", [], "cannot read"),
        ("data.csv", b"x\n1\n2\n", ["--kernel", "round"], "kernel must be one of"),
        ("data.csv", b"x\n1\n2\n", ["--from", "5"], "a < b"),
        ("data.csv", b"x\n1\n2\n", ["--plot", "found.text"], "must end in one of"),
        ("data.csv", b"x\n1\n2\n", ["--plot", "data.csv/found.png"], "cannot write there"),
    ],
)
def test_command_complains_in_one_line(tmp_path, monkeypatch, name, content, options, words):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = run(name, *options)
    assert result.exit_code == 2, result.output
    assert result.output.startswith("kdexent: ") and result.output.count("\n") == 1
    assert re.search(words, result.output)
