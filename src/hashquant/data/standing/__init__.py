"""What stands in a folder of images: what belongs to the set, at which level, of which kind.

One place decides what is litter, which folders are parts, which level was meant, what a file is,
and whether files are those that were published.
"""

__all__ = ["kinds", "levels", "published", "walk"]
