"""A script trains a net to the same losses with oneDNN and with Theano's own Ops."""
import numpy as np
import pytest
from small_csvs import write
from fkp import keypoints, models
from theano_onednn import start
from fkp.drawn import draw
from PIL import Image
from running import run
from sklearn.datasets import load_digits

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(start.reason is not None, reason="Theano's own Ops run: %s" % start.reason),
]


def both_ways(data, folder, rows, epochs):
    """The losses of net 3's epochs (epochs, 2), with oneDNN and without."""
    found = []
    for onednn in "10":
        done = run("net3", "--data", data, "--rows", rows, "--epochs", epochs, "--models", folder / onednn,
                   env={"FKP_ONEDNN": onednn})
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        _, header = models.read(folder / onednn / "net3.npz")
        found.append([[epoch["train_loss"], epoch["valid_loss"]] for epoch in header["history"]])
    return np.array(found)


def test_digits_on_black(tmp_path):
    """Most windows of a pool have four equal maxima, sums of exactly 0.

    Beside a digit Winograd's sums are 0 but for rounding, and such ties are
    broken: the losses differ by 1.3 thousandths after three epochs.
    """
    digits = [np.asarray(Image.fromarray(digit * 15).resize((64, 64), Image.BICUBIC))
              for digit in load_digits().images[:100].astype("uint8")]
    images = np.pad(digits, ((0, 0), (16, 16), (16, 16)))
    _, labels = draw.draw(100)
    lines = [",".join([*map(str, row), " ".join(map(str, image.ravel()))])
             for row, image in zip(labels[:, :30], images)]
    write(tmp_path / "training.csv", [",".join([*keypoints.COLUMNS, "Image"]), *lines])
    ours, theanos = both_ways(tmp_path, tmp_path, 100, 3)
    np.testing.assert_allclose(ours, theanos, rtol=2e-3)


def test_real_faces(real_data, tmp_path):
    ours, theanos = both_ways(real_data, tmp_path, 500, 3)
    np.testing.assert_allclose(ours, theanos, rtol=1e-3)
