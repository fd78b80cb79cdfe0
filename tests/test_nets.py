"""The nets and their pieces: built, trained for an epoch, saved, opened, predicting the same."""
import load
import net1
import net2
import net3
import net4
import net5
import numpy as np
import pytest
import test2
import test3
import theano
import theano.tensor as T
from conftest import a_run, train
from hypothesis import given, settings
from hypothesis import strategies as st

from fkp import Problem, cascade, compact, files, keypoints, models
from fkp.training.run import Run
from fkp.training.session import set_seed
from fkp.cascade import lessons, predict, report

def some_faces(drawn, flat, n=24):
    keep, y = load.select(drawn, all_rows=True)
    y = load.scale(np.where(np.isnan(y), 48, y))[:n]
    X = drawn.images[keep[:n]]
    return (X.reshape(n, -1) if flat else X.reshape(n, 1, 96, 96)), y


@pytest.mark.parametrize("module, script, build", [
    (net1, "net1", {}), (net2, "net2", {}), (net3, "net3", {}), (net4, "net4", {"hidden": 50}),
    (net4, "net4", {"hidden": 50, "all_rows": True, "augment": True, "tuned": True}),
    (net4, "net4", {"heatmaps": True, "all_rows": True, "augment": True})])
def test_a_net_trains_is_saved_and_predicts_the_same_when_opened(module, script, build, drawn, tmp_path):
    X, y = some_faces(drawn, flat=module in (net1, net2))
    net = module.build(epochs=1, **build)
    outputs = 34 if build.get("all_rows") else 30
    train(net, X, y[:, :outputs], tmp_path / "a.npz", a_run(script, epochs=1, **build))
    opened = load.open_net(tmp_path / "a.npz")
    np.testing.assert_array_equal(opened.predict(X), net.predict(X))
    assert opened.predict(X).shape == (24, outputs)
    assert opened.header_["data"]["drawn"] is True
    assert [row["epoch"] for row in opened.train_history_] == [1]
    assert not list(tmp_path.glob("*.checkpoint.npz")) and not list(tmp_path.glob("*.tmp"))


def test_net4_has_the_published_number_of_parameters():
    net = net4.build()
    net.initialize_layers()
    assert sum(p.get_value(borrow=True).size for p in net.get_all_params()) == 16561502


@pytest.mark.parametrize("all_rows, maps", [(False, 15), (True, 17)])
def test_the_net_with_heatmaps_has_a_map_for_each_keypoint(all_rows, maps):
    net = net4.build(heatmaps=True, all_rows=all_rows)
    net.initialize_layers()
    assert net.layers_["maps"].output_shape == (None, maps, 24, 24)
    assert net.layers_["output"].output_shape == (None, 2 * maps)


@pytest.mark.parametrize("group", load.GROUPS)
@pytest.mark.parametrize("win", [38, 32])
def test_each_specialist_is_built(group, win):
    net = net5.build(group, win)
    net.initialize_layers()
    assert net.layers_["output"].output_shape == (None, 2 * len(load.GROUPS[group]))
    assert net.layers_["input"].shape == (None, 1, win, win)


def test_an_unknown_specialist_is_refused():
    with pytest.raises(Problem, match="there is no specialist EAR-38"):
        net5.build("EAR", 38)


# --- flipping ---

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


# --- net4's callbacks ---

class FakeNet:
    max_epochs = 5

    def __init__(self):
        self.rate = theano.shared(np.float32(9))
        self.weight = 0

    def get_all_params_values(self):
        return {"layer": [np.array(self.weight)]}


def row(epoch, valid_loss):
    return {"epoch": epoch, "valid_loss": valid_loss, "train_loss": 1.0}


def test_a_variable_moves_linearly_over_all_epochs():
    net = FakeNet()
    adjust = net4.AdjustVariable("rate", start=1.0, stop=0.2)
    values = []
    for epoch in range(1, 6):
        adjust(net, [row(epoch, 1.0)])
        values.append(float(net.rate.get_value()))
    np.testing.assert_allclose(values, [1.0, 0.8, 0.6, 0.4, 0.2], rtol=1e-6)


