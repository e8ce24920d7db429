"""The cross entropy of a head's linear classifier, by loops over images, classes and bits."""

import math


def cross_entropy(classify, codes, labels):
    """Return the mean cross entropy of a linear layer's logits, and its gradient for the codes."""
    weight = classify.weight.tolist()
    bias = [0.0] * len(weight) if classify.bias is None else classify.bias.tolist()
    loss, slope = 0.0, []
    for code, label in zip(codes, labels, strict=True):
        logits = [
            sum(a * b for a, b in zip(w, code, strict=True)) + v
            for w, v in zip(weight, bias, strict=True)
        ]
        p = [math.exp(z) / sum(map(math.exp, logits)) for z in logits]
        loss -= math.log(p[label]) / len(labels)
        pull = [(p[c] - (c == label)) / len(labels) for c in range(len(p))]
        slope.append([
            sum(pull[c] * weight[c][k] for c in range(len(p))) for k in range(len(code))
        ])  # fmt: skip
    return loss, slope
