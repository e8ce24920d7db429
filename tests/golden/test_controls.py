"""The controls: what is known of them in closed form, and that the ceiling is one."""

import math

import pytest
import torch

from hashquant.codes.family import Real
from hashquant.codes.product import unpack_indices
from hashquant.data.items import Batch
from hashquant.metrics.averageprecision import average_precision
from hashquant.plugins.registry import load_method
from hashquant.search.exhaustive import Gallery, cosine_groups, hamming_groups, table_groups
from hashquant.training.coding import encode_embedding

SHALLOW = ("lsh", "itq", "pq", "opq")


def rng(seed):
    return torch.Generator().manual_seed(seed)


def build(name, bits=16, width=32, classes=10, seed=0, **settings):
    cls = load_method(name)
    config = cls.Config(**settings)
    torch.manual_seed(seed)
    return cls(config, cls.budget_for(config, bits), width, classes).eval()


def fitted(name, features, bits=16, seed=0):
    head = build(name, bits, features.shape[1], seed=seed)
    head.fit(features, torch.zeros(len(features), dtype=torch.int64))
    return head


def classes_around(centres, count, seed):
    """Return features in equal shares around each centre, and their labels."""
    labels = torch.arange(count) % len(centres)
    noise = torch.randn(count, centres.shape[1], generator=rng(seed))
    return centres[labels] + noise, labels


def precision_of(head, gallery, labels, queries, wanted):
    """Return each query's average precision by the family's headline comparison."""
    asked, items = (
        head(queries),
        Gallery(encode_embedding(head, head(gallery)), labels, head.budget),
    )
    if head.family.name == "product":
        chunks = table_groups(head.query_table(asked), wanted, items, larger_is_closer=False)
    else:
        search = cosine_groups if head.family.name == "real" else hamming_groups
        chunks = search(encode_embedding(head, asked), wanted, items)
    return torch.cat([average_precision(groups) for groups in chunks])


# float


def test_float_has_one_length_whatever_bits_are_asked_for():
    cls = load_method("float")
    for bits in (16, 64):
        assert cls.budget_for(cls.Config(), bits) == Real().budget(512)
    small = cls.Config(size=6)
    budget = cls.budget_for(small, 16)
    assert (budget.bits, budget.code_bytes, cls.feature_size(small, budget, 99)) == (192, 24, 6)


def test_float_shares_the_classifier_of_opqn():
    ours, theirs = load_method("float"), load_method("opqn")
    assert ours.recipe() == theirs.recipe()
    same = [(c.margin, c.scale) for c in (ours.Config(), theirs.Config())]
    assert same[0] == same[1] == (0.5, 20.0)


def test_float_loss_is_the_cross_entropy_with_a_margin():
    head = build("float", width=3, classes=4, margin=0.3, scale=7.0)
    embedding, labels = torch.randn(5, 3, generator=rng(0)), torch.tensor([0, 3, 1, 1, 2])
    batch = Batch(embedding, labels, torch.ones(5, dtype=torch.bool), torch.arange(5))
    expected = 0.0
    for x, label in zip(embedding.tolist(), labels.tolist(), strict=True):
        rows = head.class_weight.tolist()
        z = [
            7 * (sum(a * b for a, b in zip(x, w, strict=True)) / math.hypot(*x) / math.hypot(*w))
            - 7 * 0.3 * (c == label)
            for c, w in enumerate(rows)
        ]
        expected += (math.log(sum(math.exp(v) for v in z)) - z[label]) / 5
    assert head.loss(embedding, batch)["margin"].item() == pytest.approx(expected, rel=1e-5)
    twice, unseen = torch.cat([embedding, embedding]), torch.full((5,), -1)
    more = Batch(twice, torch.cat([labels, unseen]), torch.arange(10) < 5, torch.arange(10))
    assert head.loss(twice, more)["margin"].item() == pytest.approx(expected, rel=1e-5)


# lsh