def test_a_learning_rate_rises_in_the_first_tenth_and_falls_to_nothing():
    net = FakeNet()
    net.max_epochs = 20
    rise_and_fall = net4.RiseAndFall("rate", peak=2.0)
    values = []
    for epoch in range(1, 21):
        rise_and_fall(net, [row(epoch, 1.0)])
        values.append(float(net.rate.get_value()))
    np.testing.assert_allclose([values[0], values[1], values[10], values[19]], [1, 2, 1, 0], atol=1e-6)
    assert (np.diff(values[1:]) < 0).all()


def test_training_stops_after_patience_epochs_without_a_better_loss():
    net, stopping = FakeNet(), net4.EarlyStopping(patience=3)
    losses = [5, 4, 4.5, 4.2, 4.1, 3.9]
    with pytest.raises(StopIteration):
        for epoch, loss in enumerate(losses, 1):
            net.weight = epoch
            stopping(net, [row(epoch, loss)])
    assert epoch == 5
    assert stopping.best_weights_epoch == 2 and stopping.best_weights["layer"][0] == 2


@pytest.mark.parametrize("patience", [2, 100])  # stopped early, or out of epochs
def test_the_best_weights_come_back_however_training_ends(patience, drawn):
    X, y = some_faces(drawn, flat=False)
    set_seed(0)
    net = net4.build(epochs=6, hidden=10)
    net.on_epoch_finished = [net4.EarlyStopping(patience)]
    best = {}

    def worsen(net, history):  # a valid loss that is best at epoch 2
        history[-1]["valid_loss"] = abs(history[-1]["epoch"] - 2.0)
        if history[-1]["epoch"] == 2:
            best["weights"] = [p.get_value() for p in net.get_all_params()]
    net.on_epoch_finished.insert(0, worsen)
    net.verbose = 0
    net.fit(X, y[:, :30])
    assert len(net.train_history_) == (4 if patience == 2 else 6)
    for p, value in zip(net.get_all_params(), best["weights"]):
        np.testing.assert_array_equal(p.get_value(), value)


def test_a_missing_label_costs_nothing_and_the_known_ones_count_fully():
    prediction, target = T.matrix(), T.matrix()
    loss = net4.masked_squared_error(prediction, target).mean()
    f = theano.function([prediction, target], [loss, T.grad(loss, prediction)])
    p = np.array([[1, 2], [3, 4]], np.float32)
    t = np.array([[0, np.nan], [np.nan, 2]], np.float32)
    value, gradient = f(p, t)
    assert value == pytest.approx((1 + 4) / 2)
    np.testing.assert_allclose(gradient, [[1, 0], [0, 2]])
    value, gradient = f(p, np.full((2, 2), np.nan, np.float32))
    assert value == 0 and not np.isnan(gradient).any()


# --- the specialists' crops ---

def specialist_row(drawn, group, seen_error=0.0):
    seen = drawn.keypoints + np.float32(seen_error)
    seen = np.where(np.isnan(seen), 48, seen)
    return lessons.lesson(group, seen, drawn)


def test_the_true_centre_of_a_complete_group_is_the_mean_of_its_points(drawn):
    keep, y, n_valid, errors = specialist_row(drawn, "LE", seen_error=3.0)
    labels, centre = y["labels"][:, 0], y["centre"][:, 0]
    complete = ~np.isnan(labels).any(1)
    np.testing.assert_allclose(centre[complete], labels[complete].reshape(-1, 5, 2).mean(1), atol=1e-3)
    np.testing.assert_allclose(errors, 3.0, atol=1e-3)
    assert 0 < n_valid < len(keep)


@pytest.mark.parametrize("group, partner", [("LE", "RE"), ("M", "M")])
def test_a_mirrored_crop_has_its_partners_labels(group, partner, drawn):
    keep, y, _, _ = specialist_row(drawn, group)
    complete = ~np.isnan(y["labels"][:, 0, :8]).any(1)
    keep, y = keep[complete][:8], y[complete][:8]
    iterator = net5.CropBatchIterator(8, 38, errors=np.zeros((1, 2), np.float32))
    (crops, targets), = iterator(drawn.images[keep], y)
    mirrored = drawn.images[keep][:, :, ::-1]
    partner_centre = keypoints.mirror_pixels(y["centre"][:, 1])
    plain, plain_centre = load.crop(drawn.images[keep], y["centre"][:, 0], 38)
    flipped, flipped_centre = load.crop(mirrored, partner_centre, 38)
    is_flipped = np.array([np.allclose(c[0] * 255, f, atol=1e-3) for c, f in zip(crops, flipped)])
    is_plain = np.array([np.allclose(c[0] * 255, f, atol=1e-3) for c, f in zip(crops, plain)])
    assert is_flipped.sum() == is_plain.sum() == 4
    own = [load.ALL_COLUMNS.index(load.mirror_name(name)) for name in load.columns(load.GROUPS[group])]
    other = keypoints.mirror_pixels(drawn.keypoints[keep][:, own])
    expected = np.where(is_flipped[:, None], load.to_crop(other, flipped_centre, 38),
                        load.to_crop(y["labels"][:, 0], plain_centre, 38))
    np.testing.assert_allclose(targets, expected, atol=1e-5)


