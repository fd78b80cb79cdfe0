"""python -m theano_onednn.weights: arrays out of a pickle that is not run; python2/ and numpy2/ say what made it."""
import collections
import contextlib
import gzip
import os
import pickle
import subprocess
import sys
import zlib

import numpy as np
import pytest

from conftest import ROOT
from theano_onednn import inert, weights
from theano_onednn.errors import Problem

FILES = ROOT / "tests" / "theano_onednn" / "python2"
NEWER = FILES.with_name("numpy2")
LAYERS = ["conv.W", "conv.b", "output.W", "output.b"]
SHAPES = {"conv.W": (2, 1, 3, 3), "conv.b": (2,), "hidden.W": (4, 3), "hidden.b": (3,), "output.W": (3, 2),
          "output.b": (2,)}


@pytest.fixture
def taken(tmp_path):
    """A function that returns the arrays of bytes in a file."""
    def take(data):
        (tmp_path / "old.pkl").write_bytes(data)
        return weights.arrays(tmp_path / "old.pkl")
    return take


def main(capsys, *arguments):
    """Exit code, stdout and stderr's lines of the command."""
    try:
        code = weights.main(list(map(str, arguments)))
    except Problem as problem:
        return 2, "", str(problem)
    return code, capsys.readouterr().out, ""


@pytest.mark.parametrize("protocol", "02")
@pytest.mark.parametrize("name", ["regressor", "classifier"])
def test_a_whole_net(taken, name, protocol):
    first = "hidden" if name == "regressor" else "conv"
    found = taken(zlib.decompress((FILES / ("%s-%s.pkl.z" % (name, protocol))).read_bytes()))
    assert list(found) == [first + ".W", first + ".b", "output.W", "output.b"]
    assert found[first + ".W"].shape == SHAPES[first + ".W"] and found["output.b"].dtype == "float32"


@pytest.mark.parametrize(("name", "names"), [
    ("values-0.pkl", ["arr_0", "arr_1", "arr_2", "arr_3"]),
    ("objects.npy", ["arr_0", "arr_1", "arr_2", "arr_3"]),
    ("params-2.pkl", ["hidden.0", "hidden.1", "output.0", "output.1"]),
    ("layer-0.pkl", ["conv.W", "conv.b", "output.W", "output.b"]),
    ("dictionary.npy", ["conv.W", "conv.b"]),
    ("zoo-2.pkl", ["mean value", *("param values.%d" % i for i in range(4))]),
    ("expected.npz", ["X", "chances", "classes", "images", "predicted", "y"]),
])
def test_what_python_2_wrote(name, names):
    found = weights.arrays(FILES / name)
    assert sorted(found) == sorted(names)
    if len(names) == 4 and name != "layer-0.pkl":
        values = pickle.loads((FILES / "values-0.pkl").read_bytes(), encoding="latin1")
        assert list(found) == names
        for one, other in zip(found.values(), values):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


def test_what_numpy_2_wrote(taken):
    net = taken(zlib.decompress((NEWER / "net.pkl.z").read_bytes()))
    assert {name: array.shape for name, array in net.items()} == {"output.W": (4, 2), "output.b": (2,)}
    for protocol in "25":  # generators of random numbers are passed over
        found = weights.arrays(NEWER / ("numbers-%s.pkl" % protocol))
        assert list(found) == ["X", "y", "predicted", "scalar", "true"] and found["scalar"] == 3
        np.testing.assert_allclose(found["X"] @ net["output.W"] + net["output.b"], found["predicted"], rtol=1e-5)
    assert [one.shape for one in weights.arrays(NEWER / "objects.npy").values()] == [(2,), (2, 3)]


NUMBERS = [np.arange(6, dtype="float32").reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.int8(3),
           np.empty((0, 2), "int64"), np.array([True, False]), np.array(2 + 1j), np.array(["ab", "é"]),
           np.array([b"ab"]),
           np.arange(3, dtype=">i4"), np.arange(20.0)[::2]]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_kind_of_array_in_every_protocol_of_python_3(taken, protocol):
    found = taken(pickle.dumps({"all": NUMBERS, "text": "x", "bytes": b"", "more": {1: (2.5, None)}}, protocol))
    assert list(found) == ["all.%d" % i for i in range(len(NUMBERS))]
    for found, expected in zip(found.values(), NUMBERS):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(found, expected)


