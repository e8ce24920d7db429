"""A suite file by anybody's hand is read within bounds, or refused in one sentence."""

import pytest
import yaml

from hashquant.errors import UsageError
from hashquant.settings._strictyaml import MOST_BYTES, parse_yaml
from hashquant.settings.reference import ClaimsError, read_claims
from hashquant.settings.suite import read_suite

BOMB = "\n".join(
    f"{name}: &{name} [{', '.join([before] * 10)}]"
    for before, name in zip(["x", "*a", "*b", "*c", "*d"], "abcde", strict=True)
)

REFUSED = [
    (b"", "it is empty"),
    (b"# a title, but no suite\n", "it is empty"),
    (b"title: caf\xe9\n", "line 1 must be UTF-8, byte 0xe9 is none"),
    ("bits: [16]\n".encode("utf-16"), "must be UTF-8"),
    (b"[" * 3000, "at most 20 levels"),
    (b"{a: " * 3000, "at most 20 levels"),
    (b"- " * 500_000, "at most 20 levels"),
    (BOMB.encode(), "at most 20,000 values"),
    (b"settings: &a {opqn: *a}", "an alias stands within itself"),
    (b"title: " + b"x" * MOST_BYTES, "at most 1,048,576 bytes long"),
    (b"bits: [16]\nepochs: 3\nbits: [24]\n", "line 3, column 1: key 'bits' stands here a second"),
    (b"settings: {opqn: {scale: 1.0, scale: 2.0}}", "key 'scale' stands here a second time"),
    (b"bits:\n\t- 16\n", "line 2, column 1: found character"),
    (b"title: !!python/object/apply:os.system [ls]", "must have no tag"),
    (b"title: !!binary aGVsbG8=", "must have no tag"),
    (b"bits: [16]\n---\nbits: [24]\n", "but found another document"),
    (b"epochs: .inf", "must be a finite number, got '.inf'"),
    (b"epochs: 1.0e+999", "must be a finite number, got '1.0e"),
    (b"epochs: " + b"7" * 5000, "must be a whole number"),
    (b"epochs: " + b"7" * 30, "must fit 64 bits"),
    (b"1: 2", "a key must be text, got '1'"),
    (b"yes: 2", "a key must be text, got 'yes'"),
    (b"? [a]\n: b", "a key must be text, got a list"),
    (b'title: "\\ud800"', "must not hold control characters"),
    (b'title: "\\e[31mred"', "must not hold control characters"),
    (b'title: "\\UFFFFFFFF"', "it is no YAML"),
    (b"%YAML 1." + b"1" * 5000 + b"\n---\na: b", "it is no YAML"),
    (b"bits: [16\n", "line 2, column 1: "),
    (b"title: \x01", "#x0001 cannot stand in YAML"),
    (b"[]", "must be a mapping of keys to values, got []"),
    (b"false", "must be a mapping of keys to values, got False"),
    (b"~", "must be a mapping of keys to values, got None"),
]


@pytest.mark.parametrize(("data", "reason"), REFUSED)
def test_a_suite_file_that_is_none_is_refused_in_one_sentence(tmp_path, data, reason):
    path = tmp_path / "mine.yaml"
    path.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        read_suite(path)
    said = str(caught.value)
    assert reason in said
    assert "mine.yaml" in said
    assert "\n" not in said
    assert len(said) < 400


@pytest.mark.parametrize("data", [b"- {shared: {}, claims: []}\n" * 2 + b"\xe9", b"[" * 3000, b""])
def test_published_numbers_are_read_by_the_same_loader(tmp_path, data):
    path = tmp_path / "new.yaml"
    path.write_bytes(data)
    with pytest.raises(ClaimsError, match=r"new\.yaml must list groups"):
        read_claims(path)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="got: Is a directory"):
        read_suite(tmp_path)


def test_plain_values_are_what_the_safe_loader_gives():
    text = """
    title: "über — †"
    flip: yes
    lr: {a: 1.5e-3, b: [0.1, -2, 0x10, 1_000, ~]}
    shared: &s {epochs: 3, bits: [16, 24]}
    one: *s
    two: {<<: *s, epochs: 4}
    long: |
      two
      lines
    """
    assert parse_yaml(text) == yaml.safe_load(text)


def test_a_date_is_text():
    assert parse_yaml("title: 2026-11-28") == {"title": "2026-11-28"}
