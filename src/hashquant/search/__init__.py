"""Queries against a gallery: exact rankings and their scores, search times, distributions.

It compares codes; how a family makes them is in `codes`, what a ranking is worth in `metrics`.
"""

__all__ = [
    "comparisons",
    "distributions",
    "evaluation",
    "exhaustive",
    "latency",
    "ondevice",
    "shortlist",
]
