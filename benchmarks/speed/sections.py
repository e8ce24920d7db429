"""What a benchmark leaves: its section, printed, and in a file where one is named."""

from pathlib import Path


def leave(section: str, markdown: Path | None) -> None:
    """Print a section, and write it to `markdown` unless that is None."""
    print(section)
    if markdown is not None:
        markdown.write_text(section + "\n", encoding="utf-8")
