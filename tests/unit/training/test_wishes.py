"""What a method may ask of the engine: state, embeddings, views, steps, an average."""

from typing import ClassVar

import pytest
import torch
from torch import nn

from hashquant.data.pixels import ImageSource
from hashquant.data.views import STRONG, WEAK
from hashquant.errors import HashQuantError
from hashquant.plugins.method import TensorSpec
from hashquant.settings.recipe import Recipe
from hashquant.training.checkpoint import CheckpointFile
from hashquant.training.encoding import training_embeddings
from hashquant.training.loop import train
from tests.unit.training.test_loop import (
    CPU,
    Toy,
    build,
    equal_states,
    spec,
    toy_training,
)  # fmt: skip


class Banked(Toy):
    """Draws each image to its class's mean in a memory bank, as DPSH and DCWH keep one."""

    def training_state(self, images, classes):
        return {
            "bank": TensorSpec((images, self.budget.bits), torch.float16),
            "seen": TensorSpec((images,), torch.bool),
            "owner": TensorSpec((images,), torch.int64, -1),
            "steps": TensorSpec((classes,), fill=1.5),
        }

    def loss(self, embedding, batch):
        kept = self.state
        kept["bank"][batch.indices] = embedding.detach().half()
        kept["seen"][batch.indices] = True
        kept["owner"][batch.indices] = batch.labels
        kept["steps"] += batch.labels.bincount(minlength=self.num_classes)
        same = (batch.labels[:, None] == kept["owner"]) & kept["seen"]
        mean = same.float() @ kept["bank"].float() / same.sum(1, keepdim=True)
        return super().loss(embedding, batch) | {"bank": (embedding - mean).square().mean()}


class Embedded(Toy):
    """Takes the embeddings of all images before every second epoch."""

    def __init__(self, *given):
        super().__init__(*given)
        self.norm = nn.BatchNorm1d(self.budget.bits)
        self.taken = {}

    def forward(self, features):
        return self.norm(super().forward(features))

    def wants_embeddings(self, epoch, epochs):
        return epoch % 2 == 0

    def on_embeddings(self, embedding, labels, epoch):
        self.taken[epoch] = (embedding, labels, self.training, self.norm.running_mean.clone())
        self.centre.copy_(embedding.mean(0))


class Seen(Toy):
    """Learns from a weak and a strong view of each image."""

    views = (WEAK, STRONG)

    def loss(self, embedding, batch):
        terms = super().loss(embedding, batch)
        return terms | {"views": (embedding - batch.second).square().mean()}


class Averaged(Toy):
    """Follows the moving average of itself."""

    average_decay = 0.9

    def loss(self, embedding, batch):
        terms = super().loss(embedding, batch)
        return terms | {"teacher": 0.1 * (embedding - batch.teacher).square().mean()}


class Examined(Averaged):
    """Is examined with the average's weights."""

    examine_average: ClassVar[bool] = True


class Grouped(Toy):
    """Moves its classifier faster and the trunk slower."""

    rate_factors: ClassVar = {"trunk": 0.1, "classify": 10.0}


ADAM = Recipe(optimizer="adam", lr=0.01, epochs=4)


def stopped(cls, file, after, **changes):
    """Train until the checkpoint of some epoch is safe, and stop there."""

    def stop(epoch, terms):
        if epoch + 1 == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(build(cls), toy_training(), spec(**changes), device=CPU, checkpoint=file,
              on_epoch=stop)  # fmt: skip


@pytest.mark.parametrize("cls", [Banked, Embedded, Seen, Averaged, Examined, Grouped])
@pytest.mark.parametrize("after", [1, 3])
def test_an_interrupted_run_ends_with_the_bits_of_an_uninterrupted_one(tmp_path, cls, after):
    whole, resumed = build(cls), build(cls)
    expected = train(whole, toy_training(), spec(schedule=ADAM), device=CPU)
    file = CheckpointFile(tmp_path / "checkpoint.pt", "run")
    stopped(cls, file, after, schedule=ADAM)
    result = train(resumed, toy_training(), spec(schedule=ADAM), device=CPU, checkpoint=file)
    assert (result.resumed_from, result.losses) == (after, expected.losses)
    assert equal_states(whole, resumed)


def test_state_is_no_part_of_the_model_and_gone_after_training():
    network = build(Banked)
    train(network, toy_training(), spec(epochs=1), device=CPU)
    assert network.method.state == {}
    assert network.state_dict().keys() == build().state_dict().keys()


def test_state_starts_at_its_fill_in_the_shapes_and_types_asked_for():
    network, found = build(Banked), {}
    network.method.initialise = lambda training: found.update(network.method.state)
    train(network, toy_training(), spec(epochs=0), device=CPU)
    shapes = {k: (tuple(v.shape), v.dtype, float(v.float().mean())) for k, v in found.items()}
    assert shapes == {
        "bank": ((60, 8), torch.float16, 0.0), "seen": ((60,), torch.bool, 0.0),
        "owner": ((60,), torch.int64, -1.0), "steps": ((4,), torch.float32, 1.5),
    }  # fmt: skip


