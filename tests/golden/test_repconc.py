"""RepCONC: Sinkhorn's balance by plain loops, its queue, the matching and whom it reaches."""

import math

import pytest
import torch

from hashquant.codes.family import CodeBudget
from hashquant.methods.repconc import RepCONC, balance
from hashquant.training.state import allocate
from tests.golden.sixrows import (
    LABELS,
    batch,
    finite_with_gradient,
    rows,
    same_with_unlabelled_rows,
)
from tests.golden.test_mopq import literal_matching


def build(books=2, words=8, **settings):
    """Return a head in float64 with an embedding of eight values."""
    torch.manual_seed(0)
    budget = CodeBudget(books * (words - 1).bit_length(), books, words)
    return RepCONC(RepCONC.Config(size=8, **settings), budget, 8, 5).double()


def clustered(count, words, size=8):
    """Return costs within -1 … 1 of three clusters of rows, of which few words are near."""
    draws = torch.Generator().manual_seed(0)
    centres = torch.randn(3, size, generator=draws)
    x = centres[torch.arange(count) % 3] + 0.3 * torch.randn(count, size, generator=draws)
    cost = torch.cdist(x, torch.randn(words, size, generator=draws)).square()
    return (2 * cost - cost.min() - cost.max()) / (cost.max() - cost.min())


def literal_sinkhorn(cost, epsilon, sweeps):
    """Return Q by sweeps over rows and words in plain loops, rows last."""
    q = [[math.exp(-c / epsilon) for c in row] for row in cost]
    n, k = len(q), len(q[0])
    for _ in range(sweeps):
        q = [[v / sum(row) for v in row] for row in q]
        mass = [sum(row[j] for row in q) for j in range(k)]
        q = [[row[j] * n / k / mass[j] for j in range(k)] for row in q]
    return [[v / sum(row) for v in row] for row in q]


@pytest.mark.parametrize("sweeps", [0, 1, 7, 45])
def test_balance_equals_sinkhorns_sweeps(sweeps):
    cost = clustered(12, 4).double()
    potentials = balance(cost, torch.zeros(4).double(), 0.2, sweeps)
    found = ((potentials - cost) / 0.2).softmax(dim=1)
    expected = torch.tensor(literal_sinkhorn(cost.tolist(), 0.2, sweeps), dtype=cost.dtype)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-10)


def test_many_sweeps_use_all_words_alike_in_float32():
    cost, epsilon = clustered(1024, 16), 0.003
    assert cost.argmin(dim=1).unique().numel() < 16  # nearest words alone leave some dead
    potentials = torch.zeros(16)
    for _ in range(300):  # as steps do: each goes on from the last
        potentials = balance(cost, potentials, epsilon, 10)
    q = ((potentials - cost) / epsilon).softmax(dim=1)
    torch.testing.assert_close(q.sum(dim=0) / 64, torch.ones(16), atol=1e-3, rtol=0)
    torch.testing.assert_close(q.sum(dim=1), torch.ones(1024))
    assert q.argmax(dim=1).bincount(minlength=16).min() > 0


@pytest.mark.parametrize("settings", [{}, {"scale": 2.0, "mse_weight": 0.5, "sweeps": 0}])
def test_loss_equals_the_formulas(settings):
    head = build(**settings)
    z = torch.nn.functional.normalize(rows(), dim=1)
    codes = head._balanced_codes(z).tolist()
    coded = [[v for m, k in enumerate(code) for v in head.words[m, k].tolist()] for code in codes]
    found = head.loss(z, batch())
    matching = literal_matching(head.config.scale, z.tolist(), coded)
    square = sum((a - b) ** 2 for x, y in zip(z.tolist(), coded, strict=True)
                 for a, b in zip(x, y, strict=True)) / 6  # fmt: skip
    assert found["coded"].item() == pytest.approx(matching, rel=1e-10)
    assert found["mse"].item() == pytest.approx(head.config.mse_weight * square, rel=1e-10)
    if settings.get("sweeps") == 0:
        assert head.assign(z).tolist() == codes  # training without balance is search's choice


def test_gradient_reaches_chosen_words_and_unchanged_the_embedding():
    head, z = build(mse_weight=0.0), rows(grad=True)
    codes, labels = head._balanced_codes(rows()), torch.tensor(LABELS)
    head.loss(z, batch())["coded"].backward()
    chosen = torch.zeros(2, 8, dtype=torch.bool)
    chosen[[0, 1] * 6, codes.flatten()] = True
    assert torch.equal(head.words.grad.any(dim=2), chosen)
    # What arrives at z beyond its part as a query is what arrives at its words.
    query, key = rows(grad=True), torch.stack([head.words[m][codes[:, m]] for m in range(2)], 1)
    key = key.flatten(1).detach().requires_grad_()
    logits = head.config.scale * query @ key.T
    same = (labels[:, None] == labels) & ~torch.eye(6, dtype=torch.bool)
    others = logits.masked_fill(labels[:, None] == labels, -math.inf).logsumexp(1, keepdim=True)
    (torch.nn.functional.softplus(others - logits)[same].sum() / same.sum()).backward()
    torch.testing.assert_close(z.grad, query.grad + key.grad)
    sums = torch.zeros(2, 8, 4).double()
    for row, code in enumerate(codes.tolist()):
        for m, k in enumerate(code):
            sums[m, k] += key.grad[row, 4 * m : 4 * m + 4]
    torch.testing.assert_close(head.words.grad, sums)
    before = head.words.detach().clone()
    torch.optim.SGD(head.parameters(), 0.1).step()
    assert torch.equal((head.words != before).any(dim=2), chosen)


def test_queue_holds_the_newest_rows_and_only_training_moves_it():
    head, device = build(words=4, queue=10).float(), torch.device("cpu")
    allocate(head, 7, 5, device)
    assert head.state["queue"].shape == (7, 8)  # no more rows than images
    first, second = rows().float()[:4], rows().float()[2:] + 1
    head.eval()._balanced_codes(first)
    assert bool(head.state["queue"].isnan().all())
    head.train()._balanced_codes(first)
    assert torch.equal(head.state["queue"][:4], first)
    assert bool(head.state["queue"][4:].isnan().all())
    head._balanced_codes(second)
    assert torch.equal(head.state["queue"], torch.cat([second, first[:3]]))
    assert bool(head.state["potentials"].any())
    allocate(other := build(queue=0), 7, 5, device)
    assert set(other.state) == {"potentials"}
    assert bool(other.train()._balanced_codes(rows()).isfinite().all())


def test_a_queue_leaves_no_word_dead():
    head = build(words=16, sweeps=50, start="uniform").float()
    allocate(head, 512, 5, torch.device("cpu"))
    draws = torch.Generator().manual_seed(0)
    z = torch.randn(3, 8, generator=draws)[torch.arange(512) % 3]
    z = torch.nn.functional.normalize(z + 0.3 * torch.randn(512, 8, generator=draws), dim=1)
    for part in z.split(64):
        head._balanced_codes(part)
    for _ in range(20):
        codes = head._balanced_codes(z)
    assert all(codes[:, m].bincount(minlength=16).min() > 0 for m in range(2))
    assert not all(head.assign(z)[:, m].bincount(minlength=16).min() > 0 for m in range(2))


def test_traps():
    for labels in ([1] * 6, [0, 1, 2, 3, 4], [2]):
        assert finite_with_gradient(build(), rows()[: len(labels)], batch(labels))
    assert same_with_unlabelled_rows(build())
    alike = torch.ones(6, 8).double()
    assert finite_with_gradient(build(), alike, batch())
