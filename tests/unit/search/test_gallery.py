"""A gallery in a file: the numbers of the same gallery in memory, block by block."""

import pytest
import torch

from hashquant.codes import placing
from hashquant.codes.binary import asymmetric_table, pack_bits
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import pack_indices, table_scores
from hashquant.errors import HashQuantError
from hashquant.machine import compiled
from hashquant.search import _gallery as galleries
from hashquant.search.evaluation import evaluate
from hashquant.search.exhaustive import Gallery, StoredGallery, hamming_groups, table_groups


def stored(folder, codes, labels, budget):
    """The file of a gallery, and what it holds."""
    held = Gallery(codes, labels, budget)
    path = folder / "codes.bin"
    path.write_bytes(held.codes.numpy().tobytes())
    classes, sizes = held.labels.unique_consecutive(return_counts=True)
    return held, StoredGallery(path, classes, sizes, budget)


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
    held, file = stored(tmp_path, codes[9:], labels[9:], CodeBudget(bits))
    query, wanted = codes[:9], labels[:9].clone()
    wanted[4] = 1  # of no class that is there
    monkeypatch.setattr(galleries, "MAPPED", mapped)
    monkeypatch.setattr(compiled, "FROM_PAIRS", from_pairs)
    assert len(file) == len(held)
    assert torch.equal(file.slices(wanted)[:4], held.slices(wanted)[:4])
    found = bits_of(hamming_groups(query, wanted, file))
    assert found == bits_of(hamming_groups(query, wanted, held))


def table_case(folder, budget, items, used, seed=0):
    """Nine queries, the eighth of no class that is there, and a gallery of seven classes."""
    g = torch.Generator().manual_seed(seed)
    indices = torch.randint(used, (items, budget.subspaces), generator=g)
    tables = torch.randn(9, budget.subspaces, budget.codewords, generator=g)
    labels, wanted = (torch.randint(7, (n,), generator=g) * 3 for n in (items, 9))
    wanted[7] = 1
    return tables, wanted, *stored(folder, pack_indices(indices, budget), labels, budget)


@pytest.mark.parametrize("from_pairs", [0, float("inf")])
@pytest.mark.parametrize("mapped", [37, 300, 4096])
@pytest.mark.parametrize(
    ("books", "words", "used"),
    [(4, 256, 256), (3, 64, 64), (5, 16, 16), (2, 512, 512), (2, 256, 2)],
)
def test_tables_score_a_file_as_memory(
    tmp_path, monkeypatch, books, words, used, mapped, from_pairs
):
    budget = CodeBudget(books * (words - 1).bit_length(), books, words)
    tables, wanted, held, file = table_case(tmp_path, budget, 301, used)
    monkeypatch.setattr(galleries, "MAPPED", mapped)
    monkeypatch.setattr(compiled, "FROM_PAIRS", from_pairs)
    found = []
    for merged_from in (placing.MERGED_FROM, 0):  # relevant items: few, and many
        monkeypatch.setattr(placing, "MERGED_FROM", merged_from)
        found += [
            bits_of(table_groups(tables, wanted, gallery, larger_is_closer=True, memory_bytes=size))
            for gallery in (held, file)
            for size in (1, 1 << 28)  # one query a walk, and all of them
        ]
    assert found[1:] == found[:1] * 7
    assert held.books == file.books == (books, words)


@pytest.mark.parametrize("from_pairs", [0, float("inf")])
def test_blocks_are_counted_as_a_sort_of_all_scores_would(tmp_path, monkeypatch, from_pairs):
    monkeypatch.setattr(galleries, "MAPPED", 10)
    monkeypatch.setattr(compiled, "FROM_PAIRS", from_pairs)
    tables, wanted, held, file = table_case(tmp_path, CodeBudget(8, 2, 16), 203, 16)
    tables = tables.double().round()  # many equal scores
    scores = table_scores(tables, held.indices().long())
    groups = next(table_groups(tables, wanted, file, larger_is_closer=False))
    for q in range(9):
        own = scores[q][held.labels == wanted[q]]
        values, count = own.unique(return_counts=True)
        n = len(values)
        assert groups.relevant[q, :n].tolist() == count.tolist()
        assert groups.ahead[q, :n].tolist() == [int((scores[q] < v).sum()) for v in values]
        assert groups.size[q, :n].tolist() == [int((scores[q] == v).sum()) for v in values]


@pytest.mark.parametrize("from_pairs", [0, float("inf")])
@pytest.mark.parametrize("items", [1, 23])
def test_a_file_of_one_code_ties_all_its_items(tmp_path, monkeypatch, items, from_pairs):
    monkeypatch.setattr(galleries, "MAPPED", 4)
    monkeypatch.setattr(compiled, "FROM_PAIRS", from_pairs)
    tables, _, held, file = table_case(tmp_path, CodeBudget(16, 2, 256), items, 1)
    wanted = held.labels[:1].repeat(9)
    for gallery in (held, file):
        groups = next(table_groups(tables, wanted, gallery, larger_is_closer=True))
        assert groups.size.tolist() == [[items]] * 9
        assert groups.ahead.tolist() == [[0]] * 9
        assert groups.relevant.flatten().tolist() == [int((held.labels == wanted[0]).sum())] * 9


def test_asymmetric_tables_search_a_file_of_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(galleries, "MAPPED", 16)
    g = torch.Generator().manual_seed(2)
    codes = pack_bits(torch.rand(100, 12, generator=g) > 0.5)
    labels = torch.randint(3, (100,), generator=g)
    held, file = stored(tmp_path, codes, labels, CodeBudget(12))
    tables = asymmetric_table(torch.randn(5, 12, generator=g))
    memory, read = (
        bits_of(table_groups(tables, labels[:5], gallery, larger_is_closer=True))
        for gallery in (held, file)
    )
    assert read == memory


def test_a_walk_serves_as_many_queries_as_memory_allows(tmp_path, monkeypatch):
    tables, wanted, _, file = table_case(tmp_path, CodeBudget(16, 2, 256), 50, 256)
    walks = []
    parts = StoredGallery.parts
    monkeypatch.setattr(StoredGallery, "parts", lambda self: walks.append(1) or parts(self))
    threads = torch.get_num_threads()
    for memory, most in ((1 << 28, threads), (1, 9)):
        walks.clear()
        list(table_groups(tables, wanted, file, larger_is_closer=True, memory_bytes=memory))
        assert 1 <= len(walks) <= most
    assert len(walks) == 9


def test_a_stored_gallery_is_searched_on_the_cpu_only(tmp_path):
    class OnCard(torch.Tensor):
        is_cuda = True

    tables, wanted, _, file = table_case(tmp_path, CodeBudget(16, 2, 256), 5, 256)
    with pytest.raises(HashQuantError, match="must be on the CPU, got a CUDA device"):
        table_groups(tables.as_subclass(OnCard), wanted, file, larger_is_closer=True)
    codes = torch.zeros(9, 2, dtype=torch.uint8).as_subclass(OnCard)
    with pytest.raises(HashQuantError, match="must be on the CPU, got a CUDA device"):
        hamming_groups(codes, wanted, file)


def test_blocks_cover_the_file_once(tmp_path, monkeypatch):
    codes = torch.arange(20, dtype=torch.uint8).view(10, 2)
    _, file = stored(tmp_path, codes, torch.zeros(10, dtype=torch.int64), CodeBudget(16))
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
