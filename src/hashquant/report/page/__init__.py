"""The page of a suite, and that of the claims of all: one file that needs nothing else."""

__all__ = ["overview", "write"]
