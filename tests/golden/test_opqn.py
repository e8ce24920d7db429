"""OPQN: orthonormal codewords, the loss by its formulas, and scores by brute force."""

import math

import pytest
import torch

from hashquant.codes.family import CodeBudget
from hashquant.data.items import Batch
from hashquant.errors import BudgetError, UsageError
from hashquant.methods.opqn import OPQN, dct_codebooks
from hashquant.settings.reading import check

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
    """Evaluate the formulas with plain loops over books, items, classes and words."""
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
    torch.manual_seed(3)
    head = OPQN(OPQN.Config(**settings), CodeBudget(9, 3, 8), 24, 5).to(dtype)
    x, labels = torch.randn(6, 24, dtype=dtype), [0, 1, 4, 4, 2, 0]
    found = head.loss(x, batch(labels))
    expected = literal_loss(head, x, labels)
    assert set(found) == set(expected)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, rel=tolerance, abs=tolerance), name


@pytest.mark.parametrize("on", ["x", "s"])
def test_a_single_margin_loss_has_full_weight(on):
    both, one = build(), build(loss_on=on)
    x, labels = torch.randn(5, 512), batch([0, 1, 2, 2, 6])
    alone = one.loss(x, labels)
    assert set(alone) == {f"margin_{on}", "entropy"}
    torch.testing.assert_close(alone[f"margin_{on}"], 2 * both.loss(x, labels)[f"margin_{on}"])


@pytest.mark.parametrize(("m", "k", "d"), [(4, 64, 512), (2, 256, 512)])
def test_initial_bounds_are_those_of_a_three_dimensional_xavier(m, k, d):
    bits, size, classes = {4: 24, 2: 16}[m], d // m, 50
    for init, projection, weight in (
        ("opqn3d", 6 / ((size + m) * k), 6 / ((classes + m) * size)),
        ("per-book", 6 / (size + k), 6 / (classes + size)),
    ):
        head = build(bits, d, classes, init=init)
        for tensor, bound in ((head.projection, projection), (head.class_weight, weight)):
            largest = tensor.abs().max().item()
            assert largest == pytest.approx(math.sqrt(bound), rel=1e-2)
            assert largest <= math.sqrt(bound)
    assert math.sqrt(6 / ((128 + 4) * 64)) == pytest.approx(0.027, abs=5e-4)


@pytest.mark.parametrize("norm", ["unit", "raw"])
def test_table_holds_the_inner_products_of_soft_query_and_codewords(norm):
    head = build(query_norm=norm).double().eval()
    x = torch.randn(3, 512, dtype=torch.float64)
    for query, table in zip(x.reshape(3, 4, 128), head.query_table(x), strict=True):
        for m in range(4):
            part = query[m] / query[m].norm() if norm == "unit" else query[m]
            p = (part @ head.projection[m]).softmax(0)
            soft = head.codewords[m] @ p
            torch.testing.assert_close(table[m], p)  # the probabilities ...
            inner = head.codebooks()[m] @ soft  # ... are <s, c_k>
            torch.testing.assert_close(table[m], inner, atol=1e-6, rtol=0)


def test_scores_equal_brute_force_on_hard_codewords():
    head = build().eval()
    query, gallery = torch.randn(4, 512), torch.randn(30, 512)
    codes, table = head.assign(gallery), head.query_table(query)
    found = sum(table[:, m, codes[:, m]] for m in range(4))
    unit = torch.nn.functional.normalize(query.reshape(4, 4, 128), dim=2)
    p = torch.einsum("qms,msk->qmk", unit, head.projection).softmax(2)
    soft = torch.einsum("msk,qmk->qms", head.codewords, p).flatten(1)
    hard = torch.cat([head.codewords[m].T[codes[:, m]] for m in range(4)], dim=1)
    torch.testing.assert_close(found, soft @ hard.T, atol=1e-6, rtol=0)


def test_codes_are_the_arg_max_of_the_training_probabilities():
    head = build().eval()
    x = torch.randn(20, 512)
    expected = [
        [int((part @ head.projection[m]).argmax()) for m, part in enumerate(row.reshape(4, 128))]
        for row in x
    ]
    assert head.assign(x).tolist() == expected
    assert head.assign(100 * x).tolist() == expected  # whatever the length


def test_logit_scores_are_the_projections():
    head = build(score="logit", query_norm="raw").eval()
    x = torch.randn(2, 512)
    expected = torch.einsum("qms,msk->qmk", x.reshape(2, 4, 128), head.projection)
    torch.testing.assert_close(head.query_table(x), expected)


def test_fixed_codewords_are_buffers_and_learned_ones_are_trained():
    for codebooks in ("orthonormal", "random"):
        head = build(codebooks=codebooks)
        assert {n for n, _ in head.named_parameters()} == {"projection", "class_weight"}
        assert "codewords" in head.state_dict()
    head = build(codebooks="learned", classes=3)
    head.loss(torch.randn(6, 512), batch([0, 1, 2, 0, 1, 2]))["margin_s"].backward()
    assert bool(head.codewords.grad.any())
    lengths = build(codebooks="random").codebooks().norm(dim=2)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_learned_codewords_need_no_room_for_orthonormal_ones():
    assert build(64, 512, codebooks="learned").codewords.shape == (8, 64, 256)


def test_unknown_settings_are_refused():
    for key in ("loss_on", "codebooks", "feature_rule", "init", "query_norm", "score"):
        with pytest.raises(UsageError, match=f"{key} must be one of .*got 'odd'"):
            check(OPQN.Config(**{key: "odd"}), "opqn.")
    with pytest.raises(UsageError, match="loss_on must be both or s"):
        check(OPQN.Config(codebooks="learned", loss_on="x"), "opqn.")


def test_recipe_halves_the_rate_every_35_epochs():
    recipe = OPQN.recipe()
    assert (recipe.optimizer, recipe.lr, recipe.momentum, recipe.weight_decay) == (
        "sgd", 0.1, 0.9, 5e-4,
    )  # fmt: skip
    assert [recipe.rate(e, 200) for e in (0, 34, 35, 70)] == [0.1, 0.1, 0.05, 0.025]
