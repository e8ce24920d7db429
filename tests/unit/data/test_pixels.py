"""Images: resident equals streamed, crops and flips are per image, and against torchvision."""

import contextlib
import gc
import os
import threading
from unittest.mock import create_autospec

import numpy as np
import pytest
import torch
from torchvision.transforms import functional as reference

from hashquant.data import rowfile
from hashquant.data.pixels import (
    ImageSource,
    _arrived,
    center_crop,
    normalise,
    random_crop_flip,
    resize_short_side,
    resized_shape,
)
from hashquant.errors import DataError, UsageError
from hashquant.machine.seeds import generator

CPU = torch.device("cpu")


def some_images(count=20, height=12, width=9, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 3, height, width), dtype=np.uint8)


def source(images, rows, *, resize=0, resident_bytes=10**9):
    return ImageSource(images, rows, resize=resize, device=CPU, resident_bytes=resident_bytes)


@pytest.mark.parametrize("resize", [0, 6, 9, 15])
def test_streamed_and_resident_images_are_equal(resize, monkeypatch):
    monkeypatch.setattr("hashquant.data.pixels.RESIZE_CHUNK", 7)
    images, rows = some_images(), np.array([3, 3, 19, 0, 7, 11, 2, 5, 17, 1], dtype=np.int64)
    resident = source(images, rows, resize=resize)
    streamed = source(images, rows, resize=resize, resident_bytes=0)
    assert resident.resident
    assert not streamed.resident
    positions = torch.tensor([9, 0, 4, 4, 2])
    assert torch.equal(resident.take(positions), streamed.take(positions))
    assert len(resident) == len(streamed) == 10
    assert resident.take(positions).is_contiguous(memory_format=torch.channels_last)


def test_rows_are_served_in_the_order_asked_for():
    images, rows = some_images(), np.array([5, 1, 8], dtype=np.int64)
    taken = source(images, rows).take(torch.tensor([2, 0]))
    assert np.array_equal(taken.numpy(), images[[8, 5]])


def test_a_source_holds_no_more_than_its_bytes():
    rows = np.arange(4, dtype=np.int64)
    resized = 4 * 3 * 8 * 6  # the resized images count, not the stored ones
    assert source(some_images(), rows, resize=6, resident_bytes=resized).resident
    assert not source(some_images(), rows, resize=6, resident_bytes=resized - 1).resident


@pytest.mark.parametrize("resident_bytes", [0, 10**9])
def test_a_read_only_memory_map_is_read_without_a_warning(tmp_path, resident_bytes):
    images = some_images()
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    taken = source(mapped, np.arange(20), resident_bytes=resident_bytes).take(torch.tensor([4, 3]))
    assert np.array_equal(taken.numpy(), images[[4, 3]])


def test_a_memory_map_is_read_by_row_and_a_part_of_one_too(tmp_path):
    images = some_images()
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    rows = np.array([7, 0, 19, 7])
    for given, expected in ((mapped, images), (mapped[1:], images[1:])):
        wanted = rows % len(given)
        streamed = source(given, wanted, resident_bytes=0)
        assert np.array_equal(streamed.take(torch.arange(4)).numpy(), expected[wanted])


def test_a_map_whose_file_was_cut_is_told(tmp_path):
    np.save(tmp_path / "images.npy", some_images())
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    streamed = source(mapped, np.arange(20), resident_bytes=0)
    os.truncate(tmp_path / "images.npy", mapped.offset + 3 * 12 * 9 * 10)
    assert len(streamed.take(torch.tensor([9, 0]))) == 2
    with pytest.raises(DataError, match=r"images\.npy must hold image 10, it ends before"):
        streamed.take(torch.tensor([10]))


def test_the_disk_is_told_of_all_images_before_the_first_is_read(tmp_path, monkeypatch):
    images = some_images()
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    told, preadv = [], os.preadv

    def read(descriptor, buffers, start):
        told.append("read")
        return preadv(descriptor, buffers, start)

    monkeypatch.setattr(rowfile, "announce", lambda descriptor, *part: told.append(part))
    monkeypatch.setattr(os, "preadv", read)
    streamed = source(mapped, np.arange(20), resident_bytes=0)
    assert np.array_equal(streamed.take(torch.tensor([7, 0, 7])).numpy(), images[[7, 0, 7]])
    size = images[0].nbytes
    parts = [(mapped.offset + row * size, size) for row in (0, 7, 7)]
    assert told == [*parts, "read", "read", "read"]


