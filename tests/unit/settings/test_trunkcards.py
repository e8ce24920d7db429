"""Trunk cards: every one agrees with torchvision, names runs, and brings its own preprocessing."""

import dataclasses

import pytest

from hashquant.errors import UsageError
from hashquant.records.record import TrainRecord, from_json, to_json
from hashquant.runs.planning import plan
from hashquant.settings.adapted import with_trunk
from hashquant.settings.suite import Suite, as_before, digest, read_suite, run_id
from hashquant.settings.trunkcards import (
    ADDRESS,
    TrunkCard,
    checkpoints,
    pretrained_names,
    trunk_card,
)
from hashquant.settings.trunknames import asked, learned_before, sealed, spoken, unsealed

LITE = "package:efficientnet_lite0"
V2 = "resnet50@IMAGENET1K_V2"


def of_torchvision(card: TrunkCard):
    from torchvision.models import get_model_weights

    return get_model_weights(card.architecture)[card.tag]


@pytest.mark.parametrize("name", [n for n in pretrained_names() if "@" in n])
def test_a_card_says_what_the_weights_api_says(name):
    card = trunk_card(name)
    weights = of_torchvision(card)
    transform = weights.transforms()
    assert weights.url == f"{ADDRESS}{card.file}"
    assert card.digest == card.file.partition(".pth")[0].rpartition("-")[2]
    assert (transform.crop_size, transform.resize_size) == ([card.image_size], [card.resize])
    assert (tuple(transform.mean), tuple(transform.std)) == (card.mean, card.std)
    assert transform.interpolation.value == card.interpolation
    assert len(weights.meta["categories"]) == 1000
    licence = weights.meta.get("license", "torchvision")
    assert licence in card.licence
    assert min(weights.meta["min_size"]) <= 64 or min(weights.meta["min_size"]) == card.image_size
    assert len(card.digest) in (8, 10)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("resnet50@IMAGENET1K_V3", "did you mean 'resnet50@IMAGENET1K_V"),
        ("resnet50@imagenet1k_v2", "did you mean 'resnet50@IMAGENET1K_V2'"),
        ("resnet5@IMAGENET1K_V2", "did you mean 'resnet50@IMAGENET1K_V2'"),
        ("vit_b_16@", "Weights of vit_b_16: IMAGENET1K_V1, IMAGENET1K_SWAG_E2E_V1"),
        ("package:efficientnet_lite1", "did you mean 'package:efficientnet_lite0'"),
        ("alexnet@IMAGENET1K_V1:w.pth", "did you mean 'alexnet@IMAGENET1K_V1'"),
        ("squeezenet1_0@IMAGENET1K_V1", "unknown trunk 'squeezenet1_0@IMAGENET1K_V1'"),
    ],
)
def test_a_name_that_is_not_known_meets_the_nearest(name, sentence):
    with pytest.raises(UsageError) as refused:
        sealed(name)
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < 300  # not all the names there are


def test_a_name_means_one_thing():
    assert trunk_card("resnet18") is trunk_card("resnet18:w@1.pth") is None
    for name in (LITE, V2):
        assert sealed(name) == name == asked(name)
        assert unsealed(name) == (name, None)
        assert learned_before(name)
    assert not learned_before("resnet18")
    assert learned_before("resnet18:w.pth@0123")
    assert asked("resnet18:w@1.pth@0123456789ab") == "resnet18:w@1.pth"
    assert spoken(LITE) == "EfficientNet-Lite0, weights of a package"


def test_torch_home_is_where_the_files_lie(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    import torch

    assert str(checkpoints()) == f"{torch.hub.get_dir()}/checkpoints"
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    assert str(checkpoints()) == f"{torch.hub.get_dir()}/checkpoints"


def cell(suite, **changes):
    wanted = dataclasses.replace(suite, methods=("float",), bits=(32,), **changes)
    return plan("s", wanted, device="cpu")[0].spec


def test_a_pretrained_trunk_brings_its_sizes_and_colours():
    spec = cell(with_trunk(Suite(), V2))
    assert (spec.image_size, spec.resize, spec.mean) == (224, 232, (0.485, 0.456, 0.406))
    assert spec.card == trunk_card(V2)
    with pytest.raises(UsageError, match=r"mean must be 0\.485,0\.456,0\.406 for trunk 'resnet50"):
        cell(Suite(trunk=V2, image_size=224, resize=232))
    with pytest.raises(UsageError, match=r"image_size must be 224 pixels for trunk 'vit_b_16"):
        cell(with_trunk(Suite(), "vit_b_16@IMAGENET1K_V1"), image_size=160)
    assert cell(with_trunk(Suite(), LITE), image_size=160, resize=160).image_size == 160


def test_a_suite_file_keeps_what_it_says(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(f"trunk: {LITE}\nimage_size: 160\n")
    suite = read_suite(path)
    assert (suite.image_size, suite.resize) == (160, 256)
    assert suite.std == (128 / 255,) * 3


def test_runs_are_named_by_the_card_and_not_by_words_about_it():
    spec = cell(with_trunk(Suite(), V2))
    name = run_id(spec, "v")
    reworded = dataclasses.replace(spec.card, licence="another", pretrained_on="the same")
    assert run_id(dataclasses.replace(spec, card=reworded), "v") == name
    other = dataclasses.replace(spec.card, digest="00000000")
    assert run_id(dataclasses.replace(spec, card=other), "v") != name
    assert run_id(dataclasses.replace(spec, trunk_rate=0.0), "v") != name


def test_a_record_holds_the_card():
    spec = cell(with_trunk(Suite(), LITE), trunk_rate=0.1)
    record = TrainRecord(run_id="r", status="failed", spec=spec)
    found = from_json(TrainRecord, to_json(record)).spec
    assert (found.card, found.trunk_rate) == (trunk_card(LITE), 0.1)
    assert run_id(found, "v") == run_id(spec, "v")


def test_a_trunk_from_scratch_is_named_as_before_there_were_cards():
    spec = cell(Suite())
    assert spec.card is None
    older = dataclasses.asdict(spec)
    later = "base", "trunk_mode", "head_only", "prefix", "card", "trunk_rate"
    kept = {key: value for key, value in older.items() if key not in later}
    kept["schedule"] = as_before(spec.schedule)
    assert run_id(spec, "v") == digest([kept, "v"])
    with pytest.raises(UsageError, match="trunk_rate must be 1 for trunk 'sphere20-narrow'"):
        cell(Suite(), trunk_rate=0.0)
