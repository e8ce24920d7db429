"""The network: trunk and head in one, and the layout that suits the machine."""

import pytest
import torch
from torch import nn

from hashquant.codes.family import CodeBudget
from hashquant.plugins.method import Method
from hashquant.training.network import Network, memory_format


class Head(Method):
    """A linear layer."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.linear = nn.Linear(self.in_features, self.budget.bits)

    def forward(self, features):
        return self.linear(features)

    def loss(self, embedding, batch):
        return {"size": embedding.square().mean()}


@pytest.mark.parametrize(
    ("device", "precision", "layout"),
    [
        ("cpu", "bf16", torch.contiguous_format),
        ("cpu", "fp32", torch.channels_last),
        ("cuda", "bf16", torch.channels_last),
        ("cuda", "fp32", torch.channels_last),
    ],
)
def test_the_layout_is_the_faster_one(device, precision, layout):
    assert memory_format(torch.device(device), precision) == layout


def test_features_are_fp32_and_the_embedding_is_the_heads():
    head = Head(None, CodeBudget(2), 4, 2)
    network = Network(nn.Sequential(nn.Flatten(), nn.Linear(12, 4)), head)
    images = torch.randn(5, 3, 2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        features = network.features(images)
    assert features.dtype == torch.float32
    assert torch.equal(features, features.bfloat16().float())  # the trunk did run in bf16
    assert torch.equal(network(images), network.embed(images))
    assert torch.equal(network.embed(images), head(network.features(images)))


@pytest.mark.parametrize(("mode", "how"), [("compiled", "default"), ("graphs", "reduce-overhead")])
def test_a_compiled_trunk_serves_training_only(monkeypatch, mode, how):
    compiled = []

    def compile_(function, *, mode, dynamic):
        compiled.append(mode)
        return lambda images: function(images) + 1

    monkeypatch.setattr(torch, "compile", compile_)
    network = Network(
        nn.Sequential(nn.Flatten(), nn.Linear(12, 4)), Head(None, CodeBudget(2), 4, 2)
    )
    names, images = network.state_dict().keys(), torch.randn(5, 3, 2, 2)
    eager = network.features(images)
    network.run_trunk_as(mode)
    assert compiled == [how]
    assert torch.equal(network.train().features(images), eager + 1)
    assert torch.equal(network.eval().features(images), eager)
    assert network.state_dict().keys() == names
    network.run_trunk_as("eager")
    assert torch.equal(network.train().features(images), eager)
