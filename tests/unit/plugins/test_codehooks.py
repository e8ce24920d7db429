"""A method that offers codes of its own making is refused when it is loaded."""

import pytest

import hashquant.methods
from hashquant.errors import PluginError
from hashquant.plugins import registry

TEXT = '''"""Somebody's own."""
import hashquant.api as hq


class Own(hq.Method):
    name = "{name}"
    family = hq.{family}

    def forward(self, features):
        return features

    {more}
'''


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(hashquant.methods, "__path__", [*hashquant.methods.__path__, str(tmp_path)])

    def load(more, family="ProductQuantized(larger_is_closer=False)"):
        name = "own" + tmp_path.name.replace("-", "_").lower()
        (tmp_path / f"{name}.py").write_text(TEXT.format(name=name, more=more, family=family))
        return registry.load_method(name)

    return load


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("def encode(self, images, labels): ...", "it must not define encode (a helper's name"),
        ("def encode_gallery(self, rows): ...", "it must not define encode_gallery"),
        ("@property\n    def gallery_codes(self): ...", "it must not define gallery_codes"),
        ("make_gallery = classmethod(print)", "it must not define make_gallery"),
        ("def forward(self, features, labels=None): ...", "the features alone, never labels or"),
        ("def forward(self, features, *, indices=None): ...", "rows, got indices"),
        ("def assign(self, embedding, rows=None): ...", "the embedding alone, never labels or"),
        ("def query_embedding(self, embedding, rows): ...", "query_embedding must take the embedd"),
        ("def query_table(self, embedding, labels): ...", "query_table must take the embedding"),
        ("def encode(self, embedding): ...", "it must not define encode (a helper's name"),
    ],
)
def test_what_would_make_codes_of_labels(loaded, more, said):
    with pytest.raises(PluginError) as caught:
        loaded(more)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


CODEC = "def encode(self, embedding): ...\n\n    def decode(self, codes): ..."


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", "codes that are decoded are its own: it must define encode, decode"),
        ("def encode(self, embedding): ...", "it must define decode"),
        (CODEC.replace("embedding)", "embedding, labels)"), "encode must take the embedding alone"),
        (CODEC.replace("codes)", "codes, rows=None)"), "decode must take the codes alone"),
        (f"{CODEC}\n\n    def encode_gallery(self): ...", "it must not define encode_gallery"),
    ],
)
def test_codes_that_are_decoded_are_made_of_the_embedding_alone(loaded, more, said):
    with pytest.raises(PluginError) as caught:
        loaded(more, "Decoded()")
    assert said in str(caught.value)


def test_a_codec_of_codes_that_are_decoded_is_taken(loaded):
    assert loaded(CODEC, "Decoded()").name.startswith("own")


@pytest.mark.parametrize(
    "more",
    [
        "def _encode(self, features): ...",
        "encoder = None",
        "encoded_bits = 3",
        "def decode(self, codes): ...",
        "def query_embedding(self, embedding): ...",
        "def forward(self, *args, **kwargs): ...",
        "def forward(self, x): ...",
        "def fit(self, features, labels): ...",
        "forward = 7",
    ],
)
def test_what_does_not(loaded, more):
    assert loaded(more).name.startswith("own")


CONFIG = """@__import__("dataclasses").dataclass(frozen=True)
    class Config:
        prefix: int = 0"""
MAPPED = "prefix = True\n\n    def query_embedding(self, embedding): ..."


@pytest.mark.parametrize(
    ("more", "family", "said"),
    [
        ("prefix = True", "Real()", "prefix = True is of product, additive and binary codes"),
        ("prefix = True\n\n    " + CODEC, "Decoded()", "is of product, additive and binary codes"),
        ("prefix = 64", "Binary()", "prefix must be True or False, got 64"),
        (MAPPED, "Binary()", "needs queries as they are: no query_embedding"),
        (CONFIG, "Binary()", "Config must have no field 'prefix'"),
    ],
)
def test_prefixes_where_there_are_none(loaded, more, family, said):
    with pytest.raises(PluginError) as caught:
        loaded(more, family)
    assert said in str(caught.value)


@pytest.mark.parametrize("family", ["Binary()", "Additive()", "ProductQuantized(False)"])
def test_prefixes_of_ordered_codes_are_listed_by_the_file_alone(loaded, family):
    assert "rq" in registry.with_prefixes()
    method = loaded("prefix = True", family)
    assert method.name in registry.with_prefixes()
    assert loaded("prefix = bool(1)", family).prefix
    assert method.name not in registry.with_prefixes()
