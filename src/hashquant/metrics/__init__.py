"""Exact, tie-aware retrieval metrics and the health of codes."""
