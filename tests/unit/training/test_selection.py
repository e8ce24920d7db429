import pytest
import torch
from torch import nn

from hashquant.errors import HashQuantError
from hashquant.training.selection import EpochChoice, has_tensors


def run(choice, losses):
    """Train for as many epochs as there are losses: the weight is the epoch's number."""
    network = nn.Linear(1, 1, bias=False)
    for epoch, loss in enumerate(losses, start=1):
        nn.init.constant_(network.weight, epoch)
        choice.observe(network, {"total": loss})
    return network, choice.settle(network, len(losses))


@pytest.mark.parametrize(
    ("rule", "judge", "epoch"),
    [
        ("last", None, 4),
        ("train-loss", None, 2),
        ("validation", lambda network: -abs(network.weight.item() - 3), 3),
    ],
)
def test_each_rule_gives_the_weights_of_its_epoch(rule, judge, epoch):
    network, selected = run(EpochChoice(rule, judge), [3.0, 1.0, 2.0, 1.0])
    assert selected == epoch
    assert network.weight.item() == epoch


def test_of_equal_epochs_the_first_is_kept():
    assert run(EpochChoice("train-loss"), [2.0, 1.0, 1.0])[1] == 2


def test_an_interrupted_choice_goes_on_where_it_was():
    first, network = EpochChoice("train-loss"), nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 7.0)
    first.observe(network, {"total": 0.5})
    second = EpochChoice("train-loss")
    second.resume(first.state())
    nn.init.constant_(network.weight, 8.0)
    second.observe(network, {"total": 0.9})
    assert second.settle(network, 2) == 1
    assert network.weight.item() == 7.0


def test_validation_without_images_is_refused():
    with pytest.raises(HashQuantError, match="must have validation images, got none"):
        EpochChoice("validation")


def test_weights_of_another_shape_are_told_apart():
    shapes = {"weight": torch.Size([1, 1])}
    assert has_tensors({}, shapes)
    assert has_tensors({"best": {"weight": torch.zeros(1, 1)}}, shapes)
    assert not has_tensors({"best": {"weight": torch.zeros(2, 1)}}, shapes)
