"""Standard streams and files that may be full, or that nobody reads any more."""

import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

# The exit status of a command whose results could not be written: EX_IOERR, which not every platform names.
NOT_WRITTEN = 74
STDOUT = Path("-")  # stands for the standard output where a file is asked for


class Refused(Exception):
    """Why a command cannot do what it was asked for, in one line."""


class Unwritten(Exception):
    """The standard output takes nothing more; no OSError, to which libraries have their own answers."""


class _Guarded:
    """A stream that goes `nowhere` once it cannot be written to; `failed` is told why."""

    def __init__(self, stream: Any, nowhere: TextIO, failed: Callable[[OSError], None]) -> None:
        self._stream = stream
        self._nowhere = nowhere
        self._failed = failed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        self._attempt(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._attempt(self._stream.flush)

    def _attempt(self, action: Callable[[], Any]) -> None:
        try:
            action()
        except OSError as error:
            # Python writes what is left in the stream at its end, and would complain then.
            os.dup2(self._nowhere.fileno(), self._stream.fileno())
            self._failed(error)


def _unwritten(error: OSError) -> None:
    raise Unwritten(error.strerror or error)


@contextmanager
def guarded() -> Iterator[None]:
    """A context in which a bad standard output raises Unwritten, and a bad standard error nothing."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        # print(file=None) would write to the standard output.
        streams = sys.stdout, sys.stderr or nowhere
        for stream in streams:
            # A terminal that cannot show a micro sign should show a question mark, not a traceback.
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(errors="replace")
        results: Any = sys.stdout and _Guarded(sys.stdout, nowhere, _unwritten)
        complaints: Any = _Guarded(streams[1], nowhere, lambda error: None)
        with redirect_stdout(results), redirect_stderr(complaints):
            yield


def make_folders(files: Iterable[Path]) -> None:
    """Make the folders of files that are to be written, before anything is measured for them."""
    try:
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    except OSError as error:
        raise Refused(f"cannot write there: {error}") from None


def write_files(files: Iterable[tuple[Path, str | Callable[[Path], Any]]]) -> str | None:
    """Write each file, a text or with the function beside it; return which could not be written, and why."""
    failures = []
    for path, write in files:
        try:
            if isinstance(write, str):
                path.write_text(write + "\n", encoding="utf-8")
            else:
                write(path)
        except OSError as error:
            failures.append(f"{path}: {error.strerror or error}")
    return "cannot write " + ", nor ".join(failures) if failures else None


def complain(message: object, status: int = 2) -> int:
    """Print a complaint in one line; return the exit status that goes with it."""
    print(f"kdexent: {' '.join(str(message).split())}", file=sys.stderr)
    return status
