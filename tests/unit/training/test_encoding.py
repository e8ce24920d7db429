"""Encoding: fp32, the same code whatever is encoded beside an image, in both families."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from hashquant.codes.binary import unpack_bits
from hashquant.codes.family import Binary, CodeBudget, ProductQuantized, Real
from hashquant.codes.product import unpack_indices
from hashquant.codes.real import unpack_real
from hashquant.data.items import TrainingSet
from hashquant.data.pixels import ImageSource, center_crop, normalise
from hashquant.errors import HashQuantError
from hashquant.machine.seeds import seeded
from hashquant.plugins.method import Method
from hashquant.settings.recipe import Recipe
from hashquant.settings.reference import Reference
from hashquant.settings.suite import RunSpec
from hashquant.training.coding import encode_embedding, quantization_error, reconstructed
from hashquant.training.encoding import FORWARD_BATCH, embed_all, encode
from hashquant.training.loop import train
from hashquant.training.network import Network

CPU = torch.device("cpu")


class Signs(Method):
    """A linear layer's signs."""

    name = "signs"
    family = Binary()
    reference = Reference("", "", "", 2000)

    @dataclass(frozen=True)
    class Config:
        pass

    def __init__(self, config, budget, in_features, num_classes):
        super().__init__(config, budget, in_features, num_classes)
        self.head = nn.Linear(in_features, budget.bits)
        self.classify = nn.Linear(budget.bits, num_classes)

    def forward(self, features):
        return self.head(features)

    def loss(self, embedding, batch):
        logits = self.classify(torch.tanh(embedding))
        return {"class": nn.functional.cross_entropy(logits, batch.labels)}


class Words(Signs):
    """Nearest codewords of learned codebooks."""

    name = "words"
    family = ProductQuantized(larger_is_closer=False)

    def __init__(self, config, budget, in_features, num_classes):
        super().__init__(config, budget, in_features, num_classes)
        self.head = nn.Linear(in_features, budget.subspaces * 3)
        self.classify = nn.Linear(budget.subspaces * 3, num_classes)
        self.books = nn.Parameter(torch.randn(budget.subspaces, budget.codewords, 3))

    def codebooks(self):
        return self.books


class Values(Signs):
    """A linear layer's values."""

    name = "values"
    family = Real()

    def __init__(self, config, budget, in_features, num_classes):
        super().__init__(config, CodeBudget(5), in_features, num_classes)
        self.budget = budget


BUDGETS = {Signs: CodeBudget(12), Words: CodeBudget(12, 3, 16), Values: CodeBudget(160)}


