"""The paper a method comes from, the numbers published of it, and what a data set asks to cite."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from hashquant.errors import HashQuantError, UsageError
from hashquant.settings._strictyaml import read_yaml
from hashquant.settings.ranges import OneOf
from hashquant.settings.reading import build


@dataclass(frozen=True)
class Claim:
    """A published number: where it stands and what protocol it was measured under.

    The fields from `trunk` on are the protocol as far as it is known: left out, empty or 0 says
    that the source does not tell. `precision` is how far a number read from a plot may be off.
    """

    dataset: str  #: trained on
    bits: int
    metric: str  #: as records name it ("mAP", "mAP@1000"), or a `report.cards.readings`
    value: float
    source: str  #: the document and its table or figure
    protocol: str  #: what a reader must know, in words
    target: str = ""  #: examined on, where it is another set
    read_from: Annotated[str, OneOf("table", "figure", "text")] = "table"
    precision: float = 0.0
    measured_by: str = ""  #: who ran the method, unless its authors did
    trunk: str = ""
    image_size: int = 0  #: pixels
    epochs: int = 0
    #: which epoch is examined; "test": the one that scores best on what is reported
    selection: Annotated[str, OneOf("last", "train-loss", "validation", "test")] = ""
    classes: int = 0  #: trained on
    training: int = 0  #: images trained on
    queries: int = 0
    gallery: int = 0
    denominator: str = ""  #: of average precision, as a record's score names it
    comparison: str = ""  #: as a record's score names it
    #: "sorted": as the sort left them
    ties: Annotated[str, OneOf("expected", "best", "worst", "sorted")] = ""
    settings: Mapping[str, Any] = field(default_factory=dict)  # Any: of the method's Config


@dataclass(frozen=True)
class Reference:
    """The paper a method comes from, and the numbers published of it.

    Written as a literal, it is read from a plug-in's text without importing it. Many claims have a
    file of their own beside the plug-in, `published/<method>.yaml` (`read_claims`).
    """

    title: str
    authors: str  #: "First Last, First Last"
    venue: str  #: the conference, or "Journal volume(number), pages"
    year: int
    url: str = ""
    claims: tuple[Claim, ...] = field(default_factory=tuple)


@dataclass(frozen=True)
class Sources:
    """What a report cites: papers by method, BibTeX by data set, and why some have none."""

    methods: Mapping[str, Reference] = field(default_factory=dict)
    datasets: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)  #: name → reason


class ClaimsError(HashQuantError):
    """A file of published numbers that cannot be read."""


def read_claims(path: Path) -> tuple[Claim, ...]:
    """Read published numbers: a list of groups, each with what its claims share.

    No file means no claims.

    Raises:
        ClaimsError: if the file is no such list, or a key or value is not understood.
    """
    try:
        raw = read_yaml(path)
        return tuple(
            build(Claim, {**group["shared"], **claim}, path.name)
            for group in raw
            for claim in group["claims"]
        )
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, UsageError, TypeError, KeyError) as error:
        raise ClaimsError(
            f"{path} must list groups of 'shared' and 'claims', got: {error}"
        ) from error
