"""What a table is printed as: one display frame, and Markdown and LaTeX made of it."""

__all__ = ["display", "latex", "markdown", "spreadsheet", "typeset"]
