"""Every example in the documentation runs and says what it shows."""

import contextlib
import doctest
import inspect
import io
import itertools
import re
import runpy
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import guide
import pytest

import kdexent
from kdexent import reference

ROOT = Path(__file__).parents[1]
FRAMEWORKS = ["kdexent.njit", *(f"kdexent.{name}" for name in ("torch", "jax", "sklearn") if find_spec(name))]
PUBLIC = {
    f"{library.__name__}.{name}": getattr(library, name)
    for library in (kdexent, reference, *map(import_module, FRAMEWORKS))
    for name in library.__all__
    if inspect.isroutine(getattr(library, name)) or inspect.isclass(getattr(library, name))
}
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "tests/README.md"]
PAGES += sorted(
    str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts
)
FIGURES = runpy.run_path(str(ROOT / "docs" / "figures.py"))
DRAWN = {f"figures/{drawn.__name__}.svg" for drawn in FIGURES["FIGURES"]}
MODULES = {"kdexent.data", *(each.__module__ for each in PUBLIC.values())}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_docstring_examples(module):
    result = doctest.testmod(import_module(module))
    assert result.attempted > 0 and result.failed == 0


@pytest.mark.parametrize("page", PAGES)
def test_pages(page):
    text, names = (ROOT / page).read_text(), {}
    for code, output in re.findall(r"```python\n(.*?)```(?:\n+```text\n(.*?)```)?", text, re.DOTALL):
        if "import torch" in code and not find_spec("torch"):
            continue  # make frameworks runs it
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, page, "exec"), names)
        assert not output or printed.getvalue() == output


@pytest.mark.parametrize("page", PAGES)
def test_links(page):
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text()):
        assert link in DRAWN or ((ROOT / page).parent / link).exists(), f"{page} links to {link}"


def test_figures_are_drawn_for_light_and_dark_pages(tmp_path):
    FIGURES["draw"](tmp_path)
    light = {Path(name).name for name in DRAWN}
    assert {path.name for path in tmp_path.iterdir()} == light | {f"{name[:-4]}-dark.svg" for name in light}
    assert all(any(name in (ROOT / page).read_text() for page in PAGES) for name in DRAWN)


@pytest.mark.parametrize("name", kdexent.__all__)
def test_the_site_has_every_function(name):
    home = ROOT / "docs" / "api" / ("reference.md" if name == "reference" else "kdexent.md")
    assert re.search(rf":: kdexent\.{name}$", home.read_text(), re.MULTILINE)


@pytest.mark.parametrize("function", [name for name in PUBLIC if ".reference." not in name])
def test_docstrings_say_everything(function):
    doc = inspect.getdoc(PUBLIC[function])
    returns = () if inspect.isclass(PUBLIC[function]) else ("Returns",)
    for section in ("Parameters", *returns, "Raises", "Notes", "Examples"):
        assert f"{section}\n{'-' * len(section)}" in doc
    documented = set(re.findall(r"^([\w, ]+)(?: : |\n)", doc, re.MULTILINE))
    names = {name.strip() for group in documented for name in group.split(",")}
    assert set(inspect.signature(PUBLIC[function]).parameters) <= names


def test_one_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert kdexent.__version__ == version
    for name in ("CITATION.cff", "recipe/recipe.yaml"):
        assert (
            re.search(r"^ *version: (\d\S*)$", (ROOT / name).read_text(encoding="utf-8"), re.M)[1] == version
        )
    assert (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("## ")[1].startswith(version)


def test_results_are_those_that_were_measured():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert runpy.run_path(str(ROOT / "docs" / "results.py"))["with_table"](readme) == readme


def test_the_guide_is_of_its_measurements():
    page = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    assert page.count("<!-- guide:") == page.count("<!-- end -->") == 8
    assert guide.with_tables(page) == page


def test_example_learns():
    example = runpy.run_path(str(ROOT / "examples" / "concentrate_weights.py"))
    losses = example["main"](steps=20)
    assert all(after < before for before, after in itertools.pairwise(losses))
