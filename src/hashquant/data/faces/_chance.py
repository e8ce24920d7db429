"""Randomness by counting: a value depends on its key and name, not on what was drawn before."""

import hashlib
from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, UInt8, UInt64
from torch import Tensor

Keys = UInt64[np.ndarray, " b"]
Parameter = Float[Tensor, "b 1 1"]
#: parameters by name, one value for each image of a chunk; colours are (b, 3, 1, 1)
Parameters = dict[str, Tensor]


def keys(text: str, counters: Mapping[str, np.ndarray]) -> Keys:
    """Return one 64-bit key for each row of `counters`; equal rows give equal keys.

    >>> a = keys("x", {"image": np.array([3, 4])})
    >>> bool(a[1] == keys("x", {"image": np.array([4])})[0])
    True
    """
    rows = max(len(values) for values in counters.values())
    state = np.full(rows, _name(text), dtype=np.uint64)
    for name, values in counters.items():
        state = _mix(state + _name(name) + _mix(values.astype(np.uint64) + _name(name)))
    return state


def uniform(key: Keys, name: str) -> Parameter:
    """Return one number in [0, 1) for each key, a multiple of 2^-24 and so exact in float32."""
    words = _mix(key + _name(name)) >> np.uint64(40)
    return torch.from_numpy(words.astype(np.float32) * np.float32(2.0**-24)).view(-1, 1, 1)


def spans(key: Keys, ranges: Mapping[str, tuple[float, float]]) -> Parameters:
    """Draw each named parameter evenly from its range."""
    return {name: span(uniform(key, name), low, high) for name, (low, high) in ranges.items()}


def span(share: Parameter, low: float, high: float) -> Parameter:
    """Map [0, 1) to [`low`, `high`)."""
    return low + (high - low) * share


def pick(share: Parameter, palette: Float[Tensor, "k 3"]) -> Float[Tensor, "b 3 1 1"]:
    """Choose one colour of a palette."""
    row = (share.flatten() * len(palette)).long()
    return palette[row].view(-1, 3, 1, 1)


def colours(key: Keys, name: str, low: float, high: float) -> Float[Tensor, "b 3 1 1"]:
    """Draw three independent channels from [`low`, `high`)."""
    channels = [span(uniform(key, f"{name}.{c}"), low, high) for c in "rgb"]
    return torch.stack(channels, dim=1)


def grain(key: Keys, channels: int, size: int) -> Float[Tensor, "b {channels} {size} {size}"]:
    """Return near-Gaussian noise of mean 0 and variance 1: the sum of a hash's four bytes."""
    cells = np.arange(channels * size * size, dtype=np.uint32)
    words = key.astype(np.uint32)[:, None] ^ (cells * np.uint32(0x9E3779B1))[None]
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        words = (words ^ (words >> np.uint32(shift))) * np.uint32(factor)
    words ^= words >> np.uint32(16)
    bytes_: UInt8[np.ndarray, "b n"] = words.view(np.uint8)
    total = bytes_.reshape(len(key), -1, 4).sum(axis=2, dtype=np.int32)
    # four bytes: mean 510, variance 4 (256² - 1) / 12
    values = (total.astype(np.float32) - np.float32(510.0)) * np.float32(1.0 / 147.8)
    return torch.from_numpy(values).view(-1, channels, size, size)


def _name(text: str) -> np.uint64:
    return np.uint64(
        int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
    )


def _mix(state: Keys) -> Keys:
    """Scramble 64 bits (the finaliser of SplitMix64: Steele, Lea and Flood, OOPSLA 2014)."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    scrambled: Keys = state ^ (state >> np.uint64(31))
    return scrambled
