"""What of a plan is stored already, and how long the rest may take, from records alone."""

import functools
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import Any

from hashquant.machine.strictjson import read_json
from hashquant.plugins import registry
from hashquant.records.cellfolder import CellFolder
from hashquant.records.record import EMBEDDING_SECONDS, TrainRecord
from hashquant.records.store import Store
from hashquant.records.vouching import EVAL, PER_QUERY
from hashquant.runs.planning import Cell
from hashquant.runs.targets import Target
from hashquant.settings.suite import RunSpec, base_spec, run_id, whole_spec

#: Examinations of each kind that are read: one of 18 kB says what the hundredth says.
READ = 3
#: Seconds from which on a time that is read stands for damage: three centuries.
CREDIBLE = 1e10
#: What reading few numbers of a damaged file can raise.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError)


@dataclass(frozen=True, eq=False)
class Neighbour:
    """A stored training run and its folder."""

    record: TrainRecord
    folder: CellFolder

    def rank(self, spec: RunSpec, cpu: str) -> tuple[bool, ...]:
        """Return how far it is from `spec`, the gravest difference first."""
        own = self.record.spec
        return (
            self.machine != cpu, own.method != spec.method, own.settings != spec.settings,
            own.batch_size != spec.batch_size, own.bits != spec.bits,
        )  # fmt: skip

    @property
    def machine(self) -> str:
        """The name of the processor it was made with."""
        return self.record.provenance.cpu if self.record.provenance else "unknown"

    @property
    def kind(self) -> tuple[object, ...]:
        """What must agree for its time to say something of another's."""
        spec = self.record.spec
        return _kind(spec, steps=not spec.base or bool(self.record.losses))

    @functools.cached_property
    def examined(self) -> frozenset[str]:
        """The folders of the targets whose examination is stored whole."""
        found = self.folder.path.glob(f"*/{EVAL}")
        return frozenset(p.parent.name for p in found if p.with_name(PER_QUERY).is_file())

    def has(self, target: str) -> bool:
        """Tell whether the examination on a target is stored whole."""
        return self.folder.target_folder(target).name in self.examined

    @functools.cache  # noqa: B019 - as many as there are records, for one command
    def seconds(self, target: str) -> float | None:
        """Return how long encoding and scoring a target took; None where no record tells it."""
        with suppress(*_DAMAGE):
            # Any: parsed JSON, of which few numbers are read
            raw: Any = read_json(self.folder.target_folder(target) / EVAL)
            encoded = (raw["gallery"] + raw["queries"]) / raw["timing"]["encode_images_per_second"]
            return float(encoded + raw["timing"].get("score_seconds", 0.0))
        return None

    @functools.cache  # noqa: B019 - as above
    def whole(self, target: str) -> bool:
        """Tell whether training and examination are stored, and vouch for what lies beside them."""
        name = self.record.run_id
        exam = self.folder.examined(name, target).record
        return exam is not None and self.folder.trained(name).record is not None


