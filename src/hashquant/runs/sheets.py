"""Retrieval sheets of a suite: stored codes rank the gallery, local images show what they found."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hashquant.data.disjoint import Seen, without_overlap
from hashquant.data.items import Dataset, Items, Rows, Split
from hashquant.errors import DataError, UsageError, unknown_name
from hashquant.plugins import naming, registry
from hashquant.plugins.reading import names_people, read_dataset
from hashquant.records.record import EvalRecord
from hashquant.records.store import SuiteRecords
from hashquant.records.vouching import CODES
from hashquant.report import cited
from hashquant.report.blocks import Block, select_blocks
from hashquant.report.drawing.canvas import file_stem
from hashquant.report.figures.drawings import draw_all
from hashquant.report.figures.retrieval import STEM, Results, Sheet, sheet_drawing
from hashquant.runs.preparation import family_of
from hashquant.runs.targets import parse, read
from hashquant.search.comparisons import MissingCodesError, StoredCodes
from hashquant.search.shortlist import shortlist, spread_queries
from hashquant.settings.names import Names

#: Results of each query.
RESULTS = 10


@dataclass(frozen=True)
class Asked:
    """What sheets show: rows by method or whole label, and how many queries.

    `targets` are as a user writes them; without any, every training set's own split is shown,
    without `bits` every code length.
    `show_images` says that the user may show images whose terms do not say so.
    """

    rows: tuple[str, ...]
    queries: int = 5
    targets: tuple[str, ...] = ()
    bits: tuple[int, ...] = ()
    show_images: bool = False


@dataclass(frozen=True, eq=False)
class _Shown:
    """The images of a target, their roles as they were examined, and their terms."""

    items: Items
    split: Split
    terms: str


def write_sheets(
    records: SuiteRecords, asked: Asked, data_root: Path, folder: Path
) -> tuple[Path, ...]:
    """Write `retrieval_<block>_<bits>bit` for every block and code length asked for.

    Raises:
        UsageError: if a name is unknown, nothing is left to show, or images may not be shown.
        MissingCodesError: if the codes of a row are not stored.
        DataError: if images are missing or not those that were examined.
    """
    blocks = _blocks(records, asked)
    for name in asked.rows:
        labels = {label for block in blocks for label in block.families}
        if not any(_is_row(label, name) for label in labels):
            raise unknown_name("row of the tables", name, labels)
    paths: list[Path] = []
    for block in blocks:
        dataset = _permitted(records, block, asked)
        wanted = {bits: _evals(block, asked.rows, bits) for bits in asked.bits or block.bits}
        if not any(wanted.values()):
            continue
        shown = _examined(block, dataset, data_root)
        for bits, evals in wanted.items():
            if evals:
                _check_images(records, evals[0], shown, data_root)
                title = f"{block.name}, {bits} bits: the first {RESULTS} results"
                sheet = _sheet(records, evals, asked.queries, shown, title, block.names)
                stem = folder / f"{STEM}{file_stem(block)}_{bits}bit"
                paths += draw_all([sheet_drawing(sheet, stem)])
    if not paths:
        raise UsageError(
            f"--sheet must name rows that are stored at the code lengths asked for, got none of "
            f"{', '.join(asked.rows)}"
        )
    return tuple(paths)


def _blocks(records: SuiteRecords, asked: Asked) -> list[Block]:
    names = naming.names(*cited(records))
    blocks = [block for block in select_blocks(records, names=names) if block.evals]
    known = {block.target for block in blocks}
    wanted = [read(target).name for target in asked.targets]
    for target in wanted:
        if target not in known:
            raise unknown_name("target with records", target, known)
    if wanted:
        return [block for block in blocks if block.target in wanted]
    return [block for block in blocks if block.of_itself] or blocks


def _is_row(label: str, name: str) -> bool:
    """Tell whether a user who writes `name` means a row: by its label, or its method."""
    return name in (label, label.partition(" ")[0])


def _evals(block: Block, rows: Sequence[str], bits: int) -> list[EvalRecord]:
    """Return the record of the lowest seed of each row asked for, where there is one."""
    mine = sorted((r for r in block.evals if r.spec.bits == bits), key=lambda r: r.spec.seed)
    found: dict[str, EvalRecord] = {}
    for name in rows:
        exact = [r for r in mine if r.spec.label == name]
        for record in exact or [r for r in mine if _is_row(r.spec.label, name)]:
            found.setdefault(record.spec.label, record)
    return list(found.values())


def _permitted(records: SuiteRecords, block: Block, asked: Asked) -> Dataset:
    """Return the examined data set, whose images may be shown or are said to be."""
    reference = parse(block.target).dataset
    dataset = registry.make_dataset(reference, _options(records, block, reference))
    if not dataset.may_show and not asked.show_images:
        raise UsageError(
            f"images of {reference} must not be shown without permission ({dataset.terms}): "
            "--show-images says that you have it"
        )
    return dataset


def _options(records: SuiteRecords, block: Block, reference: str) -> dict[str, str]:
    """Return a data set's options as records know them: those of trainings on the same file."""
    specs = [block.spec, *(train.spec for train in records.trains)]
    for same in (lambda name: name == reference, lambda name: _stem(name) == _stem(reference)):
        for spec in specs:
            if same(spec.dataset):
                return dict(spec.dataset_options)
    return {}