@pytest.mark.parametrize("degrees", [10, 45, 90, 150])
def test_lsh_bits_differ_in_proportion_to_the_angle(degrees):
    angle = math.radians(degrees)
    pair = torch.zeros(2, 32)
    pair[0, 0], pair[1, 0], pair[1, 1] = 3.0, math.cos(angle), math.sin(angle)  # any length
    bits = 0
    differ = 0
    for seed in range(20):
        head = build("lsh", bits=1000, seed=seed)
        first, second = head(pair) > 0
        bits, differ = bits + 1000, differ + int((first != second).sum())
    p = degrees / 180
    assert abs(differ / bits - p) < 4 * math.sqrt(p * (1 - p) / bits)  # four standard errors


def test_lsh_takes_the_mean_of_unit_vectors():
    features = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    head = fitted("lsh", features)
    assert head.mean.tolist() == pytest.approx([0.3, 0.9])
    expected = (torch.tensor([[0.6, 0.8]]) - torch.tensor([[0.3, 0.9]])) @ head.projection
    assert torch.allclose(head(features[:1]), expected, atol=1e-6)


# itq, pq, opq


@pytest.mark.parametrize("name", SHALLOW)
def test_length_of_a_feature_and_labels_are_not_used(name):
    features = torch.randn(300, 32, generator=rng(0))
    head = fitted(name, features)
    longer = features * (1 + torch.arange(300)[:, None] % 3)
    other = build(name)
    torch.manual_seed(0)
    build(name)  # draws what `fitted` drew before
    other.fit(longer, torch.arange(300))
    first, second = (encode_embedding(h, h(features)) for h in (head, other))
    assert (first != second).float().mean() < 0.01  # float32 rounds some lengths apart


@pytest.mark.parametrize("name", ["pq", "opq"])
@pytest.mark.parametrize("size", [32, 31])
def test_adc_is_the_distance_to_the_reconstructed_unit_vector(name, size):
    features, queries = (torch.randn(n, size, generator=rng(n)) for n in (400, 7))
    head = fitted(name, features)
    asked = head(queries)
    codes = unpack_indices(encode_embedding(head, head(features)), head.budget)
    books = head.codebooks()
    table = head.query_table(asked)
    adc = sum(table[:, m, codes[:, m]] for m in range(2))
    words = torch.cat([books[m][codes[:, m]] for m in range(2)], dim=1)
    assert asked.shape == (7, 32)
    assert torch.allclose(asked.norm(dim=1), torch.ones(7), atol=1e-5)
    assert torch.allclose(adc, torch.cdist(asked, words).square(), atol=1e-5)
    # An unquantized item would be at 2 - 2 cos: the order of the float baseline.
    cosine = torch.nn.functional.cosine_similarity(queries[:, None], features, dim=2)
    exact = torch.cdist(asked, head(features)).square()
    assert torch.allclose(exact, 2 - 2 * cosine, atol=1e-5)


def test_opq_loses_less_than_pq_and_itq_has_balanced_bits():
    mixing = torch.randn(32, 32, generator=rng(1)) * torch.logspace(0, -2, 32)[:, None]
    features = torch.randn(600, 32, generator=rng(0)) @ mixing
    lost = {}
    for name in ("pq", "opq"):
        head = fitted(name, features, bits=24)  # four books of eight values
        embedding = head(features)
        words = torch.stack(
            [head.codebooks()[m][i] for m, i in enumerate(head.assign(embedding).T)]
        )
        lost[name] = (embedding - words.transpose(0, 1).flatten(1)).square().sum(1).mean()
    assert lost["opq"] < 0.9 * lost["pq"]
    share = (fitted("itq", features)(features) > 0).float().mean(dim=0)
    assert ((share > 0.3) & (share < 0.7)).all()


# random


