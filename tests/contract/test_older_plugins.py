"""A plug-in that was written before the contract grew loads, keeps the contract and trains."""

import torch
from torch import nn

import hashquant.api as hq
from hashquant.training.loop import train
from hashquant.training.network import Network
from tests.unit.training.test_loop import CLASSES, CPU, spec, toy_training

#: What `hashquant.api` offered before the engine moved into rooms.
BEFORE = [
    "GENERATOR_VERSION", "Batch", "Binary", "BudgetError", "ByRule", "Claim", "CodeBudget",
    "Codebooks", "DataError", "Dataset", "Embedding", "Family", "Features", "FolderDataset",
    "Indices", "Items", "Labels", "Layout", "Listed", "Method", "Part", "Parts",
    "ProductQuantized", "PublishedDataset", "QueryTable", "Real", "Recipe", "Reference",
    "Scalar", "Split", "StoreError", "SymmetricTable", "TrainingSet", "UsageError",
    "content_digests", "fetch", "learn_itq", "learn_opq", "learn_pq", "make_split",
    "pad_columns", "padded_size", "read_manifest", "render_faces", "split_by_manifest",
    "unknown_name", "unpack_tar", "write_manifest",
]  # fmt: skip


class Older(hq.Method):
    """Uses every hook there was, and batches by position as there were five fields."""

    name = "older"
    family = hq.ProductQuantized(larger_is_closer=False)
    sampling = "balanced"
    images_per_class = 2
    paper_batch = 128
    reference = hq.Reference(title="t", authors="a", venue="v", year=2000, url="u")

    def __init__(self, config, budget, in_features, num_classes):
        super().__init__(config, budget, in_features, num_classes)
        size = in_features // budget.subspaces
        self.words = nn.Parameter(torch.randn(budget.subspaces, budget.codewords, size))
        self.started, self.told = 0, []

    @classmethod
    def recipe(cls):
        return hq.Recipe("adam", 0.01, 0.9, 0.0, (0.9, 0.99), False, 10, 5.0, 0.5, 1.0)

    def initialise(self, training):
        self.started = len(training.labels)

    def on_epoch_start(self, epoch, epochs):
        self.told.append((epoch, epochs))

    def forward(self, features):
        return features.float()

    def loss(self, embedding, batch):
        again = hq.Batch(batch.features, batch.labels, batch.labelled, batch.indices, batch.known)
        return {"spread": (embedding[: again.known] - self.words.mean()).square().mean()}

    def codebooks(self):
        return self.words


def test_every_name_of_before_is_still_there():
    assert set(BEFORE) <= set(hq.__all__)
    assert all(hasattr(hq, name) for name in BEFORE)


def test_a_plugin_of_before_trains():
    head = Older(Older.Config(), Older.budget_for(Older.Config(), 16), 16, CLASSES)
    trunk = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 16), nn.BatchNorm1d(16))
    wanted = spec(epochs=3, schedule=Older.recipe())
    losses = train(Network(trunk, head), toy_training(), wanted, device=CPU).losses
    assert losses[-1]["spread"] < losses[0]["spread"]
    assert (head.started, head.told) == (60, [(0, 3), (1, 3), (2, 3)])
    assert head.assign(torch.randn(5, 16)).shape == (5, 2)
