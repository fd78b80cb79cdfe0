"""Level 1 in several looks: closer ones, one at the usual place, and a search where they differ."""
import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import a_run

from fkp.looking import looks
from fkp.keypoints import MEAN_FACE, placement
from fkp.looking.search import LOOKS
from fkp.pictures.warp import Warp

WIDE = 20  # pixels: a white rectangle so wide and half as high stands for a face of the usual size


def rectangles(*places, wide=WIDE):
    """A picture each (n, 96, 96) of a rectangle around x, y."""
    images = np.zeros((len(places), 96, 96), np.uint8)
    for image, (x, y) in zip(images, places):
        image[y - wide // 4:y + wide // 4, x - wide // 2:x + wide // 2] = 255
    return images


def points(images):
    """Where a face's points are that lies as a picture's rectangle does: (n, 34), the last four unknown."""
    white = images / 255
    total, centres = white.sum((1, 2)), np.arange(96) + 0.5
    middle = np.stack([white.sum(1) @ centres, white.sum(2) @ centres], 1) / total[:, None]
    x, y = centres - middle[:, :1], centres - middle[:, 1:]
    xy, xx, yy = (np.einsum("nij,ni,nj->n", white, a, b) for a, b in ((y, x), (y * 0 + 1, x * x), (y * y, x * 0 + 1)))
    still = np.zeros((len(images), 2))
    usual = np.tile((MEAN_FACE.reshape(-1, 2) - looks.CENTRE).ravel(), (len(images), 1))
    lie = Warp(np.arctan2(2 * xy, xx - yy) / 2, np.sqrt(total * 2) / WIDE, still, middle)
    return np.pad(lie.points(usual), ((0, 0), (0, 4)), constant_values=np.nan)


class Watch:
    """What `points` answers; remembers how the rectangles lay."""

    def __init__(self):
        self.middles, self.sides, self.tilts = [], [], []

    def __call__(self, images):
        answer = points(images)
        middle, _, larger = placement(answer)
        self.middles.append(middle)
        self.sides.append(larger * WIDE)
        self.tilts.append(looks.tilt(answer) - looks.tilt(MEAN_FACE[None]))
        return answer


def test_a_face_at_its_place_is_looked_at_in_two_sizes_about_the_middle():
    look, images = Watch(), rectangles((50, 46), (44, 50))
    found = looks.again(look, images)
    np.testing.assert_allclose(found, points(images), atol=0.3)
    np.testing.assert_allclose(np.array(look.sides) / WIDE, np.repeat([[1], [1.12]], 2, 1), atol=0.02)
    np.testing.assert_allclose(look.middles[1], np.array([[50, 46], [44, 50]]) * 1.12 - 48 * 0.12, atol=0.2)


@pytest.mark.parametrize("x, y", [(62, 47), (36, 40), (48, 60)])
def test_a_face_far_off_is_looked_at_again_where_faces_usually_are(x, y):
    look, images = Watch(), rectangles((48, 47), (x, y), (50, 44))
    np.testing.assert_allclose(looks.again(look, images), points(images), atol=0.3)
    assert [len(middles) for middles in look.middles] == [3, 3, 1, 1]
    np.testing.assert_allclose(look.middles[2], looks.CENTRE, atol=0.2)


@pytest.mark.parametrize("wide", [14, 28])
def test_a_small_or_a_large_face_is_looked_at_again_in_the_usual_size(wide):
    look, images = Watch(), rectangles((50, 46), wide=wide)
    np.testing.assert_allclose(looks.again(look, images), points(images), atol=0.3)
    np.testing.assert_allclose(look.sides[2:], WIDE * np.array([[1], [1.12]]), rtol=0.02)


@pytest.mark.parametrize("degrees, looked_at", [(10, 2), (18, 4), (-30, 4), (45, 2)])
def test_a_tilted_face_is_looked_at_again_upright_unless_the_tilt_is_doubtful(degrees, looked_at):
    look, at = Watch(), np.array([[49.0, 47.0]])
    images = Warp(np.deg2rad([degrees]), np.ones(1), at, at).images(rectangles((49, 47)))
    np.testing.assert_allclose(looks.again(look, images), points(images), atol=0.3)
    assert len(look.tilts) == looked_at
    np.testing.assert_allclose(np.rad2deg(look.tilts[:2]), degrees, atol=1)
    np.testing.assert_allclose(np.rad2deg(look.tilts[2:]), 0, atol=1)


def test_a_face_with_unknown_points_is_looked_at_again_where_its_others_say():
    look, images = Watch(), rectangles((70, 70))
    found = looks.again(lambda faces: np.where(np.arange(34) < 4, np.nan, look(faces)), images)
    assert len(look.middles) == 4 and np.isnan(found[:, :4]).all()
    np.testing.assert_allclose(look.middles[2], looks.CENTRE, atol=0.2)
    np.testing.assert_allclose(found[:, 4:30], points(images)[:, 4:30], atol=0.3)


def test_a_picture_is_looked_at_as_it_is_before_it_is_warped():
    seen, images = [], rectangles((48, 47))
    looks.again(lambda faces: seen.append(faces) or points(faces), images)
    assert seen[0] is images and len(seen) == 2


@pytest.mark.parametrize("differ, share", [(0, 0), (2, 0.6), (20, 0.95)])
def test_the_second_looks_count_the_more_the_better_they_agree(differ, share):
    images, by = rectangles((64, 52)), iter([differ, -1.12 * differ])  # pixels, that of size 1.12
    first = points(images) + 4
    found = looks.put_right(lambda faces: points(faces) + next(by), images, first, np.ones(1))
    np.testing.assert_allclose((found - points(images))[:, :30] / 4, share, atol=0.1)


def blind(images):
    """Sees a rectangle near the usual place and size only; elsewhere the mean face in the middle of what it sees."""
    answer = points(images)
    middle, usual, larger = placement(answer)
    near = (np.abs(middle - usual).max(1) < 28) & (np.maximum(larger, 1 / larger) < 1.6)
    return np.where(near[:, None], answer, np.pad(MEAN_FACE, (0, 4), constant_values=np.nan))


def test_a_face_that_the_looks_do_not_find_is_looked_for_all_over_the_picture():
    images = rectangles((76, 64), wide=12)
    np.testing.assert_allclose(looks.again(blind, images), points(images), atol=0.5)
    np.testing.assert_allclose(blind(images)[0, :30], MEAN_FACE)  # at first it is not seen


def company():
    """Pictures of each kind: found at once, far off, lost; and 30 equal ones, as many as were once too many."""
    return np.concatenate([rectangles((48, 47), (62, 47), (50, 44)), np.repeat(rectangles((76, 64), wide=12), 30, 0),
                           rectangles((20, 30), (40, 70), wide=14)])


@pytest.mark.parametrize("together", [1, 4, 100])
def test_an_answer_does_not_depend_on_its_company(together, monkeypatch):
    monkeypatch.setattr(looks, "TOGETHER", together)
    images = company()
    found = looks.again(blind, images)
    np.testing.assert_allclose(found[3:33], found[3:4].repeat(30, 0), atol=1e-3)
    np.testing.assert_allclose(looks.again(blind, images[::-1]), found[::-1], atol=1e-3)
    for i in (0, 1, 3, 33, 34):
        np.testing.assert_allclose(looks.again(blind, images[i:i + 1]), found[i:i + 1], atol=1e-3)
    np.testing.assert_allclose(found, points(images), atol=0.6)


def test_a_search_follows_one_look_and_judges_by_another():
    images, followed, judged = rectangles((76, 64), wide=12), [], []
    looks.again(blind, images, lambda faces: followed.append(len(faces)) or blind(faces),
                lambda faces: judged.append(len(faces)) or blind(faces))
    assert followed == [len(looks.STARTS)] * LOOKS
    assert judged == [judged[0]] * len(looks.NEAR) and 1 <= judged[0] <= looks.CANDIDATES


def trained_net(error, **kind):
    """A net that `blind` stands for, with this validation error in pixels."""
    return SimpleNamespace(run_=dataclasses.replace(a_run("net4"), **kind),
                           train_history_=[{"valid_loss": (error / 48) ** 2}, {"valid_loss": 1.0}])


@pytest.mark.parametrize("error, searches", [(1.5, True), (15.0, False)])
def test_level_1_prepares_what_a_search_sees_as_it_does_pictures(error, searches, monkeypatch):
    net, prepared = trained_net(error, maps=True, augmented=True), []
    monkeypatch.setattr(looks, "net_points", lambda net, faces: blind(faces))
    monkeypatch.setattr(looks, "preprocessed", lambda faces, method: prepared.append(method) or faces)
    looks.level1_points(net, rectangles((48, 47)))
    assert prepared == []
    looks.level1_points(net, rectangles((76, 64), wide=12))
    assert prepared == [net.run_.preprocess] * (LOOKS + len(looks.NEAR)) * searches  # a net that finds few faces: none


def test_a_search_follows_what_is_seen_one_way_and_judges_it_both_ways(monkeypatch):
    seen = []
    monkeypatch.setattr(looks, "net_points", lambda net, faces: seen.append(len(faces)) or blind(faces))
    looks.level1_points(trained_net(1.5, maps=True, augmented=True), rectangles((76, 64), wide=12))
    followed, judged = seen[-LOOKS - len(looks.NEAR):-len(looks.NEAR)], seen[-len(looks.NEAR):]
    assert followed == [len(looks.STARTS)] * LOOKS
    assert judged == [judged[0]] * len(looks.NEAR) and judged[0] % 2 == 0


def test_a_net_without_a_history_searches_for_nothing():
    assert not looks.finds_faces(SimpleNamespace(train_history_=[]))
    assert not looks.finds_faces(SimpleNamespace(train_history_=[{"valid_loss": np.nan}]))


def test_what_moves_along_with_the_view_is_no_face():
    images, first = rectangles((76, 64), (40, 40), wide=12), np.full((2, 34), 1.0)
    for look in (lambda faces: np.tile(np.pad(MEAN_FACE, (0, 4)), (len(faces), 1)),
                 lambda faces: np.full((len(faces), 34), 48.)):
        np.testing.assert_array_equal(looks.anywhere(look, look, images, first), first)


def test_what_is_seen_from_a_few_starts_only_is_no_face(monkeypatch):
    images, first = rectangles((76, 64), wide=12), np.full((1, 34), 1.0)
    assert (looks.anywhere(blind, blind, images, first) != first).any()
    monkeypatch.setattr(looks, "MANY", len(looks.STARTS))  # from some it is not
    np.testing.assert_array_equal(looks.anywhere(blind, blind, images, first), first)


def test_points_all_in_one_place_are_an_answer_too():
    with np.errstate(all="raise"):
        found = looks.again(lambda faces: np.full((len(faces), 34), 48.0), rectangles((48, 48)))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("kind, times", [({}, 2), ({"maps": True}, 2), ({"augmented": True}, 2),
                                         ({"maps": True, "augmented": True}, 4)])
def test_a_net_looks_again_if_it_has_maps_and_learned_faces_of_many_sizes(kind, times):
    seen = []

    def answer(X):
        seen.extend(X)
        return points(X[:, 0])[:, :30] / 48 - 1
    net = SimpleNamespace(layers_=[SimpleNamespace(shape=(None, 1, 96, 96))], predict=answer,
                          run_=dataclasses.replace(a_run("net6"), **kind), train_history_=[{"valid_loss": 1e-3}])
    looks.level1_points(net, rectangles((48, 47)))
    assert len(seen) == times  # a face and its mirror image each time
