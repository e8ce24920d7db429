"""Whether a cell trained, judged and kept when it ends (ADR 0017)."""

from collections.abc import Callable
from dataclasses import replace

import torch

from hashquant.records.cellfolder import CellFolder
from hashquant.records.gate import (
    VALIDATION,
    HeldOut,
    gate_at,
    has_gate,
    judge,
    judged_again,
    taught_by,
)
from hashquant.records.record import Gate
from hashquant.records.store import Store
from hashquant.runs.cell import Trained
from hashquant.runs.examination import judged
from hashquant.runs.preparation import Examination


def judged_apart(
    trained: Trained, own: Callable[[], Examination | None], store: Store, folder: CellFolder,
    device: torch.device,
) -> None:  # fmt: skip
    """Judge a run that will not be examined on its own split, once, and keep what was found.

    `own` gives queries held out from its training classes, where it has them.

    Raises:
        StoreError: if the record cannot be written.
    """
    record = trained.record
    if not has_gate(record) or gate_at(store, record) is not None:
        return
    held = own()
    if held is None:
        return
    found = judged(trained.network, held, record.spec, device, frozen=record.base_run)
    name = VALIDATION if held.protocol == VALIDATION else held.target
    values = {**found.per_query, "label": held.query_labels.cpu().numpy()}
    queries = HeldOut.of(name, values, len(held.gallery_labels))
    if queries is not None:
        gate = judge(taught_by(store, record), queries)
        folder.save_train(replace(record, gate=gate))


def kept_gate(store: Store, folder: CellFolder, name: str) -> Gate | None:
    """Return the gate of the examined run `name`, after keeping what its own split tells.

    Raises:
        StoreError: if the record cannot be written.
    """
    record = folder.train_record(name)
    if record is None:
        return None
    gate = judged_again(store, record) or record.gate
    if gate != record.gate:
        folder.save_train(replace(record, gate=gate))
    return gate
