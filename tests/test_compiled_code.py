"""The hot loops are vector code without calls, and every compiled function takes its flags from one place."""

import ast
import platform
import re
from pathlib import Path

import llvmlite.binding
import numba
import pytest
from tiers import thorough_but_for

import kdexent
from kdexent.arguments.arrays import FLOAT64
from kdexent.families import FORMULAS
from kdexent.formula import Variant
from kdexent.logits import classes, masses, multilabel
from kdexent.numerics.chunks import all_of, numbers_of
from kdexent.runtime import jit
from kdexent.strategies.cells import bin_sums, middle, moments, sorted_points
from kdexent.strategies.direct import gaussian_runs, pairs, products, runs_in_reach, scans
from kdexent.strategies.tails import tail_sums
from kdexent.strategies.window import near, window

PACKAGE = Path(kdexent.__file__).parent

x86_with_fma = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or not llvmlite.binding.get_host_cpu_features().get("fma"),
    reason="reads x86-64 assembly with fused multiply-add",
)


def assembly(monkeypatch, make):
    """Return the assembly of loops compiled afresh; code from the disk cache cannot be inspected."""

    def no_cache(*_):
        raise RuntimeError("no cache")

    monkeypatch.setattr(jit, "_PackageCache", no_cache)

    def inspect(loops):
        compiled = loops()
        assert not [*sums_that_depend_on_addresses("\n".join(compiled.inspect_llvm().values()))]
        return "\n".join(compiled.inspect_asm().values())

    make.cache_clear()
    try:
        return inspect
    finally:
        make.cache_clear()


# In the compiler's code: a value, a pointer's type (of older LLVM, with stars), and one of them.
VALUE = r"%[-\w.$]+"
POINTER = r"(?:ptr|[^\s,(]+\*)"
ADDRESS = rf"{POINTER} ({VALUE})"


def place_of(access, made_of):
    """Return the array on the stack, and the offset in it, that a load or store is of."""
    address = re.search(rf"{ADDRESS}, align", access)[1]
    within = re.match(rf"getelementptr [^%]*{ADDRESS}, (.*)$", made_of.get(address, ""))
    return within.groups() if within else (address, "")


def origins(value, made_of, stored, within_arrays):
    """Return what a value is made of that the function does not compute: arguments, or what it allocates.

    Of an address that is the array alone, unless within_arrays. stored[place] is what was put on the stack.
    """
    left, seen, found = [value], set(), set()
    while left:
        value = left.pop()
        if value in seen:
            continue
        seen.add(value)
        made = made_of.get(value, "")
        kept = stored.get(place_of(made, made_of)) if re.match(rf"load {POINTER},", made) else None
        if kept:
            left += kept
        elif made.startswith("getelementptr") and not within_arrays:
            left += re.findall(ADDRESS, made)
        else:
            parts = re.findall(VALUE, re.sub(rf", {VALUE} \]", "]", made))  # of a phi: from which block
            left += parts
            if not parts or re.search(rf"call [^@]*{POINTER} @", made):
                found.add(value)
    return found


def may_fail(check, body):
    """Return whether arrays may overlap, or be too close together, where a check asks about that.

    What a function takes from its memory, or allocates, overlaps nothing, and from one array of its memory to
    another it is always as far. Other arguments, whose data are the fifth part of an array, may lie anywhere.
    """
    made_of = dict(re.findall(rf"^\s*({VALUE}) = (.*)$", body, re.M))
    stored = {}
    for value, access in re.findall(rf"^\s*store {POINTER} ({VALUE}), (.*)$", body, re.M):
        stored.setdefault(place_of(access, made_of), []).append(value)

    def is_anywhere(value, or_allocated):
        found = origins(value, made_of, stored, within_arrays=or_allocated)
        others = any(re.fullmatch(r"%arg\.(?!memory\.)[\w.]+\.4", each) for each in found)
        return others or (or_allocated and any("call" in made_of.get(each, "") for each in found))

    left = re.findall(rf"br i1 ({VALUE})", check)
    while left:
        made = made_of.get(left.pop(), "")
        values = re.findall(VALUE, made)
        if re.match(rf"icmp u[gl]t {POINTER}", made):
            if all(is_anywhere(value, False) for value in values):
                return True
        elif made.startswith("icmp"):  # asks how far apart
            if any(is_anywhere(value, True) for value in values):
                return True
        else:
            left += values
    return False


