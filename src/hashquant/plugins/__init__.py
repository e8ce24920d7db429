"""What a method is, and how methods, data sets and suites are found by name.

The contract, the registry, and what losses over pairs share; the plug-ins themselves stand in
`methods/` and `datasets/`.
"""

__all__ = [
    "declared",
    "failures",
    "method",
    "naming",
    "pairs",
    "placeholders",
    "reading",
    "registry",
    "versions",
]
