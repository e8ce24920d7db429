"""All that made a cell, in words for a terminal."""

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tabulate import tabulate

from hashquant.records.gate import has_gate
from hashquant.records.record import Cost, EvalRecord, Gate, Provenance, Score, TrainRecord
from hashquant.report.trace.locate import StoredCell
from hashquant.settings.suite import RunSpec
from hashquant.settings.words import split_target

#: Columns of a terminal that the second column of a table may take.
WIDTH = 78

Rows = Iterable[tuple[str, str]]


def explanation(cell: StoredCell, gate: Gate | None = None) -> str:
    """Return everything that is stored of a cell, its gate, and the files it lies in."""
    parts = []
    if cell.spec is not None:
        parts.append(_section(_title(cell.spec), _spec_rows(cell.spec)))
    if cell.train is not None:
        parts.append(_section("training", _training_rows(cell.train, gate)))
    for folder, record in cell.evals:
        rows = _section(f"examined on {record.target}", _target_rows(folder, record))
        parts.append(f"{rows}\n{_scores(record.scores)}")
    if not cell.evals:
        parts.append("examined on nothing yet")
    files = sorted(path for path in cell.folder.rglob("*") if path.is_file())
    parts.append(_section("files", [(f"{p.stat().st_size:,} bytes", str(p)) for p in files]))
    if cell.damaged:
        parts.append(_section("not read", [("", reason) for reason in cell.damaged]))
    return "\n\n".join(parts)


def _title(spec: RunSpec) -> str:
    return f"{spec.label}, {spec.bits} bits, seed {spec.seed}, trained on {spec.dataset}"


def _spec_rows(spec: RunSpec) -> Rows:
    yield "suite", spec.suite
    yield "data set", f"{spec.dataset} {_pairs(spec.dataset_options)}".strip()
    yield "settings", _pairs(spec.settings) or "none"
    yield "overrides", _pairs(spec.overrides) or "none: the method's defaults"
    yield "trunk", f"{spec.trunk}, {spec.features} features, {spec.trunk_mode} in training"
    if spec.card is not None:
        card = spec.card
        yield "", f"{card.width} values ({card.pooling}) of {card.pretrained_on}, {card.file}"
        yield "", f"sha256 {card.digest}, licence {card.licence}"
        yield "", f"its learning rate times {spec.trunk_rate:g}" if spec.trunk_rate else "frozen"
    if spec.image_size:
        crop = f"{spec.image_size} pixels of {spec.resize or 'the stored size'}"
        yield "images", f"{crop}, padding {spec.padding}, flip {spec.flip}"
        yield "", f"mean {_text(spec.mean)}, std {_text(spec.std)}"
    else:
        yield "items", spec.entering
    yield "schedule", f"recipe {spec.recipe}: {_pairs(asdict(spec.schedule))}"
    yield "epochs", f"{spec.epochs} of {spec.batch_size} images a step, {spec.precision}"
    yield "selection", spec.selection
    if spec.base:
        how = "trained on" if spec.head_only else "fitted on"
        yield how, f"the {'frozen ' * spec.head_only}embedding of {_pairs(spec.base)}"
    if spec.prefix:
        yield "prefix", f"the first {spec.bits} bits of codes that were trained at {spec.prefix}"
    yield "device", f"{spec.device}; results epoch {spec.results_epoch}"


def _training_rows(record: TrainRecord, gate: Gate | None) -> Rows:
    yield "run_id", record.run_id
    yield "status", f"{record.status}: {record.reason}" if record.reason else record.status
    yield "trained", _gate(record, gate)
    yield "images", f"{record.training_images} of {record.classes} classes"
    yield "data version", record.dataset_version or "not stored"
    yield "split", record.split_digest or "not stored"
    if record.base_run:
        yield "base run", record.base_run
    if record.selected_epoch:
        yield "selected", f"epoch {record.selected_epoch} of {record.spec.epochs}"
    if record.validation:
        yield "validation", f"mAP {', '.join(f'{value:.4f}' for value in record.validation)}"
    if record.positive_rate is not None:
        yield "positive pairs", f"{record.positive_rate:.4f} of the pairs of a step"
    if record.losses:
        yield "first loss", _numbers(record.losses[0])
        yield "last loss", _numbers(record.losses[-1])
    if record.cost is not None:
        yield "cost", _cost(record.cost)
    yield "timing", _numbers(record.timing) or "not stored"
    yield from _made(record.provenance, record.started_at)
    yield from (("note", note) for note in record.notes)


