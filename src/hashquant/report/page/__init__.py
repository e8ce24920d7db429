"""The page of a suite: all tables, plots and proofs in one file that needs nothing else."""

__all__ = ["write"]
