"""Codes that are a prefix of longer ones, held beside those where they are stored."""

import dataclasses

import torch
from torch import Tensor

from hashquant.codes.binary import unpack_bits
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import unpack_indices
from hashquant.records.record import Cost, EvalRecord, TrainRecord
from hashquant.records.store import Store
from hashquant.records.vouching import CODES, usable
from hashquant.runs.verification._checked import Checked
from hashquant.search.comparisons import StoredCodes
from hashquant.settings.suite import run_id, whole_spec


def check_prefix(
    checked: Checked, store: Store, record: EvalRecord, train: TrainRecord | None,
    codes: StoredCodes | None,
) -> None:  # fmt: skip
    """Note where codes that are a prefix do not begin longer ones of the same training and target.

    Those are of the run that was trained, or of its own row at that length; where neither is
    stored whole nothing is noted.
    """
    if not record.spec.prefix or train is None or codes is None:
        return
    whole = whole_spec(record.spec)
    for spec in (whole, dataclasses.replace(record.spec, bits=whole.bits)):
        name = run_id(spec, train.dataset_version)
        if name == record.run_id:
            continue
        found = store.cell(spec, name).examined(name, record.target).record
        if found is None or found.split_digest != record.split_digest:
            continue
        folder = store.cell(spec, name).target_folder(record.target)
        longer = usable(found, folder, CODES)
        for part, packed in (("gallery", codes.gallery), ("query", codes.query)):
            if part not in longer:
                continue
            mine = _symbols(packed, record.cost)
            theirs = _symbols(torch.from_numpy(longer[part]), found.cost)
            if not torch.equal(mine, theirs[:, : mine.shape[1]]):
                checked.differences.append(
                    f"{checked.folder / CODES}: {part} codes are not the beginnings of those in "
                    f"{folder}, which are of another training (--force makes both anew)"
                )


def _symbols(packed: Tensor, cost: Cost) -> Tensor:
    """Return a code's indices of codewords, or its bits, in their order."""
    if cost.codewords:
        return unpack_indices(packed, CodeBudget(cost.code_bits, cost.subspaces, cost.codewords))
    return unpack_bits(packed, cost.code_bits)
