"""Views: the suite's own is its crop, each image draws its own changes, a seed repeats them."""

import pytest
import torch

from hashquant.data.pixels import random_crop_flip
from hashquant.data.views import PLAIN, STRONG, WEAK, View, seen


def drawn(count=6, side=40):
    source = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=source)


def show(images, view, seed=0, size=32):
    own = torch.Generator().manual_seed(7)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return seen(images, view, size, padding=2, flip=True, generator=own)


def test_the_plain_view_is_the_suites_crop():
    images, own = drawn(), torch.Generator().manual_seed(7)
    cut = random_crop_flip(images, 32, padding=2, flip=True, generator=own)
    assert torch.equal(show(images, PLAIN), cut)
    assert torch.equal(show(images, View(gray_chance=1e-9)), cut)


@pytest.mark.parametrize("view", [WEAK, STRONG, View(jitter=0.5, jitter_chance=1.0)])
def test_a_view_has_the_size_and_type_of_the_plain_one_and_repeats(view):
    one, two, other = (show(drawn(), view, seed) for seed in (0, 0, 1))
    assert (one.shape, one.dtype) == ((6, 3, 32, 32), torch.uint8)
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("view", [WEAK, STRONG])
def test_every_image_draws_its_own_changes(view):
    same = drawn(1).expand(16, -1, -1, -1)
    assert len({bytes(image.contiguous().numpy()) for image in show(same, view)}) > 12


def test_colours_are_taken_away_and_changed_only_when_asked():
    gray = show(drawn(), View(gray_chance=1.0))
    assert torch.equal(gray[:, 0], gray[:, 1])
    flat = torch.full((4, 3, 40, 40), 90, dtype=torch.uint8)
    assert torch.equal(show(flat, WEAK), flat[:, :, :32, :32])
    assert not torch.equal(show(flat, View(jitter=0.4, jitter_chance=1.0)), flat[:, :, :32, :32])


def test_a_crop_keeps_at_least_its_share_of_the_image():
    ramp = torch.arange(40, dtype=torch.float32).expand(64, 3, 40, 40).to(torch.uint8)
    wide = show(ramp, View(crop=0.9, flip=0.0))
    spans = wide.amax((1, 2, 3)).int() - wide.amin((1, 2, 3)).int()
    assert int(spans.min()) > 25
    narrow = show(ramp, View(crop=0.05, flip=0.0))
    assert int((narrow.amax((1, 2, 3)).int() - narrow.amin((1, 2, 3)).int()).min()) < 20
