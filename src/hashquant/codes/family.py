"""Code families and their bit budgets: how an item is stored and compared (ADR 0004, 0020)."""

from dataclasses import dataclass, field

from hashquant.errors import BudgetError

#: (subspaces M, codewords K) at equal code length, after OPQN's README (48 and 64 bits inferred).
PRODUCT_BUDGETS = {16: (2, 256), 24: (4, 64), 36: (6, 64), 48: (8, 64), 64: (8, 256)}
MAX_BITS = 1024


@dataclass(frozen=True)
class CodeBudget:
    """What one stored item may cost: `bits`, and for products M `subspaces` of K `codewords`."""

    bits: int
    subspaces: int = 0
    codewords: int = 0

    @property
    def code_bytes(self) -> int:
        """Bytes an item takes when its bits are padded to whole bytes.

        >>> CodeBudget(36, 6, 64).code_bytes
        5
        """
        return (self.bits + 7) // 8

    @property
    def bits_per_subspace(self) -> int:
        """Bits of one codeword index, log2 K (0 for a binary code)."""
        return max(self.codewords - 1, 0).bit_length()


@dataclass(frozen=True)
class Binary:
    """Codes of ±1 symbols compared by Hamming distance (smaller is nearer)."""

    name: str = "binary"

    def budget(self, bits: int) -> CodeBudget:
        """Return the budget of a `bits`-long binary code.

        Raises:
            BudgetError: if `bits` is not within 1 … 1024.
        """
        _check_range(bits)
        return CodeBudget(bits)


@dataclass(frozen=True)
class ProductQuantized:
    """Codes of M codeword indices compared through a per-query look-up table (ADC).

    `larger_is_closer` says whether the table holds similarities or distances; `codewords` fixes
    K for methods that know one codebook size only (GPQ: 16).
    """

    larger_is_closer: bool
    codewords: int | None = None
    name: str = "product"

    def budget(self, bits: int) -> CodeBudget:
        """Split `bits` into M subspaces of K codewords.

        >>> ProductQuantized(True).budget(36)
        CodeBudget(bits=36, subspaces=6, codewords=64)

        Raises:
            BudgetError: if no M·log2 K equals `bits`.
        """
        _check_range(bits)
        if self.codewords is not None:
            return _fixed(bits, self.codewords)
        if bits in PRODUCT_BUDGETS:
            return CodeBudget(bits, *PRODUCT_BUDGETS[bits])
        for word_bits in (8, 6, 4):
            if bits % word_bits == 0:
                return CodeBudget(bits, bits // word_bits, 2**word_bits)
        raise BudgetError(f"bits must be a multiple of 4, 6 or 8 for a product code, got {bits}")


@dataclass(frozen=True)
class Additive(ProductQuantized):
    """Codes of M codeword indices whose words are as long as the embedding: an item is their sum.

    Budget, storage and search are those of product codes, since a score is Σ_m T[m, b_m] too.
    Compared by inner product: a distance would need the length of the sum beside the indices.
    """

    larger_is_closer: bool = field(default=True, init=False)
    name: str = "additive"


@dataclass(frozen=True)
class Decoded:
    """Bytes that only their method reads: it decodes them to a vector, which is what is compared.

    A score is the inner product of the raw query with the decoded vector (larger is nearer).
    Whatever is kept of an item, scalars and norms too, is in its bits.
    """

    name: str = "decoded"

    def budget(self, bits: int) -> CodeBudget:
        """Return the budget of `bits`, which take whole bytes, the last one padded with zeros.

        Raises:
            BudgetError: if `bits` is not within 1 … 1024.
        """
        _check_range(bits)
        return CodeBudget(bits)


@dataclass(frozen=True)
class Real:
    """Embeddings kept as float32 and compared by cosine (larger is nearer): no code at all.

    What codes are measured against, uncompressed. Its length is that of the embedding, whatever
    bits are asked for: a method of this family says so in `budget_for`.
    """

    name: str = "real"

    def budget(self, values: int) -> CodeBudget:
        """Return the budget of `values` float32 numbers.

        >>> Real().budget(512).code_bytes
        2048
        """
        return CodeBudget(32 * values)


Family = Binary | ProductQuantized | Decoded | Real


def prefix_budget(whole: CodeBudget, bits: int) -> CodeBudget:
    """Return the budget of the first `bits` of a longer code: whole books, of as many codewords.

    >>> prefix_budget(CodeBudget(64, 8, 256), 24), prefix_budget(CodeBudget(64), 24)
    (CodeBudget(bits=24, subspaces=3, codewords=256), CodeBudget(bits=24, subspaces=0, codewords=0))

    Raises:
        BudgetError: if there are fewer bits than that, or they end within a book.
    """
    if not 1 <= bits <= whole.bits:
        raise BudgetError(
            f"bits must be within 1 … {whole.bits} to be a prefix of these, got {bits}"
        )
    width = whole.bits_per_subspace
    if width and bits % width:
        raise BudgetError(
            f"bits must be a multiple of {width} in a prefix of {whole.bits} "
            f"({whole.codewords} codewords a book), got {bits}"
        )
    return CodeBudget(bits, bits // width if width else 0, whole.codewords)


def _check_range(bits: int) -> None:
    if not 1 <= bits <= MAX_BITS:
        raise BudgetError(f"bits must be within 1 … {MAX_BITS}, got {bits}")


def _fixed(bits: int, codewords: int) -> CodeBudget:
    word_bits = (codewords - 1).bit_length()
    if bits % word_bits:
        raise BudgetError(
            f"bits must be a multiple of {word_bits} ({codewords} codewords a book), got {bits}"
        )
    return CodeBudget(bits, bits // word_bits, codewords)
