"""The slice's panels: where boxes, labels and the scale bar lie, and that nothing is cut off."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous import boxes
from famous.report.panels import Picture, boxes_panel, labels_panel, scale_bar, slice_panel
from famous.voxels import VoxelSize

RED, BLUE = "#ff0000", "#0000ff"
COLOURS = {"a": RED, "b": BLUE}
GREY = np.full((200, 300), 128, np.uint8)


def picture(image=GREY, panel=(300, 200)) -> Picture:
    return Picture.fit(image, panel)


def table(*rows: tuple[int, int, int, int], name="a", score=1.0) -> pd.DataFrame:
    corners = np.array(rows).reshape(-1, 4)
    columns = {key: corners[:, k] for k, key in enumerate(boxes.CORNERS)}
    return boxes.from_columns({"z": [0] * len(rows), "class_name": [name] * len(rows), **columns}).assign(
        score=np.float32(score)
    )


def is_like(pixels, colour) -> np.ndarray:
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    return (np.abs(pixels.astype(int) - wanted) < 12).all(axis=2)


def test_a_slice_is_shown_as_it_is():
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (slice_panel(picture(image, (16, 16))) == image[..., None]).all()


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 300), st.integers(1, 300))
@settings(max_examples=30)
def test_a_slice_of_any_shape_fits_its_panel_unstretched(height, width, panel_wide, panel_tall):
    shown = picture(np.zeros((height, width), np.uint8), (panel_wide, panel_tall))
    panel = slice_panel(shown)
    assert panel.shape == (panel_tall, panel_wide, 3)
    assert shown.size_px[0] <= panel_wide
    assert shown.size_px[1] <= panel_tall
    assert shown.corner[0] >= 0 <= shown.corner[1]
    assert (panel == 0).all(axis=2).sum() == shown.size_px[0] * shown.size_px[1]


def test_a_box_is_drawn_round_its_pixels():
    panel = boxes_panel(picture(), table((50, 60, 90, 120)), COLOURS)
    y, x = np.nonzero(is_like(panel, RED))
    assert (y.min(), x.min(), y.max(), x.max()) == (50, 60, 90, 120)
    assert (panel[60:80, 70:110] == 128).all()


def test_boxes_follow_the_slice_when_it_is_shown_smaller():
    panel = boxes_panel(picture(panel=(150, 100)), table((50, 60, 90, 120)), COLOURS)
    y, x = np.nonzero(is_like(panel, RED))
    assert (y.min(), x.min(), y.max(), x.max()) == (25, 30, 45, 60)


def test_a_box_at_the_border_is_whole():
    panel = boxes_panel(picture(), table((0, 0, 200, 300)), COLOURS)
    red = is_like(panel, RED)
    assert red[0].all()
    assert red[-1].all()
    assert red[:, 0].all()
    assert red[:, -1].all()


def test_scores_are_written_in_their_class_colour_and_never_outside():
    rows = [(0, 0, 20, 30), (180, 270, 200, 300), (100, 0, 120, 30), (90, 150, 110, 180)]
    lines = is_like(boxes_panel(picture(), table(*rows), COLOURS), RED).sum()
    with_scores = boxes_panel(picture(), table(*rows, score=0.5), COLOURS)
    assert with_scores.shape == (200, 300, 3)
    assert is_like(with_scores, RED).sum() > lines + 4 * 150


def test_scores_never_overlap():
    row = (100, 100, 130, 140)  # so narrow that one score has room above and one below
    lines = is_like(boxes_panel(picture(), table(row), COLOURS), RED).sum()
    one, two, many = (
        is_like(boxes_panel(picture(), table(*[row] * n, score=0.5), COLOURS), RED).sum() for n in (1, 2, 9)
    )
    assert two - lines == pytest.approx(2 * (one - lines), rel=0.05)
    assert many == two


def test_the_better_box_lies_on_top():
    low, high = table((50, 60, 90, 120), name="b"), table((50, 60, 90, 120), name="a")
    both = boxes.concat([high, low.assign(score=np.float32(0.4))])
    panel = boxes_panel(picture(), both, COLOURS)
    assert is_like(panel, RED)[50, 60:120].all()


def test_an_empty_slice_says_so():
    for panel in (boxes_panel(picture(), boxes.empty(), {}), labels_panel(picture(), {}, {})):
        assert (panel == 255).all(axis=2).sum() > 50  # white letters
        assert (panel == 128).all(axis=2).mean() > 0.8


def test_labels_are_filled_and_outlined():
    ids = np.zeros(GREY.shape, np.uint32)
    ids[50:100, 60:160] = 7
    panel = labels_panel(picture(), {"a": ids}, COLOURS)
    assert panel[75, 110].tolist() == pytest.approx([181, 74, 74], abs=2)  # 0.42 of red over grey
    for first, second in ((49, 50), (100, 99)):  # the line lies half outside, half inside
        assert panel[first, 110].tolist() == pytest.approx([213, 43, 43], abs=3)
        assert panel[second, 110, 1] < 40
    assert (panel[20, 20] == 128).all()
    assert (panel[120:, 180:] == 128).all()


def test_touching_labels_are_told_apart_by_a_line():
    ids = np.zeros(GREY.shape, np.uint32)
    ids[50:100, 60:110], ids[50:100, 110:160] = 1, 2
    panel = labels_panel(picture(), {"a": ids}, COLOURS).astype(int)
    assert panel[75, 109:111, 1].min() < panel[75, 80, 1] - 30


def test_a_small_class_lies_over_a_large_one():
    large, small = np.zeros(GREY.shape, np.uint32), np.zeros(GREY.shape, np.uint32)
    large[20:180, 20:280], small[90:110, 140:160] = 1, 1
    for order in (["a", "b"], ["b", "a"]):
        ids = {"a": large, "b": small}
        panel = labels_panel(picture(), {name: ids[name] for name in order}, COLOURS).astype(int)
        assert panel[100, 150, 2] > panel[100, 150, 0]


def test_labels_of_nothing_count_as_none():
    panel = labels_panel(picture(), {"a": np.zeros(GREY.shape, np.uint32)}, COLOURS)
    assert (panel == 255).any()


def test_the_scale_bar_is_as_long_as_it_says():
    shown = picture(np.zeros((200, 300), np.uint8), (600, 400))
    panel = scale_bar(slice_panel(shown), shown, VoxelSize(50, 5, 5))  # 1.5 µm wide: 200 nm are 40 pixels, shown as 80
    white = (panel == 255).all(axis=2)
    rows = np.flatnonzero(white.sum(axis=1) >= 60)
    assert white[rows[-1]].sum() == 80
    assert not white[:, -10:].any()
    assert not white[-10:].any()


def test_a_scale_bar_does_not_change_its_input():
    shown = picture()
    panel = slice_panel(shown)
    before = panel.copy()
    scale_bar(panel, shown, VoxelSize(5, 5, 5))
    assert (panel == before).all()
