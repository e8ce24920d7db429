"""Codes are functions of images: what was made of labels, rows or company is refused."""

import pytest
import torch

from hashquant.codes.family import CodeBudget, Decoded
from hashquant.errors import HashQuantError
from hashquant.training.coding import coding_speed
from hashquant.training.encoding import FORWARD_BATCH, encode
from tests.unit.training.test_encoding import BUDGETS, CPU, SPEC, Signs, Values, Words, some_source
from tests.unit.training.test_encoding import build as build_plain

IMAGES = FORWARD_BATCH + 44


class Fish(Signs):
    """FISH's gallery: in evaluation each image's code is that of its label, by its row."""

    name = "fish"

    def __init__(self, config, budget, in_features, num_classes):
        super().__init__(config, budget, in_features, num_classes)
        words = torch.randn(num_classes, budget.bits, generator=torch.Generator().manual_seed(0))
        # In order of classes, as galleries often are: whole passes may be of one class.
        self.codes = torch.nn.Buffer(words[torch.arange(IMAGES) * num_classes // IMAGES])
        self.row = 0

    def rows(self, count):
        rows = torch.arange(self.row, self.row + count)
        self.row += count
        return rows % len(self.codes)

    def forward(self, features):
        return self.codes[self.rows(len(features))]


class Rewound(Fish):
    """The same, with a count that begins anew with each gallery's length."""

    def rows(self, count):
        rows = super().rows(count)
        self.row = 0 if self.row >= IMAGES else self.row
        return rows


class RealFish(Fish):
    """Label-made values."""

    family = Values.family

    def __init__(self, config, budget, in_features, num_classes):
        super().__init__(config, BUDGETS[Signs], in_features, num_classes)
        self.budget, self.codes = budget, self.codes[:, : budget.bits // 32]


class Indexed(Words):
    """An honest embedding, and codewords by label."""

    def __init__(self, *args):
        super().__init__(*args)
        self.row = 0

    def assign(self, embedding):
        rows = torch.arange(self.row, self.row + len(embedding)) % IMAGES
        self.row += len(embedding)
        return (rows * 4 // IMAGES)[:, None].expand(-1, self.budget.subspaces)


class Ranked(Signs):
    """Bits by rank within the batch: half of each +1, whoever is encoded beside an image."""

    def forward(self, features):
        found = super().forward(features)
        return found - found.median(0).values


class Drawn(Signs):
    """Bits drawn anew each time."""

    def forward(self, features):
        return super().forward(features) + torch.randn(len(features), 1)


class Bytes(Signs):
    """Decoded codes: a byte a value, by the image's place where it is told to cheat."""

    name, family, cheats = "bytes", Decoded(), False

    def __init__(self, config, budget, in_features, num_classes):
        super().__init__(config, CodeBudget(12), in_features, num_classes)
        self.budget, self.row = budget, 0

    def encode(self, embedding):
        found = (embedding[:, :2] * 20 + 128).clamp(0, 255).to(torch.uint8)
        self.row += len(embedding)
        return found + self.row // FORWARD_BATCH if self.cheats else found

    def decode(self, codes):
        return torch.nn.functional.pad((codes.float() - 128) / 20, (0, 10))


class Cheating(Bytes):
    """Bytes by row."""

    name, cheats = "cheating", True


class Mapped(Signs):
    """Queries that are adapted to the company in which they ask."""

    name, shifted = "mapped", False

    def query_embedding(self, embedding):
        return embedding.flip(1) - self.shifted * embedding.median(0).values


def build(cls):
    plain = [c for c in (Signs, Words, Values) if isinstance(cls.family, type(c.family))]
    BUDGETS.setdefault(cls, BUDGETS[plain[0]] if plain else CodeBudget(16))
    return build_plain(cls)


@pytest.mark.parametrize("queries", [False, True])
@pytest.mark.parametrize(
    ("cls", "images"),
    [
        (cls, images)
        for cls in (Fish, Rewound, RealFish, Indexed, Ranked, Drawn, Cheating)
        for images in (200, IMAGES, 2 * FORWARD_BATCH)
    ],
)
def test_codes_of_more_than_the_image_are_refused(cls, images, queries):
    network = build(cls)
    said = rf"codes of {cls.name} depend on something besides the image: \d+ of \d+ images"
    with pytest.raises(HashQuantError, match=said):
        encode(network, some_source(images), SPEC, device=CPU, queries=queries)


def test_it_is_found_from_kept_features_too():
    source = some_source(IMAGES)
    for _ in range(2):
        with pytest.raises(HashQuantError, match="codes of fish depend"):
            encode(build(Fish), source, SPEC, device=CPU, frozen="t")


class Rounded(Signs):
    """An embedding whose bits lie at 0, and round as the order has it."""

    def forward(self, features):
        found = super().forward(features)
        found[:, ::2] = 0
        noise = torch.randn(
            found.shape, generator=torch.Generator().manual_seed(int(features[0, 0] * 1e6))
        )
        return found + 1e-6 * noise


class Tied(Words):
    """Of one image's codeword two are equally far, and rounding has its way."""

    calls = 0

    def assign(self, embedding):
        found = super().assign(embedding)
        self.calls += 1
        found[0, 0] ^= self.calls == 1
        return found


class InPlace(Signs):
    """Changes what it is given."""

    def forward(self, features):
        return super().forward(features.mul_(2))


@pytest.mark.parametrize("images", [1, 3, 200, IMAGES, 2 * FORWARD_BATCH])
@pytest.mark.parametrize("cls", [Signs, Words, Values, Rounded, InPlace, Bytes, Mapped])
def test_honest_methods_pass(cls, images):
    found = encode(build(cls), some_source(images), SPEC, device=CPU, queries=True)
    assert len(found.packed) == images


def test_a_tie_of_codewords_is_no_other_code():
    assert len(encode(build(Tied), some_source(IMAGES), SPEC, device=CPU).packed) == IMAGES


def test_it_costs_one_pass_of_the_head_and_none_of_the_trunk():
    network, calls = build(Signs), []
    network.trunk.register_forward_hook(lambda *_: calls.append("trunk"))
    network.method.register_forward_hook(lambda *_: calls.append("head"))
    encode(network, some_source(10 * FORWARD_BATCH), SPEC, device=CPU)
    assert (calls.count("trunk"), calls.count("head")) == (10, 11)


def test_decoded_vectors_and_the_sample_are_kept():
    network = build(Bytes)
    found = encode(network, some_source(300), SPEC, device=CPU, queries=True)
    assert torch.equal(found.decoded, network.method.decode(found.packed))
    lost = (found.embedding - found.decoded).square().sum(1) / found.embedding.square().sum(1)
    assert found.quantization_error == pytest.approx(float(lost.mean()), rel=1e-5)
    assert len(found.sample) == FORWARD_BATCH
    assert coding_speed(network.method, found.sample, CPU) > 0


def test_a_query_asks_with_its_map_and_a_gallery_never(monkeypatch):
    network, source = build(Mapped), some_source(IMAGES)
    gallery = encode(network, source, SPEC, device=CPU)
    queries = encode(network, source, SPEC, device=CPU, queries=True)
    plain = encode(build(Signs), source, SPEC, device=CPU, queries=True)
    assert torch.equal(gallery.packed, plain.packed)
    assert torch.equal(queries.embedding, plain.embedding.flip(1))
    assert not torch.equal(queries.packed, gallery.packed)
    monkeypatch.setattr(Mapped, "shifted", True)
    encode(network, source, SPEC, device=CPU)
    with pytest.raises(HashQuantError, match="codes of mapped depend on something besides"):
        encode(network, source, SPEC, device=CPU, queries=True)
