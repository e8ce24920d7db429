"""Trunks: what turns pixels into features: from scratch, local weights, or pretrained by name."""

from hashquant.training.trunks._files import fetched_weights
from hashquant.training.trunks._networks import (
    PReLU,
    SphereBlock,
    build_trunk,
    check_weights,
    trunk_of,
)
from hashquant.training.trunks._trunk import Embed, Given, Trunk

__all__ = [
    "Embed",
    "Given",
    "PReLU",
    "SphereBlock",
    "Trunk",
    "build_trunk",
    "check_weights",
    "fetched_weights",
    "stored",
    "trunk_of",
]
