"""Columns of .csv and .tsv files, compressed or not, which are read once and in pieces."""

import codecs
import csv
import gzip
import re
from contextlib import suppress
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv as reader

from .columns import Options, Table, Taken, literal, require_points, source
from .streams import Refused

_HEAD, _LINES = 2**16, 50  # bytes, or so many lines, that tell names, delimiter and decimal point
_WIDEST = 2**20  # bytes, what pyarrow reads at a time
_MISSING = ["", "na", "n/a", "#n/a", "#na", "1.#ind", "nan", "-nan", "null", "none", "-", "?"]
_ROWS_AT_FIRST = 2**16
_NULLS = sorted({form for each in _MISSING for form in (each, each.upper(), each.title())} | {"NaN", "-NaN"})
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?|\d{1,2}:\d{2}(:\d{2}.*)?")
_NO_UTF8 = (
    codecs.BOM_UTF16_LE,
    codecs.BOM_UTF16_BE,
    codecs.BOM_UTF32_BE,
)  # that of UTF-32-LE begins as the first
_COMMA = re.compile(r"invalid value '[+-]?\d+,\d+([eE][+-]?\d+)?'")


class Layout(NamedTuple):
    """How a text file is laid out."""

    delimiter: str
    names: list[str]  # of columns; numbers where there is no row of names
    named: bool
    by_name: bool  # whether pyarrow takes these names
    before: int  # lines before the first row of values, of names and empty ones
    empty: bool  # of values


def layout_of(head: str, ending: str) -> Layout:
    """Return the layout of a file that begins so."""
    lines = head.splitlines()
    blank = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    lines = [line for line in lines[blank : blank + _LINES] if line.strip()]

    def rows_by(delimiter: str) -> list[list[str]]:
        rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
        return [[cell.strip() for cell in row] for row in rows]

    delimiter = ","
    if ending.startswith(".tsv"):
        delimiter = "\t"
    else:
        # Commas may be decimal; others are delimiters where every row has as many.
        for each in "\t;":
            if all(each in line for line in lines) and len({len(row) for row in rows_by(each)} - {1}) == 1:
                delimiter = each
    rows = rows_by(delimiter)
    first = rows[0] if rows else []
    named = any(first) and not any(map(_is_value, first))
    by_name = named and blank == 0 and [*csv.reader(lines[:1], delimiter=delimiter)] == [first]
    names = first if named else [str(number) for number in range(len(first))]
    by_name = by_name and len({*names}) == len(names)
    return Layout(delimiter, names, named, by_name, blank + named, not rows[named:])


def _is_value(cell: str) -> bool:
    """Return whether a cell is a number, missing or a date, which no name is."""
    if cell.lower() in _MISSING:
        return cell != ""
    for kind in (float, lambda text: float(text.replace(",", ".")), datetime.fromisoformat):
        with suppress(ValueError):
            kind(cell)
            return True
    return _DATE.fullmatch(cell) is not None


def read_text(path: Path, options: Options) -> Table:
    """Return the table of a .csv or .tsv file, of which no more than the columns wanted are kept."""
    if options.decimal not in (".", ","):
        raise Refused(f"--decimal must be . or , and not {options.decimal!r}")
    file, compressed = source(path), path.suffix.lower() == ".gz"

    def opened() -> Any:
        if isinstance(file, bytes):
            return gzip.open(BytesIO(file)) if compressed else BytesIO(file)
        return gzip.open(path) if compressed else path.open("rb")

    with opened() as stream:
        head = stream.read(_HEAD)
        while head.count(b"\n") < 2 and (more := stream.read(len(head))):
            head += more  # of wide tables
            if len(head) > _WIDEST:
                raise Refused(f"cannot read {path}: its first two lines are longer than {_WIDEST:,} bytes")
    if head.startswith(_NO_UTF8):
        raise Refused(f"cannot read {path}: it is in UTF-16 or UTF-32; iconv -t UTF-8 makes it readable")
    ending = "".join(path.suffixes[-2:] if compressed else path.suffixes[-1:]).lower()
    text = head.decode("utf-8-sig", errors="replace")
    if len(head) >= _HEAD and "\n" in text:
        text = text[: text.rindex("\n")]  # the last line may be cut
    layout = layout_of(text, ending)

    def take(places: list[int]) -> Taken:
        with opened() as stream:
            arrays = _columns(path, stream, layout, places, options)
        pa.default_memory_pool().release_unused()  # as much again as the columns, which it would keep
        return Taken(arrays, *_lines(path, layout, places, options))

    return Table(layout.names, take, not layout.named)


