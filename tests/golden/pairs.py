"""What the tests of pair losses share: six rows by hand, and the pairs of them in plain loops."""

import torch

from hashquant.data.items import Batch

BITS, CLASSES = 5, 4
LABELS = [0, 1, 0, 2, 1, 0]  # class 3 is absent, class 2 has one image
ROWS = [
    [0.9, -0.4, 0.2, -1.3, 0.7], [-0.6, 0.8, -0.1, 0.5, 1.1], [1.2, -0.9, -0.3, -0.2, 0.4],
    [-0.7, -0.8, 0.6, 0.3, -0.5], [0.1, 1.4, -0.9, 0.6, -0.2], [0.8, 0.3, 0.5, -0.7, 0.9],
]  # fmt: skip


def build(cls, **settings):
    """Return a head in float64."""
    config = cls.Config(**settings)
    return cls(config, cls.budget_for(config, BITS), 8, CLASSES).double()


def batch(labels, **where):
    """Return a batch whose rows of label -1 are unlabelled."""
    labels = torch.as_tensor(labels)
    rows = torch.arange(len(labels))
    return Batch(torch.empty(len(labels), 0), labels, labels >= 0, rows, **where)


def rows(squash=False):
    """Return the six rows as an embedding with a gradient; their tanh where a head ends in one."""
    h = torch.tensor(ROWS, dtype=torch.float64)
    return (h.tanh() if squash else h).requires_grad_()


def dot(a, b):
    """Return the inner product of two lists."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def pairs(labels=LABELS):
    """Return (i, j, whether they are of one class) of all pairs but those of a row with itself."""
    n = range(len(labels))
    return [(i, j, labels[i] == labels[j]) for i in n for j in n if i != j]


def weigh(same, kind, labels=LABELS):
    """Return the weight of a pair."""
    found = [s for _, _, s in pairs(labels)]
    if same:
        return 1 if kind == "none" else len(found) / sum(found)
    return len(found) / (len(found) - sum(found)) if kind == "both" else 1


def gradient(loss, h, step=1e-6):
    """Return the gradient of a function of a list of rows, by central differences."""
    found = torch.zeros_like(h)
    for i, j in torch.cartesian_prod(*(torch.arange(side) for side in h.shape)).tolist():
        up, down = h.detach().clone(), h.detach().clone()
        up[i, j] += step
        down[i, j] -= step
        found[i, j] = (loss(up.tolist()) - loss(down.tolist())) / (2 * step)
    return found


def finite_in_every_case(head, squash=False):
    """Tell whether loss and gradient are finite in a batch of one class, one image a class, one."""
    good = True
    for labels in ([2] * 6, list(range(CLASSES)), [1], [0, -1, -1, -1, -1, -1]):
        h = rows(squash).detach()[: len(labels)].requires_grad_()
        total = sum(head.loss(h, batch(labels)).values())
        total.backward()
        good = good and bool(total.isfinite()) and bool(h.grad.isfinite().all())
    return good


def unlabelled_rows_change_nothing(head, squash=False):
    """Tell whether the loss is the same with unlabelled rows behind the others."""
    h = rows(squash).detach()
    alone, more = (
        head.loss(h, batch(LABELS)),
        head.loss(torch.cat([h, h.flip(0)]), batch([*LABELS, *[-1] * 6])),
    )
    return all(torch.allclose(alone[name], more[name], rtol=1e-12) for name in alone)
