import pytest

from hashquant.errors import UsageError
from hashquant.runs.targets import Target, expand, parse, targets_of

TRAINED = ("lfw", "synthfaces-studio", "synthfaces-street")


def names(training, *targets):
    return [target.name for target in targets_of(training, targets, TRAINED)]


def test_protocols_stand_for_data_sets():
    assert names("lfw", "seen", "unseen", "cross") == [
        "lfw", "lfw-unseen", "synthfaces-studio", "synthfaces-street",
    ]  # fmt: skip


def test_a_set_without_other_identities_has_no_unseen():
    assert names("synthfaces-street", "seen", "unseen") == ["synthfaces-street"]


def test_a_target_named_twice_is_examined_once():
    assert names("lfw", "seen", "lfw", "cross", "synthfaces-studio") == ["lfw", *TRAINED[1:]]


def test_options_make_another_target_of_the_same_set():
    found = targets_of("lfw", ("olivetti", "olivetti+norm_stats=target"), TRAINED)
    assert found == (Target("olivetti"), Target("olivetti", "target"))


def test_protocols_take_options_too():
    assert names("lfw", "cross+norm_stats=target") == [
        "synthfaces-studio+norm_stats=target", "synthfaces-street+norm_stats=target",
    ]  # fmt: skip


def test_names_are_found_in_any_case_and_by_wildcard():
    assert expand(["SEEN", "LFW-unseen", "synthfaces-s*"]) == (
        "seen", "lfw-unseen", "synthfaces-studio", "synthfaces-street",
    )  # fmt: skip


def test_a_folder_keeps_its_path():
    assert expand(["folder:/data/My Faces"]) == ("folder:/data/My Faces",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sean", "unknown target 'sean': did you mean 'seen'"),
        ("olivettti", "did you mean 'olivetti'"),
        ("seen+norm=target", "did you mean 'norm_stats'"),
        ("seen+norm_stats=targets", "did you mean 'target'"),
    ],
)
def test_mistakes_are_named_with_the_nearest(text, sentence):
    with pytest.raises(UsageError, match=sentence.replace("+", r"\+")):
        expand([text])


def test_nothing_to_examine_is_refused():
    with pytest.raises(UsageError, match="targets of olivetti must name something to examine"):
        targets_of("olivetti", ("unseen",), ("olivetti",))


def test_source_statistics_are_the_default():
    assert parse("olivetti+norm_stats=source") == Target("olivetti")