def test_training_crops_miss_by_the_errors_of_the_level_before(drawn):
    keep, y, _, _ = specialist_row(drawn, "N")
    iterator = net5.CropBatchIterator(len(keep), 32, errors=np.array([[6, 2]], np.float32))
    (_, targets), = iterator(drawn.images[keep], y)
    points = load.from_crop(targets, np.zeros((len(keep), 2), np.float32), 32)
    tip = points[:, :2][~np.isnan(points[:, 0])]
    labels, centre = y["labels"][:, 0], y["centre"][:, 0]
    usual = (labels[:, :2] - centre)[~np.isnan(labels[:, 0])].mean(0)
    moved = tip.mean(0) - usual
    assert moved[1] == pytest.approx(-2, abs=0.6)  # the crop is 2 lower, so the nose is 2 higher in it
    assert abs(moved[0]) < 1.5                     # to the right in half the crops, to the left in the mirrored
    assert np.abs(tip[:, 0]).mean() > 4


def test_validation_crops_are_where_the_level_before_looked(drawn):
    keep, y, _, _ = specialist_row(drawn, "M", seen_error=2.0)
    (crops, targets), = net5.CropBatchIterator(len(keep), 38)(drawn.images[keep], y)
    expected, centres = load.crop(drawn.images[keep], y["seen"][:, 0], 38)
    np.testing.assert_allclose(crops[:, 0] * 255, expected, atol=1e-3)
    np.testing.assert_allclose(targets, load.to_crop(y["labels"][:, 0], centres, 38))


def test_a_tuned_net_starts_at_the_mean_face(drawn):
    X, _ = some_faces(drawn, flat=False)
    y = load.scale(drawn.keypoints)[:, :30]
    net = net4.build(tuned=True, hidden=50).set_params(verbose=0)
    net4.start_at_mean_face(net, y)
    net.initialize()
    assert load.HALF * keypoints.rms(net.predict(X) - np.nanmean(y, 0)) < 2  # pixels; without it, over 10


@pytest.mark.parametrize("augment", [False, True])
def test_a_training_crop_shows_what_its_labels_mark(augment):
    random = np.random.RandomState(0)
    left = random.uniform([64, 30], [72, 50], (60, 2))  # a soft bright spot is each eye; its five points are one
    right = random.uniform([24, 30], [32, 50], (60, 2))
    grid = np.arange(96) + 0.5
    spots = [np.exp(-((grid - at[:, :1])[:, None, :] ** 2 + (grid - at[:, 1:])[:, :, None] ** 2) / 8)
             for at in (left, right)]
    images = (250 * sum(spots)).astype(np.uint8)
    y = np.empty(60, lessons.lesson_type("LE"))
    y["labels"] = np.stack([np.tile(left, 5), np.tile(right, 5)], 1)
    y["centre"] = y["seen"] = np.stack([left, right], 1)
    errors = random.uniform(-4, 4, (50, 2))
    (crops, targets), = net5.CropBatchIterator(60, 38, errors, seed=1, augment=augment)(images, y)
    weights = np.where(crops[:, 0] > 0.3 * crops.max(axis=(1, 2, 3), keepdims=True)[:, 0], crops[:, 0], 0)
    middle = np.arange(38) + 0.5
    at = np.stack([(weights.sum(1) * middle).sum(1), (weights.sum(2) * middle).sum(1)], 1) / weights.sum((1, 2))[:, None]
    np.testing.assert_allclose((at - 19) / 19, targets[:, :2], atol=0.5 / 19)


