"""The same numbers on a CUDA device as on the CPU."""

import numpy as np
import pytest
import torch

from hashquant.codes.binary import pack_bits
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import pack_indices
from hashquant.codes.real import pack_real
from hashquant.data.pixels import ImageSource
from hashquant.search.evaluation import evaluate
from hashquant.search.exhaustive import Gallery, cosine_groups, hamming_groups, table_groups

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]


def same(cpu, cuda):
    assert [s.value for s in cpu.scores] == [s.value for s in cuda.scores]
    assert cpu.curve == cuda.curve
    for name, values in cpu.per_query.items():
        assert values.tobytes() == cuda.per_query[name].tobytes(), name


@pytest.mark.parametrize("bits", [16, 64, 300])
def test_hamming_scores_are_the_same_to_the_bit(bits):
    g = torch.Generator().manual_seed(bits)
    codes = pack_bits(torch.rand(5200, bits, generator=g) > 0.5)
    labels = torch.randint(9, (5200,), generator=g)

    def scored(device):
        held, known = codes.to(device), labels.to(device)
        gallery = Gallery(held[200:], known[200:], CodeBudget(bits))
        return evaluate(hamming_groups(held[:200], known[:200], gallery), "hamming")

    same(scored("cpu"), scored("cuda"))


@pytest.mark.parametrize("words", [16, 256])
def test_table_scores_are_the_same_to_the_bit(words):
    g = torch.Generator().manual_seed(words)
    budget = CodeBudget(4 * (words - 1).bit_length(), 4, words)
    packed = pack_indices(torch.randint(words, (5000, 4), generator=g), budget)
    labels = torch.randint(9, (5200,), generator=g)
    tables = torch.randn(200, 4, words, generator=g)

    def scored(device):
        gallery = Gallery(packed.to(device), labels[200:].to(device), budget)
        groups = table_groups(
            tables.to(device), labels[:200].to(device), gallery, larger_is_closer=True
        )
        return evaluate(groups, "adc")

    same(scored("cpu"), scored("cuda"))


def test_cosine_scores_are_the_same_to_the_bit():
    packed = pack_real(torch.randn(5200, 512, generator=torch.Generator().manual_seed(0)))
    labels = torch.arange(5200) % 9

    def scored(device):
        held, known = packed.to(device), labels.to(device)
        gallery = Gallery(held[200:], known[200:], CodeBudget(512 * 32))
        return evaluate(cosine_groups(held[:200], known[:200], gallery), "cosine")

    same(scored("cpu"), scored("cuda"))


@pytest.mark.parametrize("gray", [False, True])
def test_images_streamed_beside_the_compute_are_those_on_the_cpu(gray):
    images = np.random.default_rng(0).integers(0, 256, (512, 3, 40, 40), dtype=np.uint8)
    steps = torch.arange(512).split(64) * 4

    def source(device):
        return ImageSource(
            images, np.arange(512), resize=0, device=device, resident_bytes=0, gray=gray
        )

    sums = []
    for taken in source(torch.device("cuda", 0)).stream(steps):
        torch.cuda._sleep(10**7)  # the compute lags behind: images must wait for their reader
        sums.append(taken.long().sum((1, 2, 3)))
        del taken
    expected = [source(torch.device("cpu")).take(step).long().sum((1, 2, 3)) for step in steps]
    assert torch.equal(torch.cat(sums).cpu(), torch.cat(expected))
