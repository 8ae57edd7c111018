"""The console command `kdexent`."""

import sys

__all__ = ["main"]

_EXTRA = ("typer", "rich")


def main() -> None:
    """Run the console command; its exit status is 0, 1 (a case disagrees) or 2 (it could not run)."""
    try:
        from .app import app  # noqa: PLC0415  # tells what to install where typer is missing
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _EXTRA:
            raise
        print(f'kdexent: {error.name} is missing; pip install "kdexent[bench]"', file=sys.stderr)
        sys.exit(2)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a micro sign should show a question mark, not a traceback.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    app(prog_name="kdexent")
