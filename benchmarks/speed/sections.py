"""What a benchmark leaves: its section, printed, and in a file where one is named."""

from pathlib import Path

#: How the last line of a section starts: the line that RESULTS.md quotes.
IN_SHORT = "In short: "


def leave(section: str, markdown: Path | None) -> None:
    """Print a section, and write it to `markdown` unless that is None."""
    print(section)
    if markdown is not None:
        markdown.write_text(section + "\n", encoding="utf-8")


def in_short(markdown: Path) -> str:
    """Return what the last line of a section says in short; nothing where it does not."""
    last = markdown.read_text(encoding="utf-8").rstrip().rpartition("\n")[2]
    return last.removeprefix(IN_SHORT) if last.startswith(IN_SHORT) else ""


def verdict(reached: bool) -> str:
    """Return the word for a goal that is reached, or is not."""
    return "reached" if reached else "**missed**"
