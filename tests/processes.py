"""Code run in processes of its own, whose environment and exit status are part of the promise."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

# Root may do anything to files unless it gives that up.
AS_ANYONE = """
import ctypes, os
if hasattr(os, "geteuid") and os.geteuid() == 0:
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset(header, none) == 0
"""


def run(code, *arguments, timeout=300, without=(), **environment):
    """Run code, or a file, in a process of its own and return what it printed; it must end with status 0."""
    variables = {name: value for name, value in os.environ.items() if name not in without}
    what = [str(code)] if isinstance(code, os.PathLike) else ["-c", textwrap.dedent(code)]
    result = subprocess.run(
        [sys.executable, *what, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**variables, **environment},
        check=False,
    )
    assert result.returncode == 0, f"status {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout.strip()
