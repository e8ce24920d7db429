"""How long a run would take: a few steps of each kind of cell, measured, then multiplied."""

import dataclasses
import time

import torch

from hashquant.cell import build_network
from hashquant.config import RunSpec
from hashquant.data import TrainingSet
from hashquant.encoding import encode
from hashquant.preparation import Examination, Prepared
from hashquant.training import train

PROBE_STEPS = 3


class Estimate:
    """The sum over cells of measured seconds an image, times images."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._rates: dict[tuple[object, ...], tuple[float, float]] = {}
        self._seconds = 0.0

    def add(self, spec: RunSpec, prepared: Prepared) -> None:
        """Count one cell, measuring its kind when it is new."""
        if prepared.training is None:
            return
        kind = (spec.dataset, spec.method, spec.trunk, spec.features, spec.batch_size)
        if kind not in self._rates:
            self._rates[kind] = self._measure(spec, prepared.training, prepared.examination)
        per_step, per_code = self._rates[kind]
        examined = len(prepared.examination.gallery) + len(prepared.examination.query)
        trained = len(prepared.training.labels) * spec.epochs
        self._seconds += per_step * trained + per_code * examined

    def __str__(self) -> str:
        minutes, seconds = divmod(round(self._seconds), 60)
        how = f"measured on {PROBE_STEPS} steps of each kind of cell"
        return f"estimate: {minutes} min {seconds} s on {self._device} ({how})"

    def _measure(
        self, spec: RunSpec, training: TrainingSet, examination: Examination
    ) -> tuple[float, float]:
        count = min(len(training.labels), PROBE_STEPS * spec.batch_size)
        part = dataclasses.replace(
            training, labels=training.labels[:count], labelled=training.labelled[:count]
        )
        network = build_network(spec, training.num_classes, self._device)
        once = dataclasses.replace(spec, epochs=1)
        train(network, part, once, device=self._device, checkpoint=None, on_epoch=None)
        result = train(network, part, once, device=self._device, checkpoint=None, on_epoch=None)
        begin = time.perf_counter()
        encode(network, examination.query, spec, device=self._device)
        encoding = (time.perf_counter() - begin) / len(examination.query)
        return 1 / result.images_per_second, encoding
