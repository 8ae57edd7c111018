"""Data points and logits out of a file, and the line of Python that reads them."""

import csv
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .streams import Refused

ENDINGS = (".npz", ".npy", ".csv", ".parquet")
_X = "x"
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
    """Read the columns of a file, or raise Refused with the reason.

    x and z are names of columns, or numbers from 0 where columns have no names and in a .csv. For x, "x" or
    else the only column if not given; for z, the second column of a plain array of two, and otherwise none:
    all logits are 0.
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


def _picked(
    path: Path, names: list[str], x: str | None, z: str | None, also: list[str] | None = None
) -> tuple[str, str | None]:
    """Return the names of x, "x" or the only one if not given, and of z; `also` name columns too."""
    hint = ""
    if x is None:
        x = _X if _X in names or len(names) != 1 else names[0]
        hint = "; name another with --x"
    for given, advice in ((x, hint), (z, "")):
        if given is not None and given not in names and given not in (also or ()):
            shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
            raise Refused(f"{path} has no column {given!r}, but {shown or 'none at all'}{advice}")
    return x, z


def _columns(
    picked: tuple[str, str | None],
    load: str,
    get: Callable[[str], tuple[NDArray[Any], str]],
    imports: tuple[str, ...] = (),
) -> Columns:
    """Return columns; `get` takes a name to the column, and to the Python that takes it out of `data`."""
    x_name, z_name = picked
    x, of_x = get(x_name)
    z, of_z = (np.zeros(x.shape), "np.zeros(x.shape)") if z_name is None else get(z_name)
    return Columns(x, z, x_name, z_name, imports, f"data = {load}; x = {of_x}; z = {of_z}")


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
        picked = _picked(path, list(names or ()), x, z)
        return _columns(picked, load, lambda name: (data[name], f"data[{_literal(name)}]"))


def _read_plain(path: Path, data: NDArray[Any], load: str, x: str | None, z: str | None) -> Columns:
    """Return the columns of an array without names: x alone, or columns (N, K)."""
    if data.ndim == 1:
        return _columns(_picked(path, ["0"], x, z), load, lambda name: (data, "data"))
    if data.ndim != 2:
        raise Refused(f"{path} must hold a structured, a 1-D or a 2-D array, not one of shape {data.shape}")
    numbers = [str(number) for number in range(data.shape[1])]
    if z is None and len(numbers) == 2 and x in (None, "0"):
        z = "1"
    picked = _picked(path, numbers, x or "0", z)
    return _columns(picked, load, lambda name: (data[:, int(name)], f"data[:, {name}]"))


def _read_csv(path: Path, x: str | None, z: str | None) -> Columns:
    with path.open(newline="", encoding="utf-8-sig") as file:
        first_line = file.readline()
    delimiter = max(",;\t", key=first_line.count)
    cells = [cell.strip() for cell in next(csv.reader([first_line], delimiter=delimiter), [])]
    header = not all(map(_is_number, cells))
    numbers = [str(number) for number in range(len(cells))]
    names = cells if header else numbers
    picked = _picked(path, names, x if header else x or "0", z, numbers)
    places = {each: names.index(each) if each in names else int(each) for each in picked if each is not None}
    columns = tuple(dict.fromkeys(places.values()))
    options: dict[str, Any] = {"delimiter": delimiter, "skiprows": int(header), "usecols": columns}
    options |= {"quotechar": '"', "ndmin": 2}
    try:
        with warnings.catch_warnings():
            # No rows: reported by whoever needs one.
            warnings.filterwarnings("ignore", "loadtxt: input contained no data")
            data = np.loadtxt(path, **options)
    except ValueError as error:
        below = " below the header" if header else ""
        raise Refused(f"cannot read {path}: {error} Rows count from 0{below}.") from None
    written = ", ".join(f"{name}={value!r}" for name, value in options.items())

    def get(name: str) -> tuple[NDArray[Any], str]:
        column = columns.index(places[name])
        return data[:, column], f"data[:, {column}]"

    return _columns(picked, f"np.loadtxt({_literal(path)}, {written})", get)


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
    picked = _picked(path, parquet.read_schema(path).names, x, z)
    wanted = list(dict.fromkeys(name for name in picked if name is not None))
    data = parquet.read_table(path, columns=wanted)
    load = f"pyarrow.parquet.read_table({_literal(path)}, columns=[{', '.join(map(_literal, wanted))}])"

    def get(name: str) -> tuple[NDArray[Any], str]:
        return data[name].to_numpy(), f"data[{_literal(name)}].to_numpy()"

    return _columns(picked, load, get, ("import pyarrow.parquet",))


def _literal(value: object) -> str:
    """Return a string literal in double quotes."""
    return json.dumps(str(value), ensure_ascii=False)
