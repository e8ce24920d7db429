"""UNQ: its terms by plain loops, the noisy choice, neighbours, bytes, labels unread."""

import dataclasses
import math

import pytest
import torch
from torch.nn.functional import normalize

from hashquant.codes.family import CodeBudget
from hashquant.methods.unq import FAR, NEAR, UNQ
from hashquant.runs.examination import cost
from hashquant.training.coding import encode_embedding, quantization_error, reconstructed
from hashquant.training.network import Network
from tests.golden.frozen import begin
from tests.golden.pairs import dot
from tests.golden.sixrows import LABELS, batch, finite_with_gradient, rows


def build(**settings):
    """Return a head in float64 of two books, whose batch norms have seen something."""
    torch.manual_seed(0)
    config = UNQ.Config(width=3, word_size=4, **settings)
    head = UNQ(config, CodeBudget(6, 2, 8), 8, 5).double()
    for module in head.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            size = module.num_features
            module.running_mean.copy_(0.1 * torch.randn(size))
            module.running_var.copy_(1 + torch.rand(size))
            with torch.no_grad():
                module.weight.copy_(1 + 0.3 * torch.randn(size))
                module.bias.copy_(0.3 * torch.randn(size))
    return head


def given(labels=LABELS, features=None, **said):
    """Return a batch with the embeddings that are compressed."""
    features = rows()[: len(labels)] if features is None else features
    return dataclasses.replace(batch(labels, **said), features=features)


def through(layers, values):
    """Return what a network gives for one row, in evaluation mode, by plain loops."""
    for layer in layers:
        if isinstance(layer, torch.nn.Sequential):
            values = through(layer, values)
        elif isinstance(layer, torch.nn.Linear):
            rows_of = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
            values = [dot(row, values) + bias for row, bias in rows_of]
        elif isinstance(layer, torch.nn.BatchNorm1d):
            kept = (layer.running_mean, layer.running_var, layer.weight, layer.bias)
            rows_of = zip(values, *(t.tolist() for t in kept), strict=True)
            values = [(v - mean) / math.sqrt(var + layer.eps) * weight + bias
                      for v, mean, var, weight, bias in rows_of]  # fmt: skip
        else:
            values = [max(v, 0.0) for v in values]
    return values


def literal_logits(head, z):
    books, split = head.words.tolist(), [(x[:4], x[4:]) for x in z]
    return [[[dot(p, c) for c in book] for p, book in zip(x, books, strict=True)] for x in split]


def softmax(scores):
    return [math.exp(s) / sum(math.exp(t) for t in scores) for s in scores]


def literal_terms(head, features, z, weight):
    """Return the squared error and the variation of word use, times its weight."""
    logits, books, errors = literal_logits(head, z), head.words.tolist(), []
    for x, row in zip(features, logits, strict=True):
        chosen = [book[r.index(max(r))] for book, r in zip(books, row, strict=True)]
        decoded = through(head.decoder, [sum(values) for values in zip(*chosen, strict=True)])
        length = math.sqrt(dot(x, x))
        errors.append(sum((a / length - b) ** 2 for a, b in zip(x, decoded, strict=True)))
    variations = []
    for m in range(2):
        p = [softmax(row[m]) for row in logits]
        use = [sum(values) for values in zip(*p, strict=True)]
        mean = sum(use) / 8
        variations.append(sum((u - mean) ** 2 for u in use) / 8 / mean**2)
    return {"error": sum(errors) / len(errors), "balance": weight * sum(variations) / 2}


@pytest.mark.parametrize(("step", "weight"), [(0, 1.0), (60, 0.4), (99, 0.05)])
def test_error_and_balance_equal_the_formulas(step, weight):
    head = build().eval()
    found = head.loss(rows(), given(step=step, steps=100))
    expected = literal_terms(head, rows().tolist(), rows().tolist(), weight)
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, rel=1e-10), name
    unit = normalize(rows(), dim=1)
    for x, encoded in zip(unit.tolist(), head.encoder(unit).tolist(), strict=True):
        assert encoded == pytest.approx(through(head.encoder, x), rel=1e-10)