def test_arrays_of_objects_and_of_one_shape(taken):
    ragged = np.empty((2, 2), object)
    ragged[:] = [[np.ones(2), np.zeros(2)], [[np.ones(3)], {"x": np.ones(4)}]]
    assert [(k, len(v)) for k, v in taken(pickle.dumps(ragged)).items()] == [
        ("arr_0.0", 2), ("arr_0.1", 2), ("arr_1.0.0", 3), ("arr_1.1.x", 4)]


def test_a_shared_array_stands_wherever_it_was(taken):
    one = np.ones(2)
    assert list(taken(pickle.dumps([one, np.zeros(3), one]))) == ["arr_0", "arr_1", "arr_2"]


def test_the_archive_opens_without_pickle(tmp_path, capsys):
    code, out, _ = main(capsys, FILES / "layer-0.pkl", tmp_path / "new.npz")
    assert code == 0 and out.splitlines()[:2] == ["conv.W  2x1x3x3  float32", "conv.b  2  float32"]
    with np.load(tmp_path / "new.npz", allow_pickle=False) as found:
        assert found.files == LAYERS and found["conv.W"].shape == (2, 1, 3, 3)
    assert os.listdir(tmp_path) == ["new.npz"]


def test_names_are_files_names_and_differ(taken, tmp_path):
    x = np.ones(1)
    found = taken(pickle.dumps({"../a": x, "file": x, "a.b": x, "a": {"b": x}, b"b": x, "\x1b[2J\n": x, (1, 2): x,
                                "": x}))
    assert list(found) == [".._a", "file", "a.b", "a.b (2)", "b", "_[2J_", "key", "arr_0"]
    weights.write(tmp_path / "new.npz", found)
    with np.load(tmp_path / "new.npz", allow_pickle=False) as archive:
        assert archive.files == list(found)


class Runs:
    def __reduce__(self):
        return os.system, ("touch ran",)


def deep(opening, closing, times=100_000):
    return b"\x80\x02" + opening * times + closing * times + b"."


