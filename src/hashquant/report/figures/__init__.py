"""Drawn from frames of plain numbers, each figure beside the CSV of what it shows."""

__all__ = ["drawings", "retrieval", "stale"]
