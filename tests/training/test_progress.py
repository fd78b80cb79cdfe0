"""What a run shows."""
import matplotlib
import net1
import pytest
from conftest import some_faces, train
from theano.gof.cmodule import GCC_compiler

from fkp.results import figures
from theano_onednn import library
from fkp import models


def compile_something(monkeypatch, times):
    monkeypatch.setattr(GCC_compiler, "compile_str", staticmethod(lambda *args, **named: args))
    with models.compiling_announced():
        for _ in range(times):
            assert GCC_compiler.compile_str("name", "code") == ("name", "code")


@pytest.mark.parametrize("times, lines", [(0, ""), (1, "Compiling, once ...\n"), (3, "Compiling, once ...\n")])
def test_compiling_is_announced_once_and_only_if_it_happens(times, lines, monkeypatch, capsys):
    compile_something(monkeypatch, times)
    assert capsys.readouterr().out == lines


def test_a_net_says_that_it_is_compiled_before_its_table(drawn, tmp_path, monkeypatch, capsys):
    X, y = some_faces(drawn, flat=True)
    net = net1.build(epochs=1)
    initialize, compile_str = net.initialize, GCC_compiler.compile_str
    monkeypatch.setattr(GCC_compiler, "compile_str", staticmethod(lambda **named: compile_str(**named) if named else 0))
    monkeypatch.setattr(net, "initialize", lambda: (GCC_compiler.compile_str(), initialize()))
    train(net, X, y[:, :30], tmp_path / "net1.npz")
    assert capsys.readouterr().out.startswith("Compiling, once ...\n")


def test_the_library_says_that_it_is_compiled(tmp_path, capsys):
    with pytest.raises(library.Unavailable):
        library._build("false", [], library.Needs([], [], []), tmp_path / "new" / "libfkp.so")
    assert capsys.readouterr().out == "Compiling the kernels, once ...\n"


def history(*losses):
    return [{"epoch": n, "train_loss": loss, "valid_loss": loss, "dur": 1.0} for n, loss in enumerate(losses, 1)]


@pytest.mark.parametrize("losses", [(0.0067, 0.0062), (0.09, 0.02), (0.011, 0.0101, 0.0100), (2.0, 0.001), (0.5,)])
def test_the_loss_axis_has_several_labels_for_short_runs_and_long(losses):
    matplotlib.use("Agg")
    figure = figures.loss_histories({"net1": (history(*losses), 48)})
    figure.canvas.draw()
    for axes in figure.axes:
        low, high = axes.get_ylim()
        shown = [label.get_text() for label in axes.get_yticklabels() if low <= label.get_position()[1] <= high]
        assert 3 <= len(set(shown)) <= 16 and "" not in shown
