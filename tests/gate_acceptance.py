"""Whether `kdexent gate` sees what it is there for: changes of known kinds, in a clone of this repository.

Two equal revisions, a kernel that takes longer, an error of 1e-8 and another choice by auto.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
SLOW_KERNEL = "laplace"

# What is added to a file of the clone.
SLOWER = f"""
import time as _time

_loss_and_grad = loss_and_grad


def loss_and_grad(*arguments, **options):
    start = _time.perf_counter()
    result = _loss_and_grad(*arguments, **options)
    now = _time.perf_counter()
    while options.get("kernel") == {SLOW_KERNEL!r} and _time.perf_counter() < now + BY * (now - start):
        pass
    return result
"""
WRONG = """
_loss_and_grad = loss_and_grad


def loss_and_grad(*arguments, **options):
    loss, gradient = _loss_and_grad(*arguments, **options)
    if isinstance(gradient, np.ndarray) and gradient.dtype == np.float64:
        gradient[..., 0] += 1e-8 * np.abs(gradient).max(axis=-1)
    return loss, gradient
"""
OTHER_CHOICE = """
_cost = cost


def cost(*arguments):
    return 1e3 * _cost(*arguments)
"""


def gate(clone, head, *arguments):
    """Run the gate on HEAD of the clone and what `head` names; return its exit status and its document."""
    path = clone / "gate.json"
    path.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-P",
        "-m",
        "kdexent.cli",
        "gate",
        "HEAD",
        *head,
        "--json",
        str(path),
        *arguments,
    ]
    done = subprocess.run(command, cwd=clone, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode not in (0, 1, 3):
        sys.exit(done.stderr.decode())
    return done.returncode, json.loads(path.read_text())


def cells_of(document, verdict):
    return {cell["name"] for cell in document["cells"] if cell["verdict"] == verdict}


def added(clone, file, text):
    """Change the clone's working tree, which is as HEAD has it otherwise."""
    subprocess.run(["git", "-C", clone, "checkout", "--quiet", "."], check=True)
    with (clone / file).open("a") as source:
        source.write(text)


def alike(clone, runs, arguments):
    """Two equal revisions are never slower, and most cells the same."""
    same = []
    for number in range(runs):
        status, document = gate(clone, ["HEAD"], *arguments)
        flagged = cells_of(document, "slower") | cells_of(document, "wrong")
        print(f"alike, run {number + 1}: {document['words']}", flush=True)
        if status == 1 or flagged:
            yield f"two equal revisions: {flagged}"
        same += [cell["verdict"] == "same" for cell in document["cells"] if cell["kernel"]]
    print(f"alike: {sum(same)} of {len(same)} cells the same", flush=True)
    if runs > 1 and sum(same) < 0.6 * len(same):  # of a few cells of one run all may be undecided
        yield f"two equal revisions: only {sum(same)} of {len(same)} cells are the same"


def slower(clone, by, needed, runs, arguments):
    """A kernel that takes longer by a part is flagged in so many runs, and no other."""
    added(clone, "kernels/kde.py", SLOWER.replace("BY", str(by)))
    caught = 0
    for number in range(runs):
        _, document = gate(clone, [], *arguments)
        flagged = cells_of(document, "slower")
        slow = {cell["name"] for cell in document["cells"] if cell["kernel"] == SLOW_KERNEL}
        print(f"{SLOW_KERNEL} slower by {by}, run {number + 1}: {document['words']}", flush=True)
        caught += bool(flagged & slow)
        if flagged - slow:
            yield f"cells of other kernels: {flagged - slow}"
        if caught == needed:
            return
    yield f"{by} in {SLOW_KERNEL}: seen in {caught} of {runs} runs"


def wrong(clone, arguments):
    """An error of 1e-8 is flagged in every cell of float64."""
    added(clone, "kernels/kde.py", WRONG)
    status, document = gate(clone, [], "--rounds", "1", *arguments)
    touched = {
        cell["name"]
        for cell in document["cells"]
        if cell["kernel"]
        and cell["seconds"]
        and not any(w in cell["name"] for w in ("float32", "Plan", "log_d", ", by "))
    }
    flagged = cells_of(document, "wrong")
    print(f"an error of 1e-8: {document['words']}", flush=True)
    if status != 1 or not touched or touched - flagged:
        yield f"an error of 1e-8: status {status}, not in {touched - flagged}"


def other_choice(clone, arguments):
    """Another choice of auto is shown."""
    added(clone, "kernels/strategies/cells/cells.py", OTHER_CHOICE)
    _, document = gate(clone, [], "--rounds", "1", *arguments)
    methods = [(cell["method_before"], cell["method"]) for cell in document["cells"]]
    changed = [(before, after) for before, after in methods if before != after]
    print(f"another choice of auto: {changed}", flush=True)
    if not changed or not all(before.startswith("cells") for before, _ in changed):
        yield f"another choice of auto: {changed}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a run of each, of few cells, in minutes")
    small = parser.parse_args().small
    few = ("--cells", SLOW_KERNEL)
    with TemporaryDirectory() as folder:
        clone = Path(folder, "clone")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        problems = [
            *alike(clone, *((1, few) if small else (20, ()))),
            *slower(clone, *((0.3, 1, 3, few) if small else (0.1, 9, 10, ("--cells", "line, N = 100,000")))),
            *wrong(clone, few if small else ("--cells", "00, M")),
            *other_choice(clone, few),
        ]
    print("\n".join(problems) or "the gate sees what it is there for")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
