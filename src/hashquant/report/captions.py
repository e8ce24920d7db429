"""What must be said with a table: the metric, the comparison, the split, the settings, the gaps."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from hashquant.records.store import SuiteRecords
from hashquant.report.blocks import Block
from hashquant.report.drawing.kinds import MANY
from hashquant.report.frame import Metric
from hashquant.report.naming import spoken
from hashquant.report.rows import UNTRAINED
from hashquant.settings.names import IDENTITIES

COMPARISONS = {
    "hamming": "Hamming distance",
    "asymmetric-hamming": "asymmetric Hamming distance (real-valued query)",
    "adc": "ADC",
    "sdc": "SDC",
    "cosine": "cosine of float embeddings",
}


#: What a suite trains by, in words.
RECIPES = {"paper": "each paper's recipe", "common": "one recipe for all"}
#: Said where a target's own batch-norm statistics are used.
NORM_STATS = "batch-norm statistics estimated anew on the gallery images, without labels"
#: What was done to the images of a target to fit the training set, in words.
ADAPTERS = {"gray": "its colours turned to gray, as the training images are"}


#: What is undecided already for the trained networks at hand, and what only a training may turn.
PEOPLE, SEEDS = "=", "=s"
#: What a 95 % interval is made of, in tables of several seeds and of one.
INTERVAL = (
    "identities by bootstrap (t-scaled), training seeds by Student's t with a variance moderated "
    "over the suite; wide where seeds are few"
)
INTERVAL_ALONE = (
    "identities by bootstrap (t-scaled); 1 seed, so the spread between trainings is covered only "
    "where other rows of the suite tell it"
)
#: What may stand beside a mean: its standard deviation over seeds, or its 95 % interval.
SPREADS = ("sd", "interval")


def caption(block: Block, metric: Metric, cells: pd.DataFrame, spread: str = "sd") -> str:
    """Say all that a table's numbers depend on, in plain text; `spread` is what stands in it."""
    parts = [
        f"{definition(metric)}. Trained on {block.trained}, {_examined(block)}.",
        _compared(cells),
        _settings(block, cells, spread),
        passed(cells),
        prefixes([block]),
        *notes(block),
    ]
    return " ".join(part for part in parts if part)


def joint_caption(
    blocks: Sequence[Block], metric: Metric, cells: pd.DataFrame, spread: str = "sd"
) -> str:
    """Say what several targets of one training set share; `target_line` says the rest of each."""
    parts = [
        f"{definition(metric)}. Trained once on {blocks[0].trained}.",
        _compared(cells),
        _settings(blocks[0], cells, spread),
        passed(cells),
        prefixes(blocks),
    ]
    return " ".join(part for part in parts if part)


def passed(cells: pd.DataFrame) -> str:
    """Say so, and why it can be, where a code passes the embedding that is kept whole."""
    whole = cells[cells["comparison"] == "cosine"].groupby("bits")["mean"].max()
    codes = cells[cells["competes"]].groupby("bits")["mean"].max()
    if not (codes > whole.reindex(codes.index)).any():
        return ""
    return "A code passes the uncompressed embedding: quantization can remove noise."


def prefixes(blocks: Sequence[Block]) -> str:
    """Say what rows are whose codes are a prefix of longer ones, where there are any."""
    lengths = sorted({r.spec.prefix for block in blocks for r in block.evals} - {0})
    if not lengths:
        return ""
    said = " or ".join(map(str, lengths))
    return (
        f"Rows said to be a prefix were trained once, at {said} bits: their shorter codes are the "
        "beginnings of those, and that training is the cost of each."
    )


def target_line(block: Block) -> str:
    """Say what was examined for one group of columns."""
    said = _examined(block).removeprefix(f"examined on {block.examined}, ")
    return " ".join([f"{head(block)}: {said}.", *notes(block)])


def head(block: Block) -> str:
    """Name a group of columns: the protocol and what is examined.

    With other batch-norm statistics than the training set's, the name says so.
    """
    said = block.protocol and not block.examined.endswith(block.protocol)
    return f"{block.protocol}: {block.examined}" if said else block.examined


def notes(block: Block) -> list[str]:
    """Return what must be said of a block's data, a sentence each."""
    trained = {f"shared with {block.dataset}": f"shared with {block.trained}"}
    said = dict.fromkeys(
        _sentence(spoken(note, trained)) for record in block.evals for note in record.notes
    )
    left_out = _left_out(block)
    return [*said, left_out] if left_out else [*said]


def definition(metric: Metric) -> str:
    """Say what a metric measures, as a caption begins.

    >>> definition(Metric("mAP"))
    'mAP over the full ranking, expected over ties'
    """
    if metric.name.lower() == "map" and not metric.cutoff:
        return f"{metric.name} over the full ranking, expected over ties"
    return f"{metric}, expected over ties"


def title(block: Block, metric: Metric, *, secondary: bool) -> str:
    """Name a table: what was trained on what, and which metric."""
    return f"{block.name}, {metric}" + (" (asymmetric Hamming, SDC)" if secondary else "")


