"""Pictures of faces, errors and loss histories; the same drawing function before and after training."""
import contextlib
import importlib
import io
import os
import sys
import time

import numpy as np
from PIL import Image

from fkp import Problem, files
from fkp.keypoints import SIZE

if "IPython" in sys.modules:  # Matplotlib before 3.9 asks it for a table that IPython 9 dropped; an empty one will do
    pylabtools = importlib.import_module("IPython.core.pylabtools")
    pylabtools.backend2gui = getattr(pylabtools, "backend2gui", {})

SOFTWARE = "Facial keypoints with Theano, Lasagne and nolearn"   # in a PNG: it is ours
WITHOUT_WINDOW = {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}   # Matplotlib's backends that write files only
ACROSS = 4   # faces side by side in a gallery


def in_notebook():
    """Does a cell of a notebook, or a line of an IPython session, run this?"""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


def import_matplotlib():
    """Matplotlib, whatever MPLBACKEND says: a notebook's children inherit one that only the notebook can show."""
    wanted = os.environ.pop("MPLBACKEND", None)
    import matplotlib
    if wanted is None:
        return matplotlib
    os.environ["MPLBACKEND"] = wanted
    with contextlib.suppress(ValueError):  # no backend of this Matplotlib
        if in_notebook() or not wanted.startswith("module://"):
            matplotlib.rcParams["backend"] = wanted
    return matplotlib


matplotlib = import_matplotlib()


def use_display(show):
    """Choose the window or the file, before pyplot is used: `show` True, False, or None for "if there is one".

    A notebook, and whoever has plotted already in this process, keeps the backend that is in use.
    """
    if in_notebook() or "matplotlib.pyplot" in sys.modules:
        return
    desktop = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    present = sys.platform in ("win32", "darwin") or bool(desktop)
    if show and not present:
        raise Problem("--show: there is no display; leave it out, the picture is saved as PNG anyway")
    if not (present if show is None else show) or not opens_windows():
        matplotlib.use("Agg")


def opens_windows():
    """Can the backend that was asked for be loaded?"""
    import matplotlib.pyplot as plt
    try:
        plt.switch_backend(matplotlib.get_backend())
    except ImportError:
        return False
    return True


def save(figure, path, show=None, seconds=None, title=None):
    """Save as PNG, print the path, and show it in a window or a notebook, if there is one (see `use_display`).

    The file says what it shows: `title`, else its name.  Only a picture of the
    same title is replaced; beside any other file this one gets a number.
    Waits until the window is closed, or for `seconds`.  Returns the path.
    """
    import matplotlib.pyplot as plt
    title = title or path.stem
    picture = io.BytesIO()
    figure.savefig(picture, dpi=120, bbox_inches="tight", metadata={"Software": SOFTWARE, "Title": title})
    path = files.unclaimed(path, lambda there: is_ours(there, title))
    files.write_bytes(path, picture.getvalue())
    print(f"Picture: {path}", flush=True)
    window = show is not False and matplotlib.get_backend().lower() not in WITHOUT_WINDOW
    if seconds:
        (plt.pause if window else time.sleep)(seconds)
    elif window:
        plt.show()
    plt.close(figure)
    return path


def is_ours(path, title):
    """Was the picture there saved by `save` under this title?"""
    try:
        with Image.open(path) as picture:
            return (picture.info.get("Software"), picture.info.get("Title")) == (SOFTWARE, title)
    except (OSError, ValueError, SyntaxError):  # no picture
        return False


