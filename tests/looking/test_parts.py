"""Which nets belong together: level 1, the specialists that were trained behind it, and their table of errors."""
import dataclasses

import load
import net5
import numpy as np
import pytest
from conftest import a_run

from fkp import Problem, files, models
from fkp.looking import cascade, parts
from fkp.results import report

FACES = {"file": "training.csv", "fingerprint": "0" * 32, "drawn": False, "rows": 7}


def a_net(path, weights, behind=None, data=FACES, **changes):
    """A model file with one parameter, full of `weights`; its Part."""
    run = dataclasses.replace(a_run(path.stem[:4], epochs=1), data=data, behind=behind, **changes)
    files.write_npz(path, {"header": files.text(dict(run.to_json(), history=[])),
                           "param_0": np.full(3, weights, np.float32)})
    return parts.part_of(path)


def a_cascade(folder, weights=1, sides=(38, 32), **given):
    """Model files of a whole cascade, each trained behind those before; {level: [Part, ...]}."""
    made = {1: [a_net(folder / "net4.npz", weights, **given)]}
    for level, win in enumerate(sides, 2):
        behind = parts.fingerprints(made)
        made[level] = [a_net(cascade.path(folder, group, win), weights, behind, **given) for group in load.GROUPS]
    return made


def refused(made):
    with pytest.raises(parts.Mismatch) as caught:
        parts.check(made)
    return str(caught.value)


def test_nets_of_one_training_belong_together(tmp_path):
    parts.check(a_cascade(tmp_path))


def test_specialists_do_not_stand_behind_another_level_1(tmp_path):
    made = a_cascade(tmp_path)
    made[1] = [a_net(tmp_path / "net4.npz", 2)]
    assert refused(made) == (f"{tmp_path}/net5-LE-38.npz: was trained behind another net4, and corrects the errors of "
                             "that one; train the specialists again: net5.py --force")


def test_a_level_3_does_not_stand_behind_a_new_level_2(tmp_path):
    made = a_cascade(tmp_path)
    made[2][2] = a_net(tmp_path / "net5-N-38.npz", 5, made[2][2].run.behind)
    assert refused(made).startswith(f"{tmp_path}/net5-LE-32.npz: was trained behind another net5-N-38,")
    parts.check({level: made[level] for level in (1, 2)})


def test_old_specialists_do_not_say_whose_they_are(tmp_path):
    made = a_cascade(tmp_path)
    made[2][3] = a_net(tmp_path / "net5-M-38.npz", 1)
    assert "net5-M-38.npz: does not say behind which nets it was trained" in refused(made)


def test_specialists_of_other_faces_do_not_belong_to_level_1(tmp_path):
    made = a_cascade(tmp_path)
    made[2][1] = a_net(tmp_path / "net5-RE-38.npz", 1, made[2][1].run.behind, {"drawn": True, "rows": 9})
    assert "RE-38.npz: was trained on drawn faces (9 rows, None), and net4.npz on training.csv (7 rows" in refused(made)


@pytest.mark.parametrize("changes", [{"seed": 7}, {"precision": "bfloat16"}, {"rows": 5}, {"build": {"epochs": 9}}])
def test_specialists_of_different_runs_do_not_stand_side_by_side(tmp_path, changes):
    made = a_cascade(tmp_path)
    made[2][1] = a_net(tmp_path / "net5-RE-38.npz", 1, made[2][1].run.behind, **changes)
    assert f"net5-RE-38.npz: is of another run than net5-LE-38.npz; {parts.ANEW}" in refused(made)


def test_a_cascade_is_complete_if_all_its_nets_belong_together(tmp_path):
    assert not cascade.is_complete(tmp_path)
    a_cascade(tmp_path)
    assert cascade.is_complete(tmp_path)
    a_net(tmp_path / "net4.npz", 2)
    assert not cascade.is_complete(tmp_path)
    a_cascade(tmp_path)
    (tmp_path / "net5-M-38.npz").unlink()
    assert not cascade.is_complete(tmp_path)


