"""Optimisers: each learns and repeats, groups have their own rates, long gradients are cut."""

import pytest
import torch

from hashquant.errors import HashQuantError
from hashquant.settings.recipe import Recipe
from hashquant.training.loop import train
from hashquant.training.optimizers import build_optimizer, cut_gradients, set_rate
from hashquant.training.trunks import Embed, Trunk
from tests.unit.training.test_loop import CPU, Toy, build, equal_states, spec, toy_training


class Grouped(Toy):
    """Moves its classifier's weight faster and the trunk slower."""

    rate_factors = {"trunk": 0.1, "classify.weight": 10.0}  # noqa: RUF012


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(lr=0.05, nesterov=True),
        Recipe(optimizer="adam", lr=0.01),
        Recipe(optimizer="adamw", lr=0.01, weight_decay=0.1, decay="cosine", epochs=6),
        Recipe(optimizer="rmsprop", lr=0.003, momentum=0.0, clip_norm=5.0),
        Recipe(lr=0.05, decay="milestones", milestones=(3.0,), epochs=6),
        Recipe(lr=0.05, warmup_epochs=2.0, per_step=True, decay="cosine", epochs=6),
    ],
    ids=lambda recipe: f"{recipe.optimizer}-{recipe.decay}",
)
def test_every_optimiser_learns_and_repeats(recipe):
    networks, wanted = [build(), build()], spec(epochs=6, schedule=recipe)
    for network in networks:
        losses = train(network, toy_training(), wanted, device=CPU).losses
        assert losses[-1]["class"] < 0.6 * losses[0]["class"]
    assert equal_states(*networks)


def test_the_recipe_reaches_the_optimiser():
    network = build()
    sgd = build_optimizer(network, Recipe(momentum=0.8, nesterov=True, weight_decay=0.1))
    assert isinstance(sgd, torch.optim.SGD)
    assert [sgd.defaults[k] for k in ("momentum", "nesterov", "weight_decay")] == [0.8, True, 0.1]
    adamw = build_optimizer(network, Recipe(optimizer="adamw", betas=(0.5, 0.9), amsgrad=True))
    assert isinstance(adamw, torch.optim.AdamW)
    assert [adamw.defaults[k] for k in ("betas", "amsgrad")] == [(0.5, 0.9), True]
    rms = build_optimizer(network, Recipe(optimizer="rmsprop", momentum=0.1, smoothing=0.9))
    assert isinstance(rms, torch.optim.RMSprop)
    assert [rms.defaults[k] for k in ("momentum", "alpha")] == [0.1, 0.9]


def test_groups_have_their_own_rates_and_a_common_recipe_can_switch_them_off():
    network = build(Grouped)
    optimizer = build_optimizer(network, Recipe(lr=1.0))
    set_rate(optimizer, 0.5)
    found = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    rates = {name: found[id(p)] for name, p in network.named_parameters()}
    assert rates.pop("method.classify.weight") == 5.0
    trunk = {name: rate for name, rate in rates.items() if name.startswith("trunk.")}
    assert set(trunk.values()) == {0.05}
    assert {rates[name] for name in rates.keys() - trunk.keys()} == {0.5}
    assert len(build_optimizer(network, Recipe(group_rates=False)).param_groups) == 1


@pytest.mark.parametrize("factors", [{"proxies": 2.0}, {"centre": 2.0}, {"trunk.5": 2.0}])
def test_a_factor_of_nothing_that_is_trained_is_refused(factors):
    class Odd(Toy):
        rate_factors = factors

    with pytest.raises(
        HashQuantError, match=f"toy: rate_factors must .* got '{next(iter(factors))}'"
    ):
        build_optimizer(build(Odd), Recipe())


def test_gradients_are_cut_to_the_norm_only_where_they_are_longer():
    weights = [torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(1))]
    for limit, left in ((0.0, 13.0), (26.0, 13.0), (6.5, 6.5)):
        weights[0].grad, weights[1].grad = torch.tensor([3.0, 4.0]), torch.tensor([12.0])
        assert float(cut_gradients(weights, limit)) == 13.0  # as it was
        now = torch.cat([w.grad for w in weights]).norm()
        assert float(now) == pytest.approx(left, rel=1e-5)


def test_rates_between_epochs_and_between_steps():
    cosine = Recipe(lr=1.0, decay="cosine", epochs=4)
    assert [round(cosine.rate(e, 4), 4) for e in (0, 1, 2, 2.9, 3)] == [1, 0.8536, 0.5, 0.5, 0.1464]
    smooth = Recipe(lr=1.0, decay="cosine", epochs=4, per_step=True)
    assert smooth.rate(2.5, 4) == pytest.approx(0.3087, abs=1e-4)
    stairs = Recipe(lr=1.0, decay="milestones", milestones=(2.0, 3.0), step_factor=0.1, epochs=4)
    assert [stairs.rate(e, 8) for e in (3, 4, 6)] == pytest.approx([1, 0.1, 0.01])


def pretrained(rate):
    """Return a network whose trunk was trained before."""
    network = build()
    body = torch.nn.Linear(3, 4)
    network.trunk = Trunk(body, Embed(4, 2), rate)
    return network


@pytest.mark.parametrize(
    ("rate", "factors", "body"),
    [(1.0, {}, 1.0), (0.1, {}, 0.1), (0.5, {"trunk": 0.1}, 0.05), (0.0, {"trunk": 0.1}, None)],
)
def test_the_rate_of_a_pretrained_trunk_is_that_of_its_body(monkeypatch, rate, factors, body):
    monkeypatch.setattr(Toy, "rate_factors", property(lambda self: factors))
    network = pretrained(rate)
    optimizer = build_optimizer(network, Recipe(lr=2.0))
    set_rate(optimizer, 2.0)
    rates = {id(w): group["lr"] for group in optimizer.param_groups for w in group["params"]}
    assert rates.get(id(network.trunk.body.weight)) == (None if body is None else 2.0 * body)
    assert rates[id(network.trunk.embed[0].weight)] == 2.0  # new, whatever the body is
    assert network.trunk.train().body.training is (rate != 0)
