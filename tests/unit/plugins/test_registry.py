from types import SimpleNamespace

import pytest

import hashquant.datasets
import hashquant.methods
from hashquant.errors import UsageError
from hashquant.plugins import registry
from hashquant.plugins.method import Method


@pytest.fixture
def plugin_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(hashquant.methods, "__path__", [*hashquant.methods.__path__, str(tmp_path)])
    return tmp_path


def test_methods_are_the_files():
    assert {"opqn", "dcdh", "gpq", "dpq"} <= set(registry.methods())
    assert all(entry.summary for entry in registry.methods().values())


def test_a_data_set_file_may_offer_several_names():
    names = registry.datasets()
    assert {"synthfaces", "synthfaces-studio", "synthfaces-street", "lfw", "cifar10"} <= set(names)
    assert registry.dataset_stem("synthfaces-street") == "synthfaces"
    assert registry.dataset_stem("folder:/some/where") == "folder"


def test_names_in_any_case_and_wildcards():
    known = ["opqn", "gpq", "dcdh"]
    assert registry.expand("method", ["OPQN", "g*"], known) == ("opqn", "gpq")
    assert registry.expand("method", ["all"], known) == tuple(known)
    with pytest.raises(UsageError, match="did you mean 'opqn'"):
        registry.expand("method", ["opqm"], known)


def test_all_data_sets_leave_out_the_one_that_needs_a_path():
    assert registry.expand("dataset", ["all"], ["lfw", "folder"]) == ("lfw",)
    assert registry.expand("dataset", ["FOLDER:/A/b"], ["lfw", "folder"]) == ("folder:/A/b",)


def test_a_plugin_that_fails_to_import_is_named(plugin_folder):
    (plugin_folder / "brokenmethod.py").write_text('"""Broken."""\nimport no_such_package\n')
    assert "brokenmethod" in registry.methods()
    with pytest.raises(
        registry.PluginError, match=r"'brokenmethod' cannot be imported.*no_such_package"
    ):
        registry.load_method("brokenmethod")
    assert issubclass(registry.load_method("opqn"), Method)


def test_a_file_that_is_no_python_is_listed_with_its_reason(plugin_folder):
    (plugin_folder / "syntaxmethod.py").write_text("def (:\n")
    assert "cannot be read" in registry.methods()["syntaxmethod"].summary


def test_a_file_without_a_method_is_refused(plugin_folder):
    (plugin_folder / "emptymethod.py").write_text('"""Nothing."""\n')
    with pytest.raises(registry.PluginError, match="must define one Method subclass, got 0"):
        registry.load_method("emptymethod")


def test_unknown_names_offer_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'dcdh'"):
        registry.load_method("dcdhh")
    with pytest.raises(UsageError, match="did you mean 'olivetti'"):
        registry.make_dataset("olivety")


COMPUTED = '''"""Computed."""
import hashquant.api as hq
PAPER = hq.Reference("T", "A B", "V", 2020, "u")
class Computed(hq.Method):
    reference = PAPER
    def forward(self, features):
        return features
'''


def test_a_reference_that_is_no_literal_costs_an_import(plugin_folder):
    (plugin_folder / "computedmethod.py").write_text(COMPUTED)
    assert registry.reference("computedmethod").title == "T"
    (plugin_folder / "papermissing.py").write_text(COMPUTED.replace("reference = PAPER", "x = 1"))
    with pytest.raises(registry.PluginError, match="'papermissing' must have a Reference"):
        registry.reference("papermissing")


def test_published_numbers_lie_beside_a_method(plugin_folder):
    (plugin_folder / "citedmethod.py").write_text(
        "import hashquant.api as hq\nreference = hq.Reference('T', 'A B', 'V', 2020)\n"
    )
    (plugin_folder / "published").mkdir()
    (plugin_folder / "published" / "citedmethod.yaml").write_text(
        "- shared: {dataset: lfw, bits: 24, source: s, protocol: p}\n"
        "  claims: [{metric: mAP, value: 0.5}]\n"
    )
    (claim,) = registry.reference("citedmethod").claims
    assert (claim.dataset, claim.value) == ("lfw", 0.5)


def test_a_third_party_is_imported_for_what_it_cites(tmp_path, monkeypatch):
    (tmp_path / "elsewhere_method.py").write_text(COMPUTED)
    (tmp_path / "elsewhere_data.py").write_text(
        "import hashquant.api as hq\nclass Elsewhere(hq.Dataset):\n"
        '    NAMES = {"elsewhere": "e"}\n    citation = "@misc{e, title = {E}}"\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    offered = {
        "hashquant.methods": [SimpleNamespace(name="far", value="elsewhere_method:Computed")],
        "hashquant.datasets": [
            SimpleNamespace(name="elsewhere", value="elsewhere_data:Elsewhere"),
            SimpleNamespace(name="broken", value="no_such_module:X"),
        ],
    }
    monkeypatch.setattr(registry, "entry_points", lambda group: offered[group])
    found = registry.sources(["far"], ["elsewhere", "broken"])
    assert found.methods["far"].title == "T"
    assert found.datasets == {"elsewhere": "@misc{e, title = {E}}"}
    assert "'broken' cannot be imported" in found.missing["broken"]