def draw_face(axes, image, points, truth=None, title=""):
    """A face (SIZE, SIZE) with points (2k,) in pixels from the edge: predicted red, true green."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, extent=(0, SIZE, SIZE, 0), interpolation="bilinear")
    if truth is not None:
        for (x0, y0), (x1, y1) in zip(truth.reshape(-1, 2), points.reshape(-1, 2)):
            axes.plot([x0, x1], [y0, y1], color="white", linewidth=0.7, alpha=0.7)
        axes.scatter(truth[0::2], truth[1::2], s=14, marker="o", facecolors="none", edgecolors="lime", linewidths=1)
    axes.scatter(points[0::2], points[1::2], s=14, marker="+", color="red", linewidths=1)
    axes.set(xticks=[], yticks=[], xlim=(0, SIZE), ylim=(SIZE, 0))
    axes.set_title(title, fontsize=9)


def gallery(title, images, points, truth=None, captions=None):
    """A sheet of faces.  images (n, SIZE, SIZE) uint8; points and truth (n, 2k) in pixels."""
    import matplotlib.pyplot as plt
    n = len(images)
    rows = -(-n // ACROSS)
    figure, axes = plt.subplots(rows, ACROSS, figsize=(2.3 * ACROSS, 2.45 * rows + 0.5), squeeze=False)
    figure.suptitle(title)
    for i, axis in enumerate(axes.flat):
        if i < n:
            draw_face(axis, images[i], points[i], None if truth is None else truth[i], captions[i] if captions else "")
        else:
            axis.axis("off")
    figure.tight_layout()
    return figure


def errors_per_keypoint(title, errors, overall):
    """Horizontal bars: root mean square error per keypoint.

    errors: a pandas Series, {keypoint: pixels}; that of the name `overall` is a line across the others.
    """
    import matplotlib.pyplot as plt
    shown = errors.drop(overall).dropna()
    figure, axes = plt.subplots(figsize=(8, 0.32 * len(shown) + 1.2))
    bars = axes.barh([*shown.index], shown, color="#4477aa")
    axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    axes.axvline(errors[overall], color="#cc6677", linestyle=":", zorder=0, label=f"{overall}: {errors[overall]:.2f}")
    axes.invert_yaxis()
    axes.set(xlabel="error in pixels (root mean square)", title=title, xlim=(0, 1.12 * shown.max()))
    axes.legend(loc="upper right", bbox_to_anchor=(1, -0.09), frameon=False)  # below: no bar is hidden
    return figure


def comparison(title, images, answers, truth, errors):
    """The same faces under several nets, a row per net.

    images (n, SIZE, SIZE) uint8; answers {net: points (n, 2k)}; errors {net: pixels (n,)}.
    """
    import matplotlib.pyplot as plt
    n = len(images)
    figure, axes = plt.subplots(len(answers), n, figsize=(1.7 * n + 0.4, 1.9 * len(answers) + 0.5), squeeze=False)
    figure.suptitle(title)
    for row, (name, points) in zip(axes, answers.items()):
        for i, axis in enumerate(row):
            draw_face(axis, images[i], points[i], truth[i], f"{errors[name][i]:.2f}")
        row[0].set_ylabel(name, fontsize=11)
    figure.tight_layout()
    return figure


def compared_errors(title, errors, overall):
    """Bars per keypoint, a colour per net: the columns of `errors`, in pixels.  `overall` is the row in the legend."""
    import matplotlib.pyplot as plt
    shown = errors.drop(overall)
    figure, axes = plt.subplots(figsize=(9, 0.16 * len(shown) * (len(errors.columns) + 1) + 1.2))
    thick = 0.84 / len(errors.columns)
    for i, net in enumerate(errors.columns):
        axes.barh(np.arange(len(shown)) + (i - (len(errors.columns) - 1) / 2) * thick, shown[net], thick,
                  label=f"{net}: {errors[net][overall]:.2f}")
    axes.set_yticks(np.arange(len(shown)), shown.index)
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set(xlabel="error in pixels (root mean square)", title=title)
    axes.grid(axis="x", alpha=0.25)
    axes.legend(fontsize=9, title=overall, title_fontsize=9)
    return figure


def loss_histories(histories):
    """Train (dashed) and valid (solid) loss of each net, log scale, best epoch marked.

    histories: {name: (history, half)}; `half` pixels are 1.0 of that net's
    coordinates.  Left panel: loss, as trained on; right panel: pixels.
    """
    import matplotlib.pyplot as plt
    figure, (left, right) = plt.subplots(1, 2, figsize=(14, 5.5), sharex=True)
    lengths = [len(history) for history, _ in histories.values()]
    colours = plt.get_cmap("tab20" if len(histories) > 10 else "tab10")
    for i, (name, (history, half)) in enumerate(histories.items()):
        draw_history(left, history, 1, colours(i % colours.N), name)
        best = draw_history(right, history, half, colours(i % colours.N), name)
        right.lines[-2].set_label(f"{name}: {best[0]:.2f} px, epoch {best[1]}")
    for axes, label in ((left, "loss"), (right, "pixels (root mean square)")):
        axes.set(xlabel="epoch", ylabel=label, yscale="log")
        axes.grid(True, which="both", alpha=0.25)
        label_logarithmic(axes.yaxis, *axes.get_ylim())
        if max(lengths) > 4 * min(lengths):  # a short run beside a long one is to be seen
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%d"))
        else:
            axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
    right.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1))
    figure.suptitle("Solid: validation, dashed: training, dot: best epoch")
    figure.tight_layout()
    return figure


def label_logarithmic(axis, low, high):
    """Several labels on a logarithmic axis, also within one power of ten, where Matplotlib may give one or none."""
    ticker = matplotlib.ticker
    axis.set_major_locator(ticker.MaxNLocator(8) if high < 10 * low else ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(ticker.FormatStrFormatter("%.3g"))


def draw_history(axes, history, half, colour, name):
    """One net's curves, as loss (half = 1) or in pixels.  Returns (best value, its epoch)."""
    def values(key):
        loss = np.array([row[key] for row in history])
        return loss if half == 1 else np.sqrt(loss) * half
    epochs = [row["epoch"] for row in history]
    valid = values("valid_loss")
    best = int(np.nanargmin(valid)) if np.isfinite(valid).any() else 0
    axes.plot(epochs, values("train_loss"), "--", color=colour, linewidth=1, alpha=0.6)
    axes.plot(epochs, valid, color=colour, linewidth=1.6)
    axes.plot(epochs[best], valid[best], "o", color=colour, markersize=6)
    return valid[best], epochs[best]
