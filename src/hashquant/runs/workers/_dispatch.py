"""One cell after another in this process, or several side by side in others."""

from collections.abc import Sequence

from hashquant.machine.files import remove_partials
from hashquant.runs import runner
from hashquant.runs.contest import Surroundings
from hashquant.runs.planning import Cell
from hashquant.runs.runner import Watcher
from hashquant.runs.tally import Tally
from hashquant.runs.workers._crew import Crew, waiting


def run(
    cells: Sequence[Cell], here: Surroundings, watcher: Watcher, tally: Tally, jobs: int | None
) -> None:
    """Run every cell as `runner.run` does, `jobs` at once; None: as many as the device holds.

    On a CPU that is one: a cell uses all of its cores. One at a time needs no process of its own.
    The caller holds the suite's lock: what killed runs left half written there is removed first.
    In the end what was counted as done must still be there.

    Raises:
        StoreError: if results cannot be written: what is stored stays, nothing more can be.
        KeyboardInterrupt: as it came; finished cells and the last epochs are stored.
    """
    for suite in dict.fromkeys(cell.spec.suite for cell in cells):
        remove_partials(here.store.root / suite)
    if jobs == 1 or (jobs is None and here.device.type == "cpu"):
        runner.run(cells, here, watcher, tally)
    else:
        Crew(waiting(cells, here, watcher, tally), here, watcher, tally).run(jobs)
    for path in tally.lost():
        watcher.say(
            f"error: {path} is gone: it was removed while this run went on; the same command makes "
            "it again"
        )
