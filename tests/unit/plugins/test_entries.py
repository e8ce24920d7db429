"""Which names can be used, and which class stands behind them."""

import pytest

import hashquant.datasets
import hashquant.methods
from hashquant.errors import PluginError, UsageError
from hashquant.plugins import registry
from tests.unit.conftest import METHOD


def method(name, cls="M"):
    return METHOD.format(name=name, cls=cls)


def test_the_class_after_the_colon_is_taken(install):
    inner = "class Outer:\n    class Inner(A):\n        name = 'entry-d'\n"
    install(
        "many",
        methods={"entry-a": "many1.two:A", "entry-b": "many1.two : B [extra]", "entry-c": "many1:C",
                 "entry-d": "many1.two:Outer.Inner"},
        files={"many1/__init__.py": "from many1._core import C\n",
               "many1/_core.py": method("entry-c", "C"),
               "many1/two.py": method("entry-a", "A") + method("entry-b", "B") + inner},
    )  # fmt: skip
    found = [registry.load_method(f"entry-{letter}").__qualname__ for letter in "abcd"]
    assert found == ["A", "B", "C", "Outer.Inner"]
    assert registry.offers_of(registry.load_method("entry-c")) == ("entry-c",)
    assert registry.offers_of(registry.load_method("opqn")) == ()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("wrong1:Nope", "must be a Method subclass, got nothing"),
        ("wrong1:hq", "must be a Method subclass, got a module"),
        ("wrong1:Other", "must be a Method subclass, got Other"),
        ("wrong1:M.name.x", "got nothing"),
        ("wrong1", "must define one Method subclass, got 2"),
        ("no_such_module_1:M", "'far' cannot be imported.*no_such_module_1"),
        ("syntax1:M", "'far' cannot be imported .SyntaxError"),
        ("leaves1:M", "'far' cannot be imported .SystemExit: 0."),
    ],
)
def test_a_class_that_is_none_is_one_sentence(install, value, said):
    two = method("far") + method("far", "N") + "class Other:\n    pass\n"
    install("wrong", methods={"far": value}, files={
        "wrong1.py": two, "syntax1.py": "def (:\n", "leaves1.py": "raise SystemExit(0)\n",
    })  # fmt: skip
    with pytest.raises(PluginError, match=said) as caught:
        registry.load_method("far")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('family = "binary"', "family must be a Binary"),
        ("family = hq.Binary", "family must be a Binary"),
        ("class Config:\n        lr = 1", "Config must be a dataclass"),
        ('kind = "centers"', "kind must be one of pairs, triplets, centres, .*got 'centers'"),
        ("kind = None", "kind must be one of .*got None"),
        ('name = "other"', "name must be 'far', as it is called, got 'other'"),
        ("forward = hq.Method.forward", "it must define forward"),
    ],
)
def test_a_method_that_declares_itself_wrongly_is_one_sentence(install, change, said):
    module = f"declares{abs(hash(change))}"
    install(
        "d",
        methods={"far": f"{module}:M"},
        files={f"{module}.py": method("far") + f"    {change}\n"},
    )
    with pytest.raises(PluginError, match=f"method 'far' cannot be used: {said}"):
        registry.load_method("far")


@pytest.mark.parametrize("name", ["opqn", "OPQN"])
def test_a_taken_name_stays_with_the_file(install, name):
    install("thief", methods={name: "thief1:M"}, datasets={"Lfw-Seen": "thief1:D"},
            files={"thief1.py": method("opqn")})  # fmt: skip
    assert registry.methods()["opqn"].origin == "methods/opqn.py"
    assert registry.load_method("opqn").__module__ == "hashquant.methods.opqn"
    assert registry.refused() == (
        f"'{name}' of package thief 1.0 is not used: the name is that of methods/opqn.py",
        "'Lfw-Seen' of package thief 1.0 is not used: the name is that of datasets/lfw.py",
    )
    assert len(registry.refused("methods")) == 1


def test_a_name_of_two_packages_is_neithers(install):
    install("one", methods={"far": "one1:M", "same": "one1:M"}, files={"one1.py": method("far")})
    install("two", methods={"far": "two1:M", "same": "one1:M"}, files={"two1.py": method("far")})
    assert "far" not in registry.methods()
    assert "same" in registry.methods()  # both name the same class
    said = r"method 'far' is offered more than once, by package (one|two) 1.0 and package"
    for use in (
        lambda: registry.load_method("FAR"),
        lambda: registry.expand("method", ["far"], registry.methods()),
    ):
        with pytest.raises(UsageError, match=said):
            use()
    assert registry.expand("method", ["f*"], registry.methods()) == ("float",)


@pytest.mark.parametrize(
    "name",
    ["a b", "a:b", "a,b", "a/b", "a*", "UPPER", "..", "é", "x+y", "a.b", "-a", "\x1b[31m", "a" * 65,
     "all", "seen", "unseen", "cross", "common", "none", "folder", "lfw", "synthfaces-street"],
)  # fmt: skip
def test_a_name_that_no_command_can_say_is_refused_with_its_package(name):
    from hashquant.plugins._entries import Entry, catalogue

    foreign = [Entry(name, "", "m", "M", "package odd 1.0")]
    found = catalogue([], foreign, registry.datasets(), ())
    assert not found.entries
    [said] = found.sentences
    assert "of package odd 1.0 is not used: " in said
    assert said.isprintable()


def test_data_set_files_that_declare_one_name_or_none(tmp_path, monkeypatch):
    paths = [*hashquant.datasets.__path__, str(tmp_path)]
    monkeypatch.setattr(hashquant.datasets, "__path__", paths)
    (tmp_path / "mine.py").write_text('NAMES = {"lfw": "x", "my set": "y", "mine": "z"}\n')
    (tmp_path / "made.py").write_text("NAMES = {n: n for n in 'ab'}\n")
    (tmp_path / "cut.py").write_text("def (:\n")
    (tmp_path / "deep.py").write_text("x = " + "-" * 100_000 + "1\n")
    found = registry.datasets()
    assert "lfw" not in found
    assert {"lfw-seen", "mine"} <= set(found)
    said = "\n".join(registry.refused("datasets"))
    assert "'lfw' is offered more than once, by datasets/lfw.py and " in said
    assert "'my set' of " in said
    assert "made.py: NAMES must be a mapping written as a literal" in said
    assert "cut.py cannot be read: invalid syntax" in said
    with pytest.raises(UsageError, match="dataset 'lfw' is offered more than once"):
        registry.make_dataset("lfw")


def test_damaged_metadata_of_one_package_hide_no_other(install):
    install("good", methods={"far": "good1:M"}, files={"good1.py": method("far")})
    install("bad", raw=b"\xff\xfe[hashquant.methods]\n")
    install("odd", methods={"far2": "not a module!!:1"})
    assert "far" in registry.methods()
    said = registry.refused("methods")
    assert any("package bad 1.0: reading its entry points failed (UnicodeDecode" in s for s in said)
    assert "package odd 1.0 offers 'far2' as 'not a module!!:1', which must be module:Class" in said


def test_a_data_set_that_leaves_while_it_is_built_is_one_sentence(install):
    text = ("import hashquant.api as hq\nclass D(hq.Dataset):\n"
            "    def __init__(self, *a):\n        raise SystemExit('no')\n"
            "    prepare = load = split = print\n")  # fmt: skip
    install("sets", datasets={"farset": "sets1:D"}, files={"sets1.py": text})
    with pytest.raises(PluginError, match=r"data set 'farset' failed \(SystemExit: no\)"):
        registry.make_dataset("farset")
