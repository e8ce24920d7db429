"""From a name on the command line to the stored cell, what made it, and how to repeat it."""

__all__ = ["explain", "locate", "repeat"]