def test_random_is_the_hash_that_whole_numbers_give():
    head = build("random", bits=9, width=3)
    features = torch.tensor([[1.5, -2.0, 0.0], [-1e-30, 3e30, -0.0]])
    word = 2**32

    def mix(x):
        for _ in range(2):
            x = ((x ^ (x >> 16)) * 0x45D9F3B) % word
        return x ^ (x >> 16)

    for row, found in zip(features + 0.0, head(features).tolist(), strict=True):
        words = [int(x.view(torch.int32)) % word for x in row]
        keys = head.feature_keys.tolist()
        total = sum(mix(x ^ k) for x, k in zip(words, keys, strict=True)) % word
        expected = [2.0 * (mix(total ^ k) % 2) - 1 for k in head.bit_keys.tolist()]
        assert found == expected


def test_random_codes_are_a_function_of_the_features_alone():
    head = build("random", bits=64)
    features = torch.randn(500, 32, generator=rng(0))
    whole = head(features)
    assert torch.equal(torch.cat([head(row[None]) for row in features]), whole)
    assert torch.equal(head(features.flip(0)).flip(0), whole)
    assert not torch.equal(build("random", bits=64, seed=1)(features), whole)
    moved = features.clone()
    moved[:, 5] = moved[:, 5].nextafter(torch.tensor(torch.inf))  # the least possible change
    # Of 500·64 fair bits: half differ, half are set, and no two bits of a code agree too often.
    error = 4 * 0.5 / math.sqrt(500 * 64)
    assert abs(float((head(moved) != whole).float().mean()) - 0.5) < error
    assert abs(float((whole > 0).float().mean()) - 0.5) < error
    together = (whole.T @ whole / 500).fill_diagonal_(0).abs().max()
    assert together < 5 / math.sqrt(500)  # of 2,016 pairs


def test_random_ranks_at_chance():
    # In a random order of n items, r of them relevant, rank k holds a relevant one with
    # probability r/n, and then (k - 1)(r - 1)/(n - 1) of those ahead are relevant on average:
    # E[AP] = 1/r · sum_k r/n · (1 + (k - 1)(r - 1)/(n - 1)) / k
    #       = 1/n · (H_n + (r - 1)/(n - 1) · (n - H_n)).
    # Ties are in random order too, so the expectation over ties has this mean at any length.
    centres, n, classes = 10 * torch.randn(10, 32, generator=rng(0)), 200, 10
    gallery, labels = classes_around(centres, n, seed=1)
    queries, wanted = classes_around(centres, 100, seed=2)
    r, harmonic = n // classes, math.fsum(1 / k for k in range(1, n + 1))
    chance = (harmonic + (r - 1) / (n - 1) * (n - harmonic)) / n
    found = torch.stack(
        [
            precision_of(build("random", seed=seed), gallery, labels, queries, wanted).mean()
            for seed in range(40)
        ]
    )
    error = float(found.std()) / math.sqrt(len(found))
    assert error < 0.002
    assert abs(float(found.mean()) - chance) < 4 * error
    assert chance == pytest.approx(0.1221, abs=1e-4)


# all


@pytest.mark.parametrize("distance", [0.6, 0.9])
def test_the_float_embedding_is_the_ceiling_of_its_codes(distance):
    """Classes overlap, and there are more of them than dimensions.

    It is no theorem: a code also takes noise away. With 10 classes in 64 dimensions, principal
    axes drop directions that hold noise alone, and ITQ passes the cosine (0.969 against 0.965);
    where classes lie apart and K exceeds their number, k-means finds them (PQ: 1 against 0.999).
    """
    size = 48
    centres = distance * torch.randn(64, size, generator=rng(0))
    training, _ = classes_around(centres, 960, seed=1)
    gallery, labels = classes_around(centres, 640, seed=2)
    queries, wanted = classes_around(centres, 256, seed=3)
    items = gallery, labels, queries, wanted
    ceiling = float(precision_of(build("float", width=size, size=size), *items).mean())
    assert 0.3 < ceiling < 0.95
    for name in SHALLOW:
        for bits in (16, 24, 48):
            found = float(precision_of(fitted(name, training, bits), *items).mean())
            assert 0.05 < found <= ceiling, (name, bits)  # chance is 1/64 and a little more
