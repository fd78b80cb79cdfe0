"""Scripts called as functions, as from a notebook: what they print and show, and what they leave as it was."""
import signal
import sys
import types

import matplotlib
import matplotlib.pyplot as plt
import net1
import net2
import pytest
import test3
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends import backend_agg

from fkp import Problem, cli, signals
from fkp.results import figures


@pytest.fixture
def inline(monkeypatch):
    """A backend as a notebook has: `show` puts the open pictures onto the page.  Gives the numbers of those shown."""
    shown = []
    backend = types.ModuleType("page")
    backend.FigureCanvas = backend_agg.FigureCanvasAgg
    backend.FigureManager = FigureManagerBase
    backend.show = lambda *args, **kwargs: shown.append(plt.get_fignums())
    monkeypatch.setitem(sys.modules, "page", backend)
    before = matplotlib.get_backend()
    plt.switch_backend("module://page")
    yield shown
    plt.close("all")
    plt.switch_backend(before)


def test_a_picture_is_shown_and_the_users_own_stay(inline, tmp_path):
    plt.close("all")  # of other tests
    own = plt.figure()
    test3.main(["net1", "--models", str(cli.SHIPPED), "--out", str(tmp_path)])
    assert matplotlib.get_backend() == "module://page" and plt.fignum_exists(own.number)
    assert inline == [[own.number, own.number + 1]] and (tmp_path / "test3.png").is_file()


def test_a_picture_is_not_shown_where_that_is_not_wanted(inline, tmp_path):
    test3.main(["net1", "--models", str(cli.SHIPPED), "--out", str(tmp_path), "--no-show"])
    assert inline == [] and (tmp_path / "test3.png").is_file()


def test_a_process_that_has_not_plotted_needs_no_window(monkeypatch):
    chosen = []
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot")
    monkeypatch.setattr(matplotlib, "use", chosen.append)
    figures.use_display(None)
    assert chosen == ["Agg"]


@pytest.mark.parametrize("arguments", [(), ["--epochs", "1"]])
def test_the_words_of_a_kernels_own_command_line_are_not_read(arguments, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    monkeypatch.setattr(net2, "EPOCHS", 1)
    monkeypatch.setattr(cli, "OPTIONS",
                        {**cli.OPTIONS, "models": (["--models"], {"type": cli.folder, "default": tmp_path}),
                                         "rows": (["--rows"], {"type": cli.count, "default": 60})})
    net2.main(arguments)
    assert (tmp_path / "net2.npz").is_file()


def test_a_wrong_word_is_an_exception_not_the_end_of_the_session():
    with pytest.raises(Problem, match="argument --epochs: '0' is no whole number of 1 or more"):
        net1.main(["--epochs", "0"])


@pytest.mark.parametrize("ending", [None, Problem("no"), KeyboardInterrupt()])
def test_handlers_of_signals_are_given_back(ending):
    before = [signal.getsignal(number) for number in signals.ENDING]

    def main(arguments):
        assert signal.getsignal(signal.SIGTERM) == signals.terminate
        if ending is not None:
            raise ending
    with pytest.raises(SystemExit):
        cli.run(main)
    assert [signal.getsignal(number) for number in signals.ENDING] == before
