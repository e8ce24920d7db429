"""What becomes of a command's words costs it nothing: closed, full, left or foreign streams."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hashquant.cli import _streams as streams
from hashquant.cli import main
from hashquant.cli._progress import Progress

ROOT = Path(__file__).resolve().parents[3]
FULL = Path("/dev/full")


class Raising(io.StringIO):
    """A stream of no file that fails, now or when it is flushed."""

    def __init__(self, error, *, late=False):
        super().__init__()
        self.error, self.late, self.times = error, late, 0

    def write(self, text):
        self.times += 1
        if not self.late:
            raise self.error
        return len(text)

    def flush(self):
        raise self.error


def encoded(encoding):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", "0.5 +-0.1|o -> -1 ? ?"), ("latin-1", "0.5 ±0.1|° -> -1 é ?"),
     ("utf-8", "0.5 ±0.1|° → −1 é 人"), ("cp1252", "0.5 ±0.1|° -> -1 é ?")],
)  # fmt: skip
def test_what_an_encoding_lacks_is_replaced(encoding, shown):
    stream = encoded(encoding)
    voice = streams.Voice(stream)
    print("0.5 ±0.1|° → −1 é 人", file=voice, flush=True)
    assert stream.buffer.getvalue().decode(encoding) == f"{shown}\n"
    print("\udce9", file=voice, flush=True)  # a file's name that is no UTF-8
    assert stream.buffer.getvalue().decode(encoding).endswith("\n?\n")


@pytest.mark.parametrize("late", [False, True])
def test_a_reader_who_leaves_and_a_full_disk_are_told_apart(late):
    left, full = Raising(BrokenPipeError(32, "Broken pipe"), late=late), Raising(
        OSError(28, "No space left on device"), late=late
    )  # fmt: skip
    for stream, reason in ((left, ""), (full, "No space left on device")):
        voice = streams.Voice(stream)
        for _ in range(3):
            print("a word", file=voice, flush=True)
        assert voice.reason == reason
        assert stream.times <= 2  # nobody is asked again


def test_nothing_printed_steers_a_terminal(capsys):
    with streams.voices():
        sys.stdout.write("a\x1b[31m\x07\x9b2J\u202eb\r\ttab\n")
        sys.stderr.write("e\x1b]0;title\x07\n")
    said = capsys.readouterr()
    assert said.out == "a\\x1b[31m\\x07\\x9b2J\\u202eb\\x0d\ttab\n"
    assert said.err == "e\\x1b]0;title\\x07\n"


def test_a_bar_moves_the_cursor_and_its_texts_do_not(capsys):
    with streams.voices(), Progress(2, quiet=False) as bar:
        bar.show("folder:\x1b[2Jx\ny")
        bar.advance(1, "\x1b[1m")
        bar.say("done \x1b[1m")
    said = capsys.readouterr()
    assert said.out == "done \\x1b[1m\n"
    assert "folder:\\x1b[2Jx y" in said.err
    assert "\x1b[2J" not in said.err
    assert "\x1b[1m" not in said.err
    assert "\r" in said.err


def test_streams_are_put_back_and_closed_ones_are_filled(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "stdin", None)
    before = sys.stdout
    with streams.voices():
        sys.stderr.write("nobody hears")
        assert sys.stdin.read() == ""
    assert (sys.stdin, sys.stdout, sys.stderr) == (None, before, None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("words", [["list"], ["report"], ["verify"], ["data", "x"], ["--dry-run"]])
def test_every_verb_is_interrupted_alike(monkeypatch, capsys, words, number):
    def verb(flags):
        signal.raise_signal(number)
        pytest.fail("it went on")

    kept = signal.getsignal(number)
    monkeypatch.setattr(sys.modules["hashquant.cli.main"], "_dispatch", lambda flags: verb)
    assert main(words) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert signal.getsignal(number) == kept


def shell(line, **more):
    """Run a line of sh in which `hq` is the command; return its exit code and what it said."""
    hq = f'hq() {{ "{sys.executable}" -u "{ROOT / "run_bench.py"}" "$@"; }}\n'
    done = subprocess.run(
        ["bash", "-c", hq + line], capture_output=True, text=True, check=False,
        env=os.environ | more,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_words_that_cannot_be_written_are_one_sentence():
    lost = "error: cannot write to the standard output: No space left on device\n"
    assert shell("hq list trunks >/dev/full") == (1, "", lost)
    assert shell("hq --help >/dev/full; echo $?") == (0, "1\n", lost)


def test_closed_streams_change_no_exit_code():
    assert shell("hq list trunks >&- <&- && hq list methodz 2>&-; echo $?") == (0, "2\n", "")


TINY = ["--methods", "random", "--bits", "8", "16", "--set", "synthfaces.identities=4", "--set",
        "synthfaces.images=4", "--set", "image_size=16", "--set", "resize=18", "--targets", "seen",
        "--device", "cpu", "--no-figures"]  # fmt: skip


def test_a_run_that_nobody_hears_goes_on_to_the_end(where, tmp_path, monkeypatch):
    def told(words, error):
        heard = io.StringIO()
        monkeypatch.setattr(sys, "stdout", Raising(error))
        monkeypatch.setattr(sys, "stderr", heard)
        return main([*words, *where]), heard.getvalue()

    assert told([*TINY, "--quiet"], BrokenPipeError(32, "gone")) == (0, "")
    assert len(list(tmp_path.rglob("eval.json"))) == 2
    assert (tmp_path / "reports/quick/index.html").is_file()
    # What a run was asked for is stored; the words of any other verb are what it was asked for.
    lost = "error: cannot write to the standard output: it is full\n"
    full = OSError(28, "it is full")
    assert told([*TINY, "--quiet"], full) == (0, lost)
    assert told([*TINY, "--dry-run"], full) == (1, lost)
    assert told(["report", "--no-figures"], full) == (1, lost)


@pytest.mark.slow
def test_a_run_in_a_pipe_that_is_left_goes_on_to_the_end(where, tmp_path):
    words = " ".join(f"'{word}'" for word in [*TINY, *where])
    line = f'hq {words} 2>&1 | head -1; echo "code ${{PIPESTATUS[0]}}"'
    code, out, err = shell(line, PYTHONIOENCODING="ascii")
    assert (code, err) == (0, "")
    assert out.endswith("\ncode 0\n")
    assert "summary" not in out  # which came when nobody read any more
    assert len(list(tmp_path.rglob("eval.json"))) == 2
    assert (tmp_path / "reports/quick/index.html").is_file()
