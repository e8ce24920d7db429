"""A table of the page as plain values: what the template writes and a reader sorts and filters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    """One column; `filtered` offers its values to choose from, `rows` makes it head the rows.

    `counted` says beside each value how many rows have it.
    """

    head: str
    numeric: bool = False
    filtered: bool = False
    rows: bool = False
    counted: bool = False
    group: str = ""  #: columns of one group can be shown one at a time ("bits")


@dataclass(frozen=True)
class Cell:
    """One cell; `mark` hangs behind it, `small` is a second line, `heat` (0 … 1) shades it."""

    text: str
    css: str = ""
    small: str = ""
    mark: str = ""
    heat: float | None = None


@dataclass(frozen=True)
class Grid:
    """One table: `first` names the value that each filter begins with, where not all are shown."""

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    first: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    search: bool = False
    metrics: Sequence[str] = ()

    def values(self, column: Column) -> list[str]:
        """Return the texts of a column, each once, in reading order."""
        at = self.columns.index(column)
        return list(dict.fromkeys(row[at].text for row in self.rows))

    def count(self, at: int, text: str) -> int:
        """Return how many rows have a text in a column."""
        return sum(row[at].text == text for row in self.rows)

    @property
    def filters(self) -> list[tuple[int, Column, list[str]]]:
        """The columns that can be filtered: place, column, values; none where all are alike."""
        found = [(at, c, self.values(c)) for at, c in enumerate(self.columns) if c.filtered]
        return [(at, column, values) for at, column, values in found if len(values) > 1]

    @property
    def groups(self) -> list[tuple[str, list[tuple[int, str]]]]:
        """The groups of columns: name, and place and head of each column."""
        names = dict.fromkeys(c.group for c in self.columns if c.group)
        found = [
            (name, [(at, c.head) for at, c in enumerate(self.columns) if c.group == name])
            for name in names
        ]
        return [(name, columns) for name, columns in found if len(columns) > 1]


def cells(texts: Iterable[object]) -> list[Cell]:
    """Return plain texts as cells.

    >>> [cell.text for cell in cells(["a", 3, Cell("b")])]
    ['a', '3', 'b']
    """
    return [text if isinstance(text, Cell) else Cell(str(text)) for text in texts]
