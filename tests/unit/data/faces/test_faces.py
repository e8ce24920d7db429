"""The face renderer: each image from its numbers alone, and people who stay recognisable."""

import numpy as np
import pytest
import torch

from hashquant.data.faces import DOMAINS, render_faces
from hashquant.data.faces._capture import OCCLUDERS, draw_capture
from hashquant.data.faces._chance import grain, keys, uniform
from hashquant.data.faces._identity import draw_identity
from hashquant.errors import UsageError

PEOPLE, EACH = 24, 20
#: channel means, (domain, image, channel), of persons 0 and 5 in their images 0 and 3
VERSION_1_MEANS = [
    [[97.8, 62.93, 57.74], [85.66, 68.57, 59.53]],
    [[101.67, 96.96, 81.34], [119.24, 86.93, 90.55]],
]


def grid(people: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    number = np.arange(people * each)
    return number // each, number % each


@pytest.fixture(scope="module", params=DOMAINS)
def faces(request):
    who, shot = grid(PEOPLE, EACH)
    return request.param, render_faces(request.param, who, shot, 32), who, shot


def vectors(images):
    flat = images.reshape(len(images), -1).astype(np.float64)
    flat = flat - flat.mean(axis=0)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def mean_average_precision(similarity, relevant):
    order = np.argsort(-similarity, axis=1, kind="stable")
    hits = np.take_along_axis(relevant, order, axis=1).astype(float)
    precision = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    return ((precision * hits).sum(axis=1) / hits.sum(axis=1)).mean()


def test_one_image_alone_equals_it_among_others(faces):
    domain, images, who, shot = faces
    for row in (0, 7, len(who) - 1):
        alone = render_faces(domain, who[row : row + 1], shot[row : row + 1], 32)
        np.testing.assert_array_equal(alone[0], images[row])


def test_order_of_rows_and_threads_change_nothing(faces):
    domain, images, who, shot = faces
    order = np.random.default_rng(0).permutation(len(who))[:150]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        again = render_faces(domain, who[order], shot[order], 32)
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(again, images[order])


def test_chunks_leave_no_trace(faces, monkeypatch):
    domain, images, who, shot = faces
    monkeypatch.setattr("hashquant.data.faces._render.CHUNK_PIXELS", 7 * 32**2)
    np.testing.assert_array_equal(render_faces(domain, who[:30], shot[:30], 32), images[:30])


def test_images_differ_within_and_between_people(faces):
    _, images, *_ = faces
    assert len({image.tobytes() for image in images}) == len(images)


def test_images_of_a_person_are_nearer_than_those_of_others(faces):
    _, images, who, _ = faces
    flat = vectors(images)
    similarity = flat @ flat.T
    same = who[:, None] == who[None]
    np.fill_diagonal(same, False)
    apart = who[:, None] != who[None]
    assert similarity[same].mean() > similarity[apart].mean() + 0.02


def test_pixels_alone_are_far_from_naming_a_person(faces):
    domain, images, who, shot = faces
    flat = vectors(images)
    query = shot >= EACH - 4
    relevant = who[query][:, None] == who[~query][None]
    found = mean_average_precision(flat[query] @ flat[~query].T, relevant)
    assert 1.2 * relevant.mean() < found < (0.35 if domain == "studio" else 0.25)


def test_domains_share_no_person_and_no_image():
    key = {d: keys(f"person of {d}", {"identity": np.arange(5000)}) for d in DOMAINS}
    assert not set(key["studio"].tolist()) & set(key["street"].tolist())
    studio, street = (draw_identity(key[d]) for d in DOMAINS)
    assert not set(studio["face_width"].flatten().tolist()[:50]) & set(
        street["face_width"].flatten().tolist()[:50]
    )


def test_street_is_the_harder_domain():
    key = keys("any", {"image": np.arange(4000)})
    studio, street = (draw_capture(key, d) for d in DOMAINS)
    for name in ("turn", "yaw", "pitch", "light_x", "tone", "exposure"):
        assert street[name].std() > studio[name].std()
    assert (street["occluder"] >= 0).float().mean() > 3 * (studio["occluder"] >= 0).float().mean()
    assert not studio["clutter"].any()
    assert street["clutter"].all()


def test_every_kind_of_occluder_hides_something():
    key = keys("capture of street", {"identity": np.zeros(600), "image": np.arange(600)})
    kinds = draw_capture(key, "street")["occluder"].flatten()
    assert set(kinds.long().tolist()) == {-1, *range(len(OCCLUDERS))}


@pytest.mark.parametrize("size", [16, 33, 112, 300])
def test_any_size(size):
    images = render_faces("street", np.array([3, 10**9]), np.array([0, 10**6]), size)
    assert images.shape == (2, 3, size, size)
    assert images.dtype == np.uint8
    assert images.std() > 10


def test_a_larger_image_shows_the_same_scene():
    who, shot = grid(4, 3)
    small = render_faces("studio", who, shot, 24).astype(float)
    large = render_faces("studio", who, shot, 96).astype(float)
    shrunk = large.reshape(len(who), 3, 24, 4, 24, 4).mean(axis=(3, 5))
    for a, b in zip(small, shrunk, strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.95


def test_no_rows_give_no_images():
    none = np.empty(0, dtype=np.int64)
    assert render_faces("studio", none, none, 16).shape == (0, 3, 16, 16)


def test_the_generator_draws_what_its_version_stands_for():
    # these move when a formula does: then GENERATOR_VERSION must be raised, and they with it
    found = [render_faces(d, np.array([0, 5]), np.array([0, 3])).mean(axis=(2, 3)) for d in DOMAINS]
    np.testing.assert_allclose(np.round(found, 2), VERSION_1_MEANS, atol=0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("attic", [0], [0], 32), "unknown capture domain 'attic'"),
        (("studio", [0], [0], 8), "image size must be within 16 … 1024 pixels, got 8"),
        (("studio", [0, 1], [0], 32), "equal lengths, got 2 and 1"),
        (("studio", [0], [-1], 32), "must be 0 or more, got a negative one"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    domain, who, shot, size = arguments
    with pytest.raises(UsageError, match=message):
        render_faces(domain, np.array(who), np.array(shot), size)


def test_numbers_are_even_and_independent_of_their_names():
    key = keys("numbers", {"row": np.arange(20000)})
    a, b = uniform(key, "a").flatten(), uniform(key, "b").flatten()
    assert a.min() >= 0
    assert a.max() < 1
    counts = torch.histc(a, 20, 0, 1)
    assert ((counts - 1000).abs() < 150).all()  # about 5 standard deviations
    assert abs(torch.corrcoef(torch.stack([a, b]))[0, 1]) < 0.03


def test_grain_is_centred_with_variance_one():
    noise = grain(keys("grain", {"row": np.arange(50)}), 3, 32)
    assert abs(noise.mean()) < 0.01
    assert abs(noise.var() - 1) < 0.02
    apart = torch.corrcoef(noise[:2].flatten(1))[0, 1]
    assert abs(apart) < 0.08