def marks(cells: pd.DataFrame, ranks: str, noun: str = IDENTITIES) -> str:
    """Return what explains the marks of a table: `ranks` and the signs, where cells have them.

    `cells` are those whose marks are shown, `noun` is what the classes of the data are.
    """
    parts = [ranks] if cells["rank"].any() else []
    if cells["compared"].any():
        covered = bool((cells.loc[cells["n"] > 0, "n"] > 1).any())
        others = "people" if noun == IDENTITIES else noun
        signs = [f"{PEOPLE} undecided, other {others} could turn the order"]
        signs += [f"{SEEDS} undecided, another training could"] if covered else []
        said = f"{'; '.join(signs)}; no sign: significantly below the best"
        over = f"{noun} and seeds" if covered else f"{noun} alone: 1 seed"
        parts.append(f"{said} (paired test over {over}, Holm-corrected over the table, 5 %).")
    return " ".join(parts)


def short_note(note: str, rows: int) -> str:
    """Return a footnote as a table of so many rows shows it.

    Of many rows it is not said of each why it did not train: the CSV and the page do.

    >>> short_note("did not train: mAP 0.1", 30), short_note("did not train: mAP 0.1", 10)
    ('did not train (the CSV says why)', 'did not train: mAP 0.1')
    """
    before, said, _ = note.partition(f"{UNTRAINED}: ")
    return f"{before}{UNTRAINED} (the CSV says why)" if said and rows > MANY else note


def sign(cell: Mapping[Hashable, Any]) -> str:  # Any: one row of `frame.cells`, by column
    """Return the sign of a cell: `=` where these networks are undecided, `=s` where seeds are.

    >>> sign({"undecided": True, "undecided_people": False})
    '=s'
    """
    if cell["undecided_people"]:
        return PEOPLE
    return SEEDS if cell["undecided"] else ""


def damaged(records: SuiteRecords) -> str:
    """Say which stored files could not be read."""
    number = len(records.damaged)
    verb = "is" if number == 1 else "are"
    return (
        f"{counted(number, 'stored file')} could not be read and {verb} left out: "
        f"{', '.join(records.damaged)}"
    )


def counted(number: int, noun: str) -> str:
    """Write a number with its noun.

    >>> counted(1, "epoch"), counted(7000, "record")
    ('1 epoch', '7,000 records')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def at_once(timing: Mapping[str, float]) -> str:
    """Say how many cells shared a device while they were timed; "" for one that had it alone.

    >>> at_once({"jobs_per_device": 2.0}), at_once({"jobs_per_device": 1.0}), at_once({})
    (', 2 cells at once', '', '')
    """
    jobs = int(timing.get("jobs_per_device", 1))
    return f", {jobs} cells at once" if jobs > 1 else ""


def _examined(block: Block) -> str:
    if not block.evals:
        return "with no finished cell"
    first = block.evals[0]
    where = f"examined on {block.examined}, " if not block.of_itself else ""
    excluded = f", {first.queries_excluded:,} excluded" if first.queries_excluded else ""
    queries = f"{first.queries:,} {'query' if first.queries == 1 else 'queries'}"
    adapted = ADAPTERS.get(first.adapter, f"images adapted: {first.adapter}")
    parts = [
        f"{where}protocol {first.protocol}, split {first.split_digest[:12]}: {queries}{excluded}, "
        f"{counted(first.gallery, 'gallery image')}",
        f"data version {first.target_version[:12]}" if first.target_version else "",
        adapted if first.adapter else "",
        NORM_STATS if block.option == "norm_stats=target" else "",
    ]
    return ", ".join(part for part in parts if part)


def _settings(block: Block, cells: pd.DataFrame, spread: str) -> str:
    spec = block.spec
    options = "".join(f", {key} {value}" for key, value in sorted(spec.dataset_options.items()))
    return (
        f"Trunk {block.names.trunk(spec.trunk, spec.trunk_rate)}, {spec.entering}, "
        f"{counted(spec.epochs, 'epoch')}, {RECIPES.get(spec.recipe, spec.recipe)}{options}; "
        f"{_seeds(cells, spread)}."
    )


def _compared(cells: pd.DataFrame) -> str:
    used = cells[cells["n"] > 0]
    pairs = dict.fromkeys(zip(used["family"], used["comparison"], strict=True))
    if not pairs:
        return ""
    return "Compared by " + ", ".join(
        f"{COMPARISONS.get(comparison, comparison) or 'an unnamed rule'} ({family})"
        for family, comparison in pairs
    ) + "."  # fmt: skip


def _sentence(note: str) -> str:
    return note[:1].upper() + note[1:].rstrip(".") + "."


def _seeds(cells: pd.DataFrame, spread: str) -> str:
    most = int(cells["n"].max())
    if not most:
        return "no finished seed"
    over = "n = 1 seed" if most == 1 else f"n = {most} seeds"
    fewer = "" if cells.loc[cells["n"] > 0, "n"].nunique() == 1 else ", fewer where a cell says so"
    if spread == "interval":
        made = INTERVAL_ALONE if most == 1 else INTERVAL
        return f"mean over {over}{fewer}, in brackets its 95 % interval: {made}"
    return "1 seed (n = 1)" if most == 1 else f"mean ± standard deviation over {over}{fewer}"


def _left_out(block: Block) -> str:
    if not block.left_out:
        return ""
    verb = "is" if block.left_out == 1 else "are"
    differs = f" ({'; '.join(block.differs)})" if block.differs else ""
    return f"{counted(block.left_out, 'record')} of other settings {verb} left out{differs}."
