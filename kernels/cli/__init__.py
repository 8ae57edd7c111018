"""The console command `kdexent`."""

import sys

from .streams import NOT_WRITTEN, Unwritten, complain, guarded

_EXTRA = ("typer", "rich")


def main() -> None:
    """Run the console command; each command's help says what its exit status means."""
    with guarded():
        try:
            if sys.stdout is None:
                raise Unwritten("it is closed")
            try:
                _run()
            finally:
                sys.stdout.flush()
        except Unwritten as error:
            sys.exit(complain(f"cannot write to the standard output: {error}", NOT_WRITTEN))


def _run() -> None:
    try:
        from .app import app  # noqa: PLC0415  # tells what to install where typer is missing
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _EXTRA:
            raise
        sys.exit(complain(f'{error.name} is missing; pip install "kdexent[bench]"'))
    app(prog_name="kdexent")
