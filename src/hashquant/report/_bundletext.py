"""What a bundle says of itself: a README that names every part and every command."""

import shlex
from dataclasses import dataclass

from hashquant.report.captions import counted

PARTS = {
    "report/": "tables (Markdown, CSV, LaTeX), figures with the CSV of their numbers, `claims.md` "
    "(what the numbers support) and `cards.md` (published beside measured numbers)",
    "results/": "the records that all of it was computed from: `train.json` and `eval.json` of "
    "each cell, `per_query.npz` with the average precision of every query",
    "splits/": "`splits.json` names every split by its digest; splits that are written down as "
    "lists of files lie beside it, the others are made by rule from the data set",
    "configuration/": "the suite: what is equal for all cells; each record holds its settings in "
    "full",
    "environment/": "`machines.json`: commit, versions, device and threads of the records; "
    "`requirements.lock`: the pinned packages",
    "CITATION.bib": "BibTeX of all methods and data sets shown",
    "SHA256SUMS": "checksums: `sha256sum -c SHA256SUMS`",
}


@dataclass(frozen=True)
class Contents:
    """What a README speaks of: the suite, its records, the names of the files, their origin."""

    suite: str
    digest: str
    names: tuple[str, ...]
    commits: tuple[str, ...]
    damaged: int = 0


def readme(contents: Contents) -> str:
    """Return the README of a bundle."""
    kinds = [
        f"- `{part}`: {said}."
        for part, said in PARTS.items()
        if part == "SHA256SUMS" or any(name.startswith(part) for name in contents.names)
    ]
    left_out = "Codes, weights and images of the data sets are not here."
    if contents.damaged:
        left_out += f" Left out of the results: {counted(contents.damaged, 'damaged file')}."
    made = ", ".join(contents.commits) or "an unknown commit"
    return f"""# Suite {contents.suite}, records {contents.digest}

Tables, figures and records of a HashQuant suite, made by commit {made}
(a + marks a tree with changes that were not committed).

{chr(10).join(kinds)}

{left_out}

## Commands

With HashQuant, from this folder:

{chr(10).join(_commands(contents))}
"""


def _commands(contents: Contents) -> list[str]:
    """Return each command with what it does, as Markdown."""
    suite = shlex.quote(contents.suite)
    found = {
        f"report --suite {suite} --results-dir results --reports-dir again --bundle": "writes this "
        "report and this archive again",
        f"verify --suite {suite} --results-dir results": "computes each score again from the "
        "values of its queries",
        "explain CELL --results-dir results": "prints all that made a cell, and the command that "
        "repeats it with the flags it was run with",
    }
    for name in contents.names:
        if name.startswith("configuration/"):
            anew = f"--suite {shlex.quote(name)} --data-dir DATA --results-dir anew"
            found[anew] = "trains, searches and scores the suite as its file says"
    return [f"- `run_bench.py {command}` {does}." for command, does in found.items()]