def _columns(
    path: Path, file: Any, layout: Layout, places: list[int], options: Options
) -> list[NDArray[Any]]:
    """Return columns, read in pieces."""
    if layout.empty:
        return [np.empty(0) for _ in places]
    wanted = [f"f{place}" for place in places]
    # Memory that grows in place: pieces to be joined would need twice as much, and leave holes between them.
    found, count = [np.empty(_ROWS_AT_FIRST) for _ in places], 0
    try:
        batches = reader.open_csv(
            pa.PythonFile(file, mode="r"),
            reader.ReadOptions(
                column_names=[f"f{number}" for number in range(len(layout.names))],
                skip_rows=layout.before,
                block_size=_WIDEST,
                use_threads=False,
            ),
            reader.ParseOptions(delimiter=layout.delimiter),
            reader.ConvertOptions(
                include_columns=[*dict.fromkeys(wanted)],
                column_types=dict.fromkeys(wanted, pa.float64()),
                decimal_point=options.decimal,
                null_values=_NULLS,
            ),
        )
        with batches:
            for batch in batches:
                rows = slice(count, count + batch.num_rows)
                for array, name in zip(found, wanted, strict=True):
                    if rows.stop > len(array):
                        array.resize(max(rows.stop, 5 * len(array) // 4), refcheck=False)
                    array[rows] = batch.column(name).to_numpy(zero_copy_only=False)
                count = rows.stop
                require_points(path, count)
    except pa.ArrowException as error:  # whatever it finds wrong with the file
        raise Refused(f"cannot read {path}: {_in_words(str(error), layout)}") from None
    for array in found:
        array.resize(count, refcheck=False)
    return found


def _in_words(message: str, layout: Layout) -> str:
    """Return what pyarrow says of a file, with the names of columns that it knows by number."""
    text = re.sub(r"CSV column #(\d+)", lambda match: f"column {layout.names[int(match[1])]}", message)
    if _COMMA.search(text):
        return text + "; for decimal commas add --decimal ,"
    if "conversion error" in text:
        text += "; --x and --z take other columns"
        if not layout.named:
            text += ". The first row counts as data where any of its cells is a number, a date or missing"
    return text


def _lines(path: Path, layout: Layout, places: list[int], options: Options) -> tuple[list[str], list[str]]:
    """Return the lines of Python that read the columns, and the expressions that take them out."""
    names = [layout.names[place] if layout.by_name else f"f{place}" for place in places]
    arguments = [literal(path)]
    if not layout.by_name:
        skipped = f", skip_rows={layout.before}" if layout.before else ""
        arguments.append(f"csv.ReadOptions(autogenerate_column_names=True{skipped})")
    if layout.delimiter != ",":
        arguments.append(f"parse_options=csv.ParseOptions(delimiter={layout.delimiter!r})")
    converted = f"include_columns=[{', '.join(map(literal, dict.fromkeys(names)))}]"
    if options.decimal != ".":
        converted += f", decimal_point={options.decimal!r}"
    if options.drop_missing:  # the same cells are then missing
        types = ", ".join(f'{literal(name)}: "float64"' for name in dict.fromkeys(names))
        converted += f", column_types={{{types}}}, null_values={_NULLS}"
    arguments.append(f"convert_options=csv.ConvertOptions({converted})")
    lines = ["from pyarrow import csv"]
    if path.name.endswith(".GZ"):  # which pyarrow does not know
        lines, arguments[0] = ["import gzip", *lines], f"gzip.open({arguments[0]})"
    lines.append(f"data = csv.read_csv({', '.join(arguments)})")
    return lines, [f"data[{literal(name)}].to_numpy()" for name in names]
