"""The rules of the house that imports do not show: what stands where, and how large it may be."""

import ast
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

import kdexent
from kdexent import KERNELS

ROOT = Path(__file__).parents[1]
PACKAGE = Path(kdexent.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "reference" not in path.relative_to(PACKAGE).parts)
NAMES = [str(path.relative_to(PACKAGE)) for path in FILES]
SOURCES = dict(zip(NAMES, (path.read_text() for path in FILES), strict=True))
# The compiler's inside, which may change with any version of it.
INSIDE = re.compile(r"^\s*(from|import) (llvmlite|numba\.(core|extending|np))", re.MULTILINE)
COMPILER = re.compile(r"^\s*(from|import) (llvmlite|numba)", re.MULTILINE)
MOST_FILES, MOST_FILES_AT_THE_ROOT, MOST_LINES = 12, 16, 420


def room_of(name):
    return name.partition("/")[0] if "/" in name else ""


@pytest.mark.parametrize("name", NAMES)
def test_files_are_short_enough_to_read(name):
    assert SOURCES[name].count("\n") <= MOST_LINES


def test_rooms_are_small_enough_to_look_around_in():
    rooms = Counter(str(Path(name).parent) for name in NAMES if not name.endswith("__init__.py"))
    assert rooms.pop(".") <= MOST_FILES_AT_THE_ROOT
    assert max(rooms.values()) <= MOST_FILES, rooms.most_common(1)


def test_no_two_files_share_a_name():
    names = Counter(Path(name).name for name in NAMES if not Path(name).name.startswith("__"))
    assert names.most_common(1)[0][1] == 1, names.most_common(1)


def test_no_module_hides_a_public_function():
    functions = {name for name in kdexent.__all__ if name.islower() and name != "reference"}
    assert not functions & {part for name in NAMES for part in Path(name).with_suffix("").parts}


@pytest.mark.parametrize("name", NAMES)
def test_who_knows_the_compiler(name):
    if room_of(name) not in ("simd", "runtime"):
        assert not INSIDE.search(SOURCES[name])
    if room_of(name) == "arguments" or name == "names.py":
        assert not COMPILER.search(SOURCES[name])


def test_the_build_knows_every_room():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    rooms = {
        ".".join(["kdexent", *Path(name).parent.parts]) for name in NAMES if name.endswith("__init__.py")
    }
    assert set(packages) == rooms | {"kdexent.reference"}


# The one place of a kernel and its closed forms on the circle, and what is measured.
KNOW_KERNELS = ("names.py", "families.py", "wrapped.py", "measure", "data")


def literals(source):
    """Return the kernel names in a source that are no default of an argument."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    defaults = {id(each) for f in functions for each in (*f.args.defaults, *f.args.kw_defaults)}
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in defaults)
    return [node.value for node in nodes if isinstance(node.value, str) and node.value in KERNELS]


@pytest.mark.parametrize("name", NAMES)
def test_kernels_are_named_in_one_place(name):
    if name not in KNOW_KERNELS and room_of(name) not in KNOW_KERNELS:
        assert literals(SOURCES[name]) == []


MOST_PARAMETERS = 12
# The contract's own signatures have as many arguments as a problem has.
CONTRACT = {"loss", "loss_and_grad", "log_density", "kde_cross_entropy", "choose", "__init__", "bin_masses"}


@pytest.mark.parametrize("name", NAMES)
def test_no_function_takes_more_than_can_be_read(name):
    for node in ast.walk(ast.parse(SOURCES[name])):
        if isinstance(node, ast.FunctionDef) and node.name not in CONTRACT:
            taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            assert len(taken) <= MOST_PARAMETERS, node.name
