"""Data points and logits out of a file, and the lines of Python that read them."""

import csv
import json
import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arguments.memory import memory_bytes
from .streams import Refused

_SHOWN = 20  # names in a message
# A point takes some ten numbers of 8 bytes, with its logit, its gradients and what is summed.
_BYTES_A_POINT = 80
_MOST_BYTES = 2**32  # out of what has no size
# Damaged files; RuntimeError: encrypted ones, and such as need what was not built into a library.
_UNREADABLE = OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error, csv.Error


class Options(NamedTuple):
    """How to read a file."""

    x: str | None = None  # a name, or a number from 0
    z: str | None = None
    drop_missing: bool = False
    decimal: str = "."


class Taken(NamedTuple):
    """Columns, and how to read them in Python."""

    arrays: list[NDArray[Any]]
    lines: list[str]  # that make `data`
    expressions: list[str]  # that take each column out of it


class Table(NamedTuple):
    """What a file holds."""

    names: Sequence[str]  # of columns; their numbers where they have no names
    take: Callable[[list[int]], Taken]  # the columns of these numbers
    plain: bool = False  # columns without names


class Columns(NamedTuple):
    """What was read, and how to read it again."""

    x: NDArray[Any]
    z: NDArray[Any]
    x_name: str
    z_name: str | None  # None where all logits are 0
    lines: list[str]
    dropped: int = 0


def read(path: Path, options: Options) -> Columns:
    """Read the columns of a file, or raise Refused with the reason.

    For x, the column "x" or the only one if not given, or the first of those without names; for z, "z" beside
    it, or the second of two without names, and otherwise none: all logits are 0.
    """
    reader = next((each for ending, each in _READERS.items() if path.name.lower().endswith(ending)), None)
    if reader is None:
        raise Refused(f"{path} must end in one of {', '.join(_READERS)}")
    try:
        return _picked(path, reader(path, options), options)
    except FileNotFoundError:
        raise Refused(f"there is no file {path}") from None
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "pyarrow":
            raise
        raise Refused(f'{path.suffix} files need pyarrow; pip install "kdexent[bench]"') from None
    except _UNREADABLE as error:
        raise Refused(f"cannot read {path}: {error}") from None


def _picked(path: Path, table: Table, options: Options) -> Columns:
    at_x = _place(path, table, options.x, "x")
    at_z = _place(path, table, options.z, "z", at_x)
    places = [at for at in (at_x, at_z) if at is not None]
    arrays, lines, expressions = table.take(places)
    if any(array.ndim == 0 for array in arrays):
        raise Refused(f"{path} must hold arrays with at least one dimension")
    x = arrays[0]
    z = np.zeros(x.shape) if at_z is None else arrays[1]
    lines += [f"x = {expressions[0]}", f"z = {'np.zeros(x.shape)' if at_z is None else expressions[1]}"]
    names = [str(table.names[at]) for at in places]
    missing = _missing(arrays)
    dropped = int(np.count_nonzero(missing))
    if dropped:
        droppable = missing.ndim == 1 and x.shape == z.shape
        if not (options.drop_missing and droppable):
            first = np.argwhere(missing)[0]
            remedy = "; --drop-missing goes on without these rows" if droppable else ""
            where = f"column{'s' * (len(names) > 1)} {' and '.join(names)}"
            row = ", ".join(str(int(each) + 1) for each in first)
            raise Refused(
                f"{path} lacks {dropped:,} value{'s' * (dropped > 1)} in {where}, the first one in row {row} "
                f"of {len(missing):,}{remedy}"
            )
        x, z = x[~missing], z[~missing]
        lines += ["good = ~np.isnan(x) & ~np.isnan(z)", "x, z = x[good], z[good]"]
    return Columns(x, z, names[0], None if at_z is None else names[1], lines, dropped)


def _missing(arrays: list[NDArray[Any]]) -> NDArray[np.bool_]:
    """Return where a value is missing, in arrays of one shape or else in the first that lacks one."""
    each = [np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool) for array in arrays]
    if len({array.shape for array in arrays}) == 1:
        missing: NDArray[np.bool_] = np.logical_or.reduce(each)
        return missing
    return max(each, key=np.count_nonzero)


def _place(path: Path, table: Table, given: str | None, role: str, beside: int | None = None) -> int | None:
    """Return the number of a column: the one given, or what stands for x or z; None for no z."""
    names = [*map(str, table.names)]
    if not names:
        raise Refused(f"{path} has no rows and no columns")
    if given is None:
        if role == "z":
            if table.plain:
                return 1 if len(names) == 2 and beside == 0 else None
            if "z" not in names or names.index("z") == beside:
                return None
            given = "z"
        elif table.plain or ("x" not in names and len(names) == 1):
            return 0
        else:
            given = "x"
    places = [place for place, name in enumerate(names) if name == given]
    if len(places) > 1:
        numbers = " or ".join(f"--{role} {place}" for place in places)
        raise Refused(f"{path} has {len(places)} columns named {given!r}: take one by its number, {numbers}")
    if places:
        return places[0]
    if given.isdecimal() and int(given) < len(names):
        return int(given)
    if role == "z" and given == "none":
        return None
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    hint = "" if table.plain or role == "z" else "; name another with --x, or its number from 0"
    raise Refused(f"{path} has no column {given!r}: there are {shown or 'none'}{hint}")


