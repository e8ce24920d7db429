"""Vectors in the place of images: embeddings that somebody brings, read where they lie, checked.

Files to rows of float32, and who plays which part. It knows no method and no score.
"""

__all__ = ["dataset", "rows", "source"]
