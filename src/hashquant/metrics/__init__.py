"""Exact retrieval metrics of rankings with ties, and the health of codes.

Pure functions of tensors: no search, no file.
"""

__all__ = ["averageprecision", "health", "kernels", "ranking", "ties"]
