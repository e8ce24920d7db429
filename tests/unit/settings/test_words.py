import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashquant.settings.words import (
    asked_target,
    cut,
    plain,
    split_target,
    target_name,
    written,
    written_target,
)

#: Paths that a system allows and a careless rule does not.
PATHS = (
    "/x/a,b", "/x/a+b", "/x/C++", "/x/a b", "/x/a:b", "/x/a*[b]?", "/x/a=b", "/x/-a", r"/x/a\b",
    r"/x/a\,b", "/x/a\\\\b", "/x/a\\", "/x/a+k=v", "/x/a+norm_stats=target", "/x/+,+", "/x/,",
    "/x/a+norm_stats=source", "/x/ä😀", "/x/a'b\"c", "/x/$HOME", "/x/a\nb", r"/x/\ b",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_any_path_can_be_written_and_is_read_again(path):
    name = f"folder:{path}"
    assert [plain(word) for word in cut(f"lfw,{written(name)},lfw")] == ["lfw", name, "lfw"]
    for norm_stats in ("source", "target"):
        target = target_name(name, norm_stats)
        (word,) = cut(written_target(target))
        dataset, option = asked_target(word)
        assert plain(dataset) == name
        assert (option.partition("=")[2] or "source") == norm_stats
        assert split_target(target)[0] == name


@given(st.text(min_size=1), st.sampled_from(["source", "target"]))
def test_what_is_written_is_read(path, norm_stats):
    name = f"folder:{path}"
    target = target_name(name, norm_stats)
    (word,) = cut(written_target(target))
    dataset, option = asked_target(word)
    assert (plain(dataset), option.partition("=")[2] or "source") == (name, norm_stats)
    assert [plain(word) for word in cut(written(name))] == [name]


def test_targets_of_different_sets_have_different_names():
    names = ("folder:a", "folder:a+norm_stats=target", "folder:a+norm_stats=source")
    found = [target_name(name, stats) for name in names for stats in ("source", "target")]
    assert len(set(found)) == 6
    assert [split_target(name)[0] for name in found] == [name for name in names for _ in range(2)]


def test_a_space_parts_only_where_it_is_asked_to():
    assert cut(r"folder:a b,folder:c\ d e", ", ") == ["folder:a", "b", r"folder:c\ d", "e"]
    assert cut("folder:a b,lfw") == ["folder:a b", "lfw"]
    assert plain(r"folder:c\ d") == "folder:c d"
