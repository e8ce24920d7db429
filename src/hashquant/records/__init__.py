"""What is kept of a run: the schema of its records, where they were made, and the store.

Reading them needs no torch; what they mean is said in `report`.
"""

__all__ = ["checkout", "provenance", "record", "store"]
