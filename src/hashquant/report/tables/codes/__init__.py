"""Tables of the codes themselves: how well they are used, and what lies near a query's code."""

__all__ = ["health", "radius"]
