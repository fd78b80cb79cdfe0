"""Nets remember which faces validated them, and are judged on these alone."""
import argparse
import dataclasses
from pathlib import Path

import load
import net1
import net2
import net3
import net4
import net5
import numpy as np
import pytest
import test2
from conftest import a_run

from fkp import Problem, files, models, validation
from fkp.looking.parts import Part
from fkp.split import recorded
from fkp.training.session import Session
from fkp.validation import record, unseen_by

PERSONS = np.repeat(np.arange(40), 3)   # of the 120 drawn faces


def run_on(faces, script="net2"):
    """The Run of a net that was trained on these faces."""
    return dataclasses.replace(a_run(script), data=faces.origin, validation=record(faces))


def by_persons(faces):
    return faces._replace(persons=PERSONS, origin={**faces.origin, "groups": "abc"})


def other_fold(faces, fold):
    return faces._replace(fold=fold, origin={**faces.origin, "fold": fold})


def test_a_record_holds_the_validation_rows(drawn):
    rows = np.flatnonzero(recorded(record(drawn)))
    np.testing.assert_array_equal(rows, np.sort(load.validation_rows(drawn)))


@pytest.mark.parametrize("entry", [
    {}, [], {"rows": 120}, {"rows": 120, "unseen": "?"}, {"rows": 120, "unseen": "AAAA"},
    {"rows": True, "unseen": "AA=="}, {"rows": -8, "unseen": ""}, {"rows": 10 ** 12, "unseen": "AAAA"},
    {"rows": 1.5, "unseen": "AA=="}])
def test_a_damaged_record_is_refused(tmp_path, drawn, entry):
    run = dataclasses.replace(run_on(drawn), validation=entry)
    path = tmp_path / "net2.npz"
    files.write_npz(path, {"header": files.text(dict(run.to_json(), history=[]))})
    with pytest.raises(Problem, match="its settings are damaged"):
        models.open_header(path)


def test_a_net_validated_on_persons_is_judged_on_them_without_being_told(drawn):
    judged = unseen_by({"net2": run_on(by_persons(drawn))}, drawn)
    np.testing.assert_array_equal(np.sort(judged.rows), np.sort(load.validation_rows(by_persons(drawn))))
    order = load.row_order(len(drawn.images))
    np.testing.assert_array_equal(judged.rows, order[np.isin(order, judged.rows)])


def test_several_nets_are_judged_on_faces_that_none_was_trained_on(drawn):
    runs = {"net1": run_on(drawn), "net2": run_on(by_persons(drawn))}
    both = np.intersect1d(load.validation_rows(drawn), load.validation_rows(by_persons(drawn)))
    assert 0 < len(both) < len(load.validation_rows(drawn))
    np.testing.assert_array_equal(np.sort(unseen_by(runs, drawn).rows), both)


def test_nets_that_have_seen_all_faces_between_them_are_not_judged(drawn):
    rows, why = unseen_by({"net1": run_on(drawn), "net2": run_on(other_fold(drawn, 3))}, drawn)
    assert rows is None
    assert why == ("each of these faces has trained one of net1, net2; nets that were validated on the same faces "
                   "(--groups, --fold) can be compared")


def test_a_cascade_is_judged_on_faces_that_none_of_its_nets_was_trained_on(drawn, monkeypatch):
    runs = {"net4": run_on(drawn, "net4"), "net5-LE-38": run_on(other_fold(drawn, 2), "net5")}

    class Levels:
        def __init__(self, folder):
            pass

        def add_specialists(self):
            return self

        def parts(self):
            return {level: [Part(Path(f"{name}.npz"), runs[name], "abc")] for level, name in enumerate(runs, 1)}
    monkeypatch.setattr(test2.cascade, "Cascade", Levels)
    monkeypatch.setattr(test2.report, "best_rule", lambda folder, parts: (1, 2))
    assert test2.predictor("net5", Path("models"))[1] == runs


def test_nets_side_by_side_are_judged_on_faces_that_none_was_trained_on(drawn, monkeypatch):
    runs = {"net1": run_on(drawn), "net2": run_on(by_persons(drawn))}
    asked = {}
    monkeypatch.setattr(test2, "predictor", lambda name, models: (None, {name: runs[name]}))
    monkeypatch.setattr(test2, "rows_to_judge_on", lambda those, faces: asked.update(those))
    test2.compare([*runs], drawn, None, argparse.Namespace(models=Path("models")))
    assert asked == runs


def test_an_old_net_is_not_judged(drawn):
    rows, why = unseen_by({"net2": dataclasses.replace(run_on(drawn), validation=None)}, drawn)
    assert rows is None
    assert why == "net2: its file does not say which faces it was validated on; train it again to see its error"


