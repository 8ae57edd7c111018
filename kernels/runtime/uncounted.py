"""Arrays that compiled code counts no references to: arguments, which whoever called it keeps.

Not for what a compiled function allocates, which goes with the last reference that is counted.
"""

from numba.core import cgutils
from numba.extending import intrinsic

from .jit import NATIVE, Function


@intrinsic
def _uncounted(typing, array):
    def generate(context, builder, signature, values):
        same = context.make_array(array)(context, builder, values[0])
        same.meminfo = cgutils.get_null_value(same.meminfo.type)
        return same._getvalue()

    return array(array), generate


# Returns an array whose parts are not counted either: each count waits for a cache line that threads share.
uncounted: Function = _uncounted if NATIVE else lambda array: array
