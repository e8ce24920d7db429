"""The flags of every verb, and errors that name the nearest valid one."""

import argparse
import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from hashquant.cli._flags import Once, Several, check_assignments, words
from hashquant.errors import UsageError, nearest, unknown_name
from hashquant.settings.paths import user_folder, user_path
from hashquant.settings.ranges import Count, Natural, described
from hashquant.settings.reading import coerce

VERBS = ("run", "list", "report", "data", "verify", "explain")
LISTS = ("methods", "datasets", "suites", "trunks")
SPREAD = "sd"  # unless asked for otherwise
_KEPT = r"a comma in a path that is not there yet is written \,"


class Parser(argparse.ArgumentParser):
    """An argument parser that raises one clear sentence instead of leaving the program."""

    def __init__(self, **options: Any) -> None:  # Any: passed on to argparse
        super().__init__(allow_abbrev=False, **options)

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:  # Any: as above
        """Add a flag: given twice, a list means both, and a value is refused where it differs."""
        if names[0].startswith("--") and "action" not in options:
            options["action"] = Several if options.get("nargs") == "+" else Once
        return super().add_argument(*names, **options)

    def error(self, message: str) -> NoReturn:
        """Raise the message, with the nearest flag for an unknown one.

        Raises:
            UsageError: always.
        """
        unknown = re.match(r"unrecognized arguments: (-{1,2}[\w-]+)", message)
        if unknown:
            flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
            guess = nearest(unknown[1], flags)
            hint = f": did you mean '{guess}'?" if guess else ""
            raise UsageError(f"unknown flag '{unknown[1]}'{hint} ({self.prog} --help lists all)")
        starved = re.match(r"argument (?:-\w/)?(--[\w-]+): expected .*one argument", message)
        if starved:
            message += f"; a value that begins with - is written {starved[1]}=-VALUE"
        elif "required: CELL" in message:
            message += "; one that begins with - is written ./-CELL"
        raise UsageError(f"{message} ({self.prog} --help lists all flags)")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the flags of one command; without a verb it is `run`.

    Raises:
        UsageError: if a verb, flag or value is not understood, or a flag says two things.
    """
    words = list(argv)
    for word in words:
        _check_encoding(word)
    if words and words[0] in ("-h", "--help"):
        _run_parser(f"{_program()} [run]").print_help()
        raise SystemExit(0)
    verb = "run" if not words or words[0].startswith("-") else words.pop(0)
    if verb not in VERBS:
        raise unknown_name("verb", verb, VERBS)
    parser = _PARSERS[verb](f"{_program()} {verb}")
    found = parser.parse_args(words)
    found.verb = verb
    vars(found).pop("given", None)
    check_assignments(found)
    if verb == "run" and found.measure and not found.dry_run:
        raise UsageError("--measure must come with --dry-run, got it alone")
    return found


def _check_encoding(word: str) -> None:
    try:
        word.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"names and paths must be UTF-8, got {word!a}: a link to it can have such a name"
        ) from error


def _program() -> str:
    """Return what the user calls: the installed command, or the checkout's front door."""
    called = Path(sys.argv[0]).stem
    return "hashquant" if called in ("hashquant", "__main__") else "run_bench.py"


