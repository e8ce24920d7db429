"""Stored codes: families and budgets, packing, Hamming distance, look-up tables."""
