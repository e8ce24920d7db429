"""OPQN: orthonormal codewords, the loss by its formulas, and scores by brute force."""

import math

import pytest
import torch

from hashquant.data import Batch
from hashquant.errors import BudgetError, UsageError
from hashquant.methods.opqn import OPQN, dct_codebooks

#: (bits, M, K, D) on 32-pixel sets, on VGGFace2 (D = M·K)
USED = [
    (16, 2, 256, 512),
    (24, 4, 64, 512),
    (36, 6, 64, 516),
    (48, 8, 64, 512),
    (64, 8, 256, 2048),
    (24, 4, 64, 256),
    (36, 6, 64, 384),
]


def build(bits=24, features=512, classes=7, **settings):
    torch.manual_seed(0)
    config = OPQN.Config(**settings)
    return OPQN(config, OPQN.budget_for(config, bits), features, classes)


def batch(labels):
    labels = torch.as_tensor(labels)
    return Batch(torch.empty(len(labels), 0), labels, labels >= 0, torch.arange(len(labels)))


@pytest.mark.parametrize(("bits", "m", "k", "d"), USED)
def test_codewords_are_orthonormal_in_float32(bits, m, k, d):
    head = build(bits, d)
    assert (head.budget.subspaces, head.budget.codewords) == (m, k)
    assert head.codewords.shape == (m, d // m, k)
    assert head.codewords.dtype == torch.float32
    gram = head.codewords.transpose(1, 2) @ head.codewords
    assert float((gram - torch.eye(k)).abs().max()) < 1e-5


def test_codebooks_follow_the_recurrence():
    d, k, m = 6, 4, 3
    basis = [
        [math.sqrt((1 if c == 0 else 2) / d) * math.cos((j + 0.5) * c * math.pi / d)
         for c in range(d)]
        for j in range(d)
    ]  # fmt: skip
    book = [row[:k] for row in basis]
    for found in dct_codebooks(m, k, d):
        assert found.tolist() == [pytest.approx(row, abs=1e-12) for row in book]
        book = [
            [sum(basis[j][i] * book[i][c] for i in range(d)) for c in range(k)] for j in range(d)
        ]


def test_more_codewords_than_dimensions_are_refused():
    with pytest.raises(BudgetError, match=r"sub-vector size \(128\).*got 256"):
        dct_codebooks(4, 256, 128)
    with pytest.raises(BudgetError, match=r"\(64\).*got 256"):
        build(64, 512)
    with pytest.raises(BudgetError, match="multiple of 6 books, got 512"):
        build(36, 512)


@pytest.mark.parametrize(("bits", "auto", "square"), [
    (16, 512, 512), (24, 512, 256), (36, 516, 384), (48, 512, 512), (64, 2048, 2048),
])  # fmt: skip
def test_feature_size_follows_the_rule(bits, auto, square):
    for rule, expected in (("auto", auto), ("square", square)):
        config = OPQN.Config(feature_rule=rule)
        assert OPQN.feature_size(config, OPQN.budget_for(config, bits), 512) == expected


def literal_loss(head, x, labels):
    """Evaluate methods' formulas with plain loops over books, items, classes and words."""
    projection, weight = head.projection.tolist(), head.class_weight.tolist()
    words, rows = head.codewords.tolist(), x.tolist()
    M, K, C = head.budget.subspaces, head.budget.codewords, head.num_classes
    d, n = len(rows[0]) // M, len(rows)
    scale, margin = head.config.scale, head.config.margin

    def cosine(a, b):
        dot = sum(p * q for p, q in zip(a, b, strict=True))
        return dot / math.sqrt(sum(p * p for p in a) * sum(q * q for q in b))

    def cross_entropy(vector, m, label):
        z = [scale * (cosine(vector, weight[m][c]) - margin * (c == label)) for c in range(C)]
        return math.log(sum(math.exp(v) for v in z)) - z[label]

    totals = {"margin_x": 0.0, "margin_s": 0.0, "entropy": 0.0}
    for m in range(M):
        for row, label in zip(rows, labels, strict=True):
            part = row[m * d : (m + 1) * d]
            z = [sum(part[j] * projection[m][j][k] for j in range(d)) for k in range(K)]
            p = [math.exp(v) / sum(math.exp(u) for u in z) for v in z]
            soft = [sum(words[m][j][k] * p[k] for k in range(K)) for j in range(d)]
            totals["margin_x"] += cross_entropy(part, m, label) / (2 * M * n)
            totals["margin_s"] += cross_entropy(soft, m, label) / (2 * M * n)
            totals["entropy"] -= (
                head.config.entropy_weight * sum(v * math.log(v) for v in p) / M / n
            )
    return totals


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("settings", [{}, {"init": "per-book", "margin": 0.2, "scale": 40.0}])
def test_loss_equals_the_formulas(dtype, settings):
    config = OPQN.Config(**settings)
    torch.manual_seed(3)
    head = OPQN(config, OPQN.family.budget(16)._replace_for_test, 24, 5) if False else None
    from hashquant.codes.family import CodeBudget

    head = OPQN(config, CodeBudget(9, 3, 8), 24, 5).to(dtype)
    x, labels = torch.randn(6, 24, dtype=dtype), [0, 1, 4, 4, 2, 0]
    found = head.loss(x, batch(labels))
    expected = literal_loss(head, x, labels)
    assert set(found) == set(expected)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, rel=tolerance, abs=tolerance), name
