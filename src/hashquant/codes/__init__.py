"""Stored codes: families and budgets, packing, Hamming distance, look-up tables, shallow codebooks.

A new code family comes here; what ranks whole galleries is in `search`.
"""

__all__ = [
    "adc",
    "additive",
    "binary",
    "centers",
    "decoded",
    "family",
    "fused",
    "kernels",
    "placing",
    "product",
    "real",
    "shallow",
]
