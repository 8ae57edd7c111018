"""What a process waits for before its first answer: as little as can be."""

from processes import run


def test_import_is_light():
    out = run("""
        import sys, numpy
        import kdexent
        print([name for name in ("numba", "scipy", "llvmlite", "kdexent.kde") if name in sys.modules])
        kdexent.KERNELS, kdexent.METHODS, kdexent.reference.loss
        print("numba" in sys.modules)
    """)
    assert out == "[]\nFalse"


def test_a_first_call_from_the_cache_loads_no_compiler():
    # What Numba needs to compile takes it half a second to load; and scipy, if there is one, with it.
    loaded = "print([name for name in {names} if name in sys.modules])"
    code = f"""
        import sys
        import numpy as np, kdexent
        x, z = np.random.default_rng(0).normal(size=(2, {{points}}))
        kdexent.loss_and_grad(x, z, -1, 1, bandwidth=0.1, bins={{bins}})
        {loaded}
    """
    compiler = ["numba.np.arraymath", "numba.np.linalg", "numba.typed.typeddict", "scipy.linalg"]
    methods = [
        *(f"kdexent.strategies.{room}" for room in ("cells.layout", "window", "grid", "tails.tail")),
        "concurrent.futures",
    ]
    for points, bins, names in ((100, 32, compiler + methods), (20_000, 256, compiler)):
        code_of = code.format(points=points, bins=bins, names=names)
        run(code_of)
        assert run(code_of) == run("import sys, numba; " + loaded.format(names=names))
