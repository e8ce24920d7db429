"""Heads on stored embeddings: what they learn from, what they may wish, and what is refused."""

from typing import ClassVar

import pytest
import torch

from hashquant.data.items import TrainingSet
from hashquant.data.views import STRONG, WEAK
from hashquant.errors import FrozenError
from hashquant.training.checkpoint import CheckpointFile
from hashquant.training.encoding import training_embeddings
from hashquant.training.frozen import NoImages, head_of, refuse_wishes
from hashquant.training.loop import train
from hashquant.training.network import Network
from tests.unit.training.test_loop import CPU, BalancedToy, Toy, build, equal_states, spec
from tests.unit.training.test_loop import toy_training as training_on_images
from tests.unit.training.test_wishes import (
    ADAM,
    Averaged,
    Banked,
    Embedded,
    Examined,
    Grouped,
)  # fmt: skip


class Starting(Toy):
    """Begins from the embeddings that a training set on a frozen base holds."""

    def initialise(self, training):
        self.given = training
        self.centre.copy_(training.embeddings.mean(0)[: len(self.centre)])


def on_embeddings(size=16):
    """Return a training set with embeddings around a point a class, whose images are refused."""
    labels = training_on_images().labels
    draw = torch.Generator().manual_seed(0)
    points = 2 * torch.randn(4, size, generator=draw)
    embeddings = points[labels] + torch.randn(len(labels), size, generator=draw)
    known = torch.ones(len(labels), dtype=torch.bool)
    return TrainingSet(NoImages(len(labels), "toy"), labels, known, 4, embeddings)


def head(cls=Toy, **settings):
    return head_of(build(cls, **settings))


def test_a_head_learns_from_rows_of_its_embeddings_alone():
    network, training = head(), on_embeddings()
    result = train(network, training, spec(epochs=6), device=CPU)
    assert result.losses[-1]["class"] < 0.5 * result.losses[0]["class"]
    assert {name.partition(".")[0] for name in network.state_dict()} == {"method"}
    for batch in network.method.batches:
        assert torch.equal(batch.features, training.embeddings[batch.indices])
        assert torch.equal(batch.labels, training.labels[batch.indices])


WISHES = [Toy, BalancedToy, Banked, Embedded, Averaged, Examined, Grouped, Starting]


@pytest.mark.parametrize("cls", WISHES)
@pytest.mark.parametrize("after", [1, 3])
def test_an_interrupted_head_ends_with_the_bits_of_an_uninterrupted_one(tmp_path, cls, after):
    whole, resumed = head(cls), head(cls)
    expected = train(whole, on_embeddings(), spec(schedule=ADAM), device=CPU)
    file = CheckpointFile(tmp_path / "checkpoint.pt", "run")

    def stop(epoch, terms):
        if epoch + 1 == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(head(cls), on_embeddings(), spec(schedule=ADAM), device=CPU, checkpoint=file,
              on_epoch=stop)  # fmt: skip
    found = train(resumed, on_embeddings(), spec(schedule=ADAM), device=CPU, checkpoint=file)
    assert found.resumed_from == after
    assert found.losses == expected.losses
    assert equal_states(whole, resumed)


def test_a_moving_average_is_of_the_head_and_sees_the_same_embeddings():
    network = head(Averaged)
    train(network, on_embeddings(), spec(epochs=1), device=CPU)
    first = network.method.batches[0]
    assert first.teacher.shape == (16, 8)
    assert not first.teacher.requires_grad


def test_embeddings_before_an_epoch_are_the_heads_own_of_all_rows_in_order():
    network, training = head(Embedded), on_embeddings()
    train(network, training, spec(epochs=3), device=CPU)
    taken = network.method.taken
    assert set(taken) == {0, 2}
    embedding, labels, in_training, mean = taken[0]
    assert torch.equal(labels, training.labels)
    assert not in_training
    # Before the first step batch norm has the statistics of all rows, and then its own again.
    assert not mean.any()
    assert embedding.mean(0).abs().max() < 1e-5
    embedding, *_ = taken[2]
    assert embedding.shape == (len(labels), 8)


def test_embeddings_are_made_as_encoding_makes_them():
    network, training = head(), on_embeddings()
    found = training_embeddings(network, training.embeddings, spec(), device=CPU)
    assert torch.allclose(found, network.method.eval()(training.embeddings), atol=1e-6)


def test_a_start_is_given_embeddings_that_it_cannot_change():
    network, training = head(Starting), on_embeddings()
    train(network, training, spec(epochs=1), device=CPU)
    given = network.method.given
    given.embeddings.zero_()
    assert training.embeddings.any()
    assert (len(given.images), given.images.resident) == (len(training.labels), False)


class WantsPixels(Toy):
    """Looks at images before the first step."""

    look: ClassVar = staticmethod(lambda images: images.take(torch.arange(2)))

    def initialise(self, training):
        self.look(training.images)


LOOKS = {
    "take": lambda images: images.take(torch.arange(2)),
    "stream": lambda images: list(images.stream([torch.arange(2)])),
    "height": lambda images: images.height,
    "its own": lambda images: images._images,
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_start_from_pixels_is_refused(monkeypatch, look):
    monkeypatch.setattr(WantsPixels, "look", staticmethod(look))
    with pytest.raises(FrozenError, match="toy must not want pixels on a frozen embedding"):
        train(head(WantsPixels), on_embeddings(), spec(), device=CPU)


class TwoViews(Toy):
    """Wants two views of each image."""

    views = (WEAK, STRONG)


@pytest.mark.parametrize(
    ("cls", "settings", "said"),
    [
        (TwoViews, {}, "toy must do with one view on a frozen embedding, got 2"),
        (Toy, {"label_fraction": 0.5}, "label_fraction must be 1 on a frozen embedding"),
    ],
)
def test_what_stored_embeddings_cannot_give_is_refused(cls, settings, said):
    with pytest.raises(FrozenError, match=said):
        refuse_wishes(build(cls, **settings).method)
    with pytest.raises(FrozenError, match=said):
        train(head(cls, **settings), on_embeddings(), spec(), device=CPU)


def test_a_rate_of_the_trunk_is_not_used_and_the_others_are():
    moved = []
    for factors in ({"trunk": 0.1, "classify": 10.0}, {"classify": 10.0}, {"trunk": 0.1}, {}):
        network = head(Grouped)
        network.method.rate_factors = factors
        train(network, on_embeddings(), spec(epochs=1), device=CPU)
        moved.append(network.state_dict())
    same = [all(torch.equal(moved[i][k], moved[j][k]) for k in moved[i])
            for i, j in ((0, 1), (2, 3), (0, 2))]  # fmt: skip
    assert same == [True, True, False]


def test_columns_are_filled_where_a_head_takes_more():
    network = Network(torch.nn.Identity(), build().method)
    given = torch.ones(2, 13)
    assert network.widened(given).tolist() == [[1.0] * 13 + [0.0] * 3] * 2
    assert torch.equal(network.embed(given), network.method(network.widened(given)))
    assert network.widened(torch.ones(2, 16)).tolist() == [[1.0] * 16] * 2
