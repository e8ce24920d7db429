"""Trunks: what turns pixels into features: from scratch, local weights, or pretrained by name."""

from hashquant.training.trunks._files import fetched_weights
from hashquant.training.trunks._networks import (
    PReLU,
    SphereBlock,
    build_trunk,
    check_weights,
    trunk_of,
)

__all__ = [
    "PReLU",
    "SphereBlock",
    "build_trunk",
    "check_weights",
    "fetched_weights",
    "trunk_of",
]
