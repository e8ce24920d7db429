"""What an epoch keeps of its steps."""

import pytest
import torch

from hashquant.errors import DivergedError
from hashquant.training.epochs import Ledger
from hashquant.training.loop import train
from tests.unit.training.test_loop import CPU, BalancedToy, build, spec, toy_training


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


def test_the_positive_rate_is_told_of_balanced_batches_and_is_no_loss():
    result = train(build(BalancedToy), toy_training(), spec(epochs=1), device=CPU)
    assert result.positive_rate == pytest.approx(3 / 15)  # 4 classes x 4 images a step
    assert set(result.losses[0]) == {"class", "centre", "total"}
    assert train(build(), toy_training(), spec(epochs=1), device=CPU).positive_rate is None
