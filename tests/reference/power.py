"""Writes the table of power into docs/statistics.md, by simulation; some minutes.

PYTHONPATH=src:tests python -m reference.power
"""

import itertools
from pathlib import Path

from reference.studies import Design, power

DOCUMENT = Path(__file__).parents[2] / "docs" / "statistics.md"
BEGIN, END = "<!-- power -->\n", "<!-- /power -->\n"
SEEDS, STEPS = (2, 3, 5, 10), (0.02, 0.03, 0.04, 0.06, 0.08, 0.12)
#: Comparisons of a table of eight rows and two code lengths, and studies of a number.
COMPARISONS, STUDIES = 14, 100


def table():
    """Return a line for each number of seeds, with the suite's help and without, as Markdown."""
    heads = ["seeds", "variance between seeds", *(f"{step:.2f}" for step in STEPS)]
    lines = [heads, ["--:", "---", *["--:"] * len(STEPS)]]
    for borrowed, seeds in itertools.product((True, False), SEEDS):
        name = "moderated over the suite" if borrowed else "of the cell's own seeds"
        designs = [Design(seeds, step=step, replicates=4999, borrowed=borrowed) for step in STEPS]
        found = [power(design, STUDIES, COMPARISONS) for design in designs]
        lines.append([str(seeds), name, *(f"{100 * share:.0f} %" for share in found)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main():
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(before + BEGIN + table() + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
