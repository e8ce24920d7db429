"""From the words of a command to an exit code; every error ends here in one sentence."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence

from hashquant.cli._parser import parse
from hashquant.errors import HashQuantError
from hashquant.machine.refusals import refusal
from hashquant.settings.paths import check_here


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        check_here()
        flags = parse(sys.argv[1:] if argv is None else argv)
    except HashQuantError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("hashquant").setLevel(logging.INFO if flags.verbose else logging.WARNING)
    try:
        return _dispatch(flags)(flags)
    except HashQuantError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (
        ImportError,
        OSError,
        MemoryError,
        RuntimeError,
    ) as error:  # what the system would not give
        if not refusal(error):
            raise
        print(f"error: {refusal(error)}", file=sys.stderr)
        return HashQuantError.exit_code


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