def test_a_checkpoint_of_other_state_is_set_aside(tmp_path, caplog):
    file = CheckpointFile(tmp_path / "checkpoint.pt", "run")
    stopped(Banked, file, 2)
    assert train(build(), toy_training(), spec(), device=CPU, checkpoint=file).resumed_from == 0
    assert "not those of this network" in caplog.text


def test_a_checkpoint_of_other_groups_is_set_aside(tmp_path, caplog):
    file = CheckpointFile(tmp_path / "checkpoint.pt", "run")
    stopped(Grouped, file, 2)
    assert train(build(), toy_training(), spec(), device=CPU, checkpoint=file).resumed_from == 0
    assert "not those of this network" in caplog.text


def test_a_buffer_that_initialise_registers_is_refused_with_the_way_out():
    class Late(Toy):
        def initialise(self, training):
            self.register_buffer("bank", torch.zeros(len(training.labels), 8))

    with pytest.raises(HashQuantError, match="got 'bank': make it in __init__, or ask for it in"):
        train(build(Late), toy_training(), spec(), device=CPU)


def test_embeddings_are_those_of_evaluation_before_every_second_epoch():
    network, training = build(Embedded), toy_training()
    wanted = spec(epochs=3)
    train(network, training, wanted, device=CPU)
    assert list(network.method.taken) == [0, 2]
    embedding, labels, in_training, _ = network.method.taken[2]
    assert (in_training, embedding.requires_grad, embedding.is_inference()) == (False,) * 3
    assert torch.equal(labels, training.labels)
    again = build(Embedded)
    train(again, training, spec(epochs=2), device=CPU)
    schedule_of_three = build(Embedded)
    train(schedule_of_three, training, wanted, device=CPU)
    assert torch.equal(schedule_of_three.method.taken[2][0], embedding)
    later = training_embeddings(network, training.images, wanted, device=CPU)
    assert not torch.equal(later, embedding)


def test_the_first_embeddings_are_normalised_by_the_training_images():
    network = build(Embedded)
    train(network, toy_training(), spec(epochs=1), device=CPU)
    embedding, _, _, seen = network.method.taken[0]
    assert float(embedding.mean(0).abs().max()) < 5e-3
    assert seen.abs().max() == 0  # and the network begins with what it had


def test_two_views_come_from_one_read(monkeypatch):
    read, load = [], ImageSource._load
    monkeypatch.setattr(
        ImageSource, "_load", lambda self, at: read.append(len(at)) or load(self, at)
    )
    training = toy_training()
    training.images._resident = None  # streamed
    read.clear()
    network = build(Seen)
    train(network, training, spec(epochs=1), device=CPU)
    assert sum(read) == 60
    first = network.method.batches[0]
    assert first.second.shape == (16, 8)
    assert not torch.equal(first.second, network.method(first.features))


def test_steps_and_epochs_are_told_with_their_totals():
    network = build()
    train(network, toy_training(), spec(epochs=3), device=CPU)
    told = [(b.epoch, b.epochs, b.step, b.steps) for b in network.method.batches]
    assert told == [(step // 4, 3, step, 12) for step in range(12)]


def test_the_average_follows_every_step():
    network, weights = build(Averaged), []
    teachers = []
    loss = network.method.loss

    def watched(embedding, batch):
        weights.append(network.method.hash.weight.detach().clone())
        teachers.append(batch.teacher)
        return loss(embedding, batch)

    network.method.loss = watched
    train(network, toy_training(), spec(epochs=1), device=CPU)
    assert not any(teacher.requires_grad for teacher in teachers)
    assert len(weights) == 4
    final = network.method.hash.weight.detach()
    expected = weights[1]  # after the first step the average is the network
    for weight in [*weights[2:], final]:
        expected = 0.9 * expected + 0.1 * weight
    examined = build(Examined)
    train(examined, toy_training(), spec(epochs=1), device=CPU)
    assert torch.allclose(examined.method.hash.weight, expected, atol=1e-6)
    assert not torch.allclose(final, expected, atol=1e-4)


class Careless(Toy):
    """Writes into what it is given: labels of the training set, which the next cell needs."""

    def initialise(self, training):
        training.labels.fill_(0)
        training.labelled.fill_(False)

    def wants_embeddings(self, epoch, epochs):
        return True

    def on_embeddings(self, embedding, labels, epoch):
        labels.fill_(0)

    def loss(self, embedding, batch):
        terms = super().loss(embedding, batch)
        batch.labels.fill_(0)
        batch.indices.fill_(0)
        return terms


def test_labels_that_a_method_writes_into_are_its_own():
    training = toy_training()
    labels, labelled = training.labels.clone(), training.labelled.clone()
    train(build(Careless), training, spec(epochs=1), device=CPU)
    assert torch.equal(training.labels, labels)
    assert torch.equal(training.labelled, labelled)
