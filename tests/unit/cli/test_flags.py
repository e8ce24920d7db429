"""What every command's flags must keep to: said once, and paths that can be named."""

import argparse
import shlex
from pathlib import Path

import pytest

from hashquant.cli import main
from hashquant.cli._asked import resolve
from hashquant.cli._parser import _PARSERS, parse
from hashquant.cli._trace import _suite_of
from hashquant.errors import UsageError
from hashquant.records.store import Store
from hashquant.report.trace.repeat import command
from tests.unit.records.test_store import spec

POSITIONAL = {"data": ["lfw"], "explain": ["CELL"], "list": [], "report": [], "verify": [],
              "run": []}  # fmt: skip


def flags(kind):
    """Return verb and flag of every flag of a kind: with a list of values, or with one."""
    found = []
    for verb, make in _PARSERS.items():
        for action in make(verb)._actions:
            takes = not isinstance(action, argparse._HelpAction) and action.nargs != 0
            if action.option_strings and takes and action.dest != "assignments":
                several = action.nargs == "+"
                if several == (kind == "several"):
                    found.append((verb, action.option_strings[-1], action))
    return found


def values(action):
    return list(action.choices) if action.choices else ["1", "2"]


@pytest.mark.parametrize(("verb", "flag", "action"), flags("several"))
def test_a_list_given_twice_means_both(verb, flag, action):
    found = parse([verb, *POSITIONAL[verb], flag, "1", "2", flag, "3"])
    assert getattr(found, action.dest) == ["1", "2", "3"]


@pytest.mark.parametrize(("verb", "flag", "action"), flags("one"))
def test_a_value_given_twice_is_refused_where_it_differs(verb, flag, action):
    first, second = values(action)[:2]
    once = parse([verb, *POSITIONAL[verb], flag, first])
    again = parse([verb, *POSITIONAL[verb], flag, first, f"{flag}={first}"])
    assert getattr(once, action.dest) == getattr(again, action.dest)
    with pytest.raises(UsageError, match=rf"{flag} takes one value, got {first} and {second}"):
        parse([verb, *POSITIONAL[verb], flag, first, f"{flag}={second}"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--set", "epochs=1", "--set", "epochs=2"], "--set epochs takes one value, got 1 and 2"),
        (["--set", "opqn.margin=1", "--set", " opqn.margin=2"], "--set opqn.margin takes one"),
        (["--set", "epochs=5", "--epochs", "2"], "epochs is given by --epochs and by --set"),
        (["--set", "bits=8", "--bits", "16"], "bits is given by --bits and by --set bits=8"),
        (["data", "lfw", "--set", "lfw.size=8", "--set", "lfw.size=9"], "--set lfw.size takes"),
    ],
)
def test_a_setting_given_twice_is_refused_where_it_differs(words, sentence):
    with pytest.raises(UsageError, match=sentence):
        parse(words)


def test_a_setting_given_twice_alike_is_one():
    assert parse(["--set", "epochs=1", "--set", "epochs=1"]).assignments == ["epochs=1"] * 2


NAMES = ("a,b", "a+b", "a b", "a*[b]?", "a=b", "-a", "a:b", "a+k=v", "a+norm_stats=target",
         r"a\b", "ä😀", "a,lfw", "a\\,b")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_path_can_be_named(tmp_path, monkeypatch, name):
    """As it is where it is there; with backslashes anywhere; in a file, and by `--set`."""
    monkeypatch.chdir(tmp_path)
    escaped = name.replace("\\", r"\\").replace(",", r"\,").replace("+", r"\+")
    spaced = escaped.replace(" ", r"\ ")
    asked = f"folder:{escaped}"
    for words in (["--datasets", "lfw", asked], ["--datasets", f"lfw,{asked}"],
                  ["--datasets", "lfw", "--datasets", asked],
                  ["--set", f"datasets=lfw,folder:{spaced}"]):  # fmt: skip
        assert resolve(parse(words))[1].datasets == ("lfw", f"folder:{name}"), words
    (tmp_path / "s.yaml").write_text(f"datasets: ['{asked}']\ntargets: ['{asked}']\n")
    suite = resolve(parse(["--suite", "s.yaml"]))[1]
    assert suite.datasets == (f"folder:{name}",)
    named = [f"folder:{name}", f"folder:{name}+norm_stats=target"]
    option = "+norm_stats=target"
    for words in (["--targets", asked, f"{asked}{option}"],
                  ["--targets", f"{asked},{asked}{option}"],
                  ["--set", f"targets=folder:{spaced},folder:{spaced}{option}"]):  # fmt: skip
        found = resolve(parse(words))[1].targets
        assert found[1] == named[1]
        assert found[0] in (named[0], f"{named[0]}+norm_stats=source")


@pytest.mark.parametrize("name", NAMES)
def test_the_command_of_a_cell_names_the_same_when_pasted(name):
    targets = [f"folder:{name}+norm_stats=target", "lfw+norm_stats=target", "folder:t 1"]
    words = shlex.split(command(spec(dataset=f"folder:{name}"), targets, "folder", "quick"))
    found = resolve(parse([word for word in words[1:] if word != "\n"]))[1]
    assert found.datasets == (f"folder:{name}",)
    assert found.targets == tuple(targets)