def test_a_level_that_looks_closer_moves_only_its_groups_points(drawn):
    class Still:
        def __init__(self, k):
            self.k = k

        def predict(self, crops):
            return np.zeros((len(crops), self.k), np.float32)  # "nothing to correct"
    points = np.random.RandomState(0).uniform(30, 60, (5, 34)).astype(np.float32)
    nets = {"LE": Still(10)}
    closer = predict.look_closer(nets, drawn.images[:5], points, 38)
    own, _ = predict.own_columns("LE")
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
    predict.look_closer({group: Watch()}, drawn.images[:5], points, 32)
    centres = load.group_centres(points, group)
    np.testing.assert_array_equal(seen[0][:, 0], load.crop(drawn.images[:5], centres, 32)[0])


def test_together_the_groups_answer_for_every_point_once():
    every = [i for group in load.GROUPS for i in predict.own_columns(group)[0]]
    assert sorted(every) == list(range(34))


def test_the_best_rule_is_that_with_the_lowest_error(tmp_path):
    errors = {(1,): np.full((4, 34), 2.0), (2,): np.full((4, 34), 1.0), (1, 2): np.full((4, 34), 1.5),
              (3,): np.full((4, 34), 0.5)}
    report.write_rules(tmp_path, report.full_scheme_error(errors))
    assert report.best_rule(tmp_path, [1, 2, 3]) == (3,)
    assert report.best_rule(tmp_path, [1, 2]) == (2,)


def test_levels_are_averaged_until_net5_has_compared_them(tmp_path):
    assert report.best_rule(tmp_path, [1, 2, 3]) == (1, 2, 3)


@pytest.mark.parametrize("text", ["", "[]", "3", '{"a": 1}', '{"a": {"2": "x"}}', '{"a": {}, "b": {}}', "[" * 10 ** 5])
def test_a_damaged_table_of_rules_is_named(text, tmp_path):
    (tmp_path / "net5.json").write_text(text)
    with pytest.raises(Problem, match="net5.json: cannot be read"):
        report.best_rule(tmp_path, [1, 2])


def test_looking_both_ways_averages_a_face_and_its_mirror_image():
    images = np.zeros((2, 96, 96), np.uint8)
    images[:, :, :10] = 200  # bright on the left
    right = np.tile(np.arange(34, dtype=np.float32), (2, 1))

    def look(faces, _):
        """Exact on the faces; on their mirror images a pixel too far to the mirror's right."""
        if faces[0, 0, 0] == 200:
            return right
        wrong = keypoints.mirror_faces(right)
        wrong[:, 0::2] += 1
        return wrong
    points = predict.both_ways(look, images)
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
    left_mirrored, right_straight = seen[0], seen[3]
    np.testing.assert_array_equal(left_mirrored, right_straight[:, :, :, ::-1])


def test_an_average_of_levels_leaves_out_what_a_level_does_not_know():
    one, two = np.full((1, 34), 2.0), np.full((1, 34), 4.0)
    one[0, 30:] = np.nan
    mean = cascade.combine({1: one, 2: two}, (1, 2))
    assert mean[0, 0] == 3 and mean[0, 33] == 4


# --- model files ---

def saved(tmp_path, drawn, **changes):
    X, y = some_faces(drawn, flat=True)
    net = net1.build(epochs=1)
    path = tmp_path / "net1.npz"
    train(net, X, y[:, :30], path, a_run("net1", epochs=1))
    arrays = files.read_npz(path)
    head = files.untext(arrays["header"], path)
    head.update(changes)
    files.write_npz(path, dict(arrays, header=files.text(head)))
    return path


@pytest.mark.parametrize("changes, message", [
    ({"script": "os"}, "written by 'os', which is no script here"),
    ({"settings": {"build": {"epochs": 1, "gpu": 3}}}, "settings that net1.py does not know"),
    ({"settings": {"build": {"epochs": []}}}, "settings are damaged"),
    ({"settings": {"build": {"seed": -1}}}, "settings are damaged"),
    ({"settings": {"build": {"seed": 10 ** 30}}}, "settings are damaged"),
    ({"script": "net4", "settings": {"build": {"hidden": 10 ** 9}}}, r"a layer with weights of shape \(15488, 1000000000"),
    ({"history": [{"epoch": "1"}]}, "history is damaged"),
    ({"history": 3}, "has no 'history'"),
    ({"script": "net2", "settings": {"build": {"epochs": 1}}}, None),
    ({"script": "net5", "settings": {"build": {"group": "LE", "win": 32}}}, "do not fit net5's layers"),
    ({"script": "net3"}, "a layer with weights of shape")])