class Forecast:
    """What is stored of a plan's cells, and the time of those that are to be run.

    A cell's training takes as long an image and epoch as the nearest stored runs: of this machine
    before others, then of the same method, all with its trunk, image size, precision and device.
    """

    def __init__(self, store: Store, cpu: str) -> None:
        self._cpu = cpu
        self._store = store
        self._known = [Neighbour(record, folder) for folder, record in store.trained()]
        self._places: dict[tuple[object, ...], list[Neighbour]] = {}
        self._kinds: dict[tuple[object, ...], list[Neighbour]] = {}
        for found in self._known:
            self._places.setdefault(_place(found.record.spec), []).append(found)
            self._kinds.setdefault(found.kind, []).append(found)
        self._same: dict[str, list[Neighbour]] = {}
        self._trained: set[str] = set()
        self._near: dict[tuple[object, ...], list[Neighbour]] = {}
        self._counts: dict[tuple[str, ...], int | None] = {}
        self._exams: dict[tuple[object, ...], float | None] = {}
        self._used: dict[str, Neighbour] = {}
        self._seconds = 0.0
        self._cells = 0
        self._unknown = 0

    def is_cached(self, cell: Cell) -> bool:
        """Tell whether a run with these settings is stored, and examined on every target.

        Its images are taken for unchanged: what they are is known once they are loaded.
        """
        return bool(self._examined(cell))

    def is_untrained(self, cell: Cell) -> bool:
        """Tell whether the newest of the runs that `is_cached` finds is one that did not train."""
        from hashquant.records.gate import gate_at  # of no use where nothing is stored

        found = self.newest(cell)
        gate = gate_at(self._store, found) if found else None
        return gate is not None and not gate.trained

    def newest(self, cell: Cell) -> TrainRecord | None:
        """Return the record of the newest of the runs that `is_cached` finds."""
        found = max(self._examined(cell), key=lambda run: run.record.started_at, default=None)
        return found.record if found else None

    def _examined(self, cell: Cell) -> list[Neighbour]:
        names = [target.name for target in cell.targets]
        return [found for found in self._runs(cell.spec) if all(map(found.whole, names))]

    def add(self, cell: Cell, *, fresh: bool = False) -> None:
        """Count a cell that is to be run; `fresh`: trained also where it is stored, by force."""
        spec = whole_spec(cell.spec)
        trainings = [self._training(base_spec(spec))] if spec.base else []
        steps = not (spec.base and cell.fitted)
        trainings.append(self._training(spec, fresh=fresh, steps=steps))
        examinations = [self._examination(cell, target) for target in cell.targets]
        known = [s for s in (*trainings, *examinations) if s is not None and 0 <= s < CREDIBLE]
        if len(known) < len(trainings) + len(examinations):
            self._unknown += 1
            return
        self._cells += 1
        self._seconds += sum(known)

    def __str__(self) -> str:
        lines = []
        if self._cells:
            minutes, seconds = divmod(round(self._seconds), 60)
            lines.append(
                f"estimate: {minutes} min {seconds} s for {_count(self._cells, 'cell')}, from "
                f"{_count(len(self._used), 'record')} like these on {self._machines()}"
            )
        if self._unknown:
            lines.append(
                f"estimate: {_count(self._unknown, 'cell')} unknown: nothing like them is stored "
                "here; --measure times a few steps of each kind"
            )
        return "\n".join(lines or ["estimate: nothing is to be run"])

    def _runs(self, spec: RunSpec) -> list[Neighbour]:
        """Return the stored runs with exactly these settings, whatever the images' version."""
        if spec.canonical not in self._same:
            self._same[spec.canonical] = [
                found for found in self._places.get(_place(spec), [])
                if found.record.run_id == run_id(spec, found.record.dataset_version)
            ]  # fmt: skip
        return self._same[spec.canonical]

    def _training(self, spec: RunSpec, *, fresh: bool = False, steps: bool = True) -> float | None:
        """Return the seconds of training once; 0 where it is stored, or counted already.

        Without `steps` it is fitted on embeddings, and sees each image once.
        """
        if spec.canonical in self._trained or (not fresh and self._runs(spec)):
            return 0.0
        near, images = self._nearest(spec, steps), self._images(spec)
        if not near or images is None:
            return None
        self._trained.add(spec.canonical)
        self._use(near)
        rate = median(found.record.timing["images_per_second"] for found in near)
        passes = spec.epochs if steps else 1
        embedding = median(n.record.timing.get(EMBEDDING_SECONDS, 0.0) for n in near)
        return images * passes / rate + embedding

    def _nearest(self, spec: RunSpec, steps: bool) -> list[Neighbour]:
        """Return the stored runs that differ least from `spec`, all of the same kind."""
        kind = _kind(spec, steps=steps)
        key = (spec.method, repr(spec.settings), spec.batch_size, spec.bits, *kind)
        if key not in self._near:
            self._near[key] = self._find(spec, kind)
        return self._near[key]

    def _find(self, spec: RunSpec, kind: tuple[object, ...]) -> list[Neighbour]:
        alike = self._kinds.get(kind, [])
        alike = [n for n in alike if n.record.timing.get("images_per_second", 0) > 0]
        ranks = [n.rank(spec, self._cpu) for n in alike]
        least = min(ranks, default=())
        return [n for n, rank in zip(alike, ranks, strict=True) if rank == least]

    def _images(self, spec: RunSpec) -> int | None:
        """Return the number of training images: of the same data set's runs, or its manifest."""
        key = spec.dataset, repr(spec.dataset_options), spec.selection
        if key not in self._counts:
            self._counts[key] = self._count_images(spec)
        return self._counts[key]

    def _count_images(self, spec: RunSpec) -> int | None:
        for found in self._known:
            own = found.record.spec
            same = (own.dataset, own.dataset_options, own.selection)
            if same == (spec.dataset, spec.dataset_options, spec.selection):
                return found.record.training_images
        for path in registry.manifests():
            if path.stem == f"{spec.dataset}-seen" and not spec.dataset_options:
                with suppress(*_DAMAGE):  # whoever trains on it is told what is wrong
                    return int(read_json(path)["counts"]["training"])
        return None

    def _examination(self, cell: Cell, target: Target) -> float | None:
        """Return the seconds of encoding and scoring a target, as the nearest runs had them."""
        spec, options = cell.spec, cell.options.get(target.dataset, {})
        own = _kind(spec, steps=True)[1:]
        key = (target.name, *sorted(options.items()), spec.method, bool(spec.base), *own)
        if key not in self._exams:
            alike = [
                n for kind, known in self._kinds.items() if kind[1:] == own
                for n in known if n.has(target.name)
                and (n.record.spec.dataset != target.dataset
                     or n.record.spec.dataset_options == options)
            ]  # fmt: skip
            alike.sort(key=lambda n: n.rank(spec, self._cpu))
            self._use(alike[:READ])
            read = (n.seconds(target.name) for n in alike[:READ])
            times = [seconds for seconds in read if seconds is not None]
            self._exams[key] = median(times) if times else None
        return self._exams[key]

    def _use(self, found: list[Neighbour]) -> None:
        self._used |= {neighbour.record.run_id: neighbour for neighbour in found}

    def _machines(self) -> str:
        threads: dict[str, set[int]] = {}
        for found in self._used.values():
            made = found.record.provenance
            threads.setdefault(found.machine, set()).add(made.threads if made else 1)
        return "; ".join(
            f"{name}, {' or '.join(map(str, sorted(counts)))} thread{'s' * (max(counts) > 1)}"
            for name, counts in sorted(threads.items())
        )


def _kind(spec: RunSpec, *, steps: bool) -> tuple[object, ...]:
    """Return what must agree for one run's time to say something of another's."""
    how = spec.trunk_mode, spec.precision, spec.device, spec.trunk_rate
    return (bool(spec.base), steps), spec.trunk, spec.image_size, *how


def _place(spec: RunSpec) -> tuple[object, ...]:
    """Return what the runs of one folder of cells share."""
    return spec.suite, spec.dataset, spec.method, spec.bits, spec.seed


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
