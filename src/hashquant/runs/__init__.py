"""From a suite to finished cells: planned, prepared, trained, examined, stored, verified.

The conductor: it may use every room below it and does no arithmetic of its own.
"""

__all__ = [
    "completion",
    "contest",
    "diagnosis",
    "examination",
    "forecast",
    "outline",
    "planning",
    "preparation",
    "runner",
    "sheets",
    "tally",
    "targets",
    "verification",
    "workers",
]
