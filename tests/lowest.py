"""Print the lowest versions that pyproject.toml claims to work with, as requirements for pip."""

import re
import tomllib
from itertools import chain
from pathlib import Path

PINNED = ("torch==",)  # whose lowest version is its newest, and which only make frameworks installs


def lowest(document):
    """Return the lowest of each requirement of the package, of its extras and of its build."""
    project = document["project"]
    extras = project["optional-dependencies"].values()
    requirements = chain(document["build-system"]["requires"], project["dependencies"], *extras)
    others = [each for each in requirements if not each.startswith((f"{project['name']}[", *PINNED))]
    found = [re.fullmatch(r"([\w-]+)>=([\w.]+)(; .*)?", each) for each in others]
    assert all(found), "a requirement has a lower bound, which make lowest tries, and no other"
    return [f"{name}=={version}{marker or ''}" for name, version, marker in (each.groups() for each in found)]


if __name__ == "__main__":
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    print("\n".join(lowest(tomllib.loads(text))))
