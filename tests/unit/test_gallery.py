"""A gallery in a file: the numbers of the same gallery in memory, block by block."""

import pytest
import torch

from hashquant import gallery as galleries
from hashquant.codes import compiled
from hashquant.codes.binary import pack_bits
from hashquant.codes.family import CodeBudget
from hashquant.errors import HashQuantError
from hashquant.evaluation import evaluate
from hashquant.search import Gallery, StoredGallery, hamming_groups


def stored(folder, codes, labels, bits):
    """The file of a gallery, and what it holds."""
    held = Gallery(codes, labels, CodeBudget(bits))
    path = folder / "codes.bin"
    path.write_bytes(held.codes.numpy().tobytes())
    classes, sizes = held.labels.unique_consecutive(return_counts=True)
    return held, StoredGallery(path, classes, sizes, CodeBudget(bits))


def bits_of(groups):
    found = evaluate(groups, "any")
    values = {name: v.tobytes() for name, v in found.per_query.items()}
    return found.scores, found.curve, values


@pytest.mark.parametrize("from_pairs", [0, float("inf")])
@pytest.mark.parametrize("mapped", [1, 7, 64, 1000, 4096])
@pytest.mark.parametrize("bits", [12, 64, 100])
def test_a_stored_gallery_scores_as_one_in_memory(tmp_path, monkeypatch, bits, mapped, from_pairs):
    g = torch.Generator().manual_seed(bits)
    codes = pack_bits(torch.rand(1009, bits, generator=g) > 0.5)
    labels = torch.randint(6, (1009,), generator=g) * 3
    held, file = stored(tmp_path, codes[9:], labels[9:], bits)
    query, wanted = codes[:9], labels[:9].clone()
    wanted[4] = 1  # of no class that is there
    monkeypatch.setattr(galleries, "MAPPED", mapped)
    monkeypatch.setattr(compiled, "FROM_PAIRS", from_pairs)
    assert len(file) == len(held)
    assert torch.equal(file.slices(wanted)[:4], held.slices(wanted)[:4])
    found = bits_of(hamming_groups(query, wanted, file))
    assert found == bits_of(hamming_groups(query, wanted, held))


def test_blocks_cover_the_file_once(tmp_path, monkeypatch):
    codes = torch.arange(20, dtype=torch.uint8).view(10, 2)
    _, file = stored(tmp_path, codes, torch.zeros(10, dtype=torch.int64), 16)
    monkeypatch.setattr(galleries, "MAPPED", 4)
    found = [(start, block.tolist()) for start, block in file.blocks()]
    assert [start for start, _ in found] == [0, 4, 8]
    assert [row for _, block in found for row in block] == codes.tolist()


@pytest.mark.parametrize(
    ("classes", "sizes", "said"),
    [
        ([0, 1], [4, 5], "must hold 9 codes of 2 bytes, and at least one, got 20 bytes"),
        ([], [], "must hold 0 codes"),
        ([1, 0], [5, 5], "must rise"),
        ([0, 1], [11, -1], "no size below 0"),
    ],
)
def test_a_file_that_is_not_the_gallery_is_refused(tmp_path, classes, sizes, said):
    path = tmp_path / "codes.bin"
    path.write_bytes(bytes(20))
    known, held = (torch.tensor(x, dtype=torch.int64) for x in (classes, sizes))
    with pytest.raises(HashQuantError, match=said):
        StoredGallery(path, known, held, CodeBudget(16))
