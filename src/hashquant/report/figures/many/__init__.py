"""What figures do where rows are too many for one panel: a panel a part, or a line a row."""

__all__ = ["dots", "grid", "lines", "multiples"]
