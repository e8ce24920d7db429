"""What stands over several suites: the claims beside each other, and the tables of the README.

A single suite's report stays outside.
"""

__all__ = ["claims", "readme"]
