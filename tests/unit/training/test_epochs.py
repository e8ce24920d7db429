"""What an epoch keeps of its steps."""

import pytest
import torch

from hashquant.errors import DivergedError
from hashquant.training.epochs import Ledger


def test_a_ledger_weighs_steps_by_their_images_and_names_the_first_bad_step():
    ledger = Ledger(2, torch.device("meta"))  # any device but the CPU reads at the end only
    one, bad = torch.tensor(1.0), torch.tensor(torch.inf)
    ledger.add(0, {"a": one}, one, 10)
    ledger.add(1, {"a": 4 * one, "b": one}, one, 20)
    assert ledger.close() == {"a": 3.0, "b": 1.0}
    ledger.add(2, {"a": one, "b": bad}, bad, 10)
    ledger.add(3, {"a": bad}, bad, 10)
    with pytest.raises(DivergedError, match=r"'b' must be finite, .* epoch 3, step 3"):
        ledger.close()
