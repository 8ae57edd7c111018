"""Revisions, built and installed in a folder each, beside what they compile."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from ...measure.races.starts import Side
from ..streams import Refused

KEPT = ".gate"  # beside the repository, or where the command runs for a wheel
_MOST_KEPT = 8
_SOURCES = ("kernels", "reference", "pyproject.toml", "README.md", "LICENSE")
WORKING_TREE = "the working tree"
_WHEEL = ".whl"


def key_of(revision: str) -> str:
    """Return what tells a revision or a wheel from others; Refused where there is none of that name."""
    if revision == WORKING_TREE:
        return revision  # its files tell, once they are read
    if revision.endswith(_WHEEL):
        wheel = Path(revision)
        if not wheel.is_file():
            raise Refused(f"there is no wheel {revision}")
        return hashlib.sha256(wheel.read_bytes()).hexdigest()
    _git("rev-parse", "--show-toplevel")
    try:
        return _git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
    except Refused:
        raise Refused(f"there is no revision {revision} of this repository") from None


def build(revision: str) -> Side:
    """Return a revision of the repository here, its working tree, or a wheel, installed in a folder."""
    key = key_of(revision)
    if revision.endswith(_WHEEL):
        return _installed(revision, key, Path(revision), Path(KEPT))
    top = Path(_git("rev-parse", "--show-toplevel").strip())
    with TemporaryDirectory() as folder:
        source = Path(folder, "source")
        if revision == WORKING_TREE:
            listed = _git("-C", str(top), "ls-files", "-z", "-co", "--exclude-standard", *_SOURCES)
            files = sorted({name for name in listed.split("\0") if name and (top / name).is_file()})
            key = _copied(files, top, source)
        else:
            archive = Path(folder, "source.zip")
            _git("-C", str(top), "archive", f"--output={archive}", key)
            shutil.unpack_archive(archive, source)
        return _installed(revision, key, source, top / KEPT)


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise Refused("git is missing, which knows the revisions") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines()
        raise Refused(said[-1] if said else f"no revision of this repository: {arguments[-1]}") from None
    return done.stdout


def _copied(files: Iterable[str], top: Path, to: Path) -> str:
    """Copy files; return a hash of them."""
    digest = hashlib.sha256()
    for name in files:
        content = (top / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return digest.hexdigest()


def _installed(name: str, key: str, source: Path, of: Path) -> Side:
    """Install a wheel, or what one can be built of, unless it was before; what it needs is shared."""
    home = of.absolute() / key[:12]
    packages, unfinished = home / "packages", home / "unfinished"
    if not packages.is_dir():
        shutil.rmtree(unfinished, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command = [*pip, "--target", str(unfinished), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            # Pip's last lines are hints.
            errors = [line for line in lines if re.match(r"error|[\w.]*Error\b", line, re.IGNORECASE)]
            raise Refused(f"cannot build {name}: {(errors or lines or ['pip failed'])[-1]}")
        unfinished.rename(packages)
    os.utime(home)
    for old in sorted(of.iterdir(), key=lambda each: each.stat().st_mtime)[:-_MOST_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return Side(name, packages, home / "cache", key=key)
