"""The claims of the OPQN paper as hypotheses: what is claimed, where, and how it is computed."""

from dataclasses import dataclass

from hashquant.report.evidence._contrasts import Contrasts, beats, keeps, leads

#: Where OPQN is compared: on what was trained on, and on what was not.
HOME = "in a single domain ({identities} that were trained on)"
AWAY = "across domains ({identities} that were not trained on)"
SOURCE = "Zhang, Zhe, Yan, Pattern Recognition 141, 2023, abstract"
OURS = "our control: what a newcomer would try first"


@dataclass(frozen=True)
class Claim:
    """One hypothesis: what is claimed, where, what is computed, and what the records must hold.

    `{identities}` in a text stands for what the classes of the data are.
    """

    letter: str
    hypothesis: str
    source: str
    computed: str
    needs: str
    contrasts: Contrasts


LEAD = (
    "mean over code lengths of mAP(OPQN) − mAP(best rival); the best rival of a data set is the "
    "row that OPQN is least ahead of, chosen on half of the {identities} and compared on the "
    "others, each half in turn (references and rows that did not train do not compete)"
)
VARIANT = (
    "mean over code lengths of mAP(OPQN) − mAP(the same with {change}), single- and cross-domain"
)

CLAIMS = (
    Claim(
        "a1", f"OPQN retrieves better than the other deep methods {HOME}, as its paper compared.",
        SOURCE, LEAD,
        "`opqn` and another learned method, examined on the training set's own split (target "
        "`seen`)",
        leads("opqn", cross=False, deep=True),
    ),
    Claim(
        "a2", f"OPQN retrieves better than shallow codes of the uncompressed embedding {HOME}.",
        OURS, LEAD,
        "`opqn` and a code fitted on `float`'s embedding (`pq`, `opq`, `itq`, `lsh`), examined on "
        "the training set's own split (target `seen`)",
        leads("opqn", cross=False, deep=False),
    ),
    Claim(
        "b1", f"OPQN retrieves better than the other deep methods {AWAY}, as its paper compared.",
        SOURCE, LEAD,
        "`opqn` and another learned method, examined on a target of protocol cross or unseen",
        leads("opqn", cross=True, deep=True),
    ),
    Claim(
        "b2", f"OPQN retrieves better than shallow codes of the uncompressed embedding {AWAY}.",
        OURS, LEAD,
        "`opqn` and a code fitted on `float`'s embedding (`pq`, `opq`, `itq`, `lsh`), examined on "
        "a target of protocol cross or unseen",
        leads("opqn", cross=True, deep=False),
    ),
    Claim(
        "c1", "Fixed orthonormal codewords retrieve better than learned ones.", SOURCE,
        VARIANT.format(change="learned codewords"),
        "rows `opqn` and `opqn codebooks=learned` (suite ablation-opqn)",
        beats("opqn", "codebooks", "learned"),
    ),
    Claim(
        "c2", "It is orthonormality that helps, not merely that the codewords are fixed: "
        "orthonormal codewords retrieve better than random ones.",
        f"our control of the reason given in {SOURCE}",
        VARIANT.format(change="fixed random codewords"),
        "rows `opqn` and `opqn codebooks=random` (suite ablation-opqn)",
        beats("opqn", "codebooks", "random"),
    ),
    Claim(
        "d", "The best learned quantizer keeps more of its accuracy on {identities} that were not "
        "trained on than the best learned hash does.",
        "Zhang, Zhe, Yan, arXiv 2107.00327v2, 2021, abstract (finds its method fitter for scalable "
        "face retrieval than deep hashing)",
        "kept = r on the other target / r on the training set's own split, of the same trained "
        "runs, where r = (mAP − floor) / (uncompressed − floor) on the same target: kept by the "
        "best learned quantizer − kept by the best learned hash, mean over code lengths; the best "
        "of each family is chosen by mAP on half of the {identities} of the own split, r there is "
        "computed on the others, each half in turn",
        "a learned quantization and a learned hashing method beside `float`, each examined on "
        "`seen` and on a target of protocol cross or unseen",
        keeps,
    ),
    Claim(
        "e1", "A loss on the original features and their quantized form together is better than "
        "one on the features alone.", SOURCE, VARIANT.format(change="the loss on x only"),
        "rows `opqn` and `opqn loss_on=x` (suite ablation-opqn)", beats("opqn", "loss_on", "x"),
    ),
    Claim(
        "e2", "A loss on the original features and their quantized form together is better than "
        "one on the quantized form alone.", SOURCE, VARIANT.format(change="the loss on s only"),
        "rows `opqn` and `opqn loss_on=s` (suite ablation-opqn)", beats("opqn", "loss_on", "s"),
    ),
    Claim(
        "f", "The entropy term, meant to lower the quantization error, makes retrieval better.",
        SOURCE, VARIANT.format(change="entropy weight 0"),
        "rows `opqn` and `opqn entropy_weight=0.0` (suite ablation-opqn)",
        beats("opqn", "entropy_weight", 0.0),
    ),
)  # fmt: skip
