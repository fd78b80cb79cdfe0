"""The picture of a photo with keypoints: marks as large as the faces, and small faces enlarged beside it."""
import numpy as np

from fkp.results import figures  # noqa: F401  first: prepares Matplotlib

LONG = 8.0              # inches: the longer side of the photo
TILE, GAP = (1.7, 2.6), 0.25  # inches: the least and the largest side of an enlarged face; between two, for a number
SMALL = 1.5             # inches: a face that is shown smaller is enlarged,
AT_MOST = 20            # of the photo's faces
MARGIN = 1 / 8          # of a face's side: what is seen around it when it is enlarged
DOT = 1.8               # points: a mark on a face that is shown one inch wide; as many times larger as the face,
LEAST, MOST = 1.0, 9.0  # points: but it is to be seen, and to hide little


def draw(picture, squares, points):
    """A figure: a photo (PIL) with its faces' squares (left, upper, side) and points (n, 2k), both in its pixels.

    Faces have numbers where there are several, those of the CSV beside it.
    """
    import matplotlib.pyplot as plt
    scale = LONG / max(picture.size)  # inches per pixel
    width, height = (side * scale for side in picture.size)
    small = [i for i, (_, _, side) in enumerate(squares) if side * scale < SMALL][:AT_MOST]
    places, tile, size = tiles(len(small), width, height)
    figure = plt.figure(figsize=size)
    whole = axes_at(figure, 0, 0, width, height)
    whole.imshow(picture, extent=(0, picture.width, picture.height, 0))
    for i, square in enumerate(squares):
        mark(whole, square, points[i], scale)
        number(whole, i + 1 if len(squares) > 1 else "", square)
    whole.set(xlim=(0, picture.width), ylim=(picture.height, 0))
    for i, place in zip(small, places):
        axes = axes_at(figure, *place, tile, tile)
        enlarge(axes, picture, squares[i], points[i], tile)
        axes.set_title(i + 1 if len(squares) > 1 else "", fontsize=9, pad=2)
    return figure


def tiles(n, width, height):
    """Where n enlarged faces go beside a photo, all in inches: below a wide one, right of a high one.

    Returns their left and upper ends, their side, and the size (width, height) of all.
    """
    below = width >= height
    length = width if below else height
    tile = float(np.clip((length + GAP) / max(n, 1) - GAP, *TILE))
    step = tile + GAP
    line = max(int((length + GAP) / step + 1e-9), 1)  # so many side by side
    along, across = np.arange(n) % line * step, np.arange(n) // line * step
    long, deep = max(length, min(n, line) * step), -(-n // line) * step
    if below:
        return list(zip(along, height + GAP + across)), tile, (long, height + deep)
    return list(zip(width + GAP + across, along + GAP)), tile, (width + deep, long)


def axes_at(figure, left, upper, width, height):
    """Empty axes at a place in inches from the left and upper edge."""
    across, down = figure.get_size_inches()
    return figure.add_axes((left / across, 1 - (upper + height) / down, width / across, height / down),
                           xticks=[], yticks=[])


def mark(axes, square, face, scale):
    """A face's square and points; scale: inches per pixel."""
    import matplotlib.pyplot as plt
    left, upper, side = square
    size = float(np.clip(DOT * side * scale, LEAST, MOST))
    axes.add_patch(plt.Rectangle((left, upper), side, side, fill=False, color="yellow", linewidth=0.8))
    axes.plot(face[0::2], face[1::2], "o", markersize=size, markerfacecolor="red", markeredgecolor="white",
              markeredgewidth=size / 8)


def number(axes, text, square):
    """A face's number, at its square's upper left corner."""
    from matplotlib.patheffects import withStroke
    axes.annotate(text, square[:2], (1, 1), textcoords="offset points", color="yellow", fontsize=8,
                  path_effects=[withStroke(linewidth=1.5, foreground="black")])


def enlarge(axes, picture, square, face, tile):
    """A face and a little around it, as far as the photo goes, in axes of so many inches."""
    left, upper, side = square
    reach = side * MARGIN
    box = (max(int(left - reach), 0), max(int(upper - reach), 0),
           min(int(left + side + reach) + 1, picture.width), min(int(upper + side + reach) + 1, picture.height))
    axes.imshow(picture.crop(box), extent=(box[0], box[2], box[3], box[1]), interpolation="bicubic")
    mark(axes, square, face, tile / max(box[2] - box[0], box[3] - box[1]))
    axes.set(xlim=(box[0], box[2]), ylim=(box[3], box[1]))
