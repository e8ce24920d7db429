import operator

import pytest

from hashquant.plugins.placeholders import NeedsImport, Placeholder, placeholders

TENSOR = Placeholder("torch.Tensor")


def test_a_placeholder_is_a_base_that_adds_nothing():
    class Layer(TENSOR, dict):
        pass

    assert Layer.__mro__ == (Layer, dict, object)
    assert Layer(a=1) == {"a": 1}


def test_a_placeholder_is_an_annotation():
    assert repr(TENSOR | None) == repr(None | TENSOR) == repr(TENSOR["n d"]) == "torch.Tensor"
    assert {TENSOR: 1}[TENSOR] == 1
    assert repr(TENSOR.dtype) == "torch.Tensor.dtype"
    assert not hasattr(TENSOR, "__version__")


def test_a_decorated_function_is_left_as_it_is():
    def function():
        return 3

    assert TENSOR(function) is function
    assert TENSOR.no_grad()(function) is function
    assert isinstance(TENSOR(function, dynamic=True), Placeholder)


@pytest.mark.parametrize(
    "use",
    [
        bool, len, list, str, int, float, format, range, operator.neg, abs,
        lambda p: p == 1, lambda p: p != 1, lambda p: p > 1, lambda p: p < 1, lambda p: p + 1,
        lambda p: 2 * p, lambda p: p / 2, lambda p: 2**p, lambda p: 1 in p, lambda p: 7 // p,
    ],
)  # fmt: skip
def test_computing_with_a_placeholder_is_refused(use):
    with pytest.raises(NeedsImport, match=r"torch\.Tensor"):
        use(TENSOR)
    assert not issubclass(NeedsImport, Exception)


def test_with_torch_at_hand_nothing_stands_in():
    import torch

    with placeholders():
        import torch as again
    assert again is torch
    with pytest.raises(KeyError), placeholders():
        raise KeyError
