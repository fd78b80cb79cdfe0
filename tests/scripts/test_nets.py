"""The nets: built, trained for an epoch, saved, opened, predicting the same."""
import load
import net1
import net2
import net3
import net4
import net5
import numpy as np
import pytest
from conftest import a_run, some_faces, train

import theano_onednn
from fkp import Problem, keypoints, maps


@pytest.mark.parametrize("module, script, build", [
    (net1, "net1", {}), (net2, "net2", {}), (net3, "net3", {}), (net4, "net4", {"hidden": 50}),
    (net4, "net4", {"hidden": 50, "all_rows": True, "augment": True, "tuned": True}),
    pytest.param(net4, "net4", {"heatmaps": True, "all_rows": True, "augment": True}, marks=pytest.mark.slow)])
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
@pytest.mark.parametrize("win, heatmaps", [(38, False), (32, False), (48, True)])
def test_each_specialist_is_built(group, win, heatmaps):
    net = net5.build(group, win, heatmaps=heatmaps)
    net.initialize_layers()
    assert net.layers_["output"].output_shape == (None, 2 * len(load.GROUPS[group]))
    assert net.layers_["input"].shape == (None, 1, win, win)


def test_an_unknown_specialist_is_refused():
    with pytest.raises(Problem, match="there is no specialist EAR-38"):
        net5.build("EAR", 38)
    with pytest.raises(Problem, match="there is no specialist LE-38; groups are LE, RE, N, M, crops 48"):
        net5.build("LE", 38, heatmaps=True)


def test_a_tuned_net_starts_at_the_mean_face(drawn):
    X, _ = some_faces(drawn, flat=False)
    y = load.scale(drawn.keypoints)[:, :30]
    net = net4.build(tuned=True, hidden=50).set_params(verbose=0)
    net4.start_at_mean_face(net, y)
    net.initialize()
    assert load.HALF * keypoints.rms(net.predict(X) - np.nanmean(y, 0)) < 2  # pixels; without it, over 10


FAST = theano_onednn.fastest_precision()


@pytest.mark.parametrize("script, words, settings", [
    (net4, [], (3000, False, "float32")), (net4, ["--augment"], (3000, True, "float32")),
    (net4, ["--heatmaps"], (maps.EPOCHS, True, FAST)),
    (net4, ["--heatmaps", "--no-augment", "--epochs", "7", "--precision", "float32"], (7, False, "float32")),
    (net5, [], (1000, False, "float32")), (net5, ["--heatmaps"], (maps.EPOCHS, True, FAST)),
    (net5, ["--heatmaps", "--no-augment"], (maps.EPOCHS, False, FAST))])
def test_heatmaps_mean_the_whole_recipe_unless_told_otherwise(script, words, settings):
    args = script.asked(words)
    assert (args.epochs, args.augment, args.precision) == settings


@pytest.mark.parametrize("words, all_rows", [([], False), (["--all-rows"], True), (["--heatmaps"], True),
                                             (["--heatmaps", "--no-all-rows"], False)])
def test_the_recipe_takes_all_rows(words, all_rows):
    assert net4.asked(words).all_rows is all_rows


def test_the_recipe_is_said_in_one_line_with_what_changes_it():
    assert maps.recipe_in_words(net4.asked(["--heatmaps", "--no-augment", "--precision", "float32"])) == (
        f"With --heatmaps: {maps.EPOCHS} epochs, all rows, faces as they are, float32 "
        "(see --epochs N, --no-all-rows, --no-augment, --precision).")
    assert "rows" not in maps.recipe_in_words(net5.asked(["--heatmaps"]))
