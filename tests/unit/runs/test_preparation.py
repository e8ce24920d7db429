"""What training may see, what an examination sees, and what is said of both."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch

from hashquant.data.images import content_digests
from hashquant.data.items import Dataset, Items, make_split
from hashquant.records.store import Store
from hashquant.runs.cell import train_cell
from hashquant.runs.planning import plan
from hashquant.runs.preparation import Place, prepare, prepare_target
from hashquant.runs.targets import Target
from hashquant.settings.suite import Suite

CPU = torch.device("cpu")
PEOPLE, EACH = 4, 12


class Drawn(Dataset):
    """Twelve noisy images of each person; the last three are queries."""

    NAMES: ClassVar = {"folder": "for tests"}
    terms = "none"
    PEOPLE = True

    def __init__(self, name="folder", *, change=None, gray=False, first=0):
        super().__init__(name)
        self.change, self.gray, self.first = change, gray, first

    def prepare(self, root, *, on_bad_image="stop"):
        pass

    def load(self, root):
        draw = np.random.default_rng(self.first)
        labels = np.repeat(np.arange(PEOPLE), EACH)
        patterns = draw.integers(0, 256, (PEOPLE, 3, 16, 16))
        pixels = patterns[labels] + draw.normal(0, 40, (len(labels), 3, 16, 16))
        images = pixels.clip(0, 255).astype(np.uint8)
        files = [f"p{self.first + c}/{i:02d}.png" for c in range(PEOPLE) for i in range(EACH)]
        if self.change is not None:
            self.change(images, files)
        return Items(
            images=images,
            labels=labels,
            class_names=tuple(f"p{self.first + c}" for c in range(PEOPLE)),
            files=tuple(files),
            content=content_digests(images),
            version="v",
            gray=self.gray,
        )

    def split(self, items):
        query = np.arange(len(items)) % EACH >= EACH - 3
        training = np.flatnonzero(~query)
        return make_split(items, "seen", training, np.flatnonzero(query), training)


def spec_of(**changes):
    suite = Suite(
        datasets=("folder:a",), methods=("dcdh",), bits=(16,), epochs=3, batch_size=12,
        image_size=16, resize=16, features=32, precision="fp32",
    )  # fmt: skip
    [cell] = plan("toy", dataclasses.replace(suite, **changes), device="cpu")
    return cell.spec


def trained(tmp_path, dataset, **changes):
    spec = spec_of(**changes)
    prepared = prepare(dataset, "folder:a", Place(tmp_path, CPU), spec)
    found = train_cell(spec, prepared, Store(tmp_path), CPU, lambda *_: None)
    return found, prepared


def is_query(files):
    return np.array([int(file[-6:-4]) >= EACH - 3 for file in files])


def poison(images, files):
    """Replace every query by noise, and by other noise on every call."""
    rows = is_query(files)
    images[rows] = np.random.default_rng(99).integers(0, 256, images[rows].shape)


@pytest.mark.parametrize("rule", ["last", "train-loss", "validation"])
def test_no_query_is_seen_before_the_examination(tmp_path, rule):
    clean, _ = trained(tmp_path / "clean", Drawn(), selection=rule)
    dirty, _ = trained(tmp_path / "dirty", Drawn(change=poison), selection=rule)
    assert clean.record.losses == dirty.record.losses
    assert clean.record.validation == dirty.record.validation
    assert clean.record.selected_epoch == dirty.record.selected_epoch
    states = clean.network.state_dict(), dirty.network.state_dict()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_a_poisoned_training_image_would_have_been_noticed(tmp_path):
    """The test above can fail: the same poison in a training image changes the weights."""

    def spoil(images, files):
        images[~is_query(files)] = 255 - images[~is_query(files)]

    clean, _ = trained(tmp_path / "clean", Drawn())
    dirty, _ = trained(tmp_path / "dirty", Drawn(change=spoil))
    assert clean.record.losses != dirty.record.losses


def test_validation_queries_come_from_training_images_and_are_not_trained_on(tmp_path):
    found, prepared = trained(tmp_path, Drawn(), selection="validation")
    # A class of 9 training images gives round(0.9) = 1 validation query.
    assert len(prepared.validation.query) == PEOPLE
    assert len(prepared.training.images) == PEOPLE * 8
    assert "4 training images held out for validation" in found.record.notes
    assert len(found.record.validation) == 3
    best = max(found.record.validation)
    assert found.record.selected_epoch == 1 + found.record.validation.index(best)
    everything = prepare_target(
        Drawn(), Target("folder:a"), Place(tmp_path, CPU), spec_of(), prepared
    )
    assert len(everything.gallery) == PEOPLE * 9


def test_judging_epochs_does_not_change_them(tmp_path):
    """The validation rule trains on the same bits when nothing but the rule's eye is added."""
    judged, _ = trained(tmp_path / "a", Drawn(), selection="validation")
    again, _ = trained(tmp_path / "b", Drawn(), selection="validation", epochs=3)
    assert judged.record.losses == again.record.losses


def examined(tmp_path, source, target):
    place, spec = Place(tmp_path, CPU), spec_of()
    prepared = prepare(source, "folder:a", place, spec)
    return prepare_target(target, Target("folder:b"), place, spec, prepared)


def test_another_set_is_examined_whole_by_its_own_gallery_and_queries(tmp_path):
    found = examined(tmp_path, Drawn(), Drawn(first=10))
    assert (found.protocol, len(found.gallery), len(found.query)) == ("cross", 36, 12)
    assert found.examined == ("v", "", "source")
    assert found.notes == ()


def test_a_person_and_an_image_planted_in_both_sets_are_named(tmp_path):
    def plant(images, files):
        images[-1] = Drawn().load(tmp_path).images[0]  # the last query of p13

    found = examined(tmp_path, Drawn(first=0), Drawn(first=3, change=lambda *_: None))
    assert found.notes == ("1 identities removed: folder:a has them too (p3)",)
    found = examined(tmp_path, Drawn(), Drawn(first=10, change=plant))
    assert found.notes == ("1 images removed: folder:a was trained on the same (p13/11.png)",)
    assert len(found.query) == 11


def test_a_query_planted_in_the_training_set_is_dropped_and_named(tmp_path):
    def plant(images, files):
        images[0] = images[EACH - 1]

    place, spec = Place(tmp_path, CPU), spec_of()
    prepared = prepare(Drawn(change=plant), "folder:a", place, spec)
    [note] = prepared.notes
    assert note.startswith("1 queries dropped: the same image is in gallery or training")
    assert "p0/11.png" in note


def test_colours_become_gray_where_the_training_set_is_gray(tmp_path):
    found = examined(tmp_path, Drawn(gray=True), Drawn(first=10))
    pixels = found.query.take(torch.arange(12))
    assert found.adapter == "gray"
    assert torch.equal(pixels[:, 0], pixels[:, 1])
    assert examined(tmp_path, Drawn(), Drawn(first=10, gray=True)).adapter == ""
