"""What faiss learns in closed form: optimal where the optimum is known, repeatable, refused."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from hashquant.codes import shallow
from hashquant.codes.shallow import (
    balanced_axes,
    learn_itq,
    learn_lsq,
    learn_opq,
    learn_pq,
    pad_columns,
    principal_axes,
)
from hashquant.errors import BudgetError


def rng(seed):
    return torch.Generator().manual_seed(seed)


def correlated(count=500, size=12, seed=0):
    """Return vectors whose variance lies in a few directions, none along an axis."""
    mixing = torch.randn(size, size, generator=rng(seed + 1)) * torch.logspace(0, -2, size)[:, None]
    return torch.randn(count, size, generator=rng(seed)) @ mixing + 0.3


def error_of(x, books):
    """Return the mean squared distance of vectors to the nearest codewords of their parts."""
    parts = x.reshape(len(x), books.shape[0], -1).transpose(0, 1).double()
    distances = (parts[:, :, None] - books.double()[:, None]).square().sum(3)  # (m, n, k)
    return float(distances.min(dim=2).values.sum(0).mean())


def signs_lost(projected):
    """Return the mean squared distance of vectors to their signs."""
    return float((projected - torch.where(projected > 0, 1.0, -1.0)).square().sum(1).mean())


def orthonormal(columns):
    return torch.allclose(columns.T @ columns, torch.eye(columns.shape[1]), atol=1e-5)


def test_as_many_images_as_codewords_are_kept_as_they_are():
    x = torch.randn(16, 6, generator=rng(0))
    books = learn_pq(x, 2, 16, seed=0)
    assert books.shape == (2, 16, 3)
    assert error_of(x, books) == pytest.approx(0, abs=1e-10)


def test_pq_loses_no_more_than_other_codebooks():
    x = correlated()
    found = error_of(x, learn_pq(x, 3, 16, seed=0))
    for seed in range(5):  # codewords drawn from the images
        drawn = x[torch.randperm(len(x), generator=rng(seed))[:16]].view(16, 3, 4).transpose(0, 1)
        assert found < error_of(x, drawn)
    theirs = sum(
        KMeans(16, n_init=1, random_state=0).fit(part).inertia_ / len(x)
        for part in x.view(-1, 3, 4).unbind(1)
    )
    assert found == pytest.approx(theirs, rel=0.1)  # two local optima of one problem


def test_opq_loses_less_than_pq_on_correlated_vectors():
    x = correlated()
    rotation, books = learn_opq(x, 3, 16, seed=0)
    assert rotation.shape == (12, 12)
    assert books.shape == (3, 16, 4)
    assert orthonormal(rotation)
    assert error_of(x @ rotation, books) < 0.8 * error_of(x, learn_pq(x, 3, 16, seed=0))
    assert error_of(x @ rotation, books) <= error_of(
        x @ rotation, learn_pq(x @ rotation, 3, 16, seed=0)
    )


def test_the_mean_of_the_vectors_changes_no_error():
    x = correlated()
    rotation, books = learn_opq(x, 3, 16, seed=0)
    moved, further = learn_opq(x + 5, 3, 16, seed=0)
    assert error_of((x + 5) @ moved, further) == pytest.approx(error_of(x @ rotation, books), 1e-3)


def test_a_size_that_the_books_do_not_divide_is_padded():
    x = correlated(size=10)
    padded = pad_columns(x, 4)
    assert padded.shape == (500, 12)
    assert torch.equal(padded[:, :10], x)
    assert not padded[:, 10:].any()
    books = learn_pq(x, 4, 8, seed=0)
    assert books.shape == (4, 8, 3)
    assert not books[3, :, 1:].any()
    assert torch.equal(books, learn_pq(padded, 4, 8, seed=0))
    rotation, books = learn_opq(x, 4, 8, seed=0)
    assert rotation.shape == (10, 12)
    assert orthonormal(rotation.T)  # no length is lost
    assert error_of(x @ rotation, books) < error_of(padded, learn_pq(x, 4, 8, seed=0))


def test_axes_are_dealt_out_to_equal_products():
    # Orthogonal columns of ±sqrt(variance): variances 16, 4, 4, 1, axes along the coordinates.
    signs = torch.tensor([[1, 1, 1], [1, -1, 1], [1, 1, -1], [1, -1, -1]])
    x = torch.cat([signs, -signs]).float()
    x = torch.stack([4 * x[:, 0], 2 * x[:, 1], x[:, 2], 2 * x.prod(dim=1)], dim=1).double()
    variances, axes = principal_axes(x)
    assert variances.tolist() == pytest.approx([16, 4, 4, 1])
    assert axes[:, [0, 3]].abs().numpy() == pytest.approx(np.eye(4)[:, [0, 2]], abs=1e-7)
    books = (x @ balanced_axes(x, 2)).square().mean(dim=0).view(2, 2)
    held = [sorted(book.tolist()) for book in books]
    assert sorted(held) == [pytest.approx([1, 16]), pytest.approx([4, 4])]


def test_axes_are_whole_for_fewer_images_than_dimensions_and_none_at_all():
    for x in (correlated(5), torch.zeros(5, 12)):
        axes = balanced_axes(x.double(), 3)
        assert (axes @ axes.T).numpy() == pytest.approx(np.eye(12), abs=1e-9)


def test_itq_projects_onto_rotated_principal_axes():
    x = correlated()
    mean, projection = learn_itq(x, 4, seed=0)
    assert mean.tolist() == pytest.approx(x.double().mean(0).tolist(), abs=1e-6)
    assert projection.shape == (12, 4)
    assert orthonormal(projection)
    axes = torch.linalg.svd(x - x.mean(0), full_matrices=False).Vh[:4]  # the same span as PCA's
    assert torch.allclose(projection @ projection.T, axes.T @ axes, atol=1e-4)


def test_itq_loses_less_than_principal_axes_and_other_rotations():
    x = 3 * correlated()
    mean, projection = learn_itq(x, 4, seed=0)
    found = signs_lost((x - mean) @ projection)
    axes = torch.linalg.svd(x - mean, full_matrices=False).Vh[:4].T
    assert found < signs_lost((x - mean) @ axes)
    for seed in range(5):
        turn = torch.linalg.qr(torch.randn(4, 4, generator=rng(seed))).Q
        assert found < signs_lost((x - mean) @ axes @ turn)


def test_itq_never_loses_more_after_a_further_round():
    x = 3 * correlated()
    lost = []
    for rounds in range(12):
        mean, projection = learn_itq(x, 8, seed=0, rounds=rounds)
        lost.append(signs_lost((x - mean) @ projection))
    assert lost == sorted(lost, reverse=True)
    assert lost[0] > 1.02 * lost[-1]


def test_itq_finds_the_corners_of_a_turned_cube():
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3)
    x = corners @ torch.linalg.qr(torch.randn(3, 3, generator=rng(0))).Q + 7
    mean, projection = learn_itq(x, 3, seed=0)
    assert mean.tolist() == pytest.approx([7, 7, 7], abs=1e-5)
    assert ((x - mean) @ projection).abs().flatten().tolist() == pytest.approx([1] * 24, abs=1e-5)


@pytest.mark.parametrize("learn", [learn_pq, learn_opq, learn_lsq, learn_itq])
def test_a_seed_repeats_itself_and_nothing_else_is_touched(learn, monkeypatch):
    x = correlated()
    kept, state, threads = x.clone(), torch.get_rng_state(), torch.get_num_threads()
    given = (4,) if learn is learn_itq else (3, 16)

    def learned(seed):
        found = learn(x, *given, seed)
        parts = found if isinstance(found, tuple) else (found,)
        assert all(p.dtype == torch.float32 and p.is_contiguous() for p in parts)
        return torch.cat([part.flatten() for part in parts])

    first = learned(3)
    torch.set_num_threads(2)
    try:
        assert torch.equal(learned(3), first)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert not torch.equal(learned(4), first)
    assert torch.equal(x, kept)
    assert torch.equal(torch.get_rng_state(), state)


def test_faiss_says_nothing_about_few_images(capfd):
    learn_pq(correlated(20), 3, 16, seed=0)
    learn_opq(correlated(20), 3, 16, seed=0)
    learn_lsq(correlated(20), 3, 16, seed=0)
    learn_itq(correlated(20), 4, seed=0)
    assert capfd.readouterr() == ("", "")


def test_what_cannot_be_learned_is_refused():
    x = correlated(20)
    for learn in (learn_pq, learn_opq, learn_lsq):
        with pytest.raises(BudgetError, match=r"needs at least 32 training images.* got 20"):
            learn(x, 3, 32, 0)
        with pytest.raises(BudgetError, match="must be a power of two, got 12"):
            learn(x, 3, 12, 0)
    with pytest.raises(BudgetError, match=r"at most the embedding's size \(12\), got 13"):
        learn_itq(x, 13, 0)
    with pytest.raises(BudgetError, match=r"needs at least 10 training images.* got 9"):
        learn_itq(x[:9], 10, 0)


def test_importing_it_does_not_import_faiss():
    assert "faiss" not in vars(shallow)


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_opq_of_fewer_images_than_dimensions_is_a_rotation(spread):
    x = 1 + spread * torch.randn(40, 96, generator=torch.Generator().manual_seed(0))
    rotation, books = learn_opq(x, 5, 16, 0)  # padded to 100 dimensions
    assert rotation.shape == (96, 100)
    assert torch.allclose(rotation @ rotation.T, torch.eye(96), atol=1e-4)
    assert books.shape == (5, 16, 20)
    assert books.isfinite().all()