def test_a_source_leaves_no_file_open(tmp_path):
    np.save(tmp_path / "images.npy", some_images())
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    streamed = source(mapped, np.arange(20), resident_bytes=0)
    file = streamed._file.descriptor
    assert os.fstat(file).st_size == mapped.offset + mapped.nbytes
    del streamed
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file)


@pytest.mark.parametrize("resident_bytes", [0, 10**9])
@pytest.mark.parametrize("gray", [False, True])
def test_a_stream_gives_what_is_taken_step_by_step(resident_bytes, gray):
    rows = np.arange(20)[::-1].copy()
    kept = ImageSource(
        some_images(), rows, resize=6, device=CPU, resident_bytes=resident_bytes, gray=gray
    )
    steps = [torch.tensor(step, dtype=torch.int64) for step in ([3, 1], [19], [], [0, 0, 7])]
    found = list(kept.stream(iter(steps)))
    assert [len(images) for images in found] == [2, 1, 0, 3]
    for step, images in zip(steps, found, strict=True):
        assert torch.equal(images, kept.take(step))
        assert images.is_contiguous(memory_format=torch.channels_last)
    assert list(kept.stream([])) == []


def test_the_next_step_is_loaded_beside_the_one_in_use_and_none_further(monkeypatch):
    streamed, begun, loaders = source(some_images(), np.arange(20), resident_bytes=0), [], set()
    second, load = threading.Event(), streamed._load

    def recorded(positions):
        begun.append(int(positions[0]))
        loaders.add((threading.current_thread(), torch.get_num_threads()))
        if positions[0] == 1:
            second.set()
        return load(positions)

    monkeypatch.setattr(streamed, "_load", recorded)
    images = streamed.stream(torch.arange(5)[:, None])
    next(images)
    assert second.wait(10)
    assert begun == [0, 1]
    next(images)
    images.close()
    assert begun == [0, 1, 2]
    [(loader, threads)] = loaders
    assert threads == 1
    assert loader is not threading.current_thread()
    assert not loader.is_alive()


def test_a_step_that_cannot_be_read_fails_where_it_is_asked_for(tmp_path):
    np.save(tmp_path / "images.npy", some_images())
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    streamed = source(mapped, np.arange(20), resident_bytes=0)
    os.truncate(tmp_path / "images.npy", mapped.offset + 3 * 12 * 9 * 10)
    images = streamed.stream([torch.tensor([0]), torch.tensor([10])])
    assert len(next(images)) == 1
    with pytest.raises(DataError, match=r"images\.npy must hold image 10, it ends before"):
        next(images)


def test_images_of_another_stream_are_waited_for_and_held(monkeypatch):
    calls = []

    class Stream:
        def wait_event(self, event):
            calls.append(("wait", event))

    class Images(torch.Tensor):
        def record_stream(self, stream):
            calls.append(("hold", stream))

    current, event = Stream(), torch.cuda.Event()  # an event asks no device before it is recorded
    images = torch.from_numpy(some_images()).as_subclass(Images)
    monkeypatch.setattr(torch.cuda, "current_stream", {CPU: current}.__getitem__)
    assert _arrived(images, event) is images
    assert calls == [("wait", event), ("hold", current)]


def test_all_that_loads_an_image_for_cuda_is_asked_of_the_stream_beside(monkeypatch):
    entered, streamed = [], source(some_images(), np.arange(20), resident_bytes=0)
    side, load = create_autospec(torch.cuda.Stream, instance=True), streamed._load
    side.record_event.side_effect = lambda: entered.append("event") or torch.cuda.Event()

    @contextlib.contextmanager
    def within(stream):
        entered.append(stream)
        yield
        entered.append("left")

    monkeypatch.setattr(torch.cuda, "stream", within)
    monkeypatch.setattr(streamed, "_load", lambda rows: entered.append("load") or load(rows))
    images, _ = streamed._load_beside(torch.tensor([4]), side)
    assert entered == [side, "load", "event", "left"]
    assert np.array_equal(images.numpy(), some_images()[[4]])


