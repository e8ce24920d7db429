"""The one module a plug-in imports: re-exports, nothing else."""

from hashquant.codes.additive import beam_codes, level_sums, settled_codes, solve_words
from hashquant.codes.binary import pack_bits, unpack_bits
from hashquant.codes.centers import draw_centers
from hashquant.codes.family import (
    Additive,
    Binary,
    CodeBudget,
    Decoded,
    Family,
    ProductQuantized,
    Real,
)
from hashquant.codes.shallow import (
    learn_itq,
    learn_lsq,
    learn_opq,
    learn_pq,
    learn_rq,
    pad_columns,
    padded_size,
    principal_axes,
)
from hashquant.data.download import fetch, unpack_gzip, unpack_tar
from hashquant.data.faces import GENERATOR_VERSION, render_faces
from hashquant.data.folders import FolderDataset, Part, PublishedDataset
from hashquant.data.images import content_digests
from hashquant.data.items import (
    Batch,
    Dataset,
    Items,
    Split,
    TrainingSet,
    make_split,
)
from hashquant.data.layouts import ByRule, Layout, Listed, Parts
from hashquant.data.manifests import read_manifest, split_by_manifest, write_manifest
from hashquant.data.standing.levels import parts_in
from hashquant.data.standing.published import CHANGED, UNVERIFIED, check_published
from hashquant.data.vectors.dataset import VectorDataset
from hashquant.data.views import PLAIN, STRONG, WEAK, View
from hashquant.errors import BudgetError, DataError, StoreError, UsageError, unknown_name
from hashquant.machine.arrays import array_head, map_array
from hashquant.machine.filenames import short_name
from hashquant.plugins.method import Method, TensorSpec
from hashquant.plugins.pairs import PAIR_WEIGHTS, Pairs, batch_pairs, pairs_of
from hashquant.settings.names import Name
from hashquant.settings.paths import user_path
from hashquant.settings.ranges import (
    Count,
    Decay,
    Natural,
    NonNegative,
    OneOf,
    Positive,
    Range,
    Share,
    SomeShare,
)
from hashquant.settings.recipe import Recipe
from hashquant.settings.reference import Claim, Reference
from hashquant.types import (
    Codebooks,
    Embedding,
    Features,
    Indices,
    Labels,
    PackedCodes,
    QueryTable,
    Scalar,
    SymmetricTable,
)

__all__ = [
    "CHANGED",
    "GENERATOR_VERSION",
    "PAIR_WEIGHTS",
    "PLAIN",
    "STRONG",
    "UNVERIFIED",
    "WEAK",
    "Additive",
    "Batch",
    "Binary",
    "BudgetError",
    "ByRule",
    "Claim",
    "CodeBudget",
    "Codebooks",
    "Count",
    "DataError",
    "Dataset",
    "Decay",
    "Decoded",
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
    "Name",
    "Natural",
    "NonNegative",
    "OneOf",
    "PackedCodes",
    "Pairs",
    "Part",
    "Parts",
    "Positive",
    "ProductQuantized",
    "PublishedDataset",
    "QueryTable",
    "Range",
    "Real",
    "Recipe",
    "Reference",
    "Scalar",
    "Share",
    "SomeShare",
    "Split",
    "StoreError",
    "SymmetricTable",
    "TensorSpec",
    "TrainingSet",
    "UsageError",
    "VectorDataset",
    "View",
    "array_head",
    "batch_pairs",
    "beam_codes",
    "check_published",
    "content_digests",
    "draw_centers",
    "fetch",
    "learn_itq",
    "learn_lsq",
    "learn_opq",
    "learn_pq",
    "learn_rq",
    "level_sums",
    "make_split",
    "map_array",
    "pack_bits",
    "pad_columns",
    "padded_size",
    "pairs_of",
    "parts_in",
    "principal_axes",
    "read_manifest",
    "render_faces",
    "settled_codes",
    "short_name",
    "solve_words",
    "split_by_manifest",
    "unknown_name",
    "unpack_bits",
    "unpack_gzip",
    "unpack_tar",
    "user_path",
    "write_manifest",
]
