"""Kernels for CUDA give the plain way's counts: on a card, else interpreted (see conftest)."""

import logging
import os
import subprocess
import sys

import pytest
import torch

from hashquant.codes import fused
from hashquant.codes.binary import distance_counts, pack_bits
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import pack_indices
from hashquant.search import exhaustive, ondevice
from hashquant.search.evaluation import evaluate
from hashquant.search.exhaustive import Gallery, hamming_groups, table_groups

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(autouse=True)
def short_strips(monkeypatch):
    for name, items in (("STRIP", 128), ("STEP", 32), ("PLACED", 64)):
        monkeypatch.setattr(fused, name, items)


@pytest.fixture
def instead(monkeypatch):
    """Let search use the kernels on any device."""
    monkeypatch.setattr(ondevice, "fused", lambda device: fused)


def drawn(queries, items, classes, seed):
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (queries + items,), generator=g)
    labels[0] = labels[-1]  # at least one query has a relevant item
    return g, labels[:queries], labels[queries:]


def moved(queries, labels, gallery):
    held = Gallery(gallery.codes.to(DEVICE), gallery.labels.to(DEVICE), gallery.budget)
    return queries.to(DEVICE), labels.to(DEVICE), held


def bits_of(groups):
    found = evaluate(groups, "any")
    return found.scores, found.curve, {k: v.tobytes() for k, v in found.per_query.items()}


@pytest.mark.parametrize("items", [1, 32, 129, 300])
@pytest.mark.parametrize("length", [1, 3, 31, 64, 100])
def test_distances_are_counted_as_on_the_cpu(items, length):
    g = torch.Generator().manual_seed(length)
    codes = pack_bits(torch.rand(items + 3, length, generator=g) > 0.4)
    slices = torch.tensor([[0, items], [items // 2, items], [items // 3, items // 3]])
    held, bounds = codes.to(DEVICE), slices.to(DEVICE)
    found = fused.fused_distance_counts(held[:3], held[3:], bounds, length)
    wanted = distance_counts(codes[:3].numpy(), codes[3:].numpy(), slices.numpy(), length)
    assert [x.tolist() for x in found] == [x.tolist() for x in wanted]


@pytest.mark.usefixtures("instead")
@pytest.mark.parametrize("items", [1, 33, 400])
def test_hamming_scores_are_the_same_bits(items):
    g, wanted, labels = drawn(5, items, 4, items)
    codes = pack_bits(torch.rand(items + 5, 24, generator=g) > 0.5)
    gallery = Gallery(codes[5:], labels, CodeBudget(24))
    plain = bits_of(hamming_groups(codes[:5], wanted, gallery))
    codes, wanted, gallery = moved(codes, wanted, gallery)
    assert bits_of(exhaustive._device_chunks(codes[:5], wanted, gallery, 1 << 20)) == plain


@pytest.mark.usefixtures("instead")
@pytest.mark.parametrize("items", [1, 65, 400])
@pytest.mark.parametrize("words", [2, 16, 256, 512])
@pytest.mark.parametrize("memory", [1, 1 << 20])
def test_table_scores_are_the_same_bits(items, words, memory):
    g, wanted, labels = drawn(5, items, 4, words)
    budget = CodeBudget(3 * (words - 1).bit_length(), 3, words)
    packed = pack_indices(torch.randint(words, (items, 3), generator=g), budget)
    gallery = Gallery(packed, labels, budget)
    tables = torch.randn(5, 3, words, generator=g)
    plain = bits_of(table_groups(tables, wanted, gallery, larger_is_closer=False))
    tables, wanted, gallery = moved(tables, wanted, gallery)
    assert bits_of(ondevice.score_chunks(tables, wanted, gallery, memory)) == plain


@pytest.mark.usefixtures("instead")
def test_equal_codes_tie_in_one_group():
    budget = CodeBudget(16, 2, 256)
    gallery = Gallery(torch.full((70, 2), 7, dtype=torch.uint8), torch.arange(70) % 2, budget)
    asked = moved(torch.rand(1, 2, 256), torch.zeros(1).long(), gallery)
    [groups] = ondevice.score_chunks(*asked, 1)
    row = groups.ahead, groups.size, groups.ahead_relevant, groups.relevant
    assert [x[0, 0].item() for x in row] == [0, 70, 0, 35]


def test_kernels_that_work_pass_their_trial():
    assert ondevice._trial(fused, DEVICE) == ""


@pytest.mark.parametrize("name", ["fused_distance_counts", "fused_places"])
def test_a_kernel_that_miscounts_fails_its_trial(monkeypatch, name):
    right = getattr(fused, name)

    def one_more(*args):
        found = right(*args)
        return (found[0] + 1, found[1]) if isinstance(found, tuple) else found + 1

    monkeypatch.setattr(fused, name, one_more)
    assert "are not those" in ondevice._trial(fused, DEVICE)


def test_without_a_device_the_plain_way_serves(caplog):
    device = torch.device("cuda")
    with caplog.at_level(logging.WARNING):
        found = ondevice.fused.__wrapped__(device)
    assert (found is fused) == torch.cuda.is_available()
    assert ("without Triton's kernels" in caplog.text) == (found is None)


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from hashquant.codes import fused

def compile(kernel, pointers, sizes):
    names = dict(zip(kernel.arg_names, [*pointers, *["constexpr"] * len(sizes)], strict=True))
    made = triton.compile(ASTSource(kernel, names, sizes), target=GPUTarget("cuda", 90, 32))
    print("cubin" in made.asm, "fma.rn.f64" in made.asm["ptx"])

compile(fused._count_distances, ["*i32", "*i32", "*i64", "*i32", "*i32", "i32"],
        {"WORDS": 2, "BINS": 128, "STRIP": 1 << 15, "STEP": 1 << 10})
compile(fused._count_places, ["*u8", "*fp64", "*fp64", "*i64", "*i32", "i32", "i32", "i32"],
        {"BOOKS": 8, "WORDS": 256, "HALVINGS": 12, "PLACED": 512})
"""


def test_kernels_compile_for_a_card_without_fused_sums(tmp_path):
    plain = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    plain |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    made = subprocess.run(
        [sys.executable, "-c", COMPILE], check=False, env=plain, capture_output=True, text=True
    )
    assert made.stdout.split() == ["True", "False"] * 2, made.stderr
