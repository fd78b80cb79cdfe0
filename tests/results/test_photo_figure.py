"""The picture of a user's photo: marks by the size of each face, small faces enlarged and numbered."""
import numpy as np
import pytest
from PIL import Image

from fkp.results import figures, photo_figure

figures.use_display(False)


def drawn(size, squares):
    """The axes of the picture of such faces, each with points at its middle and at its upper left corner."""
    import matplotlib.pyplot as plt
    points = np.array([(left + side / 2, upper + side / 2, left, upper) for left, upper, side in squares])
    figure = photo_figure.draw(Image.new("RGB", size), squares, points)
    plt.close(figure)
    return figure.axes


def sizes(axes):
    return [line.get_markersize() for line in axes.lines]


def test_marks_grow_with_the_face():
    whole = drawn((1600, 1200), [(100, 100, 400), (700, 100, 800)])[0]
    small, large = sizes(whole)
    assert large == pytest.approx(2 * small)


def test_a_mark_on_a_tiny_face_is_no_larger_than_its_eyes_and_one_on_a_large_face_hides_little():
    tiny, large = sizes(drawn((4000, 3000), [(100, 100, 60), (1000, 0, 3000)])[0])
    shown = 60 / 4000 * photo_figure.LONG * 72  # points
    assert tiny < shown / 8 and large < 10


def test_small_faces_are_enlarged_with_marks_that_can_be_seen_and_large_ones_are_not():
    whole, *enlarged = drawn((1600, 1200), [(100, 100, 80), (700, 100, 500), (200, 900, 150)])
    assert [axes.get_title() for axes in enlarged] == ["1", "3"]  # as in the CSV
    assert [text.get_text() for text in whole.texts] == ["1", "2", "3"]
    assert all(sizes(axes)[0] > 2 for axes in enlarged)
    assert len(drawn((300, 300), [(0, 0, 300)])) == 1


def test_an_enlarged_face_shows_its_square_its_points_and_a_little_around():
    _, axes = drawn((1600, 1200), [(300, 500, 80)])
    assert axes.get_xlim() == (290, 391) and axes.get_ylim() == (591, 490)
    assert axes.lines[0].get_xydata().tolist() == [[340, 540], [300, 500]]
    assert axes.images[0].get_array().shape == (101, 101, 3)


def test_at_the_photo_s_edge_an_enlarged_face_ends_there():
    _, axes = drawn((1600, 1200), [(0, 1120, 80)])
    assert axes.get_xlim() == (0, 91) and axes.get_ylim() == (1200, 1110)


def test_one_face_needs_no_number():
    whole, axes = drawn((1600, 1200), [(100, 100, 80)])
    assert axes.get_title() == "" and whole.texts[0].get_text() == ""


@pytest.mark.parametrize("size", [(1600, 1200), (1200, 1600), (4000, 300), (300, 4000), (90, 90)])
@pytest.mark.parametrize("n", [1, 5, 40])
def test_nothing_lies_over_anything_else(size, n):
    places, tile, (width, height) = photo_figure.tiles(n, *(8 * side / max(size) for side in size))
    boxes = [(0, 0, 8 * size[0] / max(size), 8 * size[1] / max(size)), *((x, y, tile, tile) for x, y in places)]
    assert all(x >= 0 and y >= 0 and x + w <= width + 1e-9 and y + h <= height + 1e-9 for x, y, w, h in boxes)
    for i, (x, y, w, h) in enumerate(boxes):
        for left, upper, side, _ in boxes[i + 1:]:
            assert x + w <= left + 1e-9 or left + side <= x + 1e-9 or y + h <= upper + 1e-9 or upper + side <= y + 1e-9


def test_of_a_crowd_some_are_enlarged():
    squares = [(100 * (i % 8), 100 * (i // 8), 50) for i in range(64)]
    assert len(drawn((800, 800), squares)) == 1 + photo_figure.AT_MOST


def test_a_photo_s_squares_and_points_are_drawn_right_and_below():
    figure = photo_figure.draw(Image.new("RGB", (200, 100)), [(10, 20, 50)], np.array([[15, 25, 40, 60]]))
    figures.matplotlib.pyplot.close(figure)
    axes, = figure.axes
    square, = axes.patches
    assert (square.get_xy(), square.get_width(), square.get_height()) == ((10, 20), 50, 50)
    assert axes.lines[0].get_xydata().tolist() == [[15, 25], [40, 60]]
    assert axes.get_xlim() == (0, 200) and axes.get_ylim() == (100, 0)
