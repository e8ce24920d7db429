"""What older records lack, made from their stored codes: no image is read, no score is touched."""

from collections.abc import Iterator
from pathlib import Path

import torch

from hashquant.records.store import DISTRIBUTIONS, Store, write_arrays
from hashquant.search.comparisons import MissingCodesError, StoredCodes
from hashquant.search.distributions import distributions


def complete_suite(store: Store, suite: str) -> Iterator[Path]:
    """Write the distributions that examinations of a suite lack, and yield each file written.

    Examinations without whole codes stay as they are.

    Raises:
        HashQuantError: if stored codes do not fit each other.
        UsageError: if another run holds the suite.
        StoreError: if a file cannot be written.
    """
    records = store.read(suite)
    with store.lock(suite):
        for record in records.evals:
            path = records.folders[record.run_id, record.target] / DISTRIBUTIONS
            if path.is_file():
                continue
            labels, arrays = records.per_query(record).get("label"), records.codes(record)
            if labels is None or not arrays:
                continue
            try:
                codes = StoredCodes.from_arrays(arrays, record.cost, torch.from_numpy(labels))
                found = distributions(codes)
            except MissingCodesError:
                continue
            write_arrays(path, found)
            yield path
