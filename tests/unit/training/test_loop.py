"""The training loop: it learns, repeats, resumes to the same bits, and stops when it diverges."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from hashquant.codes.family import Binary, CodeBudget
from hashquant.data.items import TrainingSet
from hashquant.data.pixels import ImageSource
from hashquant.errors import DivergedError, HashQuantError
from hashquant.machine.seeds import seeded
from hashquant.plugins.method import Method
from hashquant.settings.recipe import Recipe
from hashquant.settings.reference import Reference
from hashquant.settings.suite import RunSpec
from hashquant.training.checkpoint import CheckpointFile
from hashquant.training.loop import train
from hashquant.training.network import Network
from hashquant.training.optimizers import build_optimizer

CPU = torch.device("cpu")
CLASSES, PER_CLASS = 4, 15


class Toy(Method):
    """Signs of a linear layer, classified; remembers the batches it saw."""

    name = "toy"
    family = Binary()
    reference = Reference("", "", "", 2000)

    @dataclass(frozen=True)
    class Config:
        poison: str = ""
        label_fraction: float = 1.0

    def __init__(self, config, budget, in_features, num_classes):
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)
        self.dropout = nn.Dropout(0.2)
        self.classify = nn.Linear(budget.bits, num_classes)
        self.register_buffer("centre", torch.zeros(budget.bits))
        self.epochs_started = []
        self.batches = []

    @property
    def label_fraction(self):
        return self.config.label_fraction

    def initialise(self, training):
        self.centre.copy_(torch.rand(len(self.centre)))

    def on_epoch_start(self, epoch, epochs):
        self.epochs_started.append((epoch, epochs))

    def forward(self, features):
        return self.hash(features)

    def loss(self, embedding, batch):
        self.batches.append(batch)
        logits = self.classify(self.dropout(torch.tanh(embedding)))
        known = batch.labelled
        terms = {
            "class": nn.functional.cross_entropy(logits[known], batch.labels[known]),
            "centre": 0.01 * (embedding.mean(0) - self.centre).square().mean(),
        }
        if self.config.poison == "loss" and len(self.batches) == 3:
            terms["centre"] = terms["centre"] * torch.nan
        if self.config.poison == "gradient" and len(self.batches) == 3:
            zero = (embedding - embedding.detach()).sum()
            terms["centre"] = terms["centre"] + torch.sqrt(zero)  # 0, with an infinite slope
        if self.config.poison == "empty":
            return {}
        return terms


class BalancedToy(Toy):
    """The same, from class-balanced batches."""

    sampling: ClassVar[str] = "balanced"
    images_per_class: ClassVar[int] = 4


def build(cls=Toy, **settings):
    with seeded(0, "weights", device=CPU):
        trunk = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
            nn.Dropout(0.1), nn.Linear(8 * 9, 16),
        )  # fmt: skip
        return Network(trunk, cls(cls.Config(**settings), CodeBudget(8), 16, CLASSES))


def toy_training():
    draw = np.random.default_rng(0)
    patterns = draw.integers(0, 256, (CLASSES, 3, 1, 1))
    labels = np.repeat(np.arange(CLASSES), PER_CLASS)
    noisy = patterns[labels] + draw.normal(0, 30, (len(labels), 3, 10, 10))
    images = noisy.clip(0, 255).astype(np.uint8)
    source = ImageSource(
        images, np.arange(len(labels)), resize=0, device=CPU, resident_bytes=10**9
    )  # fmt: skip
    labels = torch.from_numpy(labels)
    return TrainingSet(source, labels, torch.ones(len(labels), dtype=torch.bool), CLASSES)


def spec(**changes):
    schedule = Recipe(lr=0.05, weight_decay=1e-4, epochs=4, step_epochs=2.0)
    base = RunSpec(
        suite="s", method="toy", dataset="d", bits=8, seed=0, trunk="t", image_size=8, resize=0,
        padding=0, flip=True, mean=(0.5,) * 3, std=(0.25,) * 3, features=16, epochs=4,
        batch_size=16, precision="fp32", recipe="paper", schedule=schedule, selection="last",
        device="cpu", settings={},
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


def equal_states(one, other):
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_learns_and_reports(precision):
    network, seen = build(), []
    result = train(
        network, toy_training(), spec(epochs=6, precision=precision), device=CPU,
        on_epoch=lambda epoch, terms: seen.append((epoch, terms)),
    )  # fmt: skip
    assert [epoch for epoch, _ in seen] == list(range(6))
    assert tuple(terms for _, terms in seen) == result.losses
    for terms in result.losses:
        assert terms["total"] == pytest.approx(terms["class"] + terms["centre"], rel=1e-5)
    assert result.losses[-1]["class"] < 0.5 * result.losses[0]["class"]
    assert result.resumed_from == 0
    assert result.images_per_second == pytest.approx(6 * 60 / result.seconds)
    assert network.method.epochs_started == [(epoch, 6) for epoch in range(6)]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_same_seed_gives_the_same_bits_and_another_does_not(precision, optimizer):
    schedule = Recipe(optimizer=optimizer, lr=0.01, amsgrad=optimizer == "adam", epochs=2)
    networks = []
    for seed in (0, 0, 1):
        network = build()
        torch.manual_seed(100 + len(networks))  # the global generator plays no part
        wanted = spec(epochs=2, seed=seed, precision=precision, schedule=schedule)
        train(network, toy_training(), wanted, device=CPU)
        networks.append(network)
    assert equal_states(networks[0], networks[1])
    assert not equal_states(networks[0], networks[2])


@pytest.mark.slow  # it compiles
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch's own
def test_a_compiled_trunk_learns_repeats_and_keeps_the_names_of_its_weights():
    networks = [build(), build()]
    for network in networks:
        losses = train(
            network, toy_training(), spec(epochs=6, trunk_mode="compiled"), device=CPU
        ).losses
        assert losses[-1]["class"] < 0.5 * losses[0]["class"]
    assert equal_states(*networks)
    assert networks[0].state_dict().keys() == build().state_dict().keys()


@pytest.mark.parametrize("cls", [Toy, BalancedToy])
@pytest.mark.parametrize("stop_after", [1, 3])
def test_an_interrupted_run_ends_with_the_bits_of_an_uninterrupted_one(tmp_path, cls, stop_after):
    schedule = Recipe(optimizer="adam", lr=0.01, epochs=4)
    whole = build(cls)
    expected = train(whole, toy_training(), spec(schedule=schedule), device=CPU)

    def stop(epoch, terms):
        if epoch + 1 == stop_after:
            raise KeyboardInterrupt

    file = CheckpointFile(tmp_path / "checkpoint.pt", "run")
    with pytest.raises(KeyboardInterrupt):
        train(
            build(cls), toy_training(), spec(schedule=schedule), device=CPU, checkpoint=file,
            on_epoch=stop,
        )  # fmt: skip
    resumed = build(cls)
    result = train(resumed, toy_training(), spec(schedule=schedule), device=CPU, checkpoint=file)
    assert result.resumed_from == stop_after
    assert resumed.method.epochs_started[0] == (stop_after, 4)
    assert result.losses == expected.losses
    assert equal_states(whole, resumed)
    again = train(build(cls), toy_training(), spec(schedule=schedule), device=CPU, checkpoint=file)
    assert (again.resumed_from, again.losses) == (4, expected.losses)


def test_a_checkpoint_of_another_shape_is_set_aside_and_training_starts_anew(tmp_path, caplog):
    file = CheckpointFile(tmp_path / "checkpoint.pt", "run")
    other = build()
    other.trunk[5] = nn.Linear(8 * 9, 17)
    other.method.hash = nn.Linear(17, 8)
    train(other, toy_training(), spec(epochs=1), device=CPU, checkpoint=file)
    network = build()
    result = train(network, toy_training(), spec(epochs=1), device=CPU, checkpoint=file)
    assert result.resumed_from == 0
    assert "not those of this network" in caplog.text
    fresh = build()
    train(fresh, toy_training(), spec(epochs=1), device=CPU)
    assert equal_states(network, fresh)


def test_a_damaged_checkpoint_starts_anew(tmp_path):
    file = CheckpointFile(tmp_path / "checkpoint.pt", "run")
    file.path.write_bytes(b"damaged")
    assert train(build(), toy_training(), spec(epochs=1), device=CPU, checkpoint=file).losses
    assert file.path.with_name("checkpoint.pt.corrupt").read_bytes() == b"damaged"


@pytest.mark.parametrize(
    ("poison", "what"), [("loss", "loss term 'centre'"), ("gradient", "the gradient")]
)
def test_a_value_that_is_not_finite_ends_the_run_and_is_named(poison, what):
    network = build(poison=poison)
    with pytest.raises(DivergedError, match=f"{what} must be finite, .* epoch 1, step 3"):
        train(network, toy_training(), spec(), device=CPU)
    assert all(value.isfinite().all() for value in network.parameters())  # no step was made of it


def test_a_loss_without_terms_is_refused():
    with pytest.raises(HashQuantError, match="toy: loss must return at least one term"):
        train(build(poison="empty"), toy_training(), spec(), device=CPU)


def test_without_epochs_the_method_is_only_initialised():
    network = build()
    result = train(network, toy_training(), spec(epochs=0), device=CPU)
    assert result.losses == ()
    assert result.images_per_second == 0
    assert network.method.centre.abs().sum() > 0


def test_hidden_labels_stay_hidden_and_both_streams_have_their_own_batch_statistics():
    network = build(label_fraction=0.4)
    passes = []
    network.trunk.register_forward_hook(lambda module, given, out: passes.append(len(given[0])))
    training = toy_training()
    train(network, training, spec(epochs=2), device=CPU)
    assert passes == [8] * 16  # 60 images, 16 a step: 4 steps of two passes, 2 epochs
    for batch in network.method.batches:
        assert batch.labelled.tolist() == [True] * 8 + [False] * 8
        assert (batch.labels[8:] == -1).all()
        assert torch.equal(batch.labels[:8], training.labels[batch.indices[:8]])
        assert batch.features.shape == (16, 16)
    seen = torch.cat([b.indices[b.labelled] for b in network.method.batches]).unique()
    assert training.labels[seen].bincount().max() == 6  # 0.4 of 15, the same in both epochs


@pytest.mark.parametrize(
    ("precision", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)]
)
def test_the_trunk_alone_runs_in_the_precision_asked_for(precision, dtype):
    network, trunk, head = build(), set(), set()
    network.trunk.register_forward_hook(lambda module, given, out: trunk.add(out.dtype))
    network.method.hash.register_forward_hook(lambda module, given, out: head.add(out.dtype))
    network.method.classify.register_forward_hook(lambda module, given, out: head.add(out.dtype))
    train(network, toy_training(), spec(epochs=1, precision=precision), device=CPU)
    assert trunk == {dtype}
    assert head == {torch.float32}


def test_the_rate_follows_the_schedule():
    network, rates = build(), []
    schedule = Recipe(lr=0.08, epochs=4, step_epochs=1.0)
    original = torch.optim.SGD.step

    def spy(self, *args):
        rates.append(self.param_groups[0]["lr"])
        return original(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.SGD, "step", spy)
        train(network, toy_training(), spec(schedule=schedule, batch_size=60), device=CPU)
    assert rates == [0.08, 0.04, 0.02, 0.01]


def test_all_trainable_parameters_form_one_group():
    network = build()
    network.method.classify.bias.requires_grad_(False)
    optimizer = build_optimizer(network, Recipe())
    assert len(optimizer.param_groups) == 1
    held = {id(p) for p in optimizer.param_groups[0]["params"]}
    assert held == {id(p) for p in network.parameters() if p.requires_grad}
    with pytest.raises(HashQuantError, match="'adamw' or 'rmsprop', got 'lbfgs'"):
        build_optimizer(network, Recipe(optimizer="lbfgs"))
    network.requires_grad_(False)
    with pytest.raises(HashQuantError, match="trainable parameters, got none"):
        build_optimizer(network, Recipe())
