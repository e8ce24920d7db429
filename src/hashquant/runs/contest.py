"""A training set and all that its models are examined on, where images and records lie."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from hashquant.errors import HashQuantError
from hashquant.plugins import registry
from hashquant.records.store import Store
from hashquant.runs.diagnosis import given
from hashquant.runs.planning import Cell
from hashquant.runs.preparation import (
    Examination,
    Place,
    Prepared,
    held_out,
    prepare,
    prepare_target,
)


@dataclass(frozen=True)
class Surroundings:
    """Where a run takes its images from, computes, and keeps its records.

    `progress` is told how many files of how many are decoded; `resident` as in `Place`; `jobs` is
    how many cells go side by side on the device, this one included.
    """

    store: Store
    data_root: Path
    device: torch.device
    on_bad_image: str = "stop"
    force: bool = False
    progress: Callable[[int, int], None] | None = None
    resident: bool = True
    jobs: int = 1


@dataclass(frozen=True)
class Contest:
    """A training set and all that its models are examined on.

    `refused` are the targets that cannot be used, each with the reason; `own` gives queries held
    out from the training classes, where there are any, whether or not they are a target.
    """

    prepared: Prepared
    examinations: Mapping[str, Examination]
    refused: Mapping[str, HashQuantError]
    own: Callable[[], Examination | None] = lambda: None


def load(cell: Cell, here: Surroundings) -> Contest:
    """Load a cell's training set and its targets onto the device.

    Raises:
        HashQuantError: if the training set, or none of the targets, can be used.
    """
    spec = cell.spec
    place = Place(here.data_root, here.device, here.on_bad_image, here.progress, here.resident)
    dataset = given(spec.dataset, lambda: registry.make_dataset(spec.dataset, spec.dataset_options))
    prepared = given(spec.dataset, lambda: prepare(dataset, spec.dataset, place, spec))
    examinations: dict[str, Examination] = {}
    refused: dict[str, HashQuantError] = {}
    for target in cell.targets:
        try:
            examined = registry.make_dataset(target.dataset, cell.options[target.dataset])
            examinations[target.name] = given(
                target.name, partial(prepare_target, examined, target, place, spec, prepared)
            )
        except HashQuantError as error:
            refused[target.name] = error
    if refused and not examinations:
        raise next(iter(refused.values()))
    own = functools.cache(lambda: held_out(dataset, spec.dataset, place, spec, prepared))
    return Contest(prepared, examinations, refused, own)
