"""What `kdexent bench --peers` compares with computes the same loss, as well as it can, and is shown."""

import json
from importlib.util import find_spec

import pytest
from processes import run

from kdexent.measure.classifiers import measure_classifier
from kdexent.measure.peers import frameworks
from kdexent.measure.timing import Effort

# The largest errors of loss and gradient, which binning makes.
ERRORS = {"kdexent": (1e-12, 1e-12), "all pairs": (1e-12, 1e-12), "binned": (1e-4, 1e-3)}


@pytest.mark.parametrize("module", ["jax", "torch"])
def test_frameworks_differentiate_the_same_loss(module):
    (case,) = frameworks.suite(quick=True)
    peers = tuple(peer for peer in case.peers if peer.module == module)
    row = measure_classifier(case._replace(peers=peers), 1, Effort(1, 0.0))
    assert row.problem is None and len(row.peers) == 3
    if find_spec(module) is None:
        assert {peer.left_out for peer in row.peers} == {"not installed"}
        return
    for peer in row.peers:
        (loss, gradient), *_ = [errors for words, errors in ERRORS.items() if words in peer.name]
        assert peer.agreement.loss_error <= loss and peer.agreement.gradient_error <= gradient, peer


def test_the_command_shows_them(tmp_path):
    file = tmp_path / "peers.json"
    options = "bench", "--quick", "--peers", "--filter", "frameworks", "--no-plot", "--repeat", "1"
    told = run("from kdexent.cli import main; main()", *options, "--json", str(file))
    (row,) = json.loads(file.read_text())["classifiers"]
    names = {peer["name"] for peer in row["peers"]}
    assert names == {peer.name for peer in frameworks.PEERS}
    assert "for classes" not in told and ("kdexent.torch (not installed)" in told) != bool(find_spec("torch"))
