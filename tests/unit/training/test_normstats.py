"""Batch-norm statistics of a target: as the gallery has them, and gone afterwards."""

import numpy as np
import torch
from torch import nn

from hashquant.data.pixels import ImageSource
from hashquant.training.network import Network
from hashquant.training.normstats import target_statistics
from tests.unit.training.test_loop import CPU, build, spec


def source(shift, count=300):
    pixels = np.random.default_rng(0).integers(0, 100, (count, 3, 8, 8)) + shift
    return ImageSource(
        pixels.astype(np.uint8), np.arange(count), resize=0, device=CPU, resident_bytes=0
    )


def first_norm(network):
    return next(m for m in network.modules() if isinstance(m, nn.BatchNorm2d))


def test_statistics_are_those_of_the_gallery_and_are_put_back():
    network = build().eval()
    norm, gallery = first_norm(network), source(100)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    with target_statistics(network, gallery, spec(), device=CPU):
        pixels = gallery.take(torch.arange(len(gallery))).float() / 255
        with torch.no_grad():
            seen = network.trunk[0]((pixels - 0.5) / 0.25)
        # Two passes of 150 images each: the mean of their means is the mean of all.
        assert torch.allclose(norm.running_mean, seen.mean(dim=(0, 2, 3)), atol=1e-5)
        assert not network.training
        assert not norm.training
    after = network.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert norm.momentum == 0.1


def test_weights_stay_and_codes_move():
    network = build().eval()
    images = torch.rand(4, 3, 8, 8)
    with torch.no_grad():
        old = network.embed(images)
        with target_statistics(network, source(100), spec(), device=CPU):
            new = network.embed(images)
        again = network.embed(images)
    assert torch.allclose(old, again, atol=1e-6)  # the layout of weights changed, not they
    assert not torch.allclose(old, new)


def test_old_statistics_come_back_after_a_failure():
    network: Network = build().eval()
    norm = first_norm(network)
    before = norm.running_mean.clone()
    try:
        with target_statistics(network, source(100), spec(), device=CPU):
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert torch.equal(norm.running_mean, before)
