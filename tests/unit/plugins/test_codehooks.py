"""A method that offers codes of its own making is refused when it is loaded."""

import pytest

import hashquant.methods
from hashquant.errors import PluginError
from hashquant.plugins import registry

TEXT = '''"""Somebody's own."""
import hashquant.api as hq


class Own(hq.Method):
    name = "{name}"
    family = hq.ProductQuantized(larger_is_closer=False)

    def forward(self, features):
        return features

    {more}
'''


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(hashquant.methods, "__path__", [*hashquant.methods.__path__, str(tmp_path)])

    def load(more):
        name = "own" + tmp_path.name.replace("-", "_").lower()
        (tmp_path / f"{name}.py").write_text(TEXT.format(name=name, more=more))
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
    ],
)
def test_what_would_make_codes_of_labels(loaded, more, said):
    with pytest.raises(PluginError) as caught:
        loaded(more)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "more",
    [
        "def _encode(self, features): ...",
        "encoder = None",
        "encoded_bits = 3",
        "def forward(self, *args, **kwargs): ...",
        "def forward(self, x): ...",
        "def fit(self, features, labels): ...",
        "forward = 7",
    ],
)
def test_what_does_not(loaded, more):
    assert loaded(more).name.startswith("own")
