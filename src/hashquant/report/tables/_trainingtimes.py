"""What training a run took, that of its base included, and how fast its head makes codes."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hashquant.records.record import EvalRecord, TrainRecord
from hashquant.report.captions import at_once, counted

COLUMNS = ("train_minutes", "train_machine")
#: Images a second, from the trunk's features to stored codes.
SPEED = ("code_images_per_second", "encode_machine")


@dataclass(frozen=True)
class TrainingTime:
    """Seconds of one run, and the machine that spent most of them ("" where unknown).

    Cells that shared a device count as another machine's: their times are not those of one alone.
    """

    seconds: float
    machine: str


def training_times(trains: Iterable[TrainRecord]) -> dict[str, TrainingTime]:
    """Return the time of each finished run by its run_id.

    A method fitted on another's embedding needs that training too, and codes that are a prefix of
    longer ones needed theirs; where such a record is not stored, the time is unknown and the run
    left out.
    """
    done = {t.run_id: t for t in trains if t.status == "done" and "train_seconds" in t.timing}
    found = {}
    for name, train in done.items():
        parts = _parts(train, done)
        if parts is None:
            continue
        longest = max(parts, key=lambda part: part.timing["train_seconds"])
        seconds = sum(part.timing["train_seconds"] for part in parts)
        found[name] = TrainingTime(seconds, _machine(longest))
    return found


def _parts(train: TrainRecord, done: Mapping[str, TrainRecord]) -> list[TrainRecord] | None:
    """Return a run and those that it needed; None where one of them is not stored."""
    parts = [train]
    while run := parts[-1].base_run:
        if run not in done or len(parts) > len(done):
            return None
        parts.append(done[run])
    return parts


def cell_speed(cell: Sequence[EvalRecord]) -> dict[str, Any]:  # Any: a number and a name
    """Return the `SPEED` of a cell: the median over its records on the machine of most of them.

    On a CPU it is one thread's. Records of before it was measured have none: NaN, and no machine.
    """
    timed = [(_machine(r, threads=1), r.timing[SPEED[0]]) for r in cell if SPEED[0] in r.timing]
    machines = Counter(where for where, _ in timed)
    machine = max(sorted(machines), key=machines.__getitem__, default="")
    found = [speed for where, speed in timed if where == machine]
    median = statistics.median(found) if found else float("nan")
    return {SPEED[0]: median, SPEED[1]: machine}


def _machine(record: TrainRecord | EvalRecord, threads: int = 0) -> str:
    where = record.provenance
    if where is None:
        return ""
    alone = f"{where.cpu or 'cpu'}, {counted(threads or where.threads, 'thread')}"
    return (alone if where.device == "cpu" else where.device) + at_once(record.timing)


def cell_minutes(
    cell: Sequence[EvalRecord], times: Mapping[str, TrainingTime]
) -> dict[str, Any]:  # Any: a number and a name
    """Return the `COLUMNS` of a cell: the median over its seeds on the machine of most of them."""
    known = [times[record.run_id] for record in cell if record.run_id in times]
    machines = Counter(time.machine for time in known)
    machine = max(sorted(machines), key=machines.__getitem__, default="")
    minutes = [time.seconds / 60 for time in known if time.machine == machine]
    median = statistics.median(minutes) if minutes else float("nan")
    return {"train_minutes": median, "train_machine": machine}
