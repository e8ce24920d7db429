"""RaBitQ: its estimator by plain loops, faiss's own, no bias over rotations, and every bit kept."""

import math

import faiss
import pytest
import torch
from torch.nn.functional import normalize

from hashquant.errors import BudgetError, UsageError
from hashquant.plugins.registry import load_method
from hashquant.settings.reading import check
from hashquant.training.coding import encode_embedding, reconstructed

RABITQ = load_method("rabitq")


def rng(seed):
    return torch.Generator().manual_seed(seed)


def fitted(bits, features, seed=0, **settings):
    config = RABITQ.Config(**settings)
    head = RABITQ(config, RABITQ.budget_for(config, bits), features.shape[1], 3).eval()
    torch.manual_seed(seed)
    head.fit(features, torch.zeros(len(features), dtype=torch.int64))
    return head


def some(count, size, seed=0, shift=0.3):
    return torch.randn(count, size, generator=rng(seed)) + shift


@pytest.mark.parametrize(("size", "scalar"), [(12, 32), (12, 16), (20, 32)])
def test_a_decoded_score_is_the_estimator(size, scalar):
    head = fitted(12 + scalar, some(50, size), scalar_bits=scalar)
    x, q = head(some(6, size, seed=1)), head(some(3, size, seed=2))
    found = q.double() @ head.decode(head.encode(x)).double().T
    axes, c = head.axes.double().T.tolist(), head.centre.double().tolist()

    def dot(a, b):
        return math.fsum(i * j for i, j in zip(a, b, strict=True))

    for i, item in enumerate(x.double().tolist()):
        o = [dot(axis, [a - b for a, b in zip(item, c, strict=True)]) for axis in axes]
        bar = [math.copysign(1 / math.sqrt(12), value) for value in o]
        length = math.hypot(*o)
        f = length / (dot(bar, o) / length)
        f = float(torch.tensor(f).half()) if scalar == 16 else f
        for j, query in enumerate(q.double().tolist()):
            wanted = dot(c, query) + f * dot(bar, [dot(axis, query) for axis in axes])
            assert float(found[j, i]) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("centred", [False, True])
def test_faiss_finds_the_same_scores_with_unquantized_queries(centred):
    features = some(200, 64)
    head = fitted(96, features, scalar_bits=32, centre=centred)
    x, q = head(features), head(some(5, 64, seed=3))
    decoded = head.decode(head.encode(x)).double()
    ours = q.double() @ decoded.T
    # faiss turns nothing, and stores a second scalar that meets the rest of <x - x_hat, c>.
    ours = ours + (x.double() - decoded) @ head.centre.double()
    turned, asked = ((v.double() @ head.axes.double()).float().numpy() for v in (x, q))
    index = faiss.IndexRaBitQ(64, faiss.METRIC_INNER_PRODUCT)
    index.train(turned)
    if not centred:
        faiss.copy_array_to_vector(torch.zeros(64).numpy(), index.center)
    index.add(turned)
    index.qb = 0
    found, places = index.search(asked, 200)
    wanted = ours.gather(1, torch.from_numpy(places))
    assert (torch.from_numpy(found).double() - wanted).abs().max() < 1e-6
    assert ours.std() > 0.05


def test_the_estimator_is_unbiased_over_200_rotations():
    features = some(60, 32, shift=0.0)
    x, q = normalize(some(4, 32, seed=1), dim=1), normalize(some(5, 32, seed=2), dim=1)
    drawn = []
    for seed in range(200):
        head = fitted(64, features, seed=seed, scalar_bits=32)
        drawn.append(q.double() @ head.decode(head.encode(head(x))).double().T)
    found = torch.stack(drawn)
    error = (found.mean(0) - q.double() @ x.double().T) / (found.std(0) / math.sqrt(200))
    assert bool((error.abs() < 3).all())
    assert found.std(0).min() > 0.01
    signs = fitted(32, features, scalar_bits=0)
    assert float(signs.factor) > 0.5


def test_rotations_are_rotations():
    head = fitted(52, some(80, 40), scalar_bits=32)
    assert torch.allclose(head.axes.T @ head.axes, torch.eye(20), atol=1e-5)
    assert not torch.equal(fitted(52, some(80, 40), seed=1, scalar_bits=32).axes, head.axes)


def test_bytes_hold_the_signs_and_then_the_scalar():
    head = fitted(36, some(80, 40))  # 20 signs, of the fifth byte four bits are of no use
    x = head(some(7, 40, seed=1))
    codes = encode_embedding(head, x)
    assert codes.shape == (7, 5)
    turned = (x.double() - head.centre.double()) @ head.axes.double()
    for row, o in zip(codes.tolist(), turned, strict=True):
        bits = "".join(f"{byte:08b}" for byte in row)
        assert bits[:20] == "".join("1" if value > 0 else "0" for value in o.tolist())
        f = o.square().sum() * math.sqrt(20) / o.abs().sum()
        assert int(bits[20:36], 2) == int(f.half().view(torch.int16))
        assert bits[36:] == "0000"
    again = reconstructed(head, codes)
    assert torch.equal(reconstructed(head, encode_embedding(head, x)), again)


@pytest.mark.parametrize(
    ("bits", "settings", "signs", "stored"),
    [
        (64, {}, 48, 64), (64, {"scalar_bits": 0}, 64, 64), (24, {}, 8, 24),
        (16, {"dims": 512}, 512, 528), (16, {"dims": 64, "scalar_bits": 32}, 64, 96),
    ],
)  # fmt: skip
def test_all_that_is_stored_is_counted(bits, settings, signs, stored):
    config = RABITQ.Config(**settings)
    head = RABITQ(config, RABITQ.budget_for(config, bits), 512, 3)
    assert (head.dims, head.budget.bits) == (signs, stored)
    assert head.decoder_bytes == 4 * (512 + 512 * signs + 1)


def test_what_cannot_be_met_is_refused():
    with pytest.raises(BudgetError, match="more than the 16 of the scalar, got 16"):
        RABITQ.budget_for(RABITQ.Config(), 16)
    config = RABITQ.Config(scalar_bits=0)
    with pytest.raises(BudgetError, match=r"at most the embedding's size \(32\), got 64"):
        RABITQ(config, RABITQ.budget_for(config, 64), 32, 3)
    with pytest.raises(UsageError, match="scalar_bits must be 0, 16 or 32, got 8"):
        check(RABITQ.Config(scalar_bits=8), "")


def test_an_item_at_the_centre_is_decoded_to_it():
    features = normalize(some(30, 16), dim=1)
    head = fitted(32, features)
    head.centre.copy_(features[0])
    found = head.decode(head.encode(head(features[:1])))
    assert torch.allclose(found[0], features[0], atol=1e-6)
