"""What does a fresh process wait for: the import, and its first call, compiled before or not?"""

FIRST_CALL = "loss_and_grad(*problem, **options)"
IMPORT = """
from kdexent.measure import cases
from kdexent import loss_and_grad
*problem, options = cases.line(points=100, bins=32).make()
"""
NOTHING_COMPILED = """
import os, tempfile
cache = tempfile.TemporaryDirectory()
os.environ["NUMBA_CACHE_DIR"] = cache.name
"""

# A sample is a process: few of them, and nothing to warm up in the one that asks for them.
repeat = (1, 5, 10.0)
rounds = 1
number = 1
warmup_time = 0


def setup_cache() -> None:
    """Leave everything compiled on disk."""
    names: dict = {}
    exec(IMPORT + FIRST_CALL, names)


def timeraw_import() -> str:
    return "import kdexent"


def timeraw_import_compiler() -> str:
    return "from kdexent import loss_and_grad"


def timeraw_import_and_first_call() -> str:
    return IMPORT + FIRST_CALL


def timeraw_first_call() -> tuple[str, str]:
    return FIRST_CALL, IMPORT


def timeraw_first_call_compiling() -> tuple[str, str]:
    return FIRST_CALL, NOTHING_COMPILED + IMPORT
