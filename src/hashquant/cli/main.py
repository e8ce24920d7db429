"""From the words of a command to an exit code; every error ends here in one sentence."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence

from hashquant.cli._interrupts import ENDS, ended, interruptible
from hashquant.cli._parser import parse
from hashquant.cli._streams import voices
from hashquant.settings.paths import check_here


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code, whatever becomes of the words it prints."""
    with interruptible(), voices() as out:
        code, words_are_all = _told(sys.argv[1:] if argv is None else argv)
        out.flush()
        if not out.reason:
            return code
        print(f"error: cannot write to the standard output: {out.reason}", file=sys.stderr)
        # What a run was asked for are its records.
        return code or int(words_are_all)


def _told(argv: Sequence[str]) -> tuple[int, bool]:
    """Return a command's exit code, and whether what it prints is all that it does."""
    try:
        check_here()
        flags = parse(argv)
    except SystemExit:  # --help has said all there is
        return 0, True
    except ENDS as error:
        return ended(error), True
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("hashquant").setLevel(logging.INFO if flags.verbose else logging.WARNING)
    words_are_all = flags.verb != "run" or flags.dry_run or flags.version
    try:
        return _dispatch(flags)(flags), words_are_all
    except ENDS as error:
        return ended(error), words_are_all


def _dispatch(flags: argparse.Namespace) -> Callable[[argparse.Namespace], int]:
    # Verbs are imported when used: only `run`, `data` and `verify` may cost the import of torch.
    verb = flags.verb
    if verb == "run" and flags.version:
        from hashquant.cli._verbs import say_version

        return say_version
    if verb == "run" and flags.dry_run and not flags.measure:
        from hashquant.cli._dryrun import dry_run

        return dry_run
    if verb == "run":
        from hashquant.cli._run import run

        return run
    if verb == "report":
        from hashquant.cli._report import report

        return report
    if verb in ("list", "data"):
        from hashquant.cli import _verbs as verbs

        return {"list": verbs.list_names, "data": verbs.data}[verb]
    from hashquant.cli import _trace as trace

    return {"verify": trace.verify, "explain": trace.explain}[verb]
