"""Every setting and every odd value: taken as a finite value in its range, or refused in a line."""

import dataclasses

import pytest
import yaml

from hashquant.cli._asked import resolve
from hashquant.cli._parser import parse
from hashquant.errors import UsageError
from hashquant.plugins import registry
from hashquant.runs.planning import plan
from hashquant.settings.ranges import fault
from hashquant.settings.reading import declared
from hashquant.settings.recipe import Recipe
from hashquant.settings.suite import Suite, canonical_json

#: As YAML writes them; what a flag is given is the same text.
ODD = (".nan", "nan", ".inf", "-.inf", "inf", "-1e308", "-1.0e+308", "1e400", "1" + "0" * 400,
       "-1", "0", '""', "abc", "true", "[]", "{}", "null", "2020-01-01", "0x" + "f" * 5000,
       "!!binary aGk=", "[.nan]", "{a: .inf}")  # fmt: skip
BASE = {"datasets": "synthfaces", "methods": "dcdh", "bits": [24], "epochs": 1}
METHODS = tuple(registry.methods())
DATASETS = {"synthfaces": "synthfaces", "folder": "folder:x", "lfw": "lfw"}
EACH = 11


def fields(owner):
    """Return the names of everything that can be set of an owner."""
    if owner in METHODS:
        return list(declared(registry.load_method(owner).Config))
    if owner in DATASETS:
        return list(registry.dataset_class(DATASETS[owner]).OPTIONS)
    return list(declared(Recipe if owner == "common" else Suite))


def outcome(path, raw, assignments):
    """Return the sentence of the refusal, or hold the cells to their declarations."""
    path.write_text(raw)
    command = ["--suite", str(path)]
    for assignment in assignments:
        command += ["--set", assignment]
    try:
        suite = resolve(parse(command))[1]
        cells = plan("s", suite, device="cpu")
    except UsageError as error:
        return str(error)
    assert all(not fault(getattr(suite, k), hint) for k, hint in declared(Suite).items())
    for cell in cells:
        assert cell.status != "failed", cell.reason
        assert not fault(dataclasses.asdict(cell.spec), dict)
        if cell.spec.method in METHODS:
            hints = declared(registry.load_method(cell.spec.method).Config)
            assert all(not fault(v, hints[k]) for k, v in cell.spec.settings.items())
        assert "NaN" not in canonical_json(cell.spec)
        assert "Infinity" not in canonical_json(cell.spec)
    return ""


def in_yaml(owner, key, value):
    raw = {k: v for k, v in BASE.items() if k != key}
    if owner in METHODS:
        raw["methods"] = owner
    text = yaml.safe_dump(raw)
    if not owner:
        return text + f"{key}: {value}\n"
    inner = f"{{{key}: {value}}}"
    return text + (f"common: {inner}\n" if owner == "common" else f"settings: {{{owner}: {inner}}}")


def try_values(path, owner, key, values):
    name = f"{owner}.{key}" if owner else key
    plain = yaml.safe_dump(BASE | ({"methods": owner} if owner in METHODS else {}))
    for value in values:
        text = value.strip('"')
        by_file = outcome(path, in_yaml(owner, key, value), [])
        by_flag = outcome(path, plain, [f"{name}={text}"])
        for said in filter(None, (by_file, by_flag)):
            assert "\n" not in said
            assert len(said) < 600
            no_yaml = "must be readable YAML" in said and said is by_file  # it names the line
            assert no_yaml or key.removesuffix("s") in said


@pytest.mark.parametrize("owner", ["", "common", *METHODS, *DATASETS])
def test_every_setting_takes_or_refuses_odd_values(owner, tmp_path):
    for number, key in enumerate(fields(owner)):  # all values, each on some of the fields
        try_values(tmp_path / "s.yaml", owner, key, ODD[number % EACH :: EACH])


@pytest.mark.slow
@pytest.mark.parametrize("owner", ["", "common", *METHODS, *DATASETS])
def test_every_setting_takes_or_refuses_every_odd_value(owner, tmp_path):
    for key in fields(owner):
        try_values(tmp_path / "s.yaml", owner, key, ODD)