def _run_parser(prog: str) -> Parser:
    parser = Parser(
        prog=prog,
        description="Train, encode, search and score every method at every code length.",
        epilog="Other verbs: list, report, data, verify, explain (each has its own --help). "
        "Exit codes: 0 all done, cached or skipped with a reason; 1 a cell, or a part of "
        "a report, failed; 2 usage; 3 data missing or damaged; 130 interrupted, by Ctrl-C or "
        "SIGTERM. What becomes of a run's report or of its words changes no exit code.",
    )
    add = parser.add_argument
    add("--suite", default="quick", metavar="NAME|FILE", help="what is equal for all (quick)")
    add("--methods", nargs="+", metavar="NAME", help="names, wildcards or all")
    add("--bits", nargs="+", metavar="N", help="code lengths")
    add(
        "--datasets",
        nargs="+",
        metavar="NAME",
        help=f"names, or folder:PATH, embeddings:PATH; {_KEPT}",
    )
    add("--targets", nargs="+", metavar="NAME",
        help="what is examined: seen, unseen, cross, or names, +norm_stats=target; in a path "
        r"that ends in +KEY=VALUE the + is written \+")  # fmt: skip
    add("--seeds", nargs="+", metavar="N", help="training seeds (0)")
    add("--trunk", metavar="NAME",
        help="the network below every method; NAME:WEIGHTS, or pretrained: NAME@TAG, package:NAME "
        "(list trunks)")  # fmt: skip
    add("--epochs", metavar="N", help="passes over the training images")
    add("--batch-size", metavar="N", help="images a step")
    add("--set", action="append", default=[], metavar="KEY=VALUE", dest="assignments",
        help="a suite's key, or METHOD.key, DATASET.key, common.key; may be repeated; in a list of "
        r"paths a comma is written \, and a space '\ '")  # fmt: skip
    add("--device", default="auto", metavar="auto|cpu|cuda", help="where to compute (auto)")
    add("--jobs-per-device", default="auto", metavar="auto|N",
        help="cells at once (auto: on a CPU one, on CUDA as many as fit)")  # fmt: skip
    add("--on-bad-image", choices=("stop", "skip"), default="stop",
        help="what an unreadable image does (stop)")  # fmt: skip
    add("--dry-run", action="store_true", help="show the cells and an estimate, run nothing")
    add("--measure", action="store_true",
        help="with --dry-run: load the images, time steps of each kind of cell")  # fmt: skip
    add("--force", action="store_true", help="run cells anew that are already stored")
    _add_spread(parser)
    _add_no_figures(parser)
    _add_folders(parser, "results", "reports", "data")
    _add_voice(parser)
    add("--version", action="store_true", help="say version and commit")
    return parser


def _list_parser(prog: str) -> Parser:
    parser = Parser(prog=prog, description="List what can be named, with one line each.")
    parser.add_argument("what", nargs="*", metavar="|".join(LISTS), help="one or more (all)")
    _add_voice(parser)
    return parser


def _report_parser(prog: str) -> Parser:
    parser = Parser(prog=prog, description="Write tables, figures and a page from stored records.")
    add = parser.add_argument
    add("--suite", default="quick", metavar="NAME", help="whose records (quick)")
    _add_spread(parser)
    add("--preset", default="column", metavar="column|double|slide",
        help="the place figures are printed in (column)")  # fmt: skip
    add("--formats", nargs="+", default=["pdf", "png", "svg"], metavar="FORMAT",
        help="of figures: pdf png svg (default), pgf")  # fmt: skip
    _add_no_figures(parser)
    add("--claims", action="store_true", help="instead: the claims of all suites in one table, as "
        "Markdown, CSV, LaTeX and a page")  # fmt: skip
    add("--readme", nargs="?", type=partial(user_path, what="--readme"), const=Path("README.md"),
        metavar="FILE",
        help="instead: write the tables between a file's markers anew (README.md)")  # fmt: skip
    add("--bundle", action="store_true", help="also make one archive of it all, with records, "
        "splits and citations, for a paper's artefact")  # fmt: skip
    add("--sheet", nargs="+", default=[], metavar="METHOD",
        help="also show queries with their first results, of these rows of the tables")  # fmt: skip
    add("--sheet-queries", default="5", metavar="N", help="queries of a sheet (5)")
    add("--sheet-targets", nargs="+", default=[], metavar="NAME",
        help="what was examined (the training sets' own splits)")  # fmt: skip
    add("--sheet-bits", nargs="+", default=[], metavar="N", help="code lengths (all)")
    add("--show-images", action="store_true",
        help="I may show images whose terms do not say so")  # fmt: skip
    _add_folders(parser, "results", "reports", "data")
    _add_voice(parser)
    return parser