def sums_that_depend_on_addresses(code):
    """Yield vector loops with a sum that are left for scalar ones where arrays seem to overlap.

    The compiler asks that in a block called vector.memcheck. Scalar loops add in another order.
    """
    for name, body in re.findall(r'^define [^\n]*?@"?([\w.$]+)"?\([^\n]*\{\n(.*?)\n\}', code, re.S | re.M):
        blocks = dict(re.findall(r"^([-\w.$]+):[^\n]*\n(.*?)(?=^[-\w.$]+:|\Z)", body, re.S | re.M))
        for check in filter(lambda block: block.startswith("vector.memcheck"), blocks):
            if not may_fail(blocks[check], body):
                continue
            targets = re.findall(r"label %([-\w.$]+)", blocks[check])
            seen, left = set(), targets[1:]
            while left:
                block = left.pop()
                if block not in seen and re.match(r"vec(tor)?\.|middle\.block", block):
                    seen.add(block)
                    after = re.findall(r"label %([-\w.$]+)", blocks[block])
                    # Beyond the end of this loop, but for what it leaves over, lies the next one.
                    ends = "middle.block" in block
                    left += [each for each in after if not ends or each.startswith("vec.epilog")]
            for block in seen:
                of_numbers = r"= phi (<\d+ x )?(double|float)(?![\w*])"  # not of addresses
                if "vector.body" in block and re.search(of_numbers, blocks[block]):
                    yield name, block


def half_of_each_and_sum(x, out, memory):
    total = 0.0
    for i in range(x.shape[0]):
        out[i] = 0.5 * x[i]
        total += x[i]
    return total


def of_memory(x, out, memory):
    memory = all_of(memory)
    return half(x, numbers_of(memory, x.shape[0]), memory)


half = jit.loop(half_of_each_and_sum)


@pytest.mark.parametrize(("function", "depends"), [(half_of_each_and_sum, True), (of_memory, False)])
def test_sums_that_depend_on_addresses_are_found(function, depends):
    compiled = numba.njit(["float64(float64[::1], float64[::1], float64[::1])"], fastmath=jit.SUMS)(function)
    code = "\n".join(compiled.inspect_llvm().values())
    assert "vector.memcheck" in code
    assert any(sums_that_depend_on_addresses(code)) == depends


def assert_vector_code(code):
    """Fail unless as much is computed in whole registers as a logarithm takes, and nothing by calls."""
    assert len(re.findall(r"\bvfn?m(add|sub)\w*pd\s.*%[yz]mm", code)) >= 7
    assert not re.search(r"\b(call|jmp)\w*\s+\S*\b(exp2?|pow|sin|cos|log|floor)\b", code)


@thorough_but_for(formula=["gaussian"], loop=["full_adjoint"])
@x86_with_fma
@pytest.mark.parametrize(
    ("formula", "loop"),
    [
        (formula, loop)
        for formula in FORMULAS
        for loop in ("forward", "adjoint", "full_adjoint", "highest", "log_forward", "log_adjoint")
        # Which no bin needs before u^2 overflows.
        if (formula, loop) not in {("cauchy_circle", "log_forward"), ("cauchy_circle", "log_adjoint")}
    ],
)
def test_pair_loops(monkeypatch, formula, loop):
    circle = "circle" in formula or formula in ("von_mises", "fourier")
    asm = assembly(monkeypatch, pairs.pair_loops)
    code = asm(getattr(pairs.pair_loops(Variant(formula, circle)), loop))
    packed = r"\bvsubpd\b" if loop == "highest" else r"\bvf(n?m)(add|sub)\w+pd\b"
    assert re.search(packed, code), "no packed arithmetic"
    assert not re.search(r"\b(call|jmp)\w*\s+\S*\b(exp2?|pow|sin|cos|log)\b", code), (
        "a call to the mathematics library"
    )


@thorough_but_for(circle=[False], single=[False])
@x86_with_fma
@pytest.mark.parametrize("circle", [False, True])
@pytest.mark.parametrize(("single", "suffix"), [(False, "pd"), (True, "ps")])
def test_runs(monkeypatch, single, suffix, circle):
    asm = assembly(monkeypatch, gaussian_runs.run_loops)
    loops = gaussian_runs.run_loops(circle, single)
    assert re.search(rf"\bvfmadd\w+{suffix}\b", asm(loops.adjoint))
    assert len(re.findall(rf"\bvmul{suffix}\b", asm(loops.forward))) > 8


