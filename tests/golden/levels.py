"""What the tests of progressive codes share: levels, their errors and margins by plain loops."""

import math

from tests.golden.pairs import dot


def cosine(a, b):
    """Return the cosine of two lists."""
    return dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))


def literal_levels(x, books, scale, nearest="distance"):
    """Return a row's code, and its soft and hard sums after every level."""
    left, soft, hard = list(x), [0.0] * len(x), [0.0] * len(x)
    codes, softs, hards = [], [], []
    for book in books:
        near = [cosine(left, word) if nearest == "cosine"
                else -sum((a - b) ** 2 for a, b in zip(left, word, strict=True))
                for word in book]  # fmt: skip
        codes.append(near.index(max(near)))
        weights = [math.exp(scale * cosine(left, word)) for word in book]
        for e in range(len(x)):
            soft[e] += sum(w * c[e] for w, c in zip(weights, book, strict=True)) / sum(weights)
            hard[e] += book[codes[-1]][e]
            left[e] = x[e] - hard[e]
        softs.append(list(soft))
        hards.append(list(hard))
    return codes, softs, hards


def mean_square(a, b):
    """Return the mean squared difference of two lists."""
    return sum((u - v) ** 2 for u, v in zip(a, b, strict=True)) / len(a)


def literal_words(rows, books, config, levels, nearest="distance"):
    """Return the words' errors at the first `levels` levels, of means over values."""
    total = 0.0
    for x in rows:
        _, soft, hard = literal_levels(x, books[:levels], config.scale, nearest)
        total += sum(mean_square(x, s) for s in soft)
        total += config.hard_weight * sum(mean_square(x, h) for h in hard)
        total += config.joint_weight * mean_square(soft[-1], hard[-1])
    return total / len(rows)


def literal_margin(rows, labels, vectors, classes):
    """Return the mean hinge over images, and over classes: those that violate it, or all."""
    total = 0.0
    for x, y in zip(rows, labels, strict=True):
        hinges = [
            max(0.0, 1 - cosine(vectors[y], v) - cosine(x, vectors[y]) + cosine(x, v))
            for v in vectors
        ]
        hinges[y] = 0.0
        violated = max(1, sum(h > 0 for h in hinges))
        total += sum(hinges) / (len(vectors) if classes == "all" else violated)
    return total / len(rows)