def _data_parser(prog: str) -> Parser:
    parser = Parser(prog=prog, description="Prepare data sets and verify their splits.")
    parser.add_argument("datasets", nargs="+", metavar="NAME",
                        help=f"names, or folder:PATH, embeddings:PATH; {_KEPT}")  # fmt: skip
    parser.add_argument("--on-bad-image", choices=("stop", "skip"), default="stop",
                        help="what an unreadable image does (stop)")  # fmt: skip
    parser.add_argument("--set", action="append", default=[], metavar="DATASET.KEY=VALUE",
                        dest="assignments", help="an option of a data set")  # fmt: skip
    _add_folders(parser, "data")
    _add_voice(parser)
    return parser


def _verify_parser(prog: str) -> Parser:
    parser = Parser(
        prog=prog,
        description="Recompute stored scores from stored codes, or from per-query values where "
        "no codes lie. Exit code 1 if anything differs or cannot be read.",
    )
    parser.add_argument("--suite", default="all", metavar="NAME|all", help="whose records (all)")
    parser.add_argument("--complete", action="store_true",
                        help="first write what older records lack, from their codes")  # fmt: skip
    _add_folders(parser, "results")
    _add_voice(parser)
    return parser


def _explain_parser(prog: str) -> Parser:
    parser = Parser(prog=prog, description="Print all that made a cell, and how to repeat it.")
    parser.add_argument("cell", metavar="CELL", help="a folder of the results, its path below "
                        "them, or a run_id (the beginning is enough)")  # fmt: skip
    _add_folders(parser, "results")
    _add_voice(parser)
    return parser


def _add_folders(parser: Parser, *names: str) -> None:
    for name in names:
        parser.add_argument(
            f"--{name}-dir", type=partial(user_folder, what=f"--{name}-dir"), default=name,
            metavar="DIR", help=f"({name})",
        )  # fmt: skip


def _add_spread(parser: Parser) -> None:
    parser.add_argument("--spread", default=SPREAD, metavar="sd|interval",
        help="what stands beside a mean: its standard deviation over seeds, or its 95 %% "
        "bootstrap interval (sd)")  # fmt: skip


def _add_no_figures(parser: Parser) -> None:
    parser.add_argument("--no-figures", action="store_false", dest="figures",
                        help="write tables and page only")  # fmt: skip


def _add_voice(parser: Parser) -> None:
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more")


_PARSERS = {
    "run": _run_parser,
    "list": _list_parser,
    "report": _report_parser,
    "data": _data_parser,
    "verify": _verify_parser,
    "explain": _explain_parser,
}


def numbers(
    flag: str, values: Sequence[str], hint: Any = tuple[Natural, ...]
) -> tuple[int, ...]:  # Any: a type
    """Read whole numbers given by space or comma, each once, as the field's type declares them.

    >>> numbers("--bits", ["16,24", "16"])
    (16, 24)

    Raises:
        UsageError: if one is no whole number, or out of its range.
    """
    return tuple(dict.fromkeys(coerce(words(values), hint, flag)))


def jobs_at_once(text: str) -> int | None:
    """Read `--jobs-per-device`: how many cells run at once, None for auto.

    >>> jobs_at_once("2"), jobs_at_once("auto")
    (2, None)

    Raises:
        UsageError: if it is neither auto nor a whole number of at least 1.
    """
    if text.strip().lower() == "auto":
        return None
    try:
        return int(coerce(text, Count, "--jobs-per-device"))
    except UsageError as error:
        wanted = f"auto or {described(Count)}"
        raise UsageError(f"--jobs-per-device must be {wanted}, got '{text[:60]}'") from error


def stored_suite(asked: str, known: Sequence[str], folder: Path) -> str:
    """Return the suite with records that is asked for, by its name or its file's.

    Raises:
        UsageError: if no suite of that name has records in `folder`.
    """
    for name in (asked, Path(asked).stem if asked.endswith((".yaml", ".yml")) else asked):
        if name in known:
            return name
    raise unknown_suite(asked, known, folder)


def unknown_suite(name: str, known: Sequence[str], folder: Path) -> UsageError:
    """Say that no suite of that name has records in a folder, offering the nearest that has.

    >>> str(unknown_suite("fases", ["faces"], Path("results")))
    "unknown suite 'fases': did you mean 'faces'? Known: faces (what has records in results)"
    """
    return UsageError(f"{unknown_name('suite', name, known)} (what has records in {folder})")
