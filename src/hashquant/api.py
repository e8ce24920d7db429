"""The one module a plug-in imports: re-exports, nothing else."""

from hashquant.codes.family import Binary, CodeBudget, Family, ProductQuantized
from hashquant.config import Recipe
from hashquant.data import (
    Batch,
    Dataset,
    Items,
    Split,
    TrainingSet,
    make_split,
    read_manifest,
    split_by_manifest,
    write_manifest,
)
from hashquant.download import fetch, unpack_tar
from hashquant.errors import BudgetError, DataError, StoreError, UsageError, unknown_name
from hashquant.faces import GENERATOR_VERSION, render_faces
from hashquant.folders import FolderDataset, Part, PublishedDataset
from hashquant.images import content_digests
from hashquant.layouts import ByRule, Layout, Listed, Parts
from hashquant.method import Claim, Method, Reference
from hashquant.types import Codebooks, Embedding, Features, Indices, Labels, QueryTable, Scalar

__all__ = [
    "GENERATOR_VERSION",
    "Batch",
    "Binary",
    "BudgetError",
    "ByRule",
    "Claim",
    "CodeBudget",
    "Codebooks",
    "DataError",
    "Dataset",
    "Embedding",
    "Family",
    "Features",
    "FolderDataset",
    "Indices",
    "Items",
    "Labels",
    "Layout",
    "Listed",
    "Method",
    "Part",
    "Parts",
    "ProductQuantized",
    "PublishedDataset",
    "QueryTable",
    "Recipe",
    "Reference",
    "Scalar",
    "Split",
    "StoreError",
    "TrainingSet",
    "UsageError",
    "content_digests",
    "fetch",
    "make_split",
    "read_manifest",
    "render_faces",
    "split_by_manifest",
    "unknown_name",
    "unpack_tar",
    "write_manifest",
]
