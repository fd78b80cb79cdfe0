"""Tables are pandas DataFrames: read, printed and written."""
import load
import numpy as np
import pandas
import pytest
import test2
import test3

from fkp import keypoints, tables

FRAME = pandas.DataFrame({"keypoint": ["nose_tip", "chin"], "face": [1, 2], "error": [1.23456, np.nan]})


def test_the_labels_of_a_notebook_have_their_names(folder):
    frame, faces = load.frame(folder), load.faces(data=folder)
    assert list(frame.columns) == load.ALL_COLUMNS and len(frame) == 60
    np.testing.assert_array_equal(frame.to_numpy(), faces.keypoints)
    assert frame["nose_base_x"].isna().all() and frame["nose_tip_x"].notna().all()  # these are of the full scheme
    assert len(load.frame(folder, rows=7)) == 7


def test_a_table_is_written_and_replaced_by_one_of_its_form_only(tmp_path):
    path = tmp_path / "t.csv"
    assert tables.write(path, FRAME, 2) == tables.write(path, FRAME * 2, 2) == path
    assert path.read_text() == "keypoint,face,error\nnose_tipnose_tip,2,2.47\nchinchin,4,\n"
    assert tables.write(path, FRAME, 3).name == "t-2.csv" and tables.write(path, FRAME[["face"]], 2).name == "t-3.csv"


@pytest.mark.parametrize("content",
                         ["", "notes", "keypoint,face,error\nmine,1,1.5\n", "keypoint,face,error\nmine,1,1.50,\n",
                                     "keypoint,face,error\r\nnose_tip,1,1.23\r\n", "keypoint;face;error\n"])
def test_a_table_of_another_hand_stays(content, tmp_path):
    (tmp_path / "t.csv").write_bytes(content.encode())
    assert tables.write(tmp_path / "t.csv", FRAME, 2).name == "t-2.csv"
    assert (tmp_path / "t.csv").read_bytes() == content.encode()


def test_a_printed_table_says_where_there_is_nothing():
    words = tables.show(FRAME.set_index("keypoint")[["error"]]).split()
    assert words == ["error", "keypoint", "nose_tip", "1.23", "chin", "-"]


def test_the_error_table_has_a_row_for_what_a_net_knows():
    truth = np.full((3, 34), np.nan)
    truth[:, :30] = keypoints.MEAN_FACE
    truth[2, 20] += 20  # its nose is aside
    answers = {"net1": truth + 1, "net4": truth.copy()}
    answers["net4"][:, 22:24] = np.nan
    answers["net4"][0, 0] += 3
    table = test2.error_table(answers, truth)
    assert table["net1"].to_numpy() == pytest.approx(1) and "nose_base" not in table.index
    assert np.isnan(table["net4"]["mouth_left_corner"])
    assert table["net4"]["left_eye_center"] == pytest.approx(1.5 ** 0.5)
    assert table["net4"]["all, heads turned aside"] == 0 < table["net4"]["all, heads held straight"]
    assert table.index[-1] == test2.COMPLETE


def test_the_error_table_keeps_the_line_of_complete_faces_where_there_are_none():
    truth = np.full((3, 34), 40.0)
    truth[:, 4:30] = np.nan
    table = test2.error_table({"net1": truth}, truth)
    assert list(table.index[:2]) == ["left_eye_center", "right_eye_center"] and np.isnan(table["net1"][test2.COMPLETE])


def test_a_net_and_its_copy_are_shown_as_one():
    one, other = ([{"epoch": 1, "valid_loss": loss}] for loss in (0.1, 0.2))
    shown = test3.named_once({"net1": (one, 48), "net1-equalise": (list(one), 48), "net2": (other, 48)})
    assert shown == {"net1 = net1-equalise": (one, 48), "net2": (other, 48)}
