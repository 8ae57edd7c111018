"""How often the gate cries wolf on this machine, and how often it sees a change of a known size.

Both sides of each race are the working tree, one of them made slower by a part of its time, or not at all.
"""

import argparse
import json
import random
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from kdexent.cli.gate.builds import WORKING_TREE, build
from kdexent.measure.races.race import ROUNDS, Process, Race
from kdexent.measure.races.starts import as_workloads

SLOWER = (0.01, 0.03, 0.05, 0.10)
CELLS = 20  # for each of them


def verdicts(side, folder, cells, slower, rounds):
    """Return what a race says of cells, one side slower than the other by so much."""
    race = Race(side, side._replace(slower=slower), folder, seed=time.time_ns())
    for _ in race.run(cells, rounds):
        pass
    assert not race.failures, race.failures
    return {cell: [race.verdict(cell).value, *race.change(cell)] for cell in cells}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alike", type=int, default=200, help="cells of two equal sides, at least")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="pairs of processes, six at least")
    parser.add_argument("--json", type=Path, help="where to write every change")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        calibrate(build(WORKING_TREE), Path(folder), given)


def calibrate(side, folder, given):
    """Run all races, and print what they say."""
    cells = [cell.name for cell in as_workloads(side.packages / "kdexent" / "measure", folder).quick()]
    with Process(side, folder) as process:  # compile
        process.wait()
        for cell in cells:
            process.prepare(cell)
    found, start = [], time.perf_counter()
    while len(found) < given.alike:
        found += verdicts(side, folder, cells, 0.0, given.rounds).values()
        counts = Counter(verdict for verdict, *_ in found)
        minutes = (time.perf_counter() - start) / 60
        alarms = counts["slower"] + counts["faster"]
        print(
            f"alike: {alarms} false alarms in {len(found)} cells; {dict(counts)}; {minutes:.0f} min",
            flush=True,
        )
    results = {0.0: found}
    for number, slower in enumerate(SLOWER):
        few = random.Random(number).sample(cells, CELLS)
        results[slower] = [*verdicts(side, folder, few, slower, given.rounds).values()]
        counts = Counter(verdict for verdict, *_ in results[slower])
        print(f"{100 * slower:g} % slower: {dict(counts)} of {len(few)} cells", flush=True)
    if given.json:
        given.json.write_text(json.dumps(results, indent=1, allow_nan=False))


if __name__ == "__main__":
    main()