def test_a_suite_of_a_file_is_repeated_from_what_is_kept(where, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("hashquant.cli._run.run_cells", lambda *_: None)
    file = tmp_path / "my suite.yaml"
    file.write_text("title: Mine\n")
    assert main(["--suite", str(file), *where, "--quiet"]) == 0
    file.unlink()
    store = Store(tmp_path / "results")
    shown = _suite_of(store, "my suite")
    name, suite = resolve(parse(["--suite", shown]))
    assert (name, suite.title) == ("my suite", "Mine")
    assert main(["--suite", shown, *where, "--quiet"]) == 0
    assert _suite_of(store, "quick") == ""
    assert _suite_of(store, "elsewhere") == "elsewhere.yaml"


@pytest.mark.parametrize("name", ["a,b", "a,lfw", "a+b", "C++"])
def test_a_path_that_is_there_need_not_be_escaped(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    words = ["--datasets", f"folder:{name}", "--targets", f"folder:{name}+norm_stats=target", "lfw"]
    suite = resolve(parse(words))[1]
    assert suite.datasets == (f"folder:{name}",)
    assert suite.targets == (f"folder:{name}+norm_stats=target", "lfw")


@pytest.mark.parametrize(
    ("words", "way"),
    [
        (["--datasets", "folder:/x/a,b c"], "'folder:/x/a\\,b c'"),
        (["--targets", "folder:/x/a,b"], "'folder:/x/a\\,b'"),
        (["data", "folder:/x/a,b"], "'folder:/x/a\\,b'"),
        (["--targets", "folder:/x/a+k=v"], "'folder:/x/a\\+k=v'"),
    ],
)
def test_an_error_shows_the_words_that_work(capsys, words, way):
    assert main([*words, *(["--dry-run"] if words[0] != "data" else [])]) == 2
    said = capsys.readouterr().err
    assert way in said
    (shown,) = shlex.split(way)
    verb = ["data"] if words[0] == "data" else [words[0]]
    assert resolve(parse(["--datasets" if verb == ["data"] else verb[0], shown]))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--datasets", "folder:caf\udce9"], "must be UTF-8, got 'folder:caf\\\\udce9'"),
        (["report", "--suite", "-x"], "--suite=-VALUE"),
        (["explain", "-x"], "./-CELL"),
    ],
)
def test_a_word_that_cannot_be_taken_names_the_way_out(words, sentence):
    with pytest.raises(UsageError, match=sentence):
        parse(words)


@pytest.mark.parametrize("flag", ["--results-dir", "--reports-dir", "--data-dir"])
@pytest.mark.parametrize("below", ["", "/deeper"])
def test_a_file_is_no_folder(tmp_path, capsys, flag, below):
    (tmp_path / "file").write_text("")
    assert main([flag, f"{tmp_path}/file{below}"]) == 2
    said = capsys.readouterr().err
    assert f"error: {flag} must be" in said
    assert f"{tmp_path}/file{below}" in said
    assert "Not a directory" in said if below else "got a file" in said


def test_a_folder_longer_than_the_system_allows_is_refused(capsys):
    assert main(["report", "--reports-dir", "x" * 300]) == 2
    assert "File name too long" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")
def test_reports_that_cannot_be_written_are_told_before_training(where, tmp_path, capsys):
    assert main(["--quiet", *where[:2], "--reports-dir", "/proc/no"]) == 2
    assert "--reports-dir must be writable, got /proc/no" in capsys.readouterr().err
    assert not list(tmp_path.rglob("train.json"))


@pytest.mark.parametrize("suite", ["../x", "a/b", "", ".", "..", "/proc/self", "results", "x.yaml"])
@pytest.mark.parametrize("verb", ["report", "verify", "run"])
def test_a_suite_that_is_none_is_unknown(where, tmp_path, capsys, verb, suite):
    """Whatever lies at the end of that path: here, records of another folder of results."""
    cell = tmp_path / "x" / "lfw" / "opqn" / "8bit" / "seed0-abc"
    cell.mkdir(parents=True)
    (cell / "train.json").write_text("{}")
    folders = {"report": where[:4], "verify": where[:2], "run": where}[verb]
    assert main([verb, "--suite", suite, *folders]) == 2
    said = capsys.readouterr().err
    assert "unknown suite" in said or "must exist" in said
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("file", "name"),
    [("my suite.yaml", "my suite"), ("naïve.yaml", "naïve"), ("a.b.yaml", "a.b"),
     ("-x.yaml", "-x"), ("..yaml", None), ("...yaml", None), (".x.yaml", None),
     ("a\nb.yaml", None), ("漢" * 80 + ".yaml", None)],
)  # fmt: skip
def test_a_suite_is_called_as_its_file_where_a_folder_can_be(tmp_path, file, name):
    path = tmp_path / file
    path.write_text("title: T\n")
    if name is not None:
        assert resolve(parse(["--suite", str(path)]))[0] == name
        return
    with pytest.raises(UsageError, match="a suite file's name must"):
        resolve(parse(["--suite", str(path)]))


def test_a_suite_file_of_another_ending_is_told_so(tmp_path):
    (tmp_path / "lt.txt").write_text("title: T\n")
    with pytest.raises(UsageError, match=r"ends in \.yaml"):
        resolve(parse(["--suite", str(tmp_path / "lt.txt")]))


@pytest.mark.parametrize(
    "words",
    [["explain"], ["--dry-run", "--suite"], ["report", "--suite"], ["verify", "--suite"],
     ["report", "--readme"], ["--dry-run", "--trunk=resnet18:"], ["--dry-run", "--methods"]],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["", ".yaml"])
def test_a_name_longer_than_the_system_allows_is_one_sentence(capsys, words, ending):
    *words, last = words
    name = "漢" * 300 + ending
    assert main([*words, *([last + name] if last.endswith(":") else [last, name])]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
