"""Reproduction cards: the published number beside the measured one, and what differs."""

__all__ = ["cited", "lines", "readings", "text"]
