"""DPQ: both paths, the losses and the scores by their formulas."""

import math

import pytest
import torch

from hashquant.codes.family import CodeBudget
from hashquant.data.items import Batch
from hashquant.errors import BudgetError, UsageError
from hashquant.methods.dpq import DPQ
from hashquant.settings.reading import check

LABELS = [0, 1, 4, 4, 2, 0]


def build(dtype=torch.float64, **settings):
    torch.manual_seed(0)
    return DPQ(DPQ.Config(**settings), CodeBudget(9, 3, 8), 15, 5).to(dtype)


def batch(labels):
    labels = torch.as_tensor(labels)
    return Batch(torch.empty(len(labels), 0), labels, labels >= 0, torch.arange(len(labels)))


def literal_paths(head, row):
    """Return one item's p, soft and hard code with plain loops."""
    M, K, d = head.codewords.shape[0], head.codewords.shape[1], head.codewords.shape[2]
    projection, words = head.projection.tolist(), head.codewords.tolist()
    p, soft, hard = [], [], []
    for m in range(M):
        z = [sum(row[m * d + j] * projection[m][j][k] for j in range(d)) for k in range(K)]
        p.append([math.exp(v) / sum(math.exp(u) for u in z) for v in z])
        soft += [sum(p[m][k] * words[m][k][j] for k in range(K)) for j in range(d)]
        hard += words[m][z.index(max(z))]
    return p, soft, hard


