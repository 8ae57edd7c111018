"""Every example in the documentation runs and says what it shows."""

import doctest
import inspect
import itertools
import re
import runpy
from importlib import import_module
from pathlib import Path

import pytest

import kdexent

ROOT = Path(__file__).parents[1]
MODULES = [
    "kdexent.choosing.recommend",
    "kdexent.kde",
    "kdexent.warming",
    "kdexent.data",
    "kdexent.reference.kde",
]
PUBLIC = [kdexent.choose, kdexent.loss, kdexent.loss_and_grad, kdexent.log_density, kdexent.warmup]


@pytest.mark.parametrize("module", MODULES)
def test_docstring_examples(module):
    result = doctest.testmod(import_module(module))
    assert result.attempted > 0 and result.failed == 0


@pytest.mark.parametrize("page", ["README.md", *sorted(path.name for path in (ROOT / "docs").glob("*.md"))])
def test_pages(page):
    path = ROOT / page if page == "README.md" else ROOT / "docs" / page
    text = path.read_text()
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(code, page, "exec"), {})
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (path.parent / link).exists(), f"{page} links to {link}"


@pytest.mark.parametrize("function", PUBLIC, ids=lambda function: function.__name__)
def test_docstrings_say_everything(function):
    doc = inspect.getdoc(function)
    for section in ("Parameters", "Returns", "Raises", "Notes", "Examples"):
        assert f"{section}\n{'-' * len(section)}" in doc
    documented = set(re.findall(r"^([\w, ]+)(?: : |\n)", doc, re.MULTILINE))
    names = {name.strip() for group in documented for name in group.split(",")}
    assert set(inspect.signature(function).parameters) <= names


def test_example_learns():
    example = runpy.run_path(str(ROOT / "examples" / "concentrate_weights.py"))
    losses = example["main"](steps=20)
    assert all(after < before for before, after in itertools.pairwise(losses))
