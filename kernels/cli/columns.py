"""Data points and logits out of a file, and the line of Python that reads them."""

from __future__ import annotations

import csv
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .streams import Refused

ENDINGS = (".npz", ".npy", ".csv", ".parquet")
_X, _Z = "x", "z"
_SHOWN = 20  # names in a message


class Columns(NamedTuple):
    """What was read, and how to read it again."""

    x: NDArray[Any]
    z: NDArray[Any]
    x_name: str
    z_name: str | None  # None where all logits are 0
    imports: tuple[str, ...]
    line: str


def read(path: Path, x: str | None, z: str | None) -> Columns:
    """Read the columns of a file.

    Parameters
    ----------
    path : Path
        An .npz, .npy, .csv or .parquet file.
    x, z : str, optional
        Names of columns, or numbers from 0 where columns have no names and in a .csv. For x, "x" or
        else the only column if not given; for z, the second column of a plain array of two, and
        otherwise none: all logits are 0.

    Raises
    ------
    Refused
        With the reason, in one line.
    """
    readers = {".npz": _read_numpy, ".npy": _read_numpy, ".csv": _read_csv, ".parquet": _read_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise Refused(f"{path} must end in one of {', '.join(ENDINGS)}")
    try:
        return reader(path, x, z)
    except FileNotFoundError:
        raise Refused(f"there is no file {path}") from None
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise Refused(f"cannot read {path}: {error}") from None


def _picked(path: Path, option: str, given: str | None, names: list[str]) -> str | None:
    """Return the name that an option gives, or stands for."""
    if given is None and option == _X:
        given = _X if _X in names or len(names) != 1 else names[0]
        hint = "; name another with --x"
    else:
        hint = ""
    if given is None or given in names:
        return given
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    raise Refused(f"{path} has no column {given!r}, but {shown or 'none at all'}{hint}")


def _columns(
    names: tuple[str, str | None],
    arrays: tuple[NDArray[Any], NDArray[Any] | None],
    load: str,
    get: tuple[str, str | None],
    imports: tuple[str, ...] = (),
) -> Columns:
    """Return the columns, with the logits that there may not be; `get` takes each out of `data`."""
    x, z = arrays
    if z is None:
        z = np.zeros(x.shape)
        line = f"data = {load}; x = {get[0]}; z = np.zeros(x.shape)"
    else:
        line = f"data = {load}; x, z = {get[0]}, {get[1]}"
    return Columns(x, z, *names, imports, line)


def _read_numpy(path: Path, x: str | None, z: str | None) -> Columns:
    load = f"np.load({_literal(path)})"
    with path.open("rb") as file:
        try:
            data = np.load(file, allow_pickle=False)
        except ValueError:
            # NumPy proposes to unpickle what it does not know.
            raise Refused(f"cannot read {path}: it is no .npz or .npy file of numbers") from None
        if isinstance(data, np.ndarray) and data.dtype.names is None:
            return _read_plain(path, data, load, x, z)
        names = data.dtype.names if isinstance(data, np.ndarray) else data.files
        return _by_name(path, data, load, x, z, list(names or ()))


def _by_name(path: Path, data: Any, load: str, x: str | None, z: str | None, names: list[str]) -> Columns:
    first, second = _picked(path, _X, x, names), _picked(path, _Z, z, names)
    assert first is not None
    arrays = data[first], None if second is None else data[second]
    get = f"data[{_literal(first)}]", None if second is None else f"data[{_literal(second)}]"
    return _columns((first, second), arrays, load, get)


def _read_plain(path: Path, data: NDArray[Any], load: str, x: str | None, z: str | None) -> Columns:
    """Return the columns of an array without names: x alone, or columns (N, K)."""
    if data.ndim == 1:
        if x not in (None, "0") or z is not None:
            raise Refused(f"{path} holds one column, x alone, and no other to name")
        return _columns(("0", None), (data, None), load, ("data", None))
    if data.ndim != 2:
        raise Refused(f"{path} must hold a structured, a 1-D or a 2-D array, not one of shape {data.shape}")
    numbers = [str(number) for number in range(data.shape[1])]
    if z is None and len(numbers) == 2 and x in (None, "0"):
        z = "1"
    first, second = _picked(path, _X, x or "0", numbers), _picked(path, _Z, z, numbers)
    assert first is not None
    arrays = data[:, int(first)], None if second is None else data[:, int(second)]
    return _columns((first, second), arrays, load, (f"data[:, {first}]", f"data[:, {second}]"))


def _read_csv(path: Path, x: str | None, z: str | None) -> Columns:
    with path.open(newline="", encoding="utf-8-sig") as file:
        first_line = file.readline()
    delimiter = max(",;\t", key=first_line.count)
    cells = [cell.strip() for cell in next(csv.reader([first_line], delimiter=delimiter), [])]
    header = not all(map(_is_number, cells))
    numbers = [str(number) for number in range(len(cells))]
    names = cells if header else numbers

    def place(option: str, given: str | None) -> int | None:
        if given in numbers and given not in names:
            return int(given)
        name = _picked(path, option, given if header or option == _Z else given or "0", names)
        return None if name is None else names.index(name)

    first, second = place(_X, x), place(_Z, z)
    assert first is not None
    columns = (first,) if second is None else (first, second)
    options: dict[str, Any] = {"delimiter": delimiter, "skiprows": int(header), "usecols": columns}
    try:
        with warnings.catch_warnings():
            # No rows: reported by whoever needs one.
            warnings.filterwarnings("ignore", "loadtxt: input contained no data")
            data = np.loadtxt(path, **options, quotechar='"', ndmin=2)
    except ValueError as error:
        below = " below the header" if header else ""
        raise Refused(f"cannot read {path}: {error} Rows count from 0{below}.") from None
    written = (
        f"delimiter={_literal(delimiter)}, skiprows={int(header)}, usecols={columns}, quotechar='\"', ndmin=2"
    )
    return _columns(
        (names[first], None if second is None else names[second]),
        (data[:, 0], None if second is None else data[:, 1]),
        f"np.loadtxt({_literal(path)}, {written})",
        ("data[:, 0]", "data[:, 1]"),
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _read_parquet(path: Path, x: str | None, z: str | None) -> Columns:
    try:
        from pyarrow import parquet  # noqa: PLC0415  # optional
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "pyarrow":
            raise
        raise Refused('parquet files need pyarrow; pip install "kdexent[parquet]"') from None
    names = parquet.read_schema(path).names
    first, second = _picked(path, _X, x, names), _picked(path, _Z, z, names)
    assert first is not None
    wanted = [first] if second is None else list(dict.fromkeys((first, second)))
    data = parquet.read_table(path, columns=wanted)
    get = [None if name is None else f"data[{_literal(name)}].to_numpy()" for name in (first, second)]
    return _columns(
        (first, second),
        (data[first].to_numpy(), None if second is None else data[second].to_numpy()),
        f"pyarrow.parquet.read_table({_literal(path)}, columns=[{', '.join(map(_literal, wanted))}])",
        (get[0] or "", get[1]),
        ("import pyarrow.parquet",),
    )


def _literal(value: object) -> str:
    """Return a string literal in double quotes."""
    return json.dumps(str(value), ensure_ascii=False)
