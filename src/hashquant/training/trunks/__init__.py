"""Trunks: what turns pixels into features, from scratch or from local weights."""

from hashquant.training.trunks._networks import PReLU, SphereBlock, build_trunk, check_weights

__all__ = ["PReLU", "SphereBlock", "build_trunk", "check_weights"]