def _stem(reference: str) -> str:
    return registry.dataset_stem(reference)


def _examined(block: Block, dataset: Dataset, root: Path) -> _Shown:
    """Load the examined images and their roles, without what was trained on."""
    reference = parse(block.target).dataset
    items, split = read_dataset(dataset, reference, root)
    if reference != block.dataset:
        own = registry.make_dataset(block.dataset, block.spec.dataset_options)
        trained, roles = read_dataset(own, block.dataset, root)
        family, people = family_of(block.dataset), names_people(own)
        seen = Seen.of(block.dataset, family, people, trained, roles.training)
        split = without_overlap(
            items,
            split,
            seen,
            target=reference,
            family=family_of(reference),
            people=names_people(dataset),
        )
    return _Shown(items, split, dataset.terms)


def _check_images(records: SuiteRecords, record: EvalRecord, shown: _Shown, root: Path) -> None:
    """Refuse images that are not those that were examined."""
    own = {train.run_id: train.dataset_version for train in records.trains}
    version = record.target_version or own.get(record.run_id, "")
    got = shown.items.version, shown.split.digest
    if got != (version, record.split_digest):
        raise DataError(
            f"images of {record.target} in {root} must be those that were examined (version "
            f"{version}, split {record.split_digest[:12]}), got version {got[0]}, split "
            f"{got[1][:12]}"
        )


def _sheet(
    records: SuiteRecords,
    evals: Sequence[EvalRecord],
    count: int,
    shown: _Shown,
    title: str,
    names: Names,
) -> Sheet:
    """Let every row rank the gallery for the queries that the first one's AP chooses."""
    gallery, query = shown.split.gallery, shown.split.query
    ap = [_ap(records, record) for record in evals]
    queries = spread_queries(ap[0], count)
    results = []
    for record, values in zip(evals, ap, strict=True):
        found = shortlist(_codes(records, record), queries, RESULTS)
        images = _images(shown.items, gallery[found.items.ravel()])
        results.append(
            Results(record.spec.label, values[queries], found.items, found.scores, found.right,
                    found.tied, images.reshape(*found.items.shape, *images.shape[1:]),
                    names.short(record.spec.label))
        )  # fmt: skip
    return Sheet(title, queries, _images(shown.items, query[queries]), results, shown.terms)


def _ap(records: SuiteRecords, record: EvalRecord) -> np.ndarray:
    ap = records.per_query(record).get("ap")
    if ap is None or len(ap) != record.queries:
        raise MissingCodesError(f"no values of queries are stored of {_cell(records, record)}")
    return ap


def _codes(records: SuiteRecords, record: EvalRecord) -> StoredCodes:
    arrays, labels = records.codes(record), records.per_query(record)["label"]
    if not arrays:
        raise MissingCodesError(
            f"{CODES} is not stored of {_cell(records, record)}: it is kept out of git, so the "
            "cell must be run again here"
        )
    return StoredCodes.from_arrays(arrays, record.cost, torch.from_numpy(labels))


def _cell(records: SuiteRecords, record: EvalRecord) -> str:
    return f"{record.spec.label} in {records.folders[record.run_id, record.target]}"


def _images(items: Items, rows: Rows) -> np.ndarray:
    """Return images as (n, h, w, 3).

    Raises:
        UsageError: if the items are vectors, of which nothing can be shown.
    """
    if items.vectors is not None:
        raise UsageError("a sheet shows images, got a data set of vectors")
    return np.ascontiguousarray(np.asarray(items.images[rows]).transpose(0, 2, 3, 1))