def test_specialists_with_maps_go_before_the_others_once_they_are_all_there(tmp_path):
    a_cascade(tmp_path, sides=[48])
    assert cascade.sides(tmp_path) == {2: 48} and cascade.is_complete(tmp_path)
    a_cascade(tmp_path)
    assert cascade.sides(tmp_path) == {2: 48}
    (tmp_path / "net5-M-48.npz").unlink()
    assert cascade.sides(tmp_path) == {2: 38, 3: 32} and cascade.is_complete(tmp_path)


def test_the_best_rule_is_of_these_nets(tmp_path):
    made = a_cascade(tmp_path)
    report.write_rules(tmp_path, {(1,): 3.0, (2,): 1.0, (1, 2): 2.0}, parts.fingerprints(made))
    assert report.best_rule(tmp_path, made) == (2,)
    made[2][0] = a_net(tmp_path / "net5-LE-38.npz", 9)
    with pytest.raises(Problem, match="net5.json: holds the errors of another net5-LE-38; run net5.py --resume"):
        report.best_rule(tmp_path, made)
    assert report.best_rule(tmp_path, {1: made[1]}) == (1,)   # level 1 alone needs no table


def test_an_old_table_of_rules_is_not_used(tmp_path):
    (tmp_path / "net5.json").write_text('{"%s": {"1": 1.0, "2": 2.0}}' % report.CONTENT)
    with pytest.raises(Problem, match="holds the errors of another net4"):
        report.best_rule(tmp_path, a_cascade(tmp_path))


def test_a_net_in_memory_and_its_file_have_one_fingerprint(trained):
    folder, _ = trained
    levels = cascade.Cascade(folder).add_specialists()
    for each in levels.parts().values():
        for part in each:
            assert parts.part_of(part.path).fingerprint == part.fingerprint
            level = {"net4": 1, "38": 2, "32": 3}[part.path.stem.rpartition("-")[2]]
            behind = None if level == 1 else parts.fingerprints(levels.parts(), level)
            assert models.open_run(part.path)[0].behind == behind


def test_net5_s_table_is_of_validation_faces(trained, folder):
    models_folder, _ = trained
    levels = cascade.Cascade(models_folder).add_specialists()
    faces = load.faces(data=folder)
    points = levels.predict(load.preprocessed(faces.images, levels.preprocess))
    rows = load.validation_rows(faces)
    scores, _ = report.read_rules(models_folder)
    for rule, score in scores.items():
        error = (cascade.combine(points, rule) - faces.keypoints)[rows, :30]
        assert score == pytest.approx(np.sqrt(np.nanmean(error ** 2)), rel=1e-4)


def test_level_3_learns_from_level_2(trained, folder, tmp_path, monkeypatch):
    seen = {}

    def train_level(level, points, behind, faces, images, args):
        seen[level] = points, sorted(behind)
        return {group: None for group in load.GROUPS}

    def stop(*given):
        raise KeyboardInterrupt
    monkeypatch.setattr(net5, "train_level", train_level)
    monkeypatch.setattr(net5.cascade, "closer_points", lambda nets, images, points, win: points + 1)
    monkeypatch.setattr(cascade.Cascade, "parts", lambda levels: {level: [
        parts.Part(tmp_path / f"level{level}.npz", None, "abc")] for level in [1, *levels.specialists]})
    monkeypatch.setattr(net5.report, "print_errors", stop)
    (tmp_path / "net4.npz").write_bytes((trained[0] / "net4.npz").read_bytes())
    with pytest.raises(KeyboardInterrupt):
        net5.main(["--data", str(folder), "--models", str(tmp_path), "--out", str(tmp_path)])
    np.testing.assert_array_equal(seen[3][0], seen[2][0] + 1)
    assert seen[3][1] == ["level1", "level2"] and seen[2][1] == ["level1"]
