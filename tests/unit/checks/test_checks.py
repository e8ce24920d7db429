"""Each check of the method contract catches a method that breaks exactly that rule."""

import importlib.util
import sys
from pathlib import Path

import pytest

import hashquant.methods
from hashquant.checks import ContractError, _learning, yield_checks
from hashquant.errors import HashQuantError
from hashquant.plugins import registry
from hashquant.plugins.method import Method

FORWARD = "self.hash(features.float())"
BEFORE_LOSS = "def loss(self"
ASSIGN = "def assign(self"
CENTERS = "self.centers = nn.Parameter("
LIKELIHOOD = "cross_entropy(self.config.inverse_variance * logits, labels)"

#: (method, check that must fail, text of its file, text that breaks the rule)
BREAKS = [
    ("dcdh", "name_is_file_stem", 'name = "dcdh"', 'name = "other"'),
    ("dcdh", "file_is_short", '"""DCDH', "\n" * 60 + '"""DCDH'),
    (
        "dcdh",
        "imports_only_the_api",
        "import torch\n",
        "import torch\nimport hashquant.data.items\n",
    ),
    (
        "dcdh",
        "imports_only_the_api",
        "import torch\n",
        "import torch\nfrom yaml import safe_load\n",
    ),
    ("dcdh", "config_is_frozen_and_defaulted", "@dataclass(frozen=True)", "@dataclass"),
    ("dcdh", "config_is_frozen_and_defaulted", "hq.Positive = 0.25", "hq.Positive"),
    ("dcdh", "defaults_are_in_range", "Positive = 0.25", "Positive = 0.0"),
    ("dcdh", "defaults_are_in_range", "NonNegative = 0.1", 'NonNegative = float("nan")'),
    ("dcdh", "defaults_are_in_range", "lr=5e-3", "lr=-5e-3"),
    ("dcdh", "defaults_are_in_range", "epochs=600", "epochs=600, warmup_epochs=600.0"),
    ("opqn", "defaults_are_in_range", '= "opqn3d"', '= "3d"'),
    ("dcdh", "config_is_documented", "#: sigma, of the", "# sigma, of the"),
    ("dcdh", "reference_is_complete", "year=2021", "year=0"),
    ("dcdh", "display_is_its_own", 'hq.Name("DCDH")', 'hq.Name("OPQN")'),
    ("lsh", "display_is_its_own", "LSH (float", "PQ (float"),
    ("subic", "product_parts_fit", "return 0\n", "return -1\n"),
    ("dcdh", "display_is_its_own", 'hq.Name("DCDH")', 'hq.Name("DC\\nDH")'),
    ("dcdh", "display_is_its_own", 'hq.Name("DCDH")', 'hq.Name("D", words={"sigma": "s"})'),
    ("dcdh", "learns_in_one_way", "family = hq.Binary()", "family = hq.Binary(); closed_form = 1"),
    ("lsh", "learns_in_one_way", "closed_form = True", "closed_form = False"),
    ("lsh", "learns_in_one_way", "nn.Buffer(torch.randn", "nn.Parameter(torch.randn"),
    ("lsh", "base_is_another_method", 'base = "float"', 'base = "lsh"'),
    ("dcdh", "base_is_another_method", "family = hq.Binary()", 'family = hq.Binary(); base = "x"'),
    ("rq", "prefix_is_a_literal", "prefix = True", "prefix = bool(1)"),
    ("gpq", "builds_or_refuses_every_budget", "codewords=16", "codewords=32"),
    (
        "float",
        "builds_or_refuses_every_budget",
        "cls.family.budget(config.size)",
        "hq.CodeBudget(bits)",
    ),
    ("dcdh", "embedding_is_finite", FORWARD, f"{FORWARD} / 0"),
    ("dcdh", "embedding_is_finite", FORWARD, f"{FORWARD}.double()"),
    ("opqn", "product_parts_fit", ".argmax(dim=2)", ".argmax(dim=2) + 255"),
    (
        "opqn",
        "product_parts_fit",
        "self.codewords.transpose(1, 2)",
        "self.codewords.permute(2, 0, 1)",
    ),
    (
        "pq",
        "symmetric_table_fits",
        "def codebooks",
        "def symmetric_table(self):\n        return self.words\n\n    def codebooks",
    ),
    (
        "pq",
        "symmetric_table_fits",
        "def codebooks",
        "def symmetric_table(self):\n        w = self.words\n        return w @ w.roll(1, 1).mT\n\n"
        "    def codebooks",
    ),
    (
        "dcdh",
        "loss_reaches_every_parameter",
        CENTERS,
        f"self.unused = nn.Parameter(torch.zeros(1)); {CENTERS}",
    ),
    (
        "dcdh",
        "loss_of_one_class_is_finite",
        LIKELIHOOD,
        f"{LIKELIHOOD} + (labels != labels[0]).double().mean().log()",
    ),
    (
        "gpq",
        "loss_without_positive_pairs_is_finite",
        "(labels[:, None] == labels).to(x.dtype)",
        "((labels[:, None] == labels) & ~torch.eye(len(x), dtype=torch.bool)).to(x.dtype)",
    ),
    (
        "gpq",
        "loss_accepts_unlabelled_rows",
        "x[: batch.known], batch.labels[: batch.known]",
        "x, batch.labels",
    ),
    (
        "dcdh",
        "inputs_are_not_changed",
        "h = embedding[: batch.known]",
        "h = embedding.mul_(2)[: batch.known]",
    ),
    ("lsh", "inputs_are_not_changed", "features.double()", "features.mul_(2).double()"),
    ("dcdh", "same_seed_gives_same_codes", "self.hash = nn", "torch.seed(); self.hash = nn"),
    ("itq", "same_seed_gives_same_codes", "torch.randint(2**31 - 1, ())", "torch.seed() % 2**31"),
    (
        "dcdh",
        "codes_do_not_depend_on_the_batch",
        FORWARD,
        "self.hash(features.float() - features.float().mean(dim=0))",
    ),
    ("rq", "codes_do_not_depend_on_the_batch", ASSIGN,
     f"def query_embedding(self, embedding):\n        return embedding - embedding.mean(0)\n\n"
     f"    {ASSIGN}"),
    ("rabitq", "codes_do_not_depend_on_the_batch", "turned > 0", "turned > turned.mean(0)"),
    ("rabitq", "code_bytes_are_exact", "hq.pack_bits(bits)", "~hq.pack_bits(bits)"),
    ("rq", "product_parts_fit", "return self.words", "return self.words[:, :, 1:]"),
    ("rq", "scores_are_those_of_decoded_items", ASSIGN,
     f"def query_table(self, embedding):\n        return super().query_table(embedding) + 1\n\n"
     f"    {ASSIGN}"),
    ("dcdh", "state_dict_keeps_codes", FORWARD, f"{FORWARD} + self.seen"),
    (  # a buffer that takes another shape when it is fitted
        "pq",
        "state_dict_keeps_codes",
        "self.words.copy_(books)",
        "self.words = nn.Buffer(books[:, :128])",
    ),
    ("lsh", "state_dict_keeps_codes", "nn.Buffer(torch.zeros(in_features))", "torch.zeros(1)"),
    ("dcdh", "code_bytes_are_exact", FORWARD, f"{FORWARD}.repeat(1, 2)"),
    ("float", "code_bytes_are_exact", "return features.float()", "return features[:, :9].float()"),
    ("dcdh", "learns_a_toy_problem", FORWARD, "self.hash(torch.randn_like(features.float()))"),
    ("dpq", "learns_a_toy_problem", '= "linear"  #', '= "unit"  #'),
    ("dpq", "no_softmax_is_saturated", '= "linear"  #', '= "unit"  #'),
    ("gpq", "no_softmax_is_saturated", "Positive = 20.0", "Positive = 40.0"),
    ("dcdh", "every_term_reaches_the_trunk", "(h - bits)", "(h.detach() - bits)"),
    ("dcdh", "every_term_reaches_the_trunk", '("pairwise",)', '("pairwise", "center")'),
    (  # a loss that knows pairs only, of the wrong sign
        "dcdh",
        "perfect_codes_have_the_lower_loss",
        LIKELIHOOD,
        "(h @ h.T * (labels[:, None] == labels)).mean() + 0 * logits.sum()",
    ),
    (  # a loss that real values please and codes do not
        "dcdh",
        "perfect_codes_have_the_lower_loss",
        LIKELIHOOD,
        f"{LIKELIHOOD} * (1 - 2 * (h.abs() == 1).all())",
    ),
    (  # on a frozen base, where a loss may read no label: one that prefers wrong ones
        "jpq",
        "perfect_codes_have_the_lower_loss",
        "turn * (scores",
        "-turn * (scores",
    ),
    (  # images, where the engine has embeddings alone
        "distillvq",
        "initialise_leaves_the_model_its_tensors",
        "if training.embeddings is None",
        "if training.images.take(torch.arange(2)) is None",
    ),
    ("dcdh", "initialise_leaves_the_model_its_tensors", BEFORE_LOSS,
     "def initialise(self, training):\n        self.bank = nn.Buffer(torch.zeros(9))\n\n"
     f"    {BEFORE_LOSS}"),
    ("dcdh", "initialise_leaves_the_model_its_tensors", BEFORE_LOSS,
     "def initialise(self, training):\n        self.centers.data = torch.zeros(9)\n\n"
     f"    {BEFORE_LOSS}"),
    ("dcdh", "codes_do_not_depend_on_training_state", BEFORE_LOSS,
     "def training_state(self, images, classes):\n"
     "        return {'shift': hq.TensorSpec((self.budget.bits,), fill=9.0)}\n\n"
     f"    {BEFORE_LOSS}"),
    *(("dcdh", "wishes_can_be_met", BEFORE_LOSS,
       f"@property\n    def {wish}\n\n    {BEFORE_LOSS}")
      for wish in (
          "views(self):\n        return (hq.WEAK,)",
          "average_decay(self):\n        return 1.0",
          "rate_factors(self):\n        return {'proxies': 10.0}",
          "rate_factors(self):\n        return {'trunk': 0.0}",
      )),
    ("dcdh", "wishes_can_be_met", "head_terms", "examine_average = True; head_terms"),
    ("dcdh", "wishes_can_be_met", BEFORE_LOSS,
     "def training_state(self, images, classes):\n        return {'bank': (images,)}\n\n"
     f"    {BEFORE_LOSS}"),
]  # fmt: skip


