"""A data set is asked across the border, and held to what it said before."""

from pathlib import Path

import numpy as np
import pytest

from hashquant.data.images import content_digests
from hashquant.data.items import Dataset, Items, Split
from hashquant.errors import DataError, PluginError
from hashquant.plugins.reading import names_people, read_dataset, same_split


class Own(Dataset):
    """Two people, four images each; `break_in` is the step in which it leaves."""

    break_in = ""

    def _step(self, name):
        if name == self.break_in:
            raise SystemExit(0)

    @property
    def people(self):
        self._step("people")
        return 1

    def prepare(self, root, *, on_bad_image="stop"):
        self._step("prepare")

    def load(self, root):
        self._step("load")
        images = np.random.default_rng(0).integers(0, 256, (8, 3, 4, 4), dtype=np.uint8)
        files = tuple(map(str, range(8)))
        return Items(images, np.arange(8) // 4, ("a", "b"), files, content_digests(images), "v")

    def split(self, items):
        self._step("split")
        rows = np.arange(8)
        return Split("seen", rows, rows[3::4], rows[rows % 4 < 3], "")


@pytest.mark.parametrize("step", ["prepare", "load", "split"])
def test_a_data_set_that_leaves_fails_alone(step):
    dataset = Own("own")
    dataset.break_in = step
    with pytest.raises(PluginError, match=r"data set 'own' failed \(SystemExit: 0\)"):
        read_dataset(dataset, "own", Path())


def test_people_are_asked_across_the_border():
    dataset = Own("own")
    assert names_people(dataset) is True
    dataset.break_in = "people"
    with pytest.raises(PluginError, match="data set 'own' failed"):
        names_people(dataset)


def test_a_broken_law_names_the_set_and_is_an_error_of_data():
    with pytest.raises(DataError, match=r"^own: split 'seen': 2 queries are in the training set"):
        read_dataset(Own("own"), "own", Path())


def test_another_split_or_other_images_the_second_time_are_refused():
    rows = np.arange(1)
    one, two = (Split("seen", rows, rows, rows, letter * 64) for letter in "ab")
    same_split("own", ("v", one), ("v", one))
    with pytest.raises(DataError, match="own: its split must be the same each time, got aaaaaaaaa"):
        same_split("own", ("v", one), ("v", two))
    with pytest.raises(
        DataError, match="own: its images must be the same each time, got v, then w"
    ):
        same_split("own", ("v", one), ("w", one))
