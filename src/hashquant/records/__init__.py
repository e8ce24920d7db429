"""What is kept of a run: the schema of its records, where they were made, the store, the gate.

Reading them needs no torch; whether a run trained is told here, what else they mean in `report`.
"""

__all__ = ["arrays", "cellfolder", "checkout", "gate", "provenance", "record", "store", "vouching"]