def source(stem):
    folders = [Path(folder) for folder in hashquant.methods.__path__]
    return next(f / f"{stem}.py" for f in folders if (f / f"{stem}.py").is_file()).read_text()


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Import a method from text, as a file of its own."""

    def load_text(stem, text):
        path = tmp_path / f"{stem}.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(f"broken_{stem}", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return next(
            m
            for m in vars(module).values()
            if isinstance(m, type) and issubclass(m, Method) and m.__module__ == spec.name
        )

    return load_text


@pytest.mark.parametrize(
    ("stem", "name", "old", "new"), BREAKS, ids=[f"{b[1]}-{i}" for i, b in enumerate(BREAKS)]
)
def test_a_broken_method_is_caught(load, stem, name, old, new):
    text = source(stem)
    assert old in text
    text = text.replace(old, new)
    if name == "state_dict_keeps_codes":  # something drawn that is no part of the state
        text = text.replace(CENTERS, f"self.seen = 5 * torch.randn(budget.bits); {CENTERS}")
    if name == "codes_do_not_depend_on_training_state":
        text = text.replace(FORWARD, f"{FORWARD} + self.state.get('shift', 0)")
    check = dict(yield_checks(load(stem, text)))[name]
    with pytest.raises((HashQuantError, IndexError, RuntimeError)):
        check()


@pytest.mark.parametrize("stem", ["dcdh", "gpq", "float", "lsh", "pq"])
def test_the_unbroken_file_passes_from_anywhere(load, stem):
    for _, check in yield_checks(load(stem, source(stem))):
        check()


def test_a_loss_that_reads_no_label_is_not_asked_on_a_base(load, monkeypatch):
    checks = dict(yield_checks(load("distillvq", source("distillvq"))))
    monkeypatch.setattr(_learning, "_cost", None)
    checks["perfect_codes_have_the_lower_loss"]()
    with pytest.raises(TypeError):
        dict(yield_checks(load("jpq", source("jpq"))))["perfect_codes_have_the_lower_loss"]()


def test_every_check_has_a_method_that_breaks_it(load):
    names = [name for name, _ in yield_checks(load("dcdh", source("dcdh")))]
    assert len(names) == len(set(names)) == 32
    assert set(names) == {b[1] for b in BREAKS}


def test_the_error_is_one_sentence_with_the_methods_name(load):
    method = load("dcdh", source("dcdh").replace("year=2021", "year=0"))
    with pytest.raises(ContractError, match=r"^dcdh: reference must have title.*year and url$"):
        dict(yield_checks(method))["reference_is_complete"]()


@pytest.mark.parametrize("named", ["out-hash", "other"])
def test_a_packages_method_is_named_as_its_entry_point(install, named):
    module, text = (
        f"outside_{len(named)}",
        source("dcdh").replace('name = "dcdh"', f'name = "{named}"'),
    )
    text = text.replace('hq.Name("DCDH")', 'hq.Name("Out")').replace(
        "import torch\n", "import torch\nimport yaml\n"
    )
    install("outside", methods={"out-hash": f"{module}.heads:DCDH"},
            files={f"{module}/__init__.py": "", f"{module}/heads.py": text})  # fmt: skip
    checks = dict(yield_checks(registry.declared_method("out-hash")))
    checks["imports_only_the_api"]()  # what its package needs besides is its own
    if named == "out-hash":
        checks["name_is_file_stem"]()
        assert registry.load_method("out-hash").name == "out-hash"
    else:  # as a run refuses it
        with pytest.raises(ContractError, match="name must be that of its entry point, 'out-hash'"):
            checks["name_is_file_stem"]()
        with pytest.raises(HashQuantError, match="name must be 'out-hash'"):
            registry.load_method("out-hash")