def test_a_strange_header_is_refused(changes, message, tmp_path, drawn):
    path = saved(tmp_path, drawn, **changes)
    if message is None:
        load.open_net(path)
        return
    with pytest.raises(Problem, match=message):
        load.open_net(path)


def test_a_missing_model_says_how_to_get_it(tmp_path):
    with pytest.raises(Problem, match="net5-LE-38.npz: not found; train it first: python net5.py"):
        models.read(tmp_path / "net5-LE-38.npz")


# --- models that belong together ---

def faked(folder, data, **others):
    """A folder with the model files of a whole cascade, headers only; `others`: net name -> its data."""
    names = ["net4"] + ["net5-%s-%d" % (group, win) for group in load.GROUPS for win in (38, 32)]
    for name in names:
        head = a_run(name[:4], epochs=1).to_json()
        head.update(history=[], data=others.get(name.replace("-", "_"), data))
        files.write_npz(folder / (name + ".npz"), {"header": files.text(head)})


def test_a_cascade_is_complete_if_all_its_nets_know_the_same_faces(tmp_path):
    real, other = {"file": "training.csv"}, {"drawn": True}
    assert not cascade.is_complete(tmp_path)
    faked(tmp_path, real)
    assert cascade.is_complete(tmp_path)
    faked(tmp_path, real, net5_M_32=other)
    assert not cascade.is_complete(tmp_path)
    faked(tmp_path, real, net4=other)
    assert not cascade.is_complete(tmp_path)
    (tmp_path / "net5-M-38.npz").unlink()
    assert not cascade.is_complete(tmp_path)


def test_specialists_for_other_faces_than_level_1s_are_refused(tmp_path, monkeypatch):
    class Net:
        run_ = Run("net4", {}, {"file": "training.csv", "rows": 7}, 1)

    class Other:
        run_ = Run("net5", {}, {"drawn": True, "rows": 9}, 1)
    monkeypatch.setattr(models, "open_net", lambda path: Other if path.stem == "net5-N-38" else Net)
    with pytest.raises(Problem, match=r"net5-N-38.npz: was trained on drawn faces \(9 rows\), and net4.npz on training.csv"):
        cascade.Cascade(tmp_path).add_specialists()


def test_compact_models_predict_almost_the_same(drawn, tmp_path):
    path = saved(tmp_path, drawn)
    X, _ = some_faces(drawn, flat=True)
    before, size = load.open_net(path).predict(X), path.stat().st_size
    compact.compact(path)
    assert path.stat().st_size < 0.52 * size
    np.testing.assert_allclose(load.open_net(path).predict(X) * 48, before * 48, atol=0.1)
    assert files.untext(files.read_npz(path)["header"], path)["script"] == "net1"


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
                    max_leaves=5)
PLACES = [("script",), ("settings",), ("settings", "build"), ("settings", "build", "epochs"), ("settings", "build", "win"),
          ("settings", "preprocess"), ("data",), ("versions",), ("seed",), ("history",), ("history", 0)]
PLACES += [("history", 0, key) for key in models.ROW]


@settings(max_examples=300, derandomize=True, deadline=None)
@given(place=st.sampled_from(PLACES), value=JSON)
def test_whatever_a_header_says_it_is_shown_or_refused_in_one_line(place, value, tmp_path_factory):
    head = dict(a_run("net1", epochs=1).to_json(), history=[{"epoch": 1, "train_loss": 1.0, "valid_loss": 1.0, "dur": 1.0}])
    inner = head
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path = tmp_path_factory.mktemp("header") / "net1.npz"
    files.write_npz(path, {"header": files.text(head)})
    for read in (load.open_net, lambda path: test3.print_table({"net1": test3.history_of(path.parent, "net1")})):
        try:
            read(path)
        except Problem as problem:
            assert str(problem).isprintable()


@pytest.mark.parametrize("own", [{"preprocess": []}, {"preprocess": 3}, {"preprocess": "fourier"}])
def test_a_model_with_a_strange_preprocessing_is_refused(own, tmp_path, drawn):
    saved(tmp_path, drawn, settings={"build": {"epochs": 1}, **own})
    with pytest.raises(Problem, match="its settings are damaged"):
        test2.predictor("net1", tmp_path)
