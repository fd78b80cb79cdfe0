"""The cascade: what its levels look at, how they are averaged, which nets belong together."""
from types import SimpleNamespace

import load
import numpy as np
import pytest
from conftest import a_run

from fkp import Problem, keypoints
from fkp.looking import answers, cascade
from fkp.results import report


def test_a_net_that_answers_for_other_columns_is_not_shown_in_wrong_places():
    net = SimpleNamespace(layers_=[SimpleNamespace(shape=(None, 1, 96, 96))], run_=a_run("net6"),
                          predict=lambda X: np.zeros((len(X), 8), np.float32))
    with pytest.raises(Problem,
                       match="net6 answers 8 values; here those are shown that answer all 30 of COLUMNS or 34"):
        answers.net_points(net, np.zeros((2, 96, 96), np.uint8))


def test_a_level_that_looks_closer_moves_only_its_groups_points(drawn):
    class Still:
        def __init__(self, k):
            self.k = k

        def predict(self, crops):
            return np.zeros((len(crops), self.k), np.float32)  # "nothing to correct"
    points = np.random.RandomState(0).uniform(30, 60, (5, 34)).astype(np.float32)
    nets = {"LE": Still(10)}
    closer = cascade.look_closer(nets, drawn.images[:5], points, 38)
    own, _ = cascade.own_columns("LE")
    others = np.setdiff1d(np.arange(34), own)
    np.testing.assert_array_equal(closer[:, others], points[:, others])
    centres = load.crop(drawn.images[:5], load.group_centres(points, "LE"), 38)[1]
    np.testing.assert_allclose(closer[:, own], np.tile(centres, 5), atol=1e-5)


@pytest.mark.parametrize("group", load.GROUPS)
def test_a_specialist_looks_where_it_was_validated(group, drawn):
    seen = []

    class Watch:
        def predict(self, crops):
            seen.append(crops)
            return np.zeros((len(crops), 2 * len(load.GROUPS[group])), np.float32)
    points = np.random.RandomState(0).uniform(30, 60, (5, 34)).astype(np.float32)  # both schemes known
    cascade.look_closer({group: Watch()}, drawn.images[:5], points, 32)
    centres = load.group_centres(points, group)
    np.testing.assert_array_equal(seen[0][:, 0], load.crop(drawn.images[:5], centres, 32)[0])


def test_together_the_groups_answer_for_every_point_once():
    every = [i for group in load.GROUPS for i in cascade.own_columns(group)[0]]
    assert sorted(every) == list(range(34))


def test_looking_both_ways_averages_a_face_and_its_mirror_image():
    images = np.zeros((2, 96, 96), np.uint8)
    images[:, :, :10] = 200  # bright on the left
    right = np.tile(np.arange(34, dtype=np.float32), (2, 1))

    def look(faces, _):
        """Exact on the faces; on their mirror images a pixel too far to the mirror's right."""
        calls.append(len(faces))
        wrong = keypoints.mirror_faces(right)
        wrong[:, 0::2] += 1
        straight = faces[:, 0, 0] == 200
        return np.where(straight[:, None], right[[0] * len(faces)], wrong[[0] * len(faces)])
    calls = []
    points = answers.both_ways(look, images)
    assert calls == [4]  # once, which is quicker
    np.testing.assert_allclose(points[:, 0::2], right[:, 0::2] - 0.5)
    np.testing.assert_allclose(points[:, 1::2], right[:, 1::2])


def test_looking_closer_both_ways_cuts_the_mirror_image_where_the_group_is_in_it(drawn):
    seen = []

    class Watch:
        def predict(self, crops):
            seen.append(crops)
            return np.zeros((len(crops), 10), np.float32)
    points = np.random.RandomState(0).randint(30, 60, (5, 34)).astype(np.float32)
    eyes = [load.ALL_COLUMNS.index(name) for name in load.columns(load.GROUPS["LE"] + load.GROUPS["RE"])]
    points[:, eyes] = np.round(points[:, eyes[:10]].mean(1))[:, None]  # both eyes' centres at one place, whole pixels
    cascade.closer_points({"LE": Watch(), "RE": Watch()}, drawn.images[:5], points, 38)
    (left_mirrored, right_straight) = seen[0][5:], seen[1][:5]
    np.testing.assert_array_equal(left_mirrored, right_straight[:, :, :, ::-1])


def test_an_average_of_levels_leaves_out_what_a_level_does_not_know():
    one, two = np.full((1, 34), 2.0), np.full((1, 34), 4.0)
    one[0, 30:] = np.nan
    mean = cascade.combine({1: one, 2: two}, (1, 2))
    assert mean[0, 0] == 3 and mean[0, 33] == 4


def test_the_best_rule_is_that_with_the_lowest_error(tmp_path):
    errors = {(1,): np.full((4, 34), 2.0), (2,): np.full((4, 34), 1.0), (1, 2): np.full((4, 34), 1.5),
              (3,): np.full((4, 34), 0.5)}
    report.write_rules(tmp_path, report.full_scheme_error(errors), {})
    assert report.best_rule(tmp_path, {1: [], 2: [], 3: []}) == (3,)
    assert report.best_rule(tmp_path, {1: [], 2: []}) == (2,)
    assert report.best_rule(tmp_path, {1: []}) == (1,)


def test_levels_are_averaged_until_net5_has_compared_them(tmp_path):
    assert report.best_rule(tmp_path, {1: [], 2: [], 3: []}) == (1, 2, 3)


@pytest.mark.parametrize("text", ["", "[]", "3", '{"a": 1}', '{"a": {"2": "x"}}', '{"a": {}, "b": {}}', "[" * 10 ** 5])
def test_a_damaged_table_of_rules_is_named(text, tmp_path):
    (tmp_path / "net5.json").write_text(text)
    with pytest.raises(Problem, match="net5.json: cannot be read"):
        report.best_rule(tmp_path, {1: [], 2: []})


def test_the_mean_may_count_a_level_twice():
    mean = cascade.combine({1: np.full((1, 34), 1.0), 2: np.full((1, 34), 4.0)}, (1, 1, 2))
    np.testing.assert_array_equal(mean, np.full((1, 34), 2.0))