def _gate(record: TrainRecord, gate: Gate | None) -> str:
    if gate is None and has_gate(record):
        return "cannot be told: nothing is stored of queries held out from its training classes"
    if gate is None:
        return "no: nothing was to be learned" if record.status == "done" else "no"
    said = "yes" if gate.trained else f"no: {gate.reason}"
    return (
        f"{said} (mAP {gate.score:.4f} on {gate.judged_on}, a random order has {gate.floor:.4f}, "
        f"margin {gate.margin:.4f})"
    )


def _target_rows(folder: Path, record: EvalRecord) -> Rows:
    yield "folder", str(folder)
    yield "run_id", record.run_id
    yield "protocol", record.protocol
    yield "split", record.split_digest
    yield "target version", record.target_version or "the training set's own"
    yield "queries", f"{record.queries}, {record.queries_excluded} with nothing relevant excluded"
    yield "gallery", f"{record.gallery} items"
    if record.floor is not None:
        yield "floor", f"mAP {record.floor:.4f}: a random order's"
    yield "norm_stats", split_target(record.target)[1].partition("=")[2] or "source"
    yield "adapter", record.adapter or "none: images as they are"
    yield "comparability", record.comparability_key
    yield "cost", _cost(record.cost)
    yield "health", _numbers(record.health)
    yield "timing", _numbers(record.timing)
    yield from _made(record.provenance, record.started_at)
    yield from (("note", note) for note in record.notes)


def _made(provenance: Provenance | None, started: str) -> Rows:
    yield "started", started or "not stored"
    if provenance is None:
        return
    changed = "with uncommitted changes" if provenance.dirty else "clean"
    yield "commit", f"{provenance.commit}, {changed}"
    exact = "deterministic" if provenance.deterministic else "not deterministic"
    device = f"{provenance.device} ({provenance.cpu})"
    yield "made on", f"{device}, {provenance.threads} threads, {exact}"
    yield "versions", _pairs(provenance.versions)


def _scores(scores: Iterable[Score]) -> str:
    """Return every score with its definition; a cutoff of 0 is the full ranking."""
    heads = ["metric", "cutoff", "denominator", "ties", "comparison", "value"]
    rows = [
        [s.metric, str(s.cutoff or "all"), s.denominator, s.ties, s.comparison, f"{s.value:.10f}"]
        for s in scores
    ]
    table = tabulate(rows, heads, "simple", disable_numparse=True,
                     colalign=["left", "right", "left", "left", "left", "right"])  # fmt: skip
    return _indented(table) if rows else "  no scores"


def _cost(cost: Cost) -> str:
    books = (
        f"{cost.subspaces} books of {cost.codewords} codewords" if cost.subspaces else "no books"
    )
    return (
        f"{cost.code_bits} bits in {cost.code_bytes} bytes an item, {books} in "
        f"{cost.codebook_bytes} bytes, query as {cost.query_form}; parameters: trunk "
        f"{cost.trunk_parameters}, head {cost.head_parameters}"
    )


def _section(title: str, rows: Rows) -> str:
    wrapped = [(name, _wrapped(text)) for name, text in rows]
    return f"{title}\n{_indented(tabulate(wrapped, tablefmt='plain', disable_numparse=True))}"


def _wrapped(text: str) -> str:
    """Break at spaces only: a path must stay whole to be copied."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())


def _pairs(values: Mapping[str, Any]) -> str:  # Any: settings
    return ", ".join(f"{key} {_text(value)}" for key, value in values.items())


def _numbers(values: Mapping[str, float]) -> str:
    return ", ".join(f"{key} {value:.6g}" for key, value in values.items())


def _text(value: object) -> str:
    """Write a setting's value as a reader would.

    >>> _text((0.5, 0.25)), _text({"margin": 0.5})
    ('(0.5, 0.25)', '(margin 0.5)')
    """
    if isinstance(value, Mapping):
        return f"({_pairs(value)})"
    return f"({', '.join(map(_text, value))})" if isinstance(value, list | tuple) else str(value)