def build(cls, size=8):
    with seeded(0, "weights", device=CPU):
        trunk = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout(0.5),
            nn.Flatten(), nn.Linear(16 * ((size - 1) // 2) ** 2, 32), nn.BatchNorm1d(32),
        )  # fmt: skip
        return Network(trunk, cls(cls.Config(), BUDGETS[cls], 32, 4))


def some_source(count=300, rows=None, resident_bytes=10**9):
    images = np.random.default_rng(0).integers(0, 256, (count, 3, 11, 11), dtype=np.uint8)
    rows = np.arange(count) if rows is None else np.asarray(rows, dtype=np.int64)
    return ImageSource(images, rows, resize=10, device=CPU, resident_bytes=resident_bytes)


SPEC = RunSpec(
    suite="s", method="m", dataset="d", bits=12, seed=0, trunk="t", image_size=8, resize=10,
    padding=0, flip=True, mean=(0.5,) * 3, std=(0.25,) * 3, features=32, epochs=2, batch_size=64,
    precision="fp32", recipe="paper", schedule=Recipe(lr=0.05, epochs=2), selection="last",
    device="cpu", settings={},
)  # fmt: skip


@pytest.mark.parametrize("cls", [Signs, Words])
@pytest.mark.parametrize("resident_bytes", [0, 10**9])
def test_codes_are_those_of_the_plain_evaluation(cls, resident_bytes):
    network, source = build(cls), some_source(resident_bytes=resident_bytes)
    encoded = encode(network, source, SPEC, device=CPU, queries=True)
    network.eval()
    with torch.no_grad():
        pixels = normalise(center_crop(source.take(torch.arange(300)), 8), SPEC.mean, SPEC.std)
        embedding = network.embed(pixels)
        assert torch.allclose(encoded.embedding, embedding, atol=1e-5)
        if cls is Signs:
            assert encoded.table is None
            bits = unpack_bits(encoded.packed, 12)
            clear = embedding.abs() > 1e-4
            assert torch.equal(bits[clear], embedding[clear] > 0)
            assert clear.float().mean() > 0.99
        else:
            table = network.method.query_table(embedding)
            assert torch.allclose(encoded.table, table, atol=1e-3)
            indices = unpack_indices(encoded.packed, network.method.budget)
            nearest = table.gather(2, indices[:, :, None])[:, :, 0]
            assert torch.allclose(nearest, table.min(2).values, atol=1e-3)


@pytest.mark.parametrize("cls", [Signs, Words, Values])
def test_a_code_does_not_depend_on_what_is_encoded_beside_it(cls):
    network = build(cls)
    whole = encode(network, some_source(), SPEC, device=CPU, queries=True)
    order = np.random.default_rng(1).permutation(300)
    for rows in (order, order[:1], order[:7], order[:100], order[: FORWARD_BATCH + 1]):
        part = encode(network, some_source(rows=rows), SPEC, device=CPU, queries=True)
        assert torch.equal(part.packed, whole.packed[rows])
        assert torch.equal(part.embedding, whole.embedding[rows])
        if cls is Words:
            assert torch.equal(part.table, whole.table[rows])


def test_gallery_and_queries_of_the_same_images_have_the_same_codes():
    network = build(Words)
    found = encode(network, some_source(40), SPEC, device=CPU, queries=True)
    packed, table = found.packed, found.table
    assert torch.equal(encode(network, some_source(40), SPEC, device=CPU).packed, packed)
    assert table.shape == (40, 3, 16)
    assert encode(build(Signs), some_source(40), SPEC, device=CPU, queries=True).table is None


@pytest.mark.parametrize("cls", [Signs, Words])
def test_a_frozen_trunk_is_asked_once_and_gives_the_same(cls):
    network, source, calls = build(cls), some_source(), []
    plain = encode(network, source, SPEC, device=CPU, queries=True)
    network.trunk.register_forward_hook(lambda *_: calls.append(1))
    found = [
        encode(network, source, SPEC, device=CPU, queries=True, frozen="one") for _ in range(2)
    ]
    assert len(calls) == 2  # 300 images are two passes, once
    assert all(torch.equal(e.packed, plain.packed) for e in found)
    assert all(torch.equal(e.embedding, plain.embedding) for e in found)
    assert torch.equal(
        embed_all(network, source, SPEC, device=CPU, frozen="one"),
        embed_all(network, source, SPEC, device=CPU),
    )
    encode(network, source, SPEC, device=CPU, frozen="another")
    assert len(calls) == 6


def test_what_a_method_does_to_a_frozen_trunks_output_does_not_reach_the_next():
    network, source = build(Signs), some_source()

    def first(features):
        return features.mul_(0)[:, : network.method.budget.bits]

    before = encode(network, source, SPEC, device=CPU, frozen="t").packed
    own = network.method.forward
    network.method.forward = first
    for source_now in (source, some_source()):
        encode(network, source_now, SPEC, device=CPU, frozen="t")
        network.method.forward = own
        assert torch.equal(encode(network, source_now, SPEC, device=CPU, frozen="t").packed, before)
        network.method.forward = first


def test_an_embedding_without_a_code_is_kept_at_unit_length():
    network = build(Values)
    found = encode(network, some_source(), SPEC, device=CPU, queries=True)
    assert found.table is None
    assert found.packed.shape == (300, 20)
    assert found.quantization_error == 0
    unit = found.embedding / found.embedding.norm(dim=1, keepdim=True)
    assert torch.allclose(unpack_real(found.packed), unit, atol=1e-6)
    network.method.budget = CodeBudget(192)
    with pytest.raises(HashQuantError, match="values: a real embedding must have 6 values, got 5"):
        encode(network, some_source(), SPEC, device=CPU)


def test_what_a_method_is_fitted_on_is_what_its_forward_receives():
    network, rows = build(Signs).train(), np.random.default_rng(1).permutation(300)
    features = embed_all(network, some_source(rows=rows), SPEC, device=CPU)
    assert features.shape == (300, 32)
    assert not any((network.training, features.is_inference(), features.requires_grad))
    encoded = encode(network, some_source(rows=rows), SPEC, device=CPU, queries=True)
    with torch.no_grad():
        assert torch.allclose(network.method(features), encoded.embedding, atol=1e-5)
    assert torch.equal(embed_all(network, some_source(), SPEC, device=CPU)[rows], features)
    with pytest.raises(HashQuantError, match="there must be images to fit on"):
        embed_all(network, some_source(rows=[]), SPEC, device=CPU)


def test_results_are_ordinary_tensors_and_the_network_is_left_in_evaluation_mode():
    network = build(Words).train()
    encoded = encode(network, some_source(10), SPEC, device=CPU, queries=True)
    assert not network.training
    assert not any(
        t.is_inference() or t.requires_grad
        for t in (encoded.packed, encoded.table, encoded.embedding)
    )
    assert not torch.is_inference_mode_enabled()


def test_encoding_changes_nothing_in_the_network():
    network = build(Signs)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    encode(network, some_source(10), SPEC, device=CPU)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("cls", [Signs, Words])
def test_two_trainings_with_one_seed_give_equal_codes(cls):
    labels = torch.arange(120) % 4
    training = TrainingSet(some_source(120), labels, torch.ones(120, dtype=torch.bool), 4)
    codes = []
    for seed in (0, 0, 1):
        network = build(cls)
        train(network, training, dataclasses.replace(SPEC, seed=seed), device=CPU)
        codes.append(encode(network, some_source(), SPEC, device=CPU).packed)
    assert torch.equal(codes[0], codes[1])
    assert not torch.equal(codes[0], codes[2])


def error(method, embedding):
    codes = encode_embedding(method, embedding)
    return quantization_error(method, embedding, reconstructed(method, codes))


def test_quantization_error_by_hand():
    signs = build(Signs).method
    ones = torch.ones(1, 12)
    assert error(signs, 3 * ones).item() == pytest.approx(0)  # on a scaled code
    half = torch.cat([torch.ones(1, 6), torch.zeros(1, 6)], dim=1)
    assert error(signs, half).item() == pytest.approx(1 - 36 / (6 * 12))
    words = build(Words).method
    with torch.no_grad():
        words.books.zero_()
        words.books[:, 5, 0] = 1.0
        at_word = torch.tensor([[1.0, 0, 0] * 3])
        assert error(words, at_word).item() == pytest.approx(0)
        off = torch.tensor([[2.0, 0, 0] * 3])  # one away from the nearest word, two from zero
        assert error(words, off).item() == pytest.approx(0.25)
        codes = encode_embedding(words, at_word)
        words.books.data = words.books.data[:, :, :2]
        found = quantization_error(words, at_word, reconstructed(words, codes))
        assert found.isnan().all()


def test_codes_that_approximate_no_embedding_have_no_quantization_error():
    words = build(Words).method
    x = torch.ones(2, 9)
    assert not error(words, x).isnan().any()
    words.approximates = False
    assert error(words, x).isnan().all()
    signs = build(Signs).method
    signs.approximates = False  # which the engine codes, and so knows
    assert not error(signs, torch.ones(2, 12)).isnan().any()


def test_the_mean_quantization_error_is_over_all_images():
    network = build(Signs)
    encoded = encode(network, some_source(), SPEC, device=CPU, queries=True)
    expected = error(network.method, encoded.embedding).mean()
    assert encoded.quantization_error == pytest.approx(float(expected), rel=1e-9)


def test_bad_embeddings_indices_and_sizes_are_refused():
    signs, words = build(Signs).method, build(Words).method
    with pytest.raises(HashQuantError, match="signs: embeddings must be finite"):
        encode_embedding(signs, torch.full((2, 12), torch.nan))
    with pytest.raises(HashQuantError, match="must have 12 values, got 13"):
        encode_embedding(signs, torch.ones(2, 13))
    words.assign = lambda embedding: torch.full((2, 3), 16)
    with pytest.raises(HashQuantError, match="indices must be within 0 … 15, got 16"):
        encode_embedding(words, torch.ones(2, 9))
    with pytest.raises(HashQuantError, match="there must be images to encode"):
        encode(build(Signs), some_source(rows=[]), SPEC, device=CPU)
