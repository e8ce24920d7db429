"""Six hand-made rows and heads in float64: what golden tests of losses begin with."""

import torch

from hashquant.data.items import Batch

#: Class 3 of 5 is absent, class 0 has two rows, class 4 two.
LABELS = [0, 1, 4, 4, 2, 0]
#: Eight values a row, none of them near zero, where a sign or a hinge turns.
ROWS = [
    [0.9, -1.3, 0.4, 1.7, -0.2, -0.8, 1.1, -0.5],
    [-0.6, 0.7, 1.4, -0.3, -1.9, 0.8, 0.2, 1.2],
    [1.6, 0.3, -0.9, -1.1, 0.5, 1.3, -0.7, -0.4],
    [1.1, 0.6, -1.2, -0.1, 0.9, -0.3, -1.5, -0.6],
    [-0.4, -1.7, 0.1, 0.8, 1.2, -1.4, 0.3, 0.7],
    [0.5, -0.9, 1.3, 0.6, -0.7, -1.6, -0.2, -1.8],
]


def rows(*, grad: bool = False):
    """Return the six rows in float64, as a head's embedding."""
    return torch.tensor(ROWS, dtype=torch.float64, requires_grad=grad)


def build(method, *, bits=8, features=8, classes=5, **settings):
    """Return a seeded head in float64."""
    torch.manual_seed(0)
    config = method.Config(**settings)
    return method(config, method.budget_for(config, bits), features, classes).double()


def batch(labels=LABELS, **said):
    """Return a batch of these labels, -1 where a row has none; `said` is more of a Batch."""
    labels = torch.as_tensor(labels)
    no_features = torch.empty(len(labels), 0)
    return Batch(no_features, labels, labels >= 0, torch.arange(len(labels)), **said)


def total(terms):
    """Return the sum of loss terms."""
    return torch.stack(list(terms.values())).sum()


def finite_with_gradient(head, embedding, given):
    """Tell whether all terms, and their sum's gradient for the embedding, are finite."""
    embedding = embedding.detach().clone().requires_grad_()
    terms = head.loss(embedding, given)
    total(terms).backward()
    finite = all(bool(term.isfinite()) for term in terms.values())
    return finite and bool(embedding.grad.isfinite().all())


def same_with_unlabelled_rows(head, **said):
    """Tell whether rows of label -1 behind the six change no term."""
    more = torch.cat([rows(), 3 * rows()[:2]])
    alone = head.loss(rows(), batch(**said))
    whole = head.loss(more, batch([*LABELS, -1, -1], **said))
    return all(torch.allclose(whole[name], term, rtol=1e-12) for name, term in alone.items())
