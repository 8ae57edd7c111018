"""Every example in the documentation runs and says what it shows."""

import doctest
import inspect
import itertools
import re
import runpy
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

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
MODULES = {"kdexent.data", *(each.__module__ for each in PUBLIC.values())}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_docstring_examples(module):
    result = doctest.testmod(import_module(module))
    assert result.attempted > 0 and result.failed == 0


@pytest.mark.parametrize("page", ["README.md", *sorted(path.name for path in (ROOT / "docs").glob("*.md"))])
def test_pages(page):
    path = ROOT / page if page == "README.md" else ROOT / "docs" / page
    text = path.read_text()
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        if "import torch" in code and not find_spec("torch"):
            continue  # make frameworks runs it
        exec(compile(code, page, "exec"), {})
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (path.parent / link).exists(), f"{page} links to {link}"


@pytest.mark.parametrize("function", [name for name in PUBLIC if ".reference." not in name])
def test_docstrings_say_everything(function):
    doc = inspect.getdoc(PUBLIC[function])
    returns = () if inspect.isclass(PUBLIC[function]) else ("Returns",)
    for section in ("Parameters", *returns, "Raises", "Notes", "Examples"):
        assert f"{section}\n{'-' * len(section)}" in doc
    documented = set(re.findall(r"^([\w, ]+)(?: : |\n)", doc, re.MULTILINE))
    names = {name.strip() for group in documented for name in group.split(",")}
    assert set(inspect.signature(PUBLIC[function]).parameters) <= names


def test_results_are_those_that_were_measured():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert runpy.run_path(str(ROOT / "docs" / "results.py"))["with_table"](readme) == readme


def test_example_learns():
    example = runpy.run_path(str(ROOT / "examples" / "concentrate_weights.py"))
    losses = example["main"](steps=20)
    assert all(after < before for before, after in itertools.pairwise(losses))
