"""How a figure becomes files: canvas, style, fonts, formats, and the processes that draw.

What is shown is decided in `figures`.
"""

__all__ = ["canvas", "files", "heat", "identity", "kinds", "painters", "shortnames", "style"]
