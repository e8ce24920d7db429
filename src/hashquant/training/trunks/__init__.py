"""Trunks: what turns pixels into features: from scratch, local weights, or pretrained by name."""

from hashquant.training.trunks._files import fetched_weights
from hashquant.training.trunks._networks import (
    PReLU,
    SphereBlock,
    build_trunk,
    check_weights,
    trunk_of,
)
from hashquant.training.trunks._stored import (
    body_values,
    frozen_trunk,
    own_tensors,
    stored_source,
)

__all__ = [
    "PReLU",
    "SphereBlock",
    "body_values",
    "build_trunk",
    "check_weights",
    "fetched_weights",
    "frozen_trunk",
    "own_tensors",
    "stored_source",
    "trunk_of",
]