def test_triplets_equal_the_formula():
    head = begin(build(margin=0.7).eval(), rows(), LABELS)
    head.on_embeddings(rows(), torch.tensor(LABELS), 0)
    logits = literal_logits(head, rows().tolist())
    codes = [[r.index(max(r)) for r in row] for row in logits]
    assert head.state["codes"].tolist() == head.assign(rows()).tolist() == codes
    costs = []
    for i, x in enumerate(normalize(rows(), dim=1).tolist()):
        cosines = {j: dot(x, y) for j, y in enumerate(normalize(rows(), dim=1).tolist()) if j != i}
        order = sorted(cosines, key=lambda j: -cosines[j])  # of five others two are near
        near = [order[r % 2] for r in range(NEAR)]
        far = [order[int(r)] for r in torch.linspace(2, 4, NEAR).tolist()]
        assert head.state["rows"][i].tolist() == near + far
        score = {j: sum(logits[i][m][k] for m, k in enumerate(codes[j])) for j in order}
        costs += [max(0.0, 0.7 - score[a] + score[b]) for a, b in zip(near, far, strict=True)]
    found = head.loss(rows(), given())["triplet"].item()
    assert found == pytest.approx(0.01 * sum(costs) / len(costs), rel=1e-10)


def test_neighbours_of_many_images_are_those_of_the_ranks():
    x = torch.randn(300, 8, generator=torch.Generator().manual_seed(0))
    head = begin(build().float(), x, torch.full((300,), -1))
    order = (normalize(x, dim=1) @ normalize(x, dim=1)[7]).argsort(descending=True)[1:]
    found = head.state["rows"][7].long()
    assert torch.equal(found[:NEAR], order[:NEAR])
    assert torch.equal(found[NEAR:], order[torch.linspace(FAR // 2, FAR - 1, NEAR).long()])


def test_training_chooses_by_noisy_logits_straight_through():
    head, z = build().train(), rows(grad=True)
    torch.manual_seed(5)
    chosen = head._chosen(head.query_table(z))
    torch.manual_seed(5)
    soft = rows(grad=True)
    logits = head.query_table(soft)
    noisy = logits - torch.empty_like(logits).exponential_().log()
    one = noisy.argmax(dim=2)
    expected = sum(head.words[m][one[:, m]] for m in range(2))
    torch.testing.assert_close(chosen, expected)
    weight = torch.linspace(-1, 1, 24).double().reshape(6, 4)
    (chosen * weight).sum().backward()
    (torch.einsum("nmk,mks->ns", noisy.softmax(dim=2), head.words) * weight).sum().backward()
    torch.testing.assert_close(z.grad, soft.grad)
    assert not torch.equal(one, head.assign(rows()))


def test_one_step_moves_words_encoder_and_decoder():
    head = build().train()
    before = {name: p.detach().clone() for name, p in head.named_parameters()}
    z = head.encoder(normalize(rows(), dim=1))
    torch.stack(list(head.loss(z, given()).values())).sum().backward()
    torch.optim.SGD(head.parameters(), 0.1).step()
    assert bool((head.words != before["words"]).any(dim=2).all())
    for part in ("encoder.6.weight", "decoder.1.0.weight", "decoder.1.6.bias"):
        assert bool((dict(head.named_parameters())[part] != before[part]).any()), part


def test_all_weights_are_counted_and_no_error_is_told():
    head = UNQ(UNQ.Config(), UNQ.budget_for(None, 16), 64, 5).eval()
    assert head.words.shape == (2, 256, 256)
    encoder = 64 * 512 + 512 * 512 + 512 * 2 * 256 + 512 + 512 + 2 * 256
    decoder = 256 * 512 + 512 * 512 + 512 * 64 + 512 + 512 + 64
    norms = 4 * (4 * 512 + 256)  # means, variances, factors, summands; and each counts its steps
    found = cost(Network(torch.nn.Identity(), head)).codebook_bytes
    assert found == 4 * (2 * 256 * 256 + encoder + decoder + norms) + 5 * 8
    codes = encode_embedding(head, z := head(torch.randn(9, 64)))
    assert quantization_error(head, z, reconstructed(head, codes)).isnan().all()


def test_traps():
    head = begin(build().eval(), rows(), LABELS)
    plain = head.loss(rows(), given())
    for labels in ([1] * 6, [0, 1, 2, 3, 4, 0], [-1] * 6, [0, 1, -1, -1, -1, -1]):
        found = head.loss(rows(), given(labels))  # labels are not read
        assert all(torch.equal(found[name], term) for name, term in plain.items())
        assert finite_with_gradient(build().train(), rows(), given(labels))
    assert finite_with_gradient(head, rows()[:1], given([2]))
    for count in (1, 2, 3):  # hardly any other image
        few = begin(build().eval(), rows()[:count], LABELS[:count])
        assert finite_with_gradient(few, rows()[:count], given(LABELS[:count]))
    alike = torch.ones(6, 8).double()
    assert finite_with_gradient(build().train(), alike, given(features=alike))
