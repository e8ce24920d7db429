"""Differences of harmonic numbers in float64: the same bits on every device, at any size."""

import functools
import math

import torch
from jaxtyping import Float64
from torch import Tensor

#: Harmonic numbers up to this one come from a table, later ones from the asymptotic series.
_TABLED = 64
_LN2 = math.log(2.0)

Flat = Float64[Tensor, " f"]


def harmonic_difference(start: Flat, count: Flat) -> Flat:
    """Return 1/(N+1) + … + 1/(N+n) of whole numbers N ≥ 0, n ≥ 0, to a few units in the last place.

    The relative error stays small even for n ≪ N, where a difference of harmonic numbers would
    lose what the group formula needs; no table grows with the gallery.

    >>> harmonic_difference(torch.tensor([1.0]).double(), torch.tensor([2.0]).double())
    tensor([0.8333], dtype=torch.float64)
    """
    table, end = _tails(start.device), start + count
    small = table[start.clamp(max=_TABLED).long()] - table[end.clamp(max=_TABLED).long()]
    a, b = start.clamp(min=_TABLED), end.clamp(min=_TABLED)
    u, v = 1.0 / a, 1.0 / b
    w = (b - a) * u * v  # 1/a - 1/b
    u2, v2 = u * u, v * v
    # H_n = ln n + γ + 1/(2n) - 1/(12n²) + 1/(120n⁴) - 1/(252n⁶) + …, as differences
    series = 1 / 12 - (u2 + v2) / 120 + (u2 * u2 + u2 * v2 + v2 * v2) / 252
    return small + (_log_ratio(a, b) - w / 2 + w * (u + v) * series)


@functools.cache
def _tails(device: torch.device) -> Flat:
    """Return Σ 1/j over i < j ≤ 64 for each i = 0 … 64."""
    inverse = [1.0 / j for j in range(1, _TABLED + 1)]
    tails = [math.fsum(inverse[i:]) for i in range(_TABLED + 1)]
    return torch.tensor(tails, dtype=torch.float64, device=device)


@functools.cache
def _powers(device: torch.device) -> Flat:
    """Return 2^i for i = 0 … 63."""
    return torch.tensor([2.0**i for i in range(64)], dtype=torch.float64, device=device)


def _log_ratio(a: Flat, b: Flat) -> Flat:
    """Return ln(b/a) for b ≥ a > 0 by ln 2 and the series of artanh, |z| < 0.172."""
    mantissa, exponent = torch.frexp(b / a)
    halvings = exponent.long() - (mantissa < math.sqrt(0.5)).long()
    c = b / _powers(a.device)[halvings]  # exact, within [a/√2, a√2]
    z = (c - a) / (c + a)
    square = z * z
    series = torch.full_like(z, 1 / 23)
    for odd in range(21, 0, -2):
        series = series * square + 1 / odd
    return halvings.double() * _LN2 + 2 * z * series