def test_an_empty_source_has_no_images():
    assert len(source(some_images(), np.empty(0, dtype=np.int64), resize=6)) == 0


def test_resize_is_torchvisions_antialiased_bilinear():
    images = torch.from_numpy(some_images(count=3, height=40, width=31))
    height, width = resized_shape(40, 31, 14)
    expected = reference.resize(images.float(), [14], antialias=True).round().clamp(0, 255)
    assert torch.equal(resize_short_side(images, height, width).float(), expected)
    assert expected.shape[2:] == (height, width)


def test_every_crop_is_a_window_of_its_own_image_mirrored_or_not():
    images = torch.from_numpy(some_images(count=64, height=7, width=6))
    cut = random_crop_flip(images, 5, padding=0, flip=True, generator=generator(0, "crop"))
    windows = {}
    for item, piece in enumerate(cut):
        for top in range(3):
            for left in range(2):
                window = images[item, :, top : top + 5, left : left + 5]
                for mirrored in (False, True):
                    if torch.equal(piece, window.flip(2) if mirrored else window):
                        windows[item] = (top, left, mirrored)
    assert len(windows) == 64  # each is a window of its own image,
    assert len(set(windows.values())) == 12  # and all 3 x 2 x 2 kinds occur


def test_crops_are_decided_by_the_generator_alone():
    images = torch.from_numpy(some_images(count=16, height=9, width=9))

    def cut(stage):
        draws = generator(0, stage)
        return random_crop_flip(images, 6, padding=1, flip=True, generator=draws)

    assert torch.equal(cut("a"), cut("a"))
    assert not torch.equal(cut("a"), cut("b"))
    by_layout = random_crop_flip(
        images.contiguous(memory_format=torch.channels_last), 6, padding=1, flip=True,
        generator=generator(0, "a"),
    )  # fmt: skip
    assert torch.equal(cut("a"), by_layout)


def test_without_room_or_flip_the_image_is_kept():
    images = torch.from_numpy(some_images(count=4, height=6, width=6))
    kept = random_crop_flip(images, 6, padding=0, flip=False, generator=generator(0))
    assert torch.equal(kept, images)
    assert kept.is_contiguous(memory_format=torch.channels_last)


def test_padding_surrounds_with_zeros():
    ones = torch.ones((200, 3, 4, 4), dtype=torch.uint8)
    cut = random_crop_flip(ones, 4, padding=2, flip=False, generator=generator(0))
    filled = cut[:, 0].sum((1, 2)).unique()
    assert filled.tolist() == [4, 6, 8, 9, 12, 16]  # (4 - |dy|)(4 - |dx|), |d| up to 2


@pytest.mark.parametrize(("height", "width"), [(35, 35), (36, 33), (32, 32)])
def test_center_crop_is_torchvisions(height, width):
    images = torch.from_numpy(some_images(count=2, height=height, width=width))
    assert torch.equal(center_crop(images, 32), reference.center_crop(images, [32, 32]))


def test_normalise_is_torchvisions_and_keeps_the_layout():
    images = torch.from_numpy(some_images(count=2)).contiguous(memory_format=torch.channels_last)
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
    expected = reference.normalize(images.float() / 255, list(mean), list(std))
    got = normalise(images, mean, std)
    assert torch.allclose(got, expected, atol=1e-6)
    assert got.is_contiguous(memory_format=torch.channels_last)
    assert got.dtype == torch.float32


def test_a_crop_larger_than_the_images_is_refused():
    images = torch.from_numpy(some_images(count=2))
    message = r"image_size must be at most the images' 12x9 .* got 10"
    with pytest.raises(UsageError, match=message):
        random_crop_flip(images, 10, padding=0, flip=False, generator=generator(0))
    with pytest.raises(UsageError, match=message):
        center_crop(images, 10)
