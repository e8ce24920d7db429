"""In what a record departs from the protocol of a published number, field by field."""

from collections.abc import Mapping
from dataclasses import dataclass

from hashquant.records.record import EvalRecord, Score, TrainRecord
from hashquant.report.cards.readings import READINGS
from hashquant.settings.reference import Claim
from hashquant.settings.trunknames import asked

#: Fields of a claim that describe its protocol, and how they are called.
NAMES: Mapping[str, str] = {
    "trunk": "trunk",
    "image_size": "pixels",
    "epochs": "epochs",
    "selection": "selected epoch",
    "classes": "training classes",
    "training": "training images",
    "queries": "queries",
    "gallery": "gallery images",
    "comparison": "comparison",
    "ties": "ties",
}


@dataclass(frozen=True)
class Departures:
    """What differs, what the source does not tell, and whether numbers can still be compared.

    The tie rule alone does not forbid it: the best and the worst order are stored too.
    """

    differs: tuple[str, ...]
    not_stated: tuple[str, ...]
    comparable: bool


def departures(
    claim: Claim, record: EvalRecord, train: TrainRecord | None, score: Score | None
) -> Departures:
    """Compare a claim's protocol with that of a record; `score` is what was measured, if a score.

    A plotted curve (`score` is None) has no tie rule that could be told.
    """
    here = _measured(record, train, score)
    differs = {
        name: f"{NAMES[name]} {_text(here[name])}, not {_text(stated)}"
        for name in here
        if (stated := getattr(claim, name)) and here[name] and stated != here[name]
    }
    own = {**record.spec.settings, "prefix": record.spec.prefix or "unset"}
    settings = [
        f"{key} {_text(own.get(key, 'unset'))}, not {_text(value)}"
        for key, value in claim.settings.items()
        if own.get(key) != value
    ]
    reading = READINGS.get(claim.metric)
    metric = [reading.differs] if reading and reading.differs else []
    missing = tuple(NAMES[name] for name in here if not getattr(claim, name))
    comparable = not settings and not metric and set(differs) <= {"ties"}
    return Departures((*metric, *differs.values(), *settings), missing, comparable)


def _measured(
    record: EvalRecord, train: TrainRecord | None, score: Score | None
) -> dict[str, object]:
    """Return what a record says of each protocol field; empty or 0 where it does not tell."""
    spec = record.spec
    found: dict[str, object] = {
        "trunk": asked(spec.trunk),
        "image_size": spec.image_size,
        "epochs": spec.epochs,
        "selection": spec.selection,
        "classes": train.classes if train else 0,
        "training": train.training_images if train else 0,
        "queries": record.queries,
        "gallery": record.gallery,
    }
    if score is None:
        return found | {"comparison": record.curves[0].comparison if record.curves else ""}
    return found | {"comparison": score.comparison, "ties": score.ties}


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
