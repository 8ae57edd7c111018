"""Points by the chunk: a few hundred of them at a time, in arrays that stay in the first cache.

Chunks are padded with points of weight zero to whole vector registers, so that the compiler uses these for
every loop over points.
"""

import numpy as np

from ..runtime.jit import Function, helper, loop
from ..runtime.uncounted import uncounted
from .arithmetic import LOG2_E, exp2

CHUNK = 512
LANES = 8
# Length of a chunk's arrays. A power of two would put the same entry of two arrays at addresses
# 4096 bytes apart, where a store delays the loads that follow it.
ROOM = CHUNK + 72
LINE = 64  # bytes of a cache line


@helper
def aligned(size, dtype):
    """Return an uninitialised array (size,) which starts at a cache line."""
    array = np.empty(size + LINE, dtype)
    skip = (LINE - array.ctypes.data % LINE) % LINE // array.itemsize
    return array[skip : skip + size]


@helper
def room(dtype):
    """Return an uninitialised array for a chunk which starts at a cache line."""
    return aligned(ROOM, dtype)


# What loops without allocations take their arrays from: numbers (words,), of which the first one says how
# many are taken.
_OF_A_LINE = LINE // 8


def words_of(*sizes: int) -> int:
    """Return of how many numbers memory is that arrays of so many are taken from."""
    return 2 * _OF_A_LINE + sum(-(-size // _OF_A_LINE) * _OF_A_LINE for size in sizes)


@helper
def all_of(memory):
    """Return memory, of which all may be taken, from a cache line on; whoever called keeps it."""
    if memory.shape[0] == 0:
        raise ValueError("workspace has fewer numbers than workspace_size says")
    memory[0] = (LINE - memory.ctypes.data % LINE) // memory.itemsize
    return uncounted(memory)


@helper
def numbers_of(memory, size):
    """Take an uninitialised array (size,) which starts at a cache line."""
    begin = int(memory[0])
    end = begin + (size + (_OF_A_LINE - 1)) // _OF_A_LINE * _OF_A_LINE
    if end > memory.shape[0]:
        raise ValueError("workspace has fewer numbers than workspace_size says")
    memory[0] = end
    return memory[begin : begin + size]


@helper
def rest_of(memory):
    """Return what is left of memory, for a loop that takes its own arrays from it."""
    return memory[int(memory[0]) :]


@helper
def rows_of(memory, rows, size):
    """Take an uninitialised array (rows, size)."""
    return numbers_of(memory, rows * size).reshape((rows, size))


@helper
def integers_of(memory, size):
    """Take an uninitialised array (size,) of int64."""
    return numbers_of(memory, size).view(np.int64)


@helper
def places_of(memory, size):
    """Take an uninitialised array (size,) of uint32."""
    return numbers_of(memory, (size + 1) // 2).view(np.uint32)[:size]


@helper
def flags_of(memory, size):
    """Take an uninitialised array (size,) of numbers 0 and 1."""
    return numbers_of(memory, (size + 7) // 8).view(np.uint8)[:size]


@helper
def chunk_of(memory):
    """Take an uninitialised array for a chunk."""
    return numbers_of(memory, ROOM)


@loop
def copy(numbers, target):
    """Write numbers (n,) to target (n,) or longer, of any dtype.

    An assignment of slices takes seconds more to compile, for its errors.
    """
    for i in range(numbers.shape[0]):
        target[i] = numbers[i]


@loop
def multiply_into(one, other, target):
    """Write the products of two arrays (n,) or longer to target (n,)."""
    for i in range(target.shape[0]):
        target[i] = one[i] * other[i]


@loop
def multiply_rest_into(weights, whole, taken, target):
    """Write weights * (whole - taken), both (n,) or longer, to target (n,)."""
    for i in range(target.shape[0]):
        target[i] = weights[i] * (whole - taken[i])


@helper
def unsigned(i):
    """Return an index that is not negative as a kind of number that cannot be: arrays do not look then."""
    return np.uint64(i)


@helper
def own_row(array, r):
    """Return the row of `array` (R or 1, ..) that row r of the call uses: its own, or the one there is."""
    return r if array.shape[0] > 1 else 0


@helper
def row_in(array, r):
    """Return row r of `array` (R or 1, ..), or the one there is."""
    return uncounted(array)[own_row(array, r)]


@helper
def chunk_in(array, r, start):
    """Return the chunk of row r from `start` on, as `row_in` has the row."""
    return row_in(array, r)[start : start + CHUNK]


@helper
def near_interval(v, middle, period):
    """Return v, moved by whole periods if it is more than one period from the middle."""
    return middle + np.fmod(v - middle, period) if abs(v - middle) > period else v


@helper
def near_half(xb, n, middle, period):
    """Move n points xb (ROOM,), at most a period from the middle, to at most half a period from it."""
    half = 0.5 * period
    for j in range(n):
        d = xb[j] - middle
        xb[j] -= period if d > half else (-period if d < -half else 0.0)


@helper
def row_and_middle(centers, r):
    """Return row r (M,) of centers (R or 1, M), and its middle: on a circle within half a period of any."""
    bins = row_in(centers, r)
    lowest = highest = bins[0]
    for c in bins:
        lowest = min(lowest, c)
        highest = max(highest, c)
    return bins, 0.5 * (lowest + highest)


@helper
def _as_it_is(z, top):
    return np.float64(z)


@helper
def _log2_of_weight(z, top):
    return (z - top) * LOG2_E


def _loading(convert: Function) -> Function:
    """Return what copies a chunk of a row: points into xb, and of each logit what `convert` makes."""

    @helper
    def load(x, z, r, start, top, middle, period, xb, zb):
        """Fill xb, zb (ROOM,) from `start` on of x, z (R or 1, n); return the padded length."""
        points, logits = chunk_in(x, r, start), chunk_in(z, r, start)
        n = points.shape[0]
        for j in range(n):
            xb[j] = points[j]
        if period > 0.0:
            far = 0
            for j in range(n):
                far += abs(xb[j] - middle) > period
            if far > 0:  # a loop with a remainder in it is several times as slow
                for j in range(n):
                    xb[j] = near_interval(xb[j], middle, period)
        for j in range(n):
            zb[j] = convert(logits[j], top)
        padded = (n + LANES - 1) // LANES * LANES
        for j in range(n, padded):
            xb[j] = xb[n - 1]
            zb[j] = -np.inf
        return padded

    return load


load_points, load_chunk = _loading(_as_it_is), _loading(_log2_of_weight)


@helper
def times_last(product, factor):
    """Return product times factor: where products may be reordered, part of it could underflow first."""
    return product * factor


@helper
def weight(z, top):
    """Return exp(z - top), exactly 0 for a masked point."""
    return exp2((z - top) * LOG2_E)


@loop
def total_weight(zs, top):
    """Return sum_j exp(z_j - top), zs (n,).

    A sum over points is taken in a loop that writes to no array. Where one loop does both, the compiler
    asks at run time whether what it writes may lie over what it reads, for indices below 0 too, and then
    adds one by one: the last bits depend on where arrays happen to lie.
    """
    total = 0.0
    for j in range(zs.shape[0]):
        total += weight(zs[j], top)
    return total


@loop
def sum_of(values, n):
    """Return the sum of the first n of values (n,) or longer."""
    total = 0.0
    for j in range(n):
        total += values[j]
    return total


@loop
def weigh(zb, n):
    """Replace n logarithms zb (ROOM,) by weights, exactly 0 for masked points, and return their sum."""
    total = 0.0
    for j in range(n):
        zb[j] = exp2(zb[j])
        total += zb[j]
    return total
