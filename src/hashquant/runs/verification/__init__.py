"""Stored numbers found again: seals, scores recomputed from codes, names from what they mean."""

from hashquant.runs.verification._examination import verify
from hashquant.runs.verification._suite import verify_suite

__all__ = ["verify", "verify_suite"]
