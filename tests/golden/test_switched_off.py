"""A weight of 0 leaves its term out and the others as they were; a form of no term is refused."""

import importlib

import pytest
import torch
from golden.sixrows import batch, build, finite_with_gradient, rows

from hashquant.errors import UsageError
from hashquant.methods.dch import DCH
from hashquant.methods.dhn import DHN
from hashquant.methods.dsdh import DSDH
from hashquant.settings.reading import check

#: Class, its weight, the term of it.
WEIGHTS = [
    ("adshangular", "ADSHAngular", "distance_weight", "distance"),
    ("adshangular", "ADSHAngular", "evenness_weight", "evenness"),
    ("bihalf", "BiHalf", "gamma", "half"),
    ("crovca", "CroVCA", "rate_weight", "coding_rate"),
    ("csq", "CSQ", "quantization_weight", "quantization"),
    ("dcwh", "DCWH", "cube_weight", "cube"),
    ("dcwh", "DCWH", "vertex_weight", "vertex"),
    ("ddqh", "DDQH", "quantization_weight", "quantization"),
    ("dfh", "DFH", "quantization_weight", "quantization"),
    ("dhd", "DHD", "bit_weight", "bits"),
    ("dhd", "DHD", "distillation_weight", "distillation"),
    ("dhn", "DHN", "quantization", "quantization"),
    ("dpsh", "DPSH", "quantization", "quantization"),
    ("dsdh", "DSDH", "quantization_weight", "quantization"),
    ("dsh", "DSH", "regularization", "binary"),
]


@pytest.mark.parametrize(("stem", "name", "weight", "term"), WEIGHTS)
def test_a_weight_of_zero_leaves_its_term_out(stem, name, weight, term):
    method = getattr(importlib.import_module(f"hashquant.methods.{stem}"), name)
    second = {"second": 0.8 * rows() - 0.3} if build(method).views else {}
    whole = build(method).loss(rows(), batch(**second))
    head = build(method, **{weight: 0.0})
    check(head.config, "")
    left = head.loss(rows(), batch(**second))
    assert left.keys() == whole.keys() - {term}
    torch.testing.assert_close(left, {name: whole[name] for name in left})
    assert finite_with_gradient(head, rows(), batch(**second))


@pytest.mark.parametrize(("method", "form"), [(DCH, "cauchy"), (DHN, "square")])
def test_a_form_of_a_term_that_is_off_is_refused(method, form):
    with pytest.raises(UsageError, match=f"above 0 with quantized_by={form}"):
        check(method.Config(quantized_by=form, quantization=0.0), "")
    check(method.Config(quantized_by=form, quantization=0.1), "")


def test_dsdh_asks_for_no_codes_that_nothing_needs():
    assert not build(DSDH, codes="epoch", quantization_weight=0.0).wants_embeddings(1, 5)


def test_dsdh_finds_codes_in_float32_at_its_least_ridge():
    torch.manual_seed(0)
    u, labels = torch.randn(128, 8), torch.arange(128) % 5
    u[:, 1] = u[:, 0]  # two bits alike: without the ridge there is no W
    heads = [build(DSDH, ridge=1e-6, class_weight=1.0) for _ in range(2)]
    found, exact = heads[0].discrete_codes(u, labels), heads[1].discrete_codes(u.double(), labels)
    assert torch.equal(found.double(), exact)