HOSTILE = [
    (pickle.dumps(Runs()), "it asks for posix.system, which no array needs"),
    (pickle.dumps(Runs(), 0), "it asks for posix.system"),
    (b"c__builtin__\neval\n(S'1'\ntR.", "it asks for __builtin__.eval"),
    (b"cos\nsystem\n(S'touch ran'\ntR.", "it asks for os.system"),
    (pickle.dumps({"a": np.ones(2), "b": collections.Counter("a")}), "it asks for collections.Counter"),
    (b"c__main__\nThing\n)R.", "it asks for __main__.Thing"),
    (b"cnumpy.testing._private.utils\nrunstring\n(S'1'\ntR.", "it asks for numpy.testing._private.utils.runstring"),
    (b"\x80\x04\x8c\x05numpy\x8c\x0dload.__call__\x93.", "it asks for numpy.load.__call__"),
    (b"cx\x1b[2J\ny\n.", r"it asks for x\x1b[2J.y"),
    (pickle.dumps(np.zeros(2, "f4,f4")), "it holds an array of 'V8'"),
    (pickle.dumps(np.zeros(2, "M8[s]")), "it holds an array of 'M8'"),
    (pickle.dumps({"a": 1, "b": "text"}), "there is no array in it"),
    (pickle.dumps([]), "there is no array in it"),
    (b"", "it is no pickle, or a damaged one"),
    (b"\x00" * 100, "it is no pickle, or a damaged one"),
    (b"# text\n", "it is no pickle, or a damaged one"),
    (b"\x80\x02N\x82\x01.", "it is no pickle, or a damaged one"),                     # a code of copyreg's
    (b"Pperson\n.", "it is no pickle, or a damaged one"),                                  # a persistent name
    (b"\x80\x02T\xff\xff\xff\x7fabc.", "it is no pickle, or a damaged one"),              # two thousand million bytes
    (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x0fabc.", "it"),                          # more
    (b"\x80\x02]r\xff\xff\xff\x7f.", "there is no array in it"),                          # stored under a large number
    (b"\x80\x02" + b"]" + b"q\x00" + b"(h\x00" * 3 + b"e" * 3 + b".", "there is no array in it"),  # a list in itself
    (deep(b"(", b"t"), "its tuples lie in each other deeper than 100"),
    (deep(b"]", b"a").replace(b"a.", b"."), "its parts lie in each other"),
    (gzip.compress(pickle.dumps([])), "it is compressed: unpack it with gunzip"),
    (b"PK\x03\x04" + b"\x00" * 50, "it is a damaged archive"),
    (b"\x93NUMPY\x01\x00\xff\xff{", "it is no array of NumPy's, or a damaged one"),
    (b"\x93NUMPY\x07\x00\x10\x00{}", "it is no array of NumPy's, or a damaged one"),
]


@pytest.mark.parametrize(("data", "words"), HOSTILE, ids=[words[:40] for _, words in HOSTILE])
def test_the_rest_is_refused_in_one_line_and_nothing_runs(tmp_path, monkeypatch, capsys, data, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.pkl").write_bytes(data)
    code, _, line = main(capsys, "old.pkl", "new.npz")
    assert code == 2 and line.startswith("old.pkl: " + words) and len(line.splitlines()) == 1
    assert os.listdir(tmp_path) == ["old.pkl"]


def test_laughs_of_a_thousand_million_arrays_end(taken):
    """Lists that hold the one before ten times."""
    laugh = [np.ones(1)]
    for _ in range(9):
        laugh = [laugh] * 10
    assert len(taken(pickle.dumps(laugh))) == 1


def test_a_script_runs_nothing_in_a_whole_net_either(taken):
    """Classes of the script that made the net are stood in for; other names are refused there too."""
    net = zlib.decompress((FILES / "regressor-0.pkl.z").read_bytes())
    assert net.count(b"c__main__\nAdjustVariable\n") == 1
    with pytest.raises(Problem, match="it asks for posix.system"):
        taken(net.replace(b"c__main__\nAdjustVariable\n", b"cposix\nsystem\n"))


@pytest.mark.parametrize("name",
                         ["classifier-2.pkl.z", "regressor-0.pkl.z", "objects.npy", "expected.npz", "params-2.pkl"])
def test_what_ends_too_soon_or_is_damaged_is_refused(taken, name):
    data = (FILES / name).read_bytes()
    data = zlib.decompress(data) if name.endswith(".z") else data
    random = np.random.RandomState(0)
    for end in random.randint(0, len(data) - 1, 20):
        with pytest.raises(Problem):
            taken(data[:end])
    for _ in range(40):
        damaged = bytearray(data)
        for place in random.randint(0, len(data), 3):
            damaged[place] = random.randint(256)
        with contextlib.suppress(Problem):  # what is left may be a file of other numbers
            assert taken(bytes(damaged))


def test_a_missing_file_and_a_missing_folder_are_named(tmp_path, capsys):
    assert main(capsys, tmp_path / "x.pkl") == (2, "", "%s/x.pkl cannot be read: No such file or directory" % tmp_path)
    missing = tmp_path / "nowhere" / "new.npz"
    assert main(capsys, FILES / "values-0.pkl", missing) == (
        2, "", "%s cannot be written: No such file or directory" % missing)
    assert main(capsys, FILES / "values-0.pkl", tmp_path)[0] == 2 and not os.listdir(tmp_path)


def test_the_file_that_is_read_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "old.pkl").write_bytes((FILES / "values-0.pkl").read_bytes())
    assert main(capsys, tmp_path / "old.pkl", tmp_path / "old.pkl")[0] == 2
    assert (tmp_path / "old.pkl").read_bytes() == (FILES / "values-0.pkl").read_bytes()


def test_an_unpickler_in_python_takes_no_memory_by_number():
    assert inert.load(b"\x80\x02]r\xff\xff\xff\x7f.") == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "code", "out", "err"), [
    ([FILES / "values-0.pkl"], 0, "arr_0  4x3  float32", ""),
    (["--help"], 0, "Takes the arrays out of a pickle", ""),
    ([], 2, "Takes the arrays out of a pickle", ""),
    ([FILES / "make.py", "new.npz"], 2, "", "make.py: it is no pickle, or a damaged one"),
])
def test_the_command(tmp_path, arguments, code, out, err):
    done = subprocess.run([sys.executable, "-m", "theano_onednn.weights", *map(str, arguments)], cwd=tmp_path,
                          text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=str(ROOT)))
    assert done.returncode == code and out in done.stdout and err in done.stderr
    assert len(done.stderr.splitlines()) == bool(err) and not os.listdir(tmp_path)
