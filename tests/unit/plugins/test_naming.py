"""What readers call the plug-ins, read from their text; a third party's by importing it."""

import zlib
from types import SimpleNamespace

import pytest

import hashquant.methods
from hashquant.plugins import naming, registry
from hashquant.settings.trunknames import DISPLAY, TRUNKS


def test_every_method_data_set_and_trunk_has_a_name():
    names = naming.names(registry.methods(), registry.datasets())
    assert set(names.methods) == set(registry.methods())
    assert set(names.datasets) == set(registry.datasets())
    assert set(DISPLAY) == set(TRUNKS)
    assert len({name.text for name in names.methods.values()}) == len(names.methods)
    assert len({name.short or name.text for name in names.methods.values()}) == len(names.methods)


def test_the_words_of_the_stored_variants():
    names = naming.names(registry.methods(), ["lfw-unseen", "cifar10"])
    assert names.row("opqn entropy_weight=0.0") == "OPQN, without the entropy term"
    assert names.row("gpq labels=100%") == "GPQ"
    assert names.row("opq") == "OPQ of the float embedding"
    assert names.dataset("lfw-unseen") == "LFW, new people"
    assert names.classes_of("cifar10") == "classes"


def test_what_is_called_alike_is_told_apart():
    both = naming.names([], ["olivetti", "olivetti-cross"])
    assert both.dataset("olivetti-cross") == "Olivetti (olivetti-cross)"
    assert naming.names([], ["olivetti-cross"]).dataset("olivetti-cross") == "Olivetti"


def test_no_plug_in_of_ours_is_imported_for_its_name(monkeypatch):
    monkeypatch.setattr(registry, "load_method", None)
    monkeypatch.setattr(registry, "dataset_class", None)
    assert naming.names(registry.methods(), registry.datasets()).method("opqn") == "OPQN"


NAMED = '''"""Named."""
import hashquant.api as hq
TEXT = "Far"
class Far(hq.Method):
    display = hq.Name(TEXT)
    def forward(self, features):
        return features
'''


def test_a_name_that_is_no_literal_costs_an_import(tmp_path, monkeypatch):
    monkeypatch.setattr(hashquant.methods, "__path__", [*hashquant.methods.__path__, str(tmp_path)])
    (tmp_path / "namedmethod.py").write_text(NAMED)
    (tmp_path / "namelessmethod.py").write_text("import no_such_package\n")
    assert naming.display("namedmethod").text == "Far"
    assert naming.display("namelessmethod").text == ""
    assert naming.names(["namelessmethod", "no_such"], ["no_such"]).methods == {}


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('kind = "pairs"', "pairs"),
        ('kind: str = "fitted"', "fitted"),
        ("kind = TEXT", ""),  # imported: no known kind
        ('kind = "centers"', ""),
        ("", ""),
    ],
)
def test_the_kind_of_a_method_is_read_from_its_text(tmp_path, monkeypatch, line, kind):
    monkeypatch.setattr(hashquant.methods, "__path__", [*hashquant.methods.__path__, str(tmp_path)])
    name = f"kinded{zlib.crc32(line.encode())}"
    text = NAMED.replace("    def forward", f"    {line}\n    def forward")
    (tmp_path / f"{name}.py").write_text(text)
    names = naming.names([name, "no_such"], [])
    assert names.kinds == ({name: kind} if kind else {})
    assert names.kind(f"{name} k=1") == kind


def test_a_third_party_is_imported_for_its_name(tmp_path, monkeypatch):
    (tmp_path / "far_method.py").write_text(NAMED)
    (tmp_path / "far_data.py").write_text(
        "import hashquant.api as hq\nclass Far(hq.Dataset):\n"
        '    NAMES = {"fardata": "f"}\n    DISPLAY = {"fardata": "Far data"}\n'
        '    class_noun = "classes"\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    offered = {
        "hashquant.methods": [
            SimpleNamespace(name="far", value="far_method:Far"),
            SimpleNamespace(name="broken", value="no_such_module:X"),
        ],
        "hashquant.datasets": [SimpleNamespace(name="fardata", value="far_data:Far")],
    }
    monkeypatch.setattr(registry, "entry_points", lambda group: offered[group])
    found = naming.names(["far", "broken"], ["fardata"])
    assert (found.row("far k=1"), found.row("broken k=1")) == ("Far, k 1", "broken k=1")
    assert (found.dataset("fardata"), found.classes_of("fardata")) == ("Far data", "classes")


@pytest.mark.parametrize("text", ["display = 3", "display = hq.Name(*x)", "display = Other('a')"])
def test_what_is_no_name_is_no_literal(tmp_path, text):
    from hashquant.plugins._literals import display_in

    (tmp_path / "a.py").write_text(text)
    assert display_in(tmp_path / "a.py") is None
