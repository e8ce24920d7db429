"""How long a run would take: a few steps of each kind of cell, measured, then multiplied."""

import dataclasses
import time

import torch

from hashquant.data.items import TrainingSet
from hashquant.runs.contest import Contest
from hashquant.runs.preparation import Examination
from hashquant.settings.suite import RunSpec, whole_spec
from hashquant.training.encoding import encode
from hashquant.training.frozen import head_of, takes_steps
from hashquant.training.loop import train
from hashquant.training.network import build_network
from hashquant.training.trunks.stored import frozen_trunk

PROBE_STEPS = 3


class Estimate:
    """The sum over cells of measured seconds an image, times images."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._rates: dict[tuple[object, ...], tuple[float, float]] = {}
        self._seconds = 0.0
        self._whole: set[str] = set()

    def add(self, spec: RunSpec, contest: Contest) -> None:
        """Count one cell, measuring its kind when it is new."""
        training = contest.prepared.training
        if training is None:
            return
        examined = list(contest.examinations.values())
        spec, cut = whole_spec(spec), bool(spec.prefix)
        trained = cut and spec.canonical in self._whole  # once for all that are cut from it
        self._whole.add(spec.canonical)
        how = spec.trunk, spec.features, spec.batch_size, spec.head_only, spec.trunk_rate
        kind = (spec.dataset, spec.method, *how)
        if kind not in self._rates:
            self._rates[kind] = self._measure(spec, training, examined[0])
        per_step, per_code = self._rates[kind]
        images = sum(len(e.gallery) + len(e.query) for e in examined)
        steps = 0 if trained else len(training.labels) * spec.epochs
        self._seconds += per_step * steps + per_code * images

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
        per_step = 0.0
        if takes_steps(network.method, spec):
            once, trunk = dataclasses.replace(spec, epochs=1), frozen_trunk(network)
            size = trunk.width if trunk and not spec.base else network.method.in_features
            apart = spec.base or trunk is not None
            given = torch.randn(count, size, device=self._device) if apart else None
            learner = head_of(network) if apart else network
            part = dataclasses.replace(part, embeddings=given)
            for _ in range(2):
                found = train(learner, part, once, device=self._device)
            per_step = 1 / found.images_per_second
        begin = time.perf_counter()
        encode(network, examination.query, spec, device=self._device)
        encoding = (time.perf_counter() - begin) / len(examination.query)
        return per_step, encoding