@pytest.mark.parametrize("changed", [{"fingerprint": "1" * 32}, {"rows": 99}, {"drawn": True}])
def test_a_net_of_another_file_is_not_judged(drawn, changed):
    real = drawn._replace(origin={"file": "training.csv", "fingerprint": "0" * 32, "drawn": False, "rows": 120})
    run = dataclasses.replace(run_on(real), data={**real.origin, **changed})
    rows, why = unseen_by({"net2": run}, real)
    if "drawn" in changed:      # no real face has trained a net of drawn ones
        np.testing.assert_array_equal(rows, load.validation_rows(real))
    else:
        assert rows is None
        assert why.startswith("net2 was trained on training.csv (") and why.endswith("trained on some of them")


def test_a_net_of_real_faces_is_not_judged_on_drawn_ones(drawn):
    run = dataclasses.replace(run_on(drawn), data={**drawn.origin, "drawn": False})
    assert unseen_by({"net2": run}, drawn).rows is None


def test_a_net_of_drawn_faces_beside_one_of_real_ones_changes_nothing(drawn):
    real = drawn._replace(origin={**drawn.origin, "drawn": False})
    judged = unseen_by({"net1": run_on(drawn), "net2": run_on(by_persons(real))}, real).rows
    np.testing.assert_array_equal(np.sort(judged), np.sort(load.validation_rows(by_persons(drawn))))


def test_fewer_drawn_faces_are_the_first_of_more(drawn):
    part = drawn._replace(images=drawn.images[:60], keypoints=drawn.keypoints[:60], origin={**drawn.origin, "rows": 60})
    rows = unseen_by({"net2": run_on(drawn)}, part).rows
    np.testing.assert_array_equal(np.sort(rows), np.sort([r for r in load.validation_rows(drawn) if r < 60]))


def test_a_line_says_that_other_persons_were_asked_for(drawn):
    run = run_on(drawn)
    assert validation.other_split("net2", run, drawn.origin) is None
    assert validation.other_split("net2", run_on(by_persons(drawn)), by_persons(drawn).origin) is None
    assert validation.other_split("net2", run, by_persons(drawn).origin) == (
        "Note: net2 is judged on the faces that validated it, not on those of these --groups.")


@pytest.mark.parametrize("groups", [None, PERSONS, np.zeros(120, int) + (np.arange(120) > 60)])
def test_each_fold_begins_with_other_rows(groups):
    whole = load.row_order(120, groups)
    persons = (np.arange(120) if groups is None else groups)[whole]
    begins = [i for i in range(120) if i == 0 or persons[i] != persons[i - 1]]
    for fold in range(1, 6):
        order = load.row_order(120, groups, fold)
        np.testing.assert_array_equal(np.sort(order), np.arange(120))
        at = np.flatnonzero(whole == order[0])[0]
        np.testing.assert_array_equal(order, np.roll(whole, -at))   # the same circle, begun elsewhere
        assert at == next((begin for begin in begins if begin >= (fold - 1) * 24), 0)   # a person is in one place


def test_folds_validate_each_face_once(drawn):
    keep, y = load.select(drawn, all_rows=True)
    valid = [load.split_for(other_fold(drawn, fold), all_rows=True)(rows, rows, _net())[1]
             for fold in range(1, 6) for rows in [load.select(other_fold(drawn, fold), all_rows=True)[0]]]
    counts = np.bincount(np.concatenate(valid), minlength=120)
    assert (counts[keep] >= 1).all() and counts.max() <= 2   # folds are of all rows, shares of those with a label


def _net():
    import net1
    return net1.build()


@pytest.mark.parametrize("split", [{}, {"groups": "groups.txt"}, {"fold": 3}], ids=["tutorial", "groups", "fold"])
@pytest.mark.parametrize("script, all_rows", [(net1, False), (net2, False), (net3, False), (net4, False), (net4, True)])
def test_no_script_trains_on_what_its_model_file_calls_unseen(script, all_rows, split, folder, tmp_path, monkeypatch):
    given = {}

    def instead_of_training(session, net, X, y):
        given.update(net=net, y=y, unseen=recorded(session.run.validation))
        raise KeyboardInterrupt
    monkeypatch.setattr(Session, "train", instead_of_training)
    monkeypatch.chdir(tmp_path)
    Path("groups.txt").write_text("".join(f"{row // 5}\n" for row in range(60)))
    options = {"data": folder, "models": tmp_path, **split}
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    with pytest.raises(KeyboardInterrupt):
        script.main(words + ["--all-rows"] * all_rows)
    rows, y = load.select(load.faces(data=folder, **split), all_rows=all_rows)
    np.testing.assert_array_equal(given["y"], load.scale(y))
    trained, validated, *_ = given["net"].train_split(rows, y, given["net"])
    assert len(validated) and not given["unseen"][trained].any()


def test_a_specialist_is_split_as_its_lesson_says(monkeypatch):
    monkeypatch.setattr(Session, "train", lambda session, net, X, y: net.train_split(X, y, net))
    rows = np.arange(50)
    trained, validated, *_ = net5.train(Path("net5-LE-38.npz"), rows, rows, 7, np.zeros((3, 2)),
                                        a_run("net5", group="LE", win=38), resume=False)
    assert validated.tolist() == [*range(7)] and trained.tolist() == [*range(7, 50)]
