"""What a method is, and how methods, data sets and suites are found by name.

The contract and the registry; the plug-ins themselves stand in `methods/` and `datasets/`.
"""

__all__ = ["failures", "method", "naming", "placeholders", "reading", "registry", "versions"]
