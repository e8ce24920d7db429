"""What must be said with a table: the metric, the comparison, the split, the settings, the gaps."""

import pandas as pd

from hashquant.report.blocks import Block
from hashquant.report.frame import Metric

COMPARISONS = {
    "hamming": "Hamming distance",
    "asymmetric-hamming": "asymmetric Hamming distance (real-valued query)",
    "adc": "ADC",
    "sdc": "SDC",
}


def caption(block: Block, metric: Metric, cells: pd.DataFrame) -> str:
    """Say all that a table's numbers depend on, in plain text."""
    spec = block.spec
    options = "".join(f", {key} {value}" for key, value in sorted(spec.dataset_options.items()))
    parts = [
        f"{definition(metric)}. Trained on {block.dataset}, {_examined(block)}.",
        _compared(cells),
        f"Trunk {spec.trunk}, {spec.image_size}-pixel images, {counted(spec.epochs, 'epoch')}, "
        f"recipe {spec.recipe}{options}; {_seeds(cells)}.",
        *dict.fromkeys(_sentence(note) for record in block.evals for note in record.notes),
        _left_out(block),
    ]
    return " ".join(part for part in parts if part)


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


def ranking(cells: pd.DataFrame, text: str) -> str:
    """Return `text`, which explains the marks, after a space, if any cell has one."""
    return f" {text}" if cells["rank"].any() else ""


def counted(number: int, noun: str) -> str:
    """Write a number with its noun.

    >>> counted(1, "epoch"), counted(7000, "record")
    ('1 epoch', '7,000 records')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _examined(block: Block) -> str:
    if not block.evals:
        return "with no finished cell"
    first = block.evals[0]
    where = f"examined on {block.target}, " if block.target != block.dataset else ""
    excluded = f", {first.queries_excluded:,} excluded" if first.queries_excluded else ""
    queries = f"{first.queries:,} {'query' if first.queries == 1 else 'queries'}"
    return (
        f"{where}protocol {first.protocol}, split {first.split_digest[:12]}: {queries}{excluded}, "
        f"{counted(first.gallery, 'gallery image')}"
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


def _seeds(cells: pd.DataFrame) -> str:
    most = int(cells["n"].max())
    if most <= 1:
        return "1 seed (n = 1)" if most else "no finished seed"
    fewer = "" if cells.loc[cells["n"] > 0, "n"].nunique() == 1 else ", fewer where a cell says so"
    return f"mean ± standard deviation over n = {most} seeds{fewer}"


def _left_out(block: Block) -> str:
    if not block.left_out:
        return ""
    verb = "is" if block.left_out == 1 else "are"
    differs = f" ({'; '.join(block.differs)})" if block.differs else ""
    return f"{counted(block.left_out, 'record')} of other settings {verb} left out{differs}."