@thorough_but_for(circle=[False])
@x86_with_fma
@pytest.mark.parametrize("circle", [False, True])
def test_runs_in_reach(monkeypatch, circle):
    make = runs_in_reach.runs_in_reach_loops
    code = assembly(monkeypatch, make)(make(Variant("gaussian", circle, circle)).both)
    assert_vector_code(code)


@thorough_but_for(name=["logistic"], loop=["adjoint"])
@x86_with_fma
@pytest.mark.parametrize("loop", ["forward", "adjoint"])
@pytest.mark.parametrize(
    "name", [name for name, formula in FORMULAS.items() if formula.of_exponentials or formula.of_half_sine]
)
def test_products(monkeypatch, name, loop):
    make = products.product_loops
    code = assembly(monkeypatch, make)(getattr(make(name), loop))
    assert_vector_code(code)


@thorough_but_for(circle=[False], loop=["both"])
@x86_with_fma
@pytest.mark.parametrize("loop", ["forward", "adjoint", "both"])
@pytest.mark.parametrize("circle", [False, True])
def test_scans(monkeypatch, circle, loop):
    make = scans.scan_loops
    code = assembly(monkeypatch, make)(getattr(make(circle), loop))
    assert_vector_code(code)


@thorough_but_for(make=[moments.point_passes], name=["forward"])
@x86_with_fma
@pytest.mark.parametrize("name", ["forward", "adjoint"])
@pytest.mark.parametrize("make", [moments.point_passes, sorted_points.sorted_passes])
def test_passes_over_points(monkeypatch, make, name):
    about = (12, "even", False) if make is moments.point_passes else (12, False)
    code = assembly(monkeypatch, make)(getattr(make(*about), name))
    assert_vector_code(code)


@thorough_but_for(make=[multilabel.sigmoid_rows])
@x86_with_fma
@pytest.mark.parametrize(
    ("make", "about"),
    [
        (classes.softmax_rows, (FLOAT64, False)),
        (classes.cross_entropy_rows, (FLOAT64, "classes", True)),
        (classes.cross_entropy_rows, (FLOAT64, "probabilities", True)),
        (multilabel.sigmoid_rows, (FLOAT64, True)),
        (masses.mass_rows, ("entropy", FLOAT64)),
        (masses.mass_rows, ("relative", FLOAT64)),
    ],
    ids=lambda value: getattr(value, "__name__", None) or "-".join(map(str, value)),
)
def test_passes_over_rows_of_classes(monkeypatch, make, about):
    code = assembly(monkeypatch, make)(make(*about))
    assert_vector_code(code)


GAUSSIAN = Variant("gaussian")


@thorough_but_for(make=[window.window_loops])
@x86_with_fma
@pytest.mark.parametrize(
    ("make", "about"),
    [
        (window.window_loops, (GAUSSIAN, False)),
        (near.near_loops, (GAUSSIAN, False)),
        (bin_sums.bin_loops, (GAUSSIAN,)),
        (tail_sums.node_loops, (GAUSSIAN,)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_loops_over_pairs_in_reach(monkeypatch, make, about):
    asm = assembly(monkeypatch, make)
    for loops in make(*about):
        code = asm(loops)
        assert_vector_code(code)


@x86_with_fma
def test_steps_between_the_passes_over_points(monkeypatch):
    code = assembly(monkeypatch, middle.middle)(middle.middle(GAUSSIAN))
    assert_vector_code(code)


def test_flags_come_from_one_place():
    for path in PACKAGE.rglob("*.py"):
        if path.name == "jit.py":
            continue
        names = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) != "jax"
        }
        assert not names & {"njit", "jit", "vectorize", "guvectorize", "cfunc", "generated_jit"}, path.name
    for flags in (jit.EXACT, jit.SUMS):
        assert not flags & {"nnan", "ninf", "fast", "arcp", "afn"}
    assert "reassoc" not in jit.EXACT


def test_that_place_states_the_flags_and_the_error_model_of_everything():
    compiled = [
        node
        for node in ast.walk(ast.parse((PACKAGE / "runtime/jit.py").read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "njit"
    ]
    assert len(compiled) == 5
    for call in compiled:
        options = {option.arg or "": ast.unparse(option.value) for option in call.keywords}
        assert options["fastmath"] in ("EXACT", "SUMS", "False")
        assert options["error_model"] == "'numpy'"
        assert options[""] in ("_IN_CALLERS", "_CALLED")
        assert set(options) == {"fastmath", "error_model", ""}
