"""Checks of what a method does: embeddings, losses, codes."""

import copy
import io

import torch
from torch import Tensor

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
from hashquant.codes.additive import sum_tables, sum_words
from hashquant.codes.decoded import inner_scores, vector_scales
from hashquant.codes.family import Additive, Decoded, ProductQuantized
from hashquant.codes.product import table_scores
from hashquant.errors import BudgetError
from hashquant.plugins.method import Method

#: Shuffles rows, the same way for every method.
SHUFFLE = torch.Generator()


def check_embedding_is_finite(method: type[Method]) -> None:
    """Forward gives one finite fp32 row an item, also from bf16 features."""
    head = build_shortest(method).eval()
    for dtype in (torch.float32, torch.bfloat16):
        embedding = head(features_for(head, 5).to(dtype))
        shaped = embedding.ndim == 2 and len(embedding) == 5 and embedding.dtype == torch.float32
        require(method, shaped, f"forward of {dtype} must give float32 (n, e)")
        require(method, bool(embedding.isfinite().all()), "embeddings must be finite")
        asked = head.query_embedding(embedding)
        fits = asked.ndim == 2 and len(asked) == 5 and asked.dtype == torch.float32
        fits = fits and bool(asked.isfinite().all())
        require(method, fits, "query_embedding must be finite float32 (q, e)")


def check_product_parts_fit(method: type[Method]) -> None:
    """Codebooks, indices and look-up tables of a product code agree in M and K.

    Words of an additive code are as long as the embedding that is a sum of them.
    """
    if not isinstance(method.family, ProductQuantized):
        return
    head = build_shortest(method).eval()
    embedding = head(features_for(head, 5))
    m, k = head.budget.subspaces, head.budget.codewords
    require(method, head.codebooks().shape[:2] == (m, k), f"codebooks must be ({m}, {k}, s)")
    long = not isinstance(method.family, Additive) or head.codebooks().shape[2:] == (
        embedding.shape[1],
    )
    require(method, long, f"additive codewords must have {embedding.shape[1]} values")
    counted = isinstance(head.codebook_bytes, int) and head.codebook_bytes >= 0
    require(method, counted, f"codebook_bytes must count bytes, got {head.codebook_bytes}")
    indices, table = head.assign(embedding), head.query_table(head.query_embedding(embedding))
    inside = indices.shape == (5, m) and 0 <= int(indices.min()) <= int(indices.max()) < k
    require(method, inside, f"assign must give (n, {m}) indices below {k}")
    finite = table.shape == (5, m, k) and bool(table.isfinite().all())
    require(method, finite, f"query_table must be finite and (q, {m}, {k})")


def check_symmetric_table_fits(method: type[Method]) -> None:
    """What SDC adds up is finite, and the same from either of two codewords."""
    if not isinstance(method.family, ProductQuantized) or isinstance(method.family, Additive):
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
        head.query_table(head.query_embedding(embedding)), head.assign(embedding)
    if isinstance(method.family, Decoded):
        head.decode(head.encode(head.query_embedding(embedding)))
    same = all(torch.equal(a, b) for a, b in zip(before, inputs, strict=True))
    require(method, same, "inputs must not be changed in place")


def check_same_seed_gives_same_codes(method: type[Method]) -> None:
    """Building and training draw from torch's seeded generator alone."""
    first, second = (train(method, steps=3) for _ in range(2))
    features = features_for(first, 64)
    same = torch.equal(codes_of(first, features), codes_of(second, features))
    require(method, same, "the same seed must give the same codes")


def check_codes_do_not_depend_on_the_batch(method: type[Method]) -> None:
    """An item's code is its own, whatever is encoded beside it, in any order.

    So is what a query asks with, and what a code is decoded to.
    """
    head = train(method, steps=3)
    features = features_for(head, 60)
    whole = codes_of(head, features)
    alone = torch.cat([codes_of(head, part) for part in features.chunk(60)])
    require(method, torch.equal(whole, alone), "codes must not depend on batch size or row order")
    for order in (torch.arange(60).flip(0), torch.randperm(60, generator=SHUFFLE.manual_seed(0))):
        same = torch.equal(whole[order], codes_of(head, features[order]))
        require(method, same, "codes must not depend on batch size or row order")
        some = order[:20]
        with torch.no_grad():
            first, again = (head.query_embedding(head(x)) for x in (features, features[some]))
        same = torch.allclose(first[some], again, rtol=1e-3, atol=1e-4)
        require(method, same, "what queries ask with must not depend on batch size or row order")
        if isinstance(method.family, Decoded):
            same = torch.equal(head.decode(whole)[order], head.decode(whole[order]))
            require(method, same, "decoded vectors must not depend on row order")


def check_scores_are_those_of_decoded_items(method: type[Method]) -> None:
    """Scores are inner products with, or squared distances to, what a code stands for.

    To 1e-12 of both lengths in float64; two equal codes score the square of their length, or 0.
    Tables of product codes that are a method's own may hold what it likes.
    """
    if not isinstance(method.family, ProductQuantized | Decoded):
        return
    head = train(method, steps=1)
    with torch.no_grad():
        embedding = head(features_for(head, 40)).double()
        head = copy.deepcopy(head).double()
        asked = head.query_embedding(embedding)
        if isinstance(method.family, Decoded):
            items = head.decode(head.encode(embedding))
            found = inner_scores(asked.float(), items, float(vector_scales(items).amax()))
            _require_products(method, found, asked.float(), items)
        else:
            _check_tables(head, embedding, asked)


def _check_tables(head: Method, embedding: Tensor, asked: Tensor) -> None:
    method, books, codes = type(head), head.codebooks(), head.assign(embedding).long()
    if isinstance(head.family, Additive):
        items = sum_words(codes, books)
        _require_products(method, table_scores(head.query_table(asked), codes), asked, items)
        _require_products(method, table_scores(sum_tables(items, books), codes), items, items)
        return
    place = torch.arange(len(books))
    items = books[place, codes].flatten(1)
    larger = getattr(head.family, "larger_is_closer", False)
    if method.query_table is Method.query_table:
        found = table_scores(head.query_table(asked), codes)
        wanted = (asked[:, None] - items).square().sum(2)
        near = torch.allclose(found, wanted, rtol=1e-9, atol=1e-12 * float(wanted.amax()))
        require(method, near, "scores by table must be squared distances to decoded items")
    if method.symmetric_table is Method.symmetric_table:
        own = head.symmetric_table()[place, codes, codes].sum(1)
        energy = items.square().sum(1)
        near = torch.allclose(own, energy if larger else 0 * energy, rtol=1e-9, atol=1e-12)
        require(method, near, "SDC of two equal codes must be their energy, or no distance")


def _require_products(method: type[Method], found: Tensor, asked: Tensor, items: Tensor) -> None:
    wanted = asked.double() @ items.double().T
    most = 1e-12 * float(asked.double().norm(dim=1).amax() * items.double().norm(dim=1).amax())
    error = float((found - wanted).abs().amax())
    rule = f"scores must be inner products with decoded items to {most:.1e}, got {error:.1e} off"
    require(method, error <= most, rule)


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
