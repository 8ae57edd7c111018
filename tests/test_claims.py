"""What files beside the code say of it: lower bounds that are tried, settings that hold on every platform."""

import tomllib
from pathlib import Path

import pytest
from lowest import lowest

ROOT = Path(__file__).parents[1]


def test_every_requirement_has_a_lowest_version():
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = lowest(document)
    assert len(found) == len(set(found)) and all("==" in each for each in found)
    # One more extra is tried too, and a requirement that says nothing of versions is refused.
    extras = document["project"]["optional-dependencies"]
    extras["new"] = ["package>=1.2"]
    assert {*lowest(document)} - {*found} == {"package==1.2"}
    extras["new"] = ["package"]
    with pytest.raises(AssertionError, match="lower bound"):
        lowest(document)


def test_asv_chooses_how_to_launch_benchmarks():
    # A method that is named in the file is refused where there are no forks.
    assert "launch_method" not in (ROOT / "asv.conf.json").read_text(encoding="utf-8")