def literal_loss(head, x, labels):
    weight, centres = head.classifier.weight.tolist(), head.centers.tolist()
    config, n = head.config, len(labels)
    M, K = head.codewords.shape[:2]
    classify = central = sharp = 0.0
    mean = [[0.0] * K for _ in range(M)]
    for row, label in zip(x.tolist(), labels, strict=True):
        p, soft, hard = literal_paths(head, row)
        for path in (soft, hard):
            z = [sum(a * b for a, b in zip(path, w, strict=True)) for w in weight]
            classify += (math.log(sum(math.exp(v) for v in z)) - z[label]) / n
            central += sum((a - b) ** 2 for a, b in zip(path, centres[label], strict=True)) / 2 / n
        for m in range(M):
            for k in range(K):
                mean[m][k] += p[m][k] / n
                sharp += p[m][k] ** 2 / n
    even = sum(v**2 for book in mean for v in book)
    return {
        "class": classify,
        "central": config.central_weight * central,
        "gini_batch": config.gini_batch_weight * even,
        "gini_sample": -config.gini_sample_weight * sharp,
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("settings", [{}, {"straight_through": False, "init": "port"}])
def test_loss_equals_the_formulas(dtype, settings):
    head = build(dtype, **settings)
    x = torch.randn(6, 15, dtype=dtype)
    found = head.loss(x, batch(LABELS))
    for name, value in literal_loss(head, x, LABELS).items():
        tolerance = 1e-10 if dtype == torch.float64 else 1e-5
        assert found[name].item() == pytest.approx(value, rel=tolerance), name


@pytest.mark.parametrize("passes", [True, False])
def test_hard_path_passes_gradient_to_p_only_straight_through(passes):
    head = build(straight_through=passes)
    x = torch.randn(6, 15, dtype=torch.float64, requires_grad=True)
    head.loss(x, batch(LABELS))["class"].backward()
    found = x.grad.clone()
    # The derivative of CE(W soft) + CE(W hard), the second taken at the hard code with respect
    # to p, or not at all.
    x.grad = None
    p = torch.einsum("nms,msk->nmk", x.reshape(6, 3, 5), head.projection).softmax(2)
    labels = torch.tensor(LABELS)
    cross_entropy = torch.nn.functional.cross_entropy
    soft = torch.einsum("nmk,mks->nms", p, head.codewords).flatten(1)
    total = cross_entropy(head.classifier(soft), labels)
    if passes:
        choice = torch.nn.functional.one_hot(p.argmax(2), 8).double().requires_grad_()
        hard = torch.einsum("nmk,mks->nms", choice, head.codewords).flatten(1)
        cross_entropy(head.classifier(hard), labels).backward(inputs=[choice])
        total = total + (p * choice.grad).sum()
    total.backward()
    torch.testing.assert_close(found, x.grad)


def test_gini_terms_have_their_known_extremes():
    head = build(gini_sample_weight=1.0)
    head.projection.data.zero_()  # p is uniform
    terms = head.loss(torch.randn(6, 15, dtype=torch.float64), batch(LABELS))
    assert terms["gini_batch"].item() == pytest.approx(3 / 8)
    assert terms["gini_sample"].item() == pytest.approx(-3 / 8)
    head.projection.data[:, :, 0] = 1e3  # one word takes all
    terms = head.loss(torch.ones(6, 15, dtype=torch.float64), batch(LABELS))
    assert terms["gini_batch"].item() == pytest.approx(3)
    assert terms["gini_sample"].item() == pytest.approx(-3)


def test_scores_equal_brute_force_squared_distances():
    head = build().eval()
    query, gallery = (torch.randn(n, 15, dtype=torch.float64) for n in (4, 20))
    codes, table = head.assign(gallery), head.query_table(query)
    found = sum(table[:, m, codes[:, m]] for m in range(3))
    expected = [
        [
            sum(
                (a - b) ** 2
                for a, b in zip(literal_paths(head, q)[1], literal_paths(head, g)[2], strict=True)
            )
            for g in gallery.tolist()
        ]
        for q in query.tolist()
    ]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
    assert not head.family.larger_is_closer


def test_a_sharp_query_is_at_distance_zero_of_its_own_codeword():
    head = build(torch.float32, init="port").eval().requires_grad_(False)
    x = 100 * torch.randn(20, 15)
    own = head.query_table(x).gather(2, head.assign(x)[:, :, None])
    sharp = (torch.einsum("nms,msk->nmk", x.reshape(20, 3, 5), head.projection)
             .softmax(2).amax(2) > 1 - 1e-7)  # fmt: skip
    assert int(sharp.sum()) > 30
    assert float(own.squeeze(2)[sharp].max()) < 1e-9


def test_each_start_has_its_spread():
    lengths = {"linear": (1.0, 1.0), "unit": (math.sqrt(128), 1.0)}
    lengths["port"] = (math.sqrt(128), math.sqrt(128))
    for init, expected in lengths.items():
        torch.manual_seed(0)
        head = DPQ(DPQ.Config(init=init), CodeBudget(24, 4, 64), 512, 5)
        found = [
            float(w.detach().norm(dim=d).mean())
            for w, d in ((head.projection, 1), (head.codewords, 2))
        ]
        assert found == pytest.approx(expected, rel=0.02)
    with pytest.raises(UsageError, match="init must be one of"):
        check(DPQ.Config(init="odd"), "dpq.")


@pytest.mark.parametrize(("bits", "size"), [(16, 512), (24, 512), (36, 516), (48, 512), (64, 512)])
def test_feature_size_is_a_multiple_of_the_books(bits, size):
    config = DPQ.Config()
    assert DPQ.feature_size(config, DPQ.budget_for(config, bits), 512) == size


def test_features_that_do_not_divide_are_refused():
    with pytest.raises(BudgetError, match="multiple of 6 books, got 512"):
        DPQ(DPQ.Config(), CodeBudget(36, 6, 64), 512, 5)


def test_unlabelled_rows_are_left_out():
    head, x = build(), torch.randn(6, 15, dtype=torch.float64)
    whole = head.loss(torch.cat([x, torch.randn(2, 15).double()]), batch([*LABELS, -1, -1]))
    for name, term in head.loss(x, batch(LABELS)).items():
        torch.testing.assert_close(whole[name], term)


def test_recipe_is_the_ports_at_the_rate_of_shorter_codewords():
    recipe = DPQ.recipe()
    assert (recipe.optimizer, recipe.lr, recipe.momentum, recipe.weight_decay) == (
        "sgd", 0.1, 0.9, 5e-4,
    )  # fmt: skip
    assert [recipe.rate(e, 160) for e in (34, 35)] == [0.1, 0.05]
