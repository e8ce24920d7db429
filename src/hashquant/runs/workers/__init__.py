"""Cells side by side on one device: how many, and the processes that run them (ADR 0013)."""

from hashquant.runs.workers._dispatch import run

__all__ = ["run"]
