"""Batches: half of them mirrored, augmented, made without a float copy of the data set."""
import tracemalloc

import load
import net2
import net4
import net5
import numpy as np
import pytest

from fkp import Problem, keypoints, maps
from fkp.pictures import augment
from fkp.training.lessons import lesson_type


def test_half_of_each_batch_is_mirrored_and_the_data_set_stays():
    X = np.random.RandomState(0).randint(0, 255, (10, 9216)).astype(np.uint8)
    y = np.random.RandomState(1).uniform(-1, 1, (10, 30)).astype(np.float32)
    before = X.copy(), y.copy()
    (Xb, yb), = net2.FlipBatchIterator(batch_size=10)(X, y)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])
    mirrored, labels = load.mirror(X.reshape(-1, 96, 96), y)
    is_same = [np.allclose(a, b) for a, b in zip(Xb * 255, X)]
    is_flipped = [np.allclose(a, b.ravel()) for a, b in zip(Xb * 255, mirrored)]
    assert sum(is_same) == sum(is_flipped) == 5
    np.testing.assert_array_equal(yb, np.where(np.array(is_flipped)[:, None], labels, y))


def test_flipping_takes_both_shapes_and_the_same_faces_for_a_seed():
    X = np.random.RandomState(0).randint(0, 255, (9, 9216)).astype(np.uint8)
    y = np.zeros((9, 34), np.float32)
    (a, _), = net2.FlipBatchIterator(batch_size=9, seed=3, names=load.ALL_COLUMNS)(X, y)
    (b, _), = net2.FlipBatchIterator(batch_size=9, seed=3, names=load.ALL_COLUMNS)(X.reshape(9, 1, 96, 96), y)
    (c, _), = net2.FlipBatchIterator(batch_size=9, seed=4, names=load.ALL_COLUMNS)(X, y)
    np.testing.assert_array_equal(a.ravel(), b.ravel())
    assert not np.array_equal(a, c)


def test_augmented_batches_keep_the_data_set_and_know_their_seed():
    X = np.random.RandomState(0).randint(0, 255, (6, 1, 96, 96)).astype(np.uint8)
    y = np.random.RandomState(1).uniform(-1, 1, (6, 30)).astype(np.float32)
    before = X.copy(), y.copy()
    a, b, c = ([batch for batch in net4.AugmentBatchIterator(batch_size=4, seed=seed)(X, y)] for seed in (3, 3, 4))
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])
    assert [len(Xb) for Xb, _ in a] == [4, 2] and a[0][0].dtype == np.float32
    np.testing.assert_array_equal(a[1][0], b[1][0])
    assert not np.array_equal(a[0][0], c[0][0])


def test_a_point_that_leaves_the_reach_of_the_net_is_taught_no_longer():
    X = np.zeros((200, 1, 96, 96), np.uint8)
    y = np.tile(load.scale(keypoints.MEAN_FACE), (200, 1))
    (_, free), (_, masked) = (next(iter(net4.AugmentBatchIterator(batch_size=200, seed=3, reach=reach)(X, y)))
                              for reach in (None, maps.REACH))
    beyond = (np.abs(free.reshape(200, 15, 2)) > maps.REACH).any(2).repeat(2, axis=1)
    assert 0 < beyond.mean() < 0.2
    np.testing.assert_array_equal(masked, np.where(beyond, np.nan, free))


def test_a_new_augmentation_reaches_whole_faces_and_crops(monkeypatch):
    monkeypatch.setattr(augment, "relight", lambda images, random: np.full_like(images, 77))
    whole = net4.AugmentBatchIterator(batch_size=4)(np.zeros((4, 1, 96, 96), np.uint8), np.zeros((4, 30), np.float32))
    crops = net5.CropBatchIterator(4, 38, np.zeros((1, 2)), augment=True)(np.zeros((4, 96, 96), np.uint8),
                                                                          np.full(4, 48, lesson_type("LE")))
    for Xb, _ in (*whole, *crops):
        np.testing.assert_allclose(Xb * 255, 77, rtol=1e-5)


