"""Damaged JSON is refused as a ValueError, whatever is wrong with it."""

import json

import pytest

from hashquant.machine.strictjson import parse_json, read_json


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[", "Expecting value"),
        ("{} {}", "Extra data"),
        ("\x00", "Expecting value"),
        ("NaN", "must be finite, got nan"),
        ("[-Infinity]", "must be finite"),
        ("1e999", "must be finite, got 1e999"),
        ("-1e400", "must be finite"),
        ("1" * 400, "400 digits"),
        ("[" * 100_000, "too deep"),
        ('{"a":' * 50_000, "too deep"),
        ('"\\ud800"', "surrogates"),
        ('{"\\uDFFF": 1}', "surrogates"),
    ],
)
def test_what_is_no_sound_json_is_a_value_error(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


def test_sound_values_are_what_the_standard_reader_gives():
    text = '{"a": [1, -2.5e-3, 1e300, true, null], "é": "\\ud83d\\ude00 \\u2020"}'
    assert parse_json(text) == json.loads(text)


def test_a_file_that_is_no_text_is_a_value_error(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'{"title": "caf\xe9"}')
    with pytest.raises(UnicodeDecodeError):
        read_json(path)
    with pytest.raises(IsADirectoryError):
        read_json(tmp_path)
