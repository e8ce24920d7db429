"""LDA + OPQ: axes by their defining equation, and what labels give that OPQ has not."""

import pytest
import torch

from hashquant.methods.ldaopq import LDAOPQ, discriminant_axes
from hashquant.methods.opq import OPQ


def classes(count, size, images, seed=0, noise=1.0):
    """Return images around the centres of classes, in equal shares, and their labels."""
    draws = torch.Generator().manual_seed(seed)
    centres = torch.randn(count, size, generator=torch.Generator().manual_seed(7))
    labels = torch.arange(images) % count
    spread = torch.logspace(1, -1, size)  # most of all noise lies along the first axes
    x = centres[labels] + noise * spread * torch.randn(images, size, generator=draws)
    return x.double(), labels


def scatters(x, labels):
    """Return S_w and S_b by plain loops over images and classes."""
    n, d = x.shape
    within, between = torch.zeros(d, d).double(), torch.zeros(d, d).double()
    centre = sum(x) / n
    for label in set(labels.tolist()):
        mine = [row for row, other in zip(x, labels.tolist(), strict=True) if other == label]
        mean = sum(mine) / len(mine)
        for i in range(d):
            for j in range(d):
                within[i, j] += sum((r[i] - mean[i]) * (r[j] - mean[j]) for r in mine) / n
                between[i, j] += len(mine) * (mean[i] - centre[i]) * (mean[j] - centre[j]) / n
    return within, between


def fitted(method, features, labels, count=5, bits=24, **settings):
    config = method.Config(**settings)
    torch.manual_seed(0)
    head = method(config, method.budget_for(config, bits), features.shape[1], count)
    head.fit(features.float(), labels)
    return head.eval()


@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
def test_axes_solve_the_generalised_eigenproblem(shrinkage):
    x, labels = classes(4, 6, 41)  # of unequal numbers
    within, between = scatters(x, labels)
    even = torch.eye(6).double() * within.trace() / 6
    floor = 1e-6 * (within.trace() + between.trace()) / 6 * torch.eye(6).double()
    shrunk = (1 - shrinkage) * within + shrinkage * even + floor
    axes = discriminant_axes(x, labels, 3, shrinkage)
    torch.testing.assert_close(axes.T @ shrunk @ axes, torch.eye(3).double(), atol=1e-8, rtol=0)
    ratios = (axes.T @ between @ axes).diagonal()
    torch.testing.assert_close(between @ axes, shrunk @ axes * ratios, atol=1e-8, rtol=1e-8)
    best = torch.linalg.eigvals(torch.linalg.solve(shrunk, between)).real.sort().values.flip(0)
    torch.testing.assert_close(ratios, best[:3], atol=1e-8, rtol=1e-8)
    assert best[3:].abs().max() < 1e-8  # four classes differ along three axes


def test_two_classes_differ_along_fishers_axis():
    x, labels = classes(2, 5, 60)
    within, _ = scatters(x, labels)
    means = [x[labels == label].mean(dim=0) for label in (0, 1)]
    fisher = torch.linalg.solve(within, means[1] - means[0])
    (axis,) = discriminant_axes(x, labels, 1, 0.0).T
    assert abs(torch.cosine_similarity(axis, fisher, dim=0).item()) == pytest.approx(1, abs=1e-4)


def test_labels_find_what_variance_hides():
    gallery, labels = classes(10, 32, 600, seed=1, noise=0.7)
    queries, wanted = classes(10, 32, 100, seed=2, noise=0.7)
    found = {}
    for method in (OPQ, LDAOPQ):
        head = fitted(method, gallery, labels, count=10)
        table, codes = head.query_table(head(queries.float())), head.assign(head(gallery.float()))
        distance = sum(table[:, m, codes[:, m]] for m in range(4))
        first = labels[distance.argsort(dim=1, stable=True)[:, :10]]
        found[method.name] = float((first == wanted[:, None]).double().mean())
    assert found["ldaopq"] > found["opq"] + 0.2


@pytest.mark.parametrize("unit", [True, False])
def test_adc_is_the_distance_to_the_decoded_item(unit):
    x, labels = classes(10, 32, 400)
    head = fitted(LDAOPQ, x, labels, count=10, bits=64, unit=unit)
    assert head(x.float()).shape == (400, 16)  # nine axes, eight books
    z = head(x.float())
    if unit:
        torch.testing.assert_close(z.norm(dim=1), torch.ones(400))
    codes, table = head.assign(z), head.query_table(z[:7])
    words = torch.cat([head.words[m][codes[:, m]] for m in range(8)], dim=1)
    found = sum(table[:, m, codes[:, m]] for m in range(8))
    torch.testing.assert_close(found, torch.cdist(z[:7], words).square(), atol=1e-3, rtol=1e-3)


def test_traps():
    x, labels = classes(5, 32, 300)
    hidden = labels.clone()
    hidden[::3] = -1  # no label: no part in the axes, but in the words
    head = fitted(LDAOPQ, x, hidden)
    unit = torch.nn.functional.normalize(x[hidden >= 0], dim=1)
    expected = discriminant_axes(unit, hidden[hidden >= 0], 4, 0.1)
    torch.testing.assert_close(head.axes, expected.float())
    torch.testing.assert_close(head.mean, unit.mean(dim=0).float())
    for odd in (torch.zeros(300, dtype=torch.int64), torch.arange(300)):  # one class; one image
        head = fitted(LDAOPQ, x, odd, count=int(odd.max()) + 1)
        assert bool(head(x.float()).isfinite().all())
        assert bool(head.words.isfinite().all())
    absent = fitted(LDAOPQ, x, torch.where(labels == 2, 4, labels))  # class 2 has no image
    assert bool(absent(x.float()).isfinite().all())
