import pytest
import torch

from hashquant.data.items import Batch


def batch(labels):
    labels = torch.tensor(labels)
    return Batch(torch.empty(len(labels), 2), labels, labels >= 0, torch.arange(len(labels)))


@pytest.mark.parametrize(("labels", "known"), [([3, 1], 2), ([3, -1, -1], 1), ([-1], 0)])
def test_labelled_rows_are_counted(labels, known):
    assert batch(labels).known == known


def test_a_mask_that_no_slice_can_stand_for_is_refused():
    with pytest.raises(ValueError, match="labelled must be 2 true rows first"):
        batch([3, -1, 1])
