"""Reproduction cards: the published number beside the measured one, and what differs."""
