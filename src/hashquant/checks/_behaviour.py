"""Checks of what a method does: embeddings, losses, codes."""

import io

import torch

from hashquant.checks._toy import FITTED, fit, toy_for, train
from hashquant.checks._trial import (
    BITS,
    CLASSES,
    batch_of,
    build,
    build_shortest,
    codes_of,
    features_for,
    loss_of,
    require,
    require_finite,
)  # fmt: skip
from hashquant.codes.family import ProductQuantized
from hashquant.errors import BudgetError
from hashquant.plugins.method import Method


def check_embedding_is_finite(method: type[Method]) -> None:
    """Forward gives one finite fp32 row an item, also from bf16 features."""
    head = build_shortest(method).eval()
    for dtype in (torch.float32, torch.bfloat16):
        embedding = head(features_for(head, 5).to(dtype))
        shaped = embedding.ndim == 2 and len(embedding) == 5 and embedding.dtype == torch.float32
        require(method, shaped, f"forward of {dtype} must give float32 (n, e)")
        require(method, bool(embedding.isfinite().all()), "embeddings must be finite")


def check_product_parts_fit(method: type[Method]) -> None:
    """Codebooks, indices and look-up tables of a product code agree in M and K."""
    if not isinstance(method.family, ProductQuantized):
        return
    head = build_shortest(method).eval()
    embedding = head(features_for(head, 5))
    m, k = head.budget.subspaces, head.budget.codewords
    require(method, head.codebooks().shape[:2] == (m, k), f"codebooks must be ({m}, {k}, s)")
    indices, table = head.assign(embedding), head.query_table(embedding)
    inside = indices.shape == (5, m) and 0 <= int(indices.min()) <= int(indices.max()) < k
    require(method, inside, f"assign must give (n, {m}) indices below {k}")
    finite = table.shape == (5, m, k) and bool(table.isfinite().all())
    require(method, finite, f"query_table must be finite and (q, {m}, {k})")


def check_symmetric_table_fits(method: type[Method]) -> None:
    """What SDC adds up is finite, and the same from either of two codewords."""
    if not isinstance(method.family, ProductQuantized):
        return
    head = train(method, steps=1)
    m, k = head.budget.subspaces, head.budget.codewords
    with torch.no_grad():
        table = head.symmetric_table()
    fits = table.shape == (m, k, k) and bool(table.isfinite().all())
    require(method, fits, f"symmetric_table must be finite and ({m}, {k}, {k})")
    same = torch.allclose(table, table.transpose(1, 2), rtol=1e-3, atol=1e-4)
    require(method, same, "symmetric_table must be symmetric")


def check_loss_reaches_every_parameter(method: type[Method]) -> None:
    """The terms are finite scalars whose sum has a gradient for all that is trainable."""
    if method.closed_form:
        return
    head = build_shortest(method).train()
    terms = loss_of(head, torch.arange(40) % CLASSES)
    require_finite(method, terms, "a usual batch")
    weights = {name: w for name, w in head.named_parameters() if w.requires_grad}
    if weights:
        torch.autograd.backward([torch.stack(list(terms.values())).sum()])
    for name, weight in weights.items():
        reached = weight.grad is not None and bool(weight.grad.any())
        require(method, reached, f"loss must reach parameter '{name}'")
        finite = weight.grad is None or bool(weight.grad.isfinite().all())
        require(method, finite, f"gradient of '{name}' must be finite")


def check_loss_of_one_class_is_finite(method: type[Method]) -> None:
    """A batch of one class has no negative pair."""
    if method.closed_form:
        return
    head = build_shortest(method).train()
    require_finite(method, loss_of(head, torch.full((8,), 3)), "a batch of one class")


def check_loss_without_positive_pairs_is_finite(method: type[Method]) -> None:
    """A batch of all-different classes has no positive pair."""
    if method.closed_form:
        return
    head = build_shortest(method).train()
    require_finite(method, loss_of(head, torch.arange(CLASSES)), "a batch without positive pairs")


def check_loss_accepts_unlabelled_rows(method: type[Method]) -> None:
    """A method that may see unlabelled rows never indexes by their label, -1."""
    if method.label_fraction is Method.label_fraction:
        return
    head = build_shortest(method).train()
    labels = torch.cat([torch.arange(CLASSES), torch.full((6,), -1)])
    require_finite(method, loss_of(head, labels), "a batch with unlabelled rows")


def check_inputs_are_not_changed(method: type[Method]) -> None:
    """Features, embeddings and labels are the caller's."""
    head = build_shortest(method).train()
    features, labels = features_for(head, 20), torch.arange(20) % CLASSES
    embedding = head(features.requires_grad_()).detach().clone()
    batch = batch_of(features.detach(), labels)
    items, wanted = toy_for(head).draw(FITTED)
    inputs = (features, embedding, labels, batch.labelled, batch.indices, items, wanted)
    before = [t.clone() for t in inputs]
    if method.closed_form:
        fit(head, items, wanted)
    else:
        head.loss(embedding, batch)
    if isinstance(method.family, ProductQuantized):
        head.query_table(embedding), head.assign(embedding)
    same = all(torch.equal(a, b) for a, b in zip(before, inputs, strict=True))
    require(method, same, "inputs must not be changed in place")


def check_same_seed_gives_same_codes(method: type[Method]) -> None:
    """Building and training draw from torch's seeded generator alone."""
    first, second = (train(method, steps=3) for _ in range(2))
    features = features_for(first, 64)
    same = torch.equal(codes_of(first, features), codes_of(second, features))
    require(method, same, "the same seed must give the same codes")


def check_codes_do_not_depend_on_the_batch(method: type[Method]) -> None:
    """An item's code is its own, whatever is encoded beside it, in any order."""
    head = train(method, steps=3)
    features = features_for(head, 60)
    whole = codes_of(head, features)
    alone = torch.cat([codes_of(head, part) for part in features.chunk(60)])
    order = torch.arange(60).flip(0)
    same = torch.equal(whole, alone) and torch.equal(whole[order], codes_of(head, features[order]))
    require(method, same, "codes must not depend on batch size or row order")


def check_state_dict_keeps_codes(method: type[Method]) -> None:
    """Everything a code depends on is in the state."""
    first, second, file = train(method, steps=3), build_shortest(method, seed=1), io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    features = features_for(first, 64)
    same = torch.equal(codes_of(first, features), codes_of(second.eval(), features))
    require(method, same, "a loaded state_dict must give the same codes")


def check_code_bytes_are_exact(method: type[Method]) -> None:
    """A stored code takes the budget's bits, padded to whole bytes."""
    for bits in BITS:
        try:
            head = build(method, bits).eval()
        except BudgetError:
            continue
        packed, width = codes_of(head, features_for(head, 3)), head.budget.code_bytes
        exact = packed.dtype == torch.uint8 and packed.shape == (3, width)
        require(method, exact, f"{head.budget.bits} bits must take {width} bytes")
