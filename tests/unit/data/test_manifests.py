"""A damaged manifest is refused in one sentence, whatever is wrong with it."""

import json
from pathlib import Path

import pytest

from hashquant.data.manifests import manifest_digest, read_manifest
from hashquant.errors import DataError

MANIFESTS = Path(__file__).resolve().parents[3] / "datasets" / "manifests"
ROLES = {"training": ["a/0.png", "a/1.png"], "query": ["a/2.png"]}


def written(path, roles=ROLES, **changes):
    """Write a manifest whose digest is that of its lists; None takes a key out."""
    try:
        digest = manifest_digest(roles)
    except (AttributeError, TypeError):
        digest = "0" * 64
    counts = {role: len(files) for role, files in roles.items()} if isinstance(roles, dict) else {}
    raw = {"dataset": "d", "protocol": "seen", "rule": "by hand", "counts": counts,
           "identities": 1, "sha256": digest, "roles": roles} | changes  # fmt: skip
    path.write_text(json.dumps({key: value for key, value in raw.items() if value is not None}))
    return path


def test_a_manifest_of_before_the_seals_is_read(tmp_path):
    found = read_manifest(written(tmp_path / "m.json"))
    assert found.roles == {role: tuple(files) for role, files in ROLES.items()}


@pytest.mark.parametrize(
    "roles",
    [
        3, ["a"], {}, {"query": []}, {"training": ["a/0.png"]}, {"query": ["a/2.png"]},
        {**ROLES, "gallery": []}, {**ROLES, "training": []}, {**ROLES, "test": ["b/0.png"]},
        {**ROLES, "query": [3]}, {**ROLES, "query": [["a"]]}, {**ROLES, "query": [None]},
        {**ROLES, "query": ["../b/0.png"]}, {**ROLES, "query": ["a/../../0.png"]},
        {**ROLES, "query": ["/etc/passwd"]}, {**ROLES, "query": ["//x/0.png"]},
        {**ROLES, "query": ["a//0.png"]}, {**ROLES, "query": ["./a/0.png"]},
        {**ROLES, "query": [""]}, {**ROLES, "query": ["."]}, {**ROLES, "query": ["a\0b"]},
        {**ROLES, "query": ["a/2.png", "a/2.png"]}, {**ROLES, "query": "a/2.png"},
        {**ROLES, "query": {"a/2.png": 1}}, {**ROLES, "query": 3}, {**ROLES, "query": None},
    ],
)  # fmt: skip
def test_roles_that_form_no_split_are_refused(tmp_path, roles):
    path = written(tmp_path / "m.json")
    raw = json.loads(path.read_text()) | {"roles": roles}
    if isinstance(roles, dict):
        raw["counts"] = {r: len(f) for r, f in roles.items() if hasattr(f, "__len__")}
        lists = {r: f for r, f in roles.items() if isinstance(f, list)}
        raw["sha256"] = manifest_digest(lists)
    path.write_text(json.dumps(raw))
    with pytest.raises(DataError, match=r"manifest .*m\.json must be a JSON split") as caught:
        read_manifest(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"counts": {"training": 2, "query": 2}}, "counts that are not those"),
        ({"counts": {"training": 2}}, "counts that are not those"),
        ({"counts": None}, "no 'counts'"),
        ({"sha256": 3}, "in the place of the text sha256"),
        ({"protocol": ["seen"]}, "in the place of the text protocol"),
        ({"sha256": "0" * 64}, "do not match its sha256"),
        ({"seal": "0" * 64}, "does not match its seal"),
        ({"seal": 7}, "does not match its seal"),
        ({"seak": "0" * 64}, "the unknown key 'seak'"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, changes, reason):
    with pytest.raises(DataError, match=reason):
        read_manifest(written(tmp_path / "m.json", **changes))


@pytest.mark.parametrize(
    "text",
    ["", "3", "[]", '"x"', "[" * 100_000, '{"roles": ' * 9000, '{"roles": {"a": ["\\ud800"]}}'],
)
def test_what_is_no_manifest_is_refused(tmp_path, text):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(DataError, match="must be a JSON split manifest"):
        read_manifest(tmp_path / "m.json")
    (tmp_path / "m.json").write_bytes(b"\xff" + text.encode())
    with pytest.raises(DataError, match="must be a JSON split manifest"):
        read_manifest(tmp_path / "m.json")


@pytest.mark.parametrize("path", sorted(MANIFESTS.glob("*.json")), ids=lambda path: path.stem)
@pytest.mark.parametrize("key", ["dataset", "protocol", "rule", "identities"])
def test_every_word_of_a_published_manifest_is_sealed(tmp_path, path, key):
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw[key] = raw[key] + 1 if isinstance(raw[key], int) else f"{raw[key]}x"
    (tmp_path / "m.json").write_text(json.dumps(raw))
    with pytest.raises(DataError, match="what it says does not match its seal"):
        read_manifest(tmp_path / "m.json")