@pytest.mark.parametrize("all_rows", [False, True])
def test_nets_with_maps_leave_out_what_they_cannot_answer(all_rows):
    net = net4.build(augment=True, heatmaps=True, all_rows=all_rows)
    assert net.batch_iterator_train.reach == maps.REACH
    assert net.objective_loss_function is net4.masked_squared_error
    assert net4.build(augment=True).batch_iterator_train.reach is None  # dense layers answer anything
    net4.build(heatmaps=True)


def test_pixels_become_float_only_in_a_batch():
    X = np.arange(256, dtype=np.uint8).reshape(2, 128)
    (Xb, _), = load.PixelBatchIterator(batch_size=2)(X)
    assert Xb.dtype == np.float32 and Xb.max() == pytest.approx(1) and Xb.min() == 0
    assert X.dtype == np.uint8


ITERATORS = {
    "pixels": (lambda: load.PixelBatchIterator(128, grey=0.5), (9216,), "30f4"),
    "mirrored": (lambda: net2.FlipBatchIterator(128), (9216,), "30f4"),
    "augmented": (lambda: net4.AugmentBatchIterator(128, grey=0.5), (1, 96, 96), "30f4"),
    "crops": (lambda: net5.CropBatchIterator(128, 38, np.zeros((1, 2))), (96, 96), lesson_type("LE")),
}


@pytest.mark.parametrize("kind", ITERATORS)
def test_an_epoch_makes_no_float_copy_of_the_pixels(kind):
    make, shape, label = ITERATORS[kind]
    X, y = np.zeros((4000, *shape), np.uint8), np.zeros(4000, label)
    tracemalloc.start()
    try:
        assert {Xb.dtype for Xb, _ in make()(X, y)} == {np.dtype(np.float32)}
        assert tracemalloc.get_traced_memory()[1] < X.nbytes  # a float copy takes four times as much
    finally:
        tracemalloc.stop()


def asked(X, *shape, grey=0.5):
    """What PixelBatchIterator makes of X, asked by a net that takes (None, *shape)."""
    batches = load.PixelBatchIterator(128, grey=grey)
    batches.ndim = 1 + len(shape)
    (Xb, yb), = batches(X)
    assert yb is None
    return Xb


@pytest.mark.parametrize("shape", [(9216,), (1, 96, 96), (96, 96)])
def test_a_net_is_asked_as_it_was_trained_whatever_the_numbers_type(shape):
    pixels = np.random.RandomState(0).randint(0, 256, (3, *shape))
    expected = np.float32(pixels / 255 - 0.5)
    for X in (np.uint8(pixels), pixels, np.int16(pixels), pixels / 255, np.float32(pixels / 255),
              (pixels / 255).tolist()):
        np.testing.assert_allclose(asked(X, *shape), expected, atol=1e-6)
        np.testing.assert_allclose(asked(X[0], *shape), expected[:1], atol=1e-6)  # one face


@pytest.mark.parametrize("X", [np.full((2, 9216), 200.0), np.full((2, 9216), 300), np.full((2, 9216), -1)])
def test_floats_up_to_255_and_numbers_that_are_no_pixels_are_refused(X):
    with pytest.raises(Problem,
                       match="predict: values from .* give pixels as whole numbers from 0 to 255, or divided by 255"):
        asked(X, 9216)


def test_what_is_standardised_is_no_mistake():
    X = np.random.RandomState(0).randn(2, 9216) * 3
    np.testing.assert_array_equal(asked(X, 9216, grey=0.0), X)


def test_a_net_in_a_notebook_learns_the_shape_of_its_faces_as_it_trains():
    batches = load.PixelBatchIterator(128)
    batches(np.zeros((4, 1, 96, 96), np.uint8), np.zeros((4, 30)))
    (Xb, _), = batches(np.zeros((1, 96, 96), np.uint8))
    assert Xb.shape == (1, 1, 96, 96)
