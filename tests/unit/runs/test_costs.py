"""What a code costs, counted by hand for a row of each family at 512 features and 158 classes."""

import pytest
from torch import nn

from hashquant.plugins.registry import load_method
from hashquant.runs.examination import cost
from hashquant.training.network import Network

#: method, settings, bits asked for → bits and bytes of a code, shared bytes, weights of the head
BY_HAND = [
    # Three layers: 512 x 512 twice, then 48 outputs, each with a bias. Signs need nothing else.
    ("csq", {}, 48, (48, 48 // 8, 0), 2 * (512 * 512 + 512) + 512 * 48 + 48),
    ("csq", {}, 36, (36, 5, 0), 2 * (512 * 512 + 512) + 512 * 36 + 36),  # 4 bits pad the last byte
    # M = 4 books of K = 64 words of 512 / 4 = 128 values; a projection and class weights a book.
    ("opqn", {}, 24, (24, 3, 4 * 64 * 128 * 4), 4 * 128 * 64 + 4 * 158 * 128),
    ("pq", {}, 48, (48, 6, 8 * 64 * 64 * 4), 0),  # 8 books, words of 64 values
    ("pq", {}, 64, (64, 8, 8 * 256 * 64 * 4), 0),
    ("pq", {}, 512, (512, 64, 64 * 256 * 8 * 4), 0),
    # Words are as long as the embedding: M times the bytes of PQ's.
    ("rq", {}, 24, (24, 3, 4 * 64 * 512 * 4), 0),
    ("rq", {}, 64, (64, 8, 8 * 256 * 512 * 4), 0),
    ("lsq", {}, 48, (48, 6, 8 * 64 * 512 * 4), 0),
    # A projection to 64 values, of which words hold as many.
    ("dtq", {}, 48, (48, 6, 8 * 64 * 64 * 4), 512 * 64 + 64),
    # A centre of 512 values, 48 axes of 512, one factor that is not used; the scalar is in 64.
    ("rabitq", {}, 64, (48 + 16, 8, (512 + 48 * 512 + 1) * 4), 0),
    ("rabitq", {"scalar_bits": 0}, 64, (64 + 0, 8, (512 + 64 * 512 + 1) * 4), 0),
    ("rabitq", {"dims": 512}, 64, (512 + 16, 66, (512 + 512 * 512 + 1) * 4), 0),
    # float32 values, and OPQN's class weights, which no search needs.
    ("float", {}, 24, (512 * 32, 512 * 4, 0), 158 * 512),
]


@pytest.mark.parametrize(("name", "settings", "bits", "stored", "weights"), BY_HAND)
def test_bytes_are_those_that_a_hand_counts(name, settings, bits, stored, weights):
    cls = load_method(name)
    config = cls.Config(**settings)
    head = cls(config, cls.budget_for(config, bits), 512, 158)
    found = cost(Network(nn.Linear(3, 512), head))
    assert (found.code_bits, found.code_bytes, found.codebook_bytes) == stored
    assert (found.head_parameters, found.trunk_parameters) == (weights, 3 * 512 + 512)
