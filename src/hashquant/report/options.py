"""What a report may be asked for: metric, figures and their formats, what stands beside a mean."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hashquant.errors import unknown_name
from hashquant.report.captions import SPREADS
from hashquant.report.drawing.files import FORMATS, KNOWN_FORMATS
from hashquant.report.drawing.style import PRESETS
from hashquant.settings.names import Names
from hashquant.settings.reference import Sources
from hashquant.settings.suite import RunSpec


@dataclass(frozen=True)
class Options:
    """The wishes of whoever asks for a report.

    A table joins records of equal settings only: those of `like` where it is given, else the
    newest.

    Raises:
        UsageError: for an unknown preset, format or spread.
    """

    metric: str = "mAP"  #: `name` or `name@cutoff`; names the files (`map.md`)
    figures: bool = True
    preset: str = "column"  #: where figures are printed: "column", "double" or "slide"
    formats: Sequence[str] = FORMATS  #: of figures; "pgf" is written where there is a LaTeX
    spread: str = "sd"  #: what stands beside a mean: "sd" or "interval"
    workers: int = 1  #: processes that draw at a time
    like: RunSpec | None = None
    sources: Sources | None = None  #: the papers of what the records speak of (`cited`)
    names: Names = field(default_factory=Names)  #: what readers call it; without, identifiers

    def __post_init__(self) -> None:
        wishes: tuple[tuple[str, Iterable[str], Iterable[str]], ...] = (
            ("figure preset", [self.preset], PRESETS),
            ("figure format", self.formats, KNOWN_FORMATS),
            ("spread", [self.spread], SPREADS),
        )
        for kind, asked, known in wishes:
            for name in asked:
                if name not in known:
                    raise unknown_name(kind, name, known)
