"""Epoch plans: what is visited, how often, and which labels stay hidden."""

import numpy as np
import pytest
import torch

from hashquant.data.items import TrainingSet
from hashquant.data.pixels import ImageSource
from hashquant.errors import DataError, UsageError
from hashquant.machine.seeds import generator
from hashquant.training._sampling import mask_labels, plan_epoch


def plan(labels, labelled=None, *, batch_size=8, sampling="shuffled", per_class=2, seed=0):
    labels = torch.as_tensor(labels)
    labelled = torch.ones(len(labels), dtype=torch.bool) if labelled is None else labelled
    return plan_epoch(
        labels, labelled, batch_size=batch_size, sampling=sampling, images_per_class=per_class,
        generator=generator(seed, "shuffle"),
    )  # fmt: skip


def training_set(labels):
    labels = torch.as_tensor(labels)
    images = ImageSource(
        np.zeros((len(labels), 3, 2, 2), dtype=np.uint8), np.arange(len(labels)), resize=0,
        device=torch.device("cpu"), resident_bytes=10**6,
    )  # fmt: skip
    labelled = torch.ones(len(labels), dtype=torch.bool)
    return TrainingSet(images, labels, labelled, int(labels.max()) + 1)


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(16, [8, 8]), (19, [8, 8, 3]), (17, [8, 9]), (9, [9]), (5, [5]), (2, [2]), (25, [8, 8, 9])],
)
def test_shuffled_visits_every_image_once_and_no_batch_holds_one(count, sizes):
    steps = plan(torch.zeros(count, dtype=torch.int64))
    assert [len(step.rows) for step in steps] == sizes
    assert sorted(torch.cat([step.rows for step in steps]).tolist()) == list(range(count))


def test_epochs_differ_and_repeat_by_generator():
    labels = torch.arange(40) % 4
    rows = [torch.cat([s.rows for s in plan(labels, seed=seed)]) for seed in (0, 0, 1)]
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])


def test_balanced_batches_are_classes_by_images():
    labels = torch.arange(60) % 12
    steps = plan(labels, sampling="balanced", batch_size=8, per_class=2)
    assert len(steps) == 8  # 60 images in batches of 8
    for step in steps:
        counts = labels[step.rows].bincount()
        assert counts[counts > 0].tolist() == [2, 2, 2, 2]
        assert len(step.rows.unique()) == 8  # five images a class: no repeats within a batch


def test_balanced_visits_every_class_even_if_an_epoch_must_be_longer():
    labels = torch.arange(30)  # one image a class, each repeated K times
    steps = plan(labels, sampling="balanced", batch_size=8, per_class=4)
    seen = torch.cat([step.rows for step in steps])
    assert len(steps) == 15
    assert sorted(seen.unique().tolist()) == list(range(30))
    assert all((labels[s.rows].bincount() % 4 == 0).all() for s in steps)


@pytest.mark.parametrize("seed", range(5))
def test_balanced_never_deals_a_class_twice_in_a_batch(seed):
    labels = torch.arange(7).repeat_interleave(9)  # 7 classes in groups of 4: rounds overlap
    for step in plan(labels, sampling="balanced", batch_size=8, per_class=2, seed=seed):
        assert labels[step.rows].bincount().max() == 2


def test_balanced_with_few_classes_fills_the_batch_with_more_images_a_class():
    labels = torch.arange(3).repeat_interleave(50)
    steps = plan(labels, sampling="balanced", batch_size=30, per_class=4)
    assert len(steps) == 5
    assert all(labels[step.rows].bincount().tolist() == [10, 10, 10] for step in steps)


def test_balanced_cycles_through_the_images_of_a_class():
    labels = torch.arange(2).repeat_interleave(12)
    steps = plan(labels, sampling="balanced", batch_size=8, per_class=4)
    assert sorted(torch.cat([step.rows for step in steps]).tolist()) == list(range(24))


def test_mask_labels_keeps_a_fraction_of_every_class():
    labels = torch.tensor([0] * 40 + [1] * 20 + [2] * 3)
    masked = mask_labels(training_set(labels), 0.1, seed=0)
    kept = masked.labels[masked.labelled]
    assert kept.bincount().tolist() == [4, 2, 1]  # at least one each
    assert torch.equal(kept, labels[masked.labelled])
    assert (masked.labels[~masked.labelled] == -1).all()
    again, other = (mask_labels(training_set(labels), 0.1, seed=s) for s in (0, 1))
    assert torch.equal(masked.labelled, again.labelled)
    assert not torch.equal(masked.labelled, other.labelled)


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.5])
def test_mask_labels_refuses_an_impossible_fraction(fraction):
    with pytest.raises(UsageError, match="label_fraction must be above 0 and at most 1"):
        mask_labels(training_set([0, 1]), fraction, seed=0)


@pytest.mark.parametrize("sampling", ["shuffled", "balanced"])
def test_half_of_a_step_is_unlabelled(sampling):
    masked = mask_labels(training_set(torch.arange(4).repeat_interleave(25)), 0.4, seed=0)
    steps = plan(
        masked.labels, masked.labelled, batch_size=16, sampling=sampling, per_class=2
    )  # fmt: skip
    assert len(steps) == 7  # as many as with all labels: 100 images, 16 a step
    for step in steps:
        assert len(step.labelled) == len(step.unlabelled) == 8
        assert masked.labelled[step.labelled].all()
        assert not masked.labelled[step.unlabelled].any()
        assert torch.equal(step.rows, torch.cat([step.labelled, step.unlabelled]))
    seen = torch.cat([step.labelled for step in steps])
    assert len(seen.unique()) == 40  # all labelled images, some again


def test_few_labels_are_not_repeated_within_a_shuffled_step():
    labelled = torch.zeros(50, dtype=torch.bool)
    labelled[:3] = True
    steps = plan(torch.zeros(50, dtype=torch.int64), labelled, batch_size=16)
    assert all(sorted(step.labelled.tolist()) == [0, 1, 2] for step in steps)


def test_bad_requests_are_refused():
    with pytest.raises(UsageError, match="batch_size must be at least 2"):
        plan([0, 1, 0], batch_size=1)
    with pytest.raises(UsageError, match="sampling must be 'shuffled' or 'balanced', got 'x'"):
        plan([0, 1, 0], sampling="x")
    with pytest.raises(DataError, match="at least 2 images"):
        plan([0])
    with pytest.raises(DataError, match="0 labelled"):
        plan([-1, -1], torch.zeros(2, dtype=torch.bool))


def test_a_balanced_batch_holds_two_classes_even_if_it_is_small():
    labels = torch.arange(60) % 6
    steps = plan(labels, sampling="balanced", batch_size=16, per_class=20)
    assert all((labels[step.rows].bincount() > 0).sum() == 2 for step in steps)