def require_points(path: Path, count: int) -> None:
    """Refuse more points than can be measured in the memory there is."""
    most = memory_bytes() // _BYTES_A_POINT
    if count > most:
        raise Refused(f"{path} has more than the {most:,} points that memory has room for: take a part of it")


def source(path: Path) -> Path | bytes:
    """Return the path to read, or all the bytes of what can be read once, such as a pipe."""
    if stat.S_ISREG(path.stat().st_mode):
        return path
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise Refused(f"{path} goes on after {_MOST_BYTES:,} bytes: take a part of it")
    return data


def literal(value: object) -> str:
    """Return a string literal in double quotes."""
    return json.dumps(str(value), ensure_ascii=False)


def _read_numpy(path: Path) -> Table:
    file = source(path)
    readable = BytesIO(file) if isinstance(file, bytes) else file
    # NumPy would leave what it cannot read open.
    if path.suffix.lower() == ".npz" and not zipfile.is_zipfile(readable):
        raise Refused(f"cannot read {path}: it is no .npz file")
    try:
        data = np.load(readable, allow_pickle=False, mmap_mode=None if isinstance(file, bytes) else "r")
    except ValueError:
        # NumPy proposes to unpickle what it does not know.
        raise Refused(f"cannot read {path}: it is no file of numbers") from None
    single = isinstance(data, np.ndarray)
    if single:
        require_points(path, len(data) if data.ndim else 0)
    plain = single and data.dtype.names is None
    if plain and data.ndim not in (1, 2):
        raise Refused(f"{path} must hold a structured, a 1-D or a 2-D array, not one of shape {data.shape}")
    count = 1 if not plain or data.ndim == 1 else data.shape[1]
    names = [*map(str, range(count))] if plain else list(data.dtype.names if single else data.files)

    def take(places: list[int]) -> Taken:
        arrays, expressions = [], []
        for place in places:
            if not plain:
                item, text = data[names[place]], f"data[{literal(names[place])}]"
            elif data.ndim == 1:
                item, text = data, "data"
            else:
                item, text = data[:, place], f"data[:, {place}]"
            # Out of the file, which may change, and one after another.
            arrays.append((np.array if single else np.asarray)(item, order="C"))
            expressions.append(f"np.ascontiguousarray({text})" if single and item is not data else text)
        return Taken(arrays, [f"data = np.load({literal(path)})"], expressions)

    return Table(names, take, plain)


def _read_arrow(path: Path, module: str) -> Table:
    """Return a table out of a format that keeps names and types: parquet or feather."""
    import pyarrow as pa  # noqa: PLC0415  # slow to import, and NumPy's files do without
    from pyarrow import feather, parquet  # noqa: PLC0415  # likewise

    file = source(path)
    readable = pa.BufferReader(file) if isinstance(file, bytes) else pa.memory_map(str(file))
    if module == "parquet":
        opened = parquet.ParquetFile(readable)
        names, rows = list(opened.schema_arrow.names), opened.metadata.num_rows
    else:
        opened = feather.read_table(readable)
        names, rows = list(opened.column_names), opened.num_rows
    require_points(path, rows)
    unique = len({*names}) == len(names)

    def take(places: list[int]) -> Taken:
        wanted = [*dict.fromkeys(names[place] for place in places)]
        data = opened.read(columns=wanted if unique else None) if module == "parquet" else opened
        arrays, expressions = [], []
        for place in places:
            column = data[names[place]] if unique else data.column(place)
            text = f"data[{literal(names[place])}]" if unique else f"data.column({place})"
            if pa.types.is_decimal(column.type):
                column, text = column.cast("float64"), f'{text}.cast("float64")'
            arrays.append(np.ascontiguousarray(column.to_numpy()))
            expressions.append(f"{text}.to_numpy()")
        some = f", columns=[{', '.join(map(literal, wanted))}]" if unique else ""
        load = f"data = {module}.read_table({literal(path)}{some})"
        if module == "parquet" and not unique:  # which read_table refuses
            load = f"data = parquet.ParquetFile({literal(path)}).read()"
        return Taken(arrays, [f"from pyarrow import {module}", load], expressions)

    return Table(names, take)


def _read_text(path: Path, options: Options) -> Table:
    from .text_columns import read_text  # noqa: PLC0415  # imports pyarrow, which NumPy's files do without

    return read_text(path, options)


_READERS: dict[str, Callable[[Path, Options], Table]] = {
    ".npz": lambda path, options: _read_numpy(path),
    ".npy": lambda path, options: _read_numpy(path),
    ".csv": _read_text,
    ".tsv": _read_text,
    ".csv.gz": _read_text,
    ".tsv.gz": _read_text,
    ".parquet": lambda path, options: _read_arrow(path, "parquet"),
    ".feather": lambda path, options: _read_arrow(path, "feather"),
}
